/* The sub-commands: the table of them all, and how one is found by its name and run.
 *
 * Each is defined in the file of its name, as `const struct subcommand subcommand_NAME`. Those of
 * two words, such as `dkim sign`, have a table of the second word. */
#ifndef FAIRLEAD_SUBCOMMAND_H
#define FAIRLEAD_SUBCOMMAND_H

struct subcommand {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv); /* argv[0] is its own name; returns an exit code */
};

/* In the order of `fairlead help`. */
/* clang-format off: one a line */
#define EACH_SUBCOMMAND(X)                                                                         \
    X(serve)                                                                                       \
    X(check_config)                                                                                \
    X(verify)                                                                                      \
    X(spf)                                                                                         \
    X(dkim)                                                                                        \
    X(arc)                                                                                         \
    X(dmarc)                                                                                       \
    X(srs)                                                                                         \
    X(zone)                                                                                        \
    X(check_zone)
/* clang-format on */

#define DECLARE_SUBCOMMAND(name) extern const struct subcommand subcommand_##name;
EACH_SUBCOMMAND(DECLARE_SUBCOMMAND)

/* A table of sub-commands, and the text of --help around the list of them. */
struct subcommand_table {
    const char *prefix;                          /* "dkim "; "" for the first word */
    const struct subcommand *const *subcommands; /* ends with NULL */
    const char *examples;                        /* whole lines */
};

/* Runs the sub-command that argv[1] names with the arguments from there on; or, for --help, -h and
 * help, lists the sub-commands or has the one that is named after `help` print its own. Returns the
 * exit code. */
int subcommand_run(const struct subcommand_table *table, int argc, char **argv);

#endif
