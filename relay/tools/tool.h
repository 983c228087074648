/* What the command-line tools share: options, message files, a fiber to run in, a resolver to ask.
 *
 * A tool prints one JSON object (or a message, or a zone) on stdout and diagnostics on stderr.
 *
 *     static int print_result(struct tool_context *context, void *user) { ... }
 *
 *     static int run(int argc, char **argv)
 *     {
 *         const char *ip = NULL;
 *         const struct tool_option options[] = {{"ip", "ADDRESS", "the client", &ip, 1}, {0}};
 *         const struct tool_usage usage = {.name = "spf", .options = options, ...};
 *         return tool_run(&usage, argc, argv, print_result, &ip);
 *     }
 */
#ifndef FAIRLEAD_TOOL_H
#define FAIRLEAD_TOOL_H

#include "arena.h"
#include "buffer.h"
#include "dns.h"
#include "message.h"

enum tool_exit {
    TOOL_DONE = 0,  /* evaluated, whatever the result */
    TOOL_USAGE = 2, /* the command line or the configuration is wrong */
    TOOL_UNABLE = 3 /* could not be evaluated: a file, the resolver, memory */
};

/* The largest file a tool reads: above the largest message the relay takes. */
enum { TOOL_FILE_LIMIT = 64 * 1024 * 1024 };

/* A sub-command in the table of main.c. */
struct tool {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv); /* argv[0] is the sub-command's name */
};

/* An option `--name VALUE`, or a flag where value_name is NULL. A table ends with name NULL. An
 * option named "config" may be given as -c too. */
struct tool_option {
    const char *name;
    const char *value_name;
    const char *help;
    const char **values; /* set to what was given ("" for a flag); untouched where it was not */
    size_t most;         /* how often it may be given; `values` has room for so many */
};

struct tool_usage {
    const char *name;                  /* the sub-command, "arc verify" for one of two words */
    const char *operands;              /* "FILE"; "" for none */
    const char *help;                  /* what it does and an example, whole lines */
    const struct tool_option *options; /* beside --resolver, --time and --help; NULL for none */
    int operands_least, operands_most;
};

struct tool_context {
    struct arena *arena; /* dropped after the tool has run */
    struct dns *dns;     /* the network, asked once for each question */
    char **operands;
    int operand_count;
};

/* Returns an exit code, mostly TOOL_DONE or what the functions below return. */
typedef int tool_body(struct tool_context *context, void *user);

/* Reads the command line (--help and mistakes end here), then runs `body` in a fiber of its own.
 * argv[0] is skipped. Returns the exit code. */
int tool_run(const struct tool_usage *usage, int argc, char **argv, tool_body *body, void *user);

/* For a sub-command of two words: runs the entry of `words`, which ends with name NULL, that
 * argv[1] names; it gets the arguments from there on. Returns the exit code. */
int tool_run_word(const struct tool *words, int argc, char **argv);

/* Prints one line on stderr that says what to do, and returns `code`. */
int tool_complain(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define tool_usage_error(...) tool_complain(TOOL_USAGE, __VA_ARGS__)
#define tool_unable(...) tool_complain(TOOL_UNABLE, __VA_ARGS__)

/* Understands `--engine NAME`, which may be "native" or the oracle's name; *native says which.
 * TOOL_DONE; TOOL_USAGE for any other name, TOOL_UNABLE for an oracle that is not `built` in, both
 * with the reason printed. */
int tool_choose_engine(const char *tool, const char *name, const char *oracle, bool built,
                       bool *native);

/* Reads a file ("-": stdin) of at most `limit` octets into `arena`. TOOL_DONE, or TOOL_UNABLE with
 * the reason printed. */
int tool_read_file(struct arena *arena, const char *path, size_t limit, struct bytes *octets);

/* Reads a message file, with LF or CRLF line ends, and divides it; returns like tool_read_file().
 */
int tool_read_message(struct arena *arena, const char *path, struct message *message);

/* Prints the octets; tool_print_json() adds the final newline. TOOL_UNABLE when the buffer is
 * incomplete or stdout cannot be written. */
int tool_print(const struct buffer *text);
int tool_print_json(const struct buffer *json);

#endif
