/* What the command-line tools share. See tool.h. */
#include "tool.h"

#include "clock.h"
#include "fiber.h"
#include "file.h"
#include "resolver.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { OPTIONS_MOST = 32 };

static const char resolv_conf[] = "/etc/resolv.conf";

/* The options every tool has, and after them its own. */
enum { OPTION_HELP, OPTION_RESOLVER, OPTION_TIME, OPTIONS_COMMON };

struct command_line {
    const char *common[OPTIONS_COMMON];
    struct tool_option options[OPTIONS_MOST];
    size_t option_count;
    char **operands;
    int operand_count;
};

int tool_complain(int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("fairlead: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return (int)code;
}

static void list_options(const struct tool_usage *usage, struct command_line *line)
{
    const struct tool_option common[OPTIONS_COMMON] = {
        [OPTION_HELP] = {"help", NULL, "print this", &line->common[OPTION_HELP], 1},
        [OPTION_RESOLVER] = {"resolver", "HOST[:PORT]",
                             "the DNS server to ask (default: those of /etc/resolv.conf)",
                             &line->common[OPTION_RESOLVER], 1},
        [OPTION_TIME] = {"time", "UNIXTIME", "the time to take for now", &line->common[OPTION_TIME],
                         1},
    };
    const struct tool_option *own = usage->options;
    for (; own && own->name && line->option_count < OPTIONS_MOST - OPTIONS_COMMON; own++)
        line->options[line->option_count++] = *own;
    for (size_t i = 0; i < OPTIONS_COMMON; i++)
        line->options[line->option_count++] = common[i];
}

static void print_help(const struct tool_usage *usage, const struct command_line *line)
{
    printf("usage: fairlead %s [OPTIONS]%s%s\n\n%s\noptions:\n", usage->name,
           usage->operands[0] ? " " : "", usage->operands, usage->help);
    for (size_t i = 0; i < line->option_count; i++) {
        const struct tool_option *option = &line->options[i];
        int width = printf("  --%s%s%s", option->name, option->value_name ? " " : "",
                           option->value_name ? option->value_name : "");
        printf("%*s%s\n", width < 30 ? 30 - width : 1, "", option->help);
    }
}

/* The place of the option in the table, or -1. */
static int find_option(const struct command_line *line, const char *name)
{
    for (size_t i = 0; i < line->option_count; i++)
        if (strcmp(line->options[i].name, name) == 0)
            return (int)i;
    return -1;
}

/* TOOL_DONE, or TOOL_USAGE with the mistake named. -c is short for --config where a tool has it. */
static int take_options(const struct tool_usage *usage, int argc, char **argv,
                        struct command_line *line)
{
    struct option known[OPTIONS_MOST + 1] = {{0}};
    size_t given[OPTIONS_MOST] = {0};
    for (size_t i = 0; i < line->option_count; i++) {
        known[i].name = line->options[i].name;
        known[i].has_arg = line->options[i].value_name ? required_argument : no_argument;
    }
    optind = 0; /* getopt may have been used before */
    for (;;) {
        int index = -1;
        int found = getopt_long(argc, argv, ":c:", known, &index);
        if (found == -1)
            break;
        if (found == 'c')
            index = find_option(line, "config");
        if (index < 0 || (found != 0 && found != 'c'))
            return tool_usage_error(found == ':' ? "%s needs a value; see 'fairlead %s --help'"
                                                 : "no option %s; see 'fairlead %s --help'",
                                    argv[optind - 1], usage->name);
        const struct tool_option *option = &line->options[index];
        if (given[index] == option->most)
            return tool_usage_error("give --%s only %zu time%s", option->name, option->most,
                                    option->most == 1 ? "" : "s");
        option->values[given[index]++] = optarg ? optarg : "";
    }
    line->operands = argv + optind;
    line->operand_count = argc - optind;
    return TOOL_DONE;
}

static int check_operands(const struct tool_usage *usage, const struct command_line *line)
{
    if (line->operand_count < usage->operands_least)
        return tool_usage_error("give %s; see 'fairlead %s --help'", usage->operands, usage->name);
    if (line->operand_count > usage->operands_most)
        return tool_usage_error("'%s' is one too many; see 'fairlead %s --help'",
                                line->operands[usage->operands_most], usage->name);
    return TOOL_DONE;
}

/* Who names a server waits for it, and not for long. */
static const double named_server_timeout = 2;

static int configure(const struct command_line *line, struct resolver_config *config)
{
    const char *server = line->common[OPTION_RESOLVER], *time = line->common[OPTION_TIME];
    uint64_t now;
    *config = resolver_defaults();
    if (!server) {
        resolver_read_resolv_conf(config, resolv_conf);
    } else if (resolver_server_parse(bytes_of(server), &config->servers[0])) {
        config->server_count = 1;
        config->timeout = named_server_timeout;
    } else {
        return tool_usage_error("--resolver takes an address and a port, as 127.0.0.1:53");
    }
    if (!time)
        return TOOL_DONE;
    if (!bytes_to_number(bytes_of(time), INT64_MAX, &now))
        return tool_usage_error("--time takes seconds since 1970, as 1500000000");
    clock_fix((int64_t)now);
    return TOOL_DONE;
}

struct job {
    tool_body *body;
    struct tool_context context;
    void *user;
    int result;
};

static void run_job(void *argument)
{
    struct job *job = argument;
    job->result = job->body(&job->context, job->user);
}

static int run_body(const struct command_line *line, const struct resolver_config *config,
                    tool_body *body, void *user)
{
    struct resolver *resolver = resolver_new(config);
    struct arena *arena = arena_new(0);
    struct job job = {
        .body = body,
        .context = {.arena = arena,
                    .operands = line->operands,
                    .operand_count = line->operand_count},
        .user = user,
        .result = TOOL_UNABLE,
    };
    if (resolver && arena)
        job.context.dns = dns_memo(arena, resolver_dns(resolver));
    if (!job.context.dns || !fiber_run(run_job, &job))
        job.result = tool_unable("out of memory");
    arena_free(arena);
    resolver_free(resolver);
    return job.result;
}

int tool_run(const struct tool_usage *usage, int argc, char **argv, tool_body *body, void *user)
{
    struct command_line line = {0};
    struct resolver_config config;
    list_options(usage, &line);
    int result = take_options(usage, argc, argv, &line);
    if (result == TOOL_DONE && line.common[OPTION_HELP]) {
        print_help(usage, &line);
        return TOOL_DONE;
    }
    if (result == TOOL_DONE)
        result = check_operands(usage, &line);
    if (result == TOOL_DONE)
        result = configure(&line, &config);
    return result == TOOL_DONE ? run_body(&line, &config, body, user) : result;
}

int tool_choose_engine(const char *tool, const char *name, const char *oracle, bool built,
                       bool *native)
{
    *native = strcmp(name, "native") == 0;
    if (!*native && strcmp(name, oracle) != 0)
        return tool_usage_error("%s: no engine '%s': native or %s", tool, name, oracle);
    if (!*native && !built)
        return tool_unable("%s: this build has no engine '%s'; build fairlead with "
                           "'meson setup -Doracles=true' to get it",
                           tool, name);
    return TOOL_DONE;
}

int tool_read_file(struct arena *arena, const char *path, size_t limit, struct bytes *octets)
{
    struct buffer contents = {0};
    const char *problem = "out of memory";
    *octets = (struct bytes){NULL, 0};
    if (file_read(path, limit, &contents, &problem))
        *octets = arena_take(arena, &contents);
    buffer_free(&contents);
    return octets->p ? TOOL_DONE : tool_unable("cannot read %s: %s", path, problem);
}

int tool_read_message(struct arena *arena, const char *path, struct message *message)
{
    struct bytes file = {NULL, 0};
    int result = tool_read_file(arena, path, TOOL_FILE_LIMIT, &file);
    if (result != TOOL_DONE)
        return result;
    struct bytes raw = message_with_crlf(arena, file);
    if (!raw.p || !message_parse(arena, raw, message))
        return tool_unable("out of memory");
    return TOOL_DONE;
}

int tool_print(const struct buffer *text)
{
    if (text->failed)
        return tool_unable("out of memory");
    if ((text->n > 0 && fwrite(text->p, 1, text->n, stdout) != text->n) || fflush(stdout) != 0)
        return tool_unable("cannot write the result: %s", strerror(errno));
    return TOOL_DONE;
}

int tool_print_json(const struct buffer *json)
{
    int result = tool_print(json);
    if (result == TOOL_DONE && (putchar('\n') == EOF || fflush(stdout) != 0))
        result = tool_unable("cannot write the result: %s", strerror(errno));
    return result;
}
