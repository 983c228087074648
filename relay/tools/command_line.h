/* The command line of a sub-command: its options and operands, its --help, and what is said about
 * mistakes. Nothing here knows what the options mean. */
#ifndef FAIRLEAD_COMMAND_LINE_H
#define FAIRLEAD_COMMAND_LINE_H

#include <stdbool.h>
#include <stddef.h>

enum tool_exit {
    TOOL_DONE = 0,  /* evaluated, whatever the result */
    TOOL_USAGE = 2, /* the command line or the configuration is wrong */
    TOOL_UNABLE = 3 /* could not be evaluated: a file, the resolver, memory */
};

/* An option `--name VALUE`, or a flag where value_name is NULL. A table ends with name NULL. An
 * option named "config" may be given as -c too. */
struct tool_option {
    const char *name;
    const char *value_name;
    const char *help;    /* lines divided by \n */
    const char **values; /* set to what was given ("" for a flag); untouched where it was not */
    size_t max;          /* how often it may be given; `values` has room for so many */
};

struct tool_usage {
    const char *name;                  /* the sub-command, "arc verify" for one of two words */
    const char *operands;              /* "FILE"; "" for none */
    const char *help;                  /* what it does and an example, whole lines */
    const struct tool_option *options; /* its own; NULL for none */
    const struct tool_option *common;  /* those it shares with others; NULL for none */
    int operands_min, operands_max;
};

struct tool_operands {
    char **text;
    int count;
};

/* Reads the options, which may stand anywhere before "--", and divides the operands from them;
 * argv[0] is skipped. False when there is nothing left to do: the help or the mistake is printed
 * then, and *status is the exit code. */
bool tool_read_command_line(const struct tool_usage *usage, int argc, char **argv,
                            struct tool_operands *operands, int *status);

/* Prints one line on stderr that says what to do, and returns `code`. */
int tool_complain(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define tool_usage_error(...) tool_complain(TOOL_USAGE, __VA_ARGS__)
#define tool_unable(...) tool_complain(TOOL_UNABLE, __VA_ARGS__)

#endif
