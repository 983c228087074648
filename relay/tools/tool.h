/* What the command-line tools share: a fiber to run in, a resolver to ask, message files, and JSON.
 *
 * A tool prints one JSON object (or a message, or a zone) on stdout and diagnostics on stderr.
 *
 *     static int print_result(struct tool_context *context, void *user) { ... }
 *
 *     static int run_spf(int argc, char **argv)
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
#include "command_line.h"
#include "dns.h"
#include "json.h"
#include "message.h"
#include "resolver.h"

/* Files of 64 MiB at most are read, although limits.message_size may be more. */
enum { TOOL_FILE_MAX = 64 * 1024 * 1024 };

struct tool_context {
    struct arena *arena; /* dropped after the tool has run */
    struct dns *dns;     /* the network, asked once for each question */
    struct tool_operands operands;
};

/* Returns an exit code, mostly TOOL_DONE or what the functions below return. */
typedef int tool_body(struct tool_context *context, void *user);

/* Changes the resolver that is asked without --resolver, which holds the servers of
 * /etc/resolv.conf before. TOOL_DONE, or the exit code after the error has been printed. */
typedef int tool_set_resolver(void *user, struct resolver_config *resolver);

/* Reads the command line (--help and mistakes end here), to which it adds --resolver and --time,
 * then runs `body` in a fiber of its own. argv[0] is skipped. Returns the exit code. */
int tool_run(const struct tool_usage *usage, int argc, char **argv, tool_body *body, void *user);

/* The same for a tool whose configuration may name a resolver: `set_resolver` runs first. */
int tool_run_with_resolver(const struct tool_usage *usage, int argc, char **argv,
                           tool_set_resolver *set_resolver, tool_body *body, void *user);

/* Understands `--engine NAME`, which may be "native" or the oracle's name; *native says which.
 * TOOL_DONE; TOOL_USAGE for any other name, TOOL_UNABLE for an oracle that is not `built` in, both
 * with the reason printed. */
int tool_choose_engine(const char *tool, const char *name, const char *oracle, bool built,
                       bool *native);

/* Reads a file ("-": stdin) of at most `limit` octets into `arena`. TOOL_DONE, or TOOL_UNABLE with
 * the reason printed. */
int tool_read_file(struct arena *arena, const char *path, size_t limit, struct bytes *octets);

/* Reads a message file, with LF or CRLF line ends, and parses it; returns like tool_read_file(). */
int tool_read_message(struct arena *arena, const char *path, struct message *message);

/* Prints the text. TOOL_UNABLE when it is incomplete or stdout cannot be written. */
int tool_print(const struct buffer *text);

/* The JSON object that a tool prints: start, add the members, print. Printing adds the final
 * newline, frees, and returns as tool_print(). */
struct tool_object {
    struct buffer text;
    struct json json;
};

struct json *tool_start_object(struct tool_object *object);
int tool_print_object(struct tool_object *object);

#endif
