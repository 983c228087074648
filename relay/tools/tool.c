/* What the command-line tools share. See tool.h. */
#include "tool.h"

#include "clock.h"
#include "fiber.h"
#include "file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char resolv_conf[] = "/etc/resolv.conf";

/* Whoever names a server waits for it, and not for long. */
static const double named_server_timeout = 2;

static int configure_resolver(const char *server, tool_set_resolver *set_resolver, void *user,
                              struct resolver_config *resolver)
{
    *resolver = resolver_defaults();
    if (!server)
        resolver_read_resolv_conf(resolver, resolv_conf);
    int status = set_resolver ? set_resolver(user, resolver) : TOOL_DONE;
    if (!server || status != TOOL_DONE)
        return status;
    *resolver = resolver_defaults();
    if (!resolver_server_parse(bytes_of(server), &resolver->servers[0]))
        return tool_usage_error("--resolver requires an address and a port, such as 127.0.0.1:53, "
                                "not '%s'",
                                server);
    resolver->server_count = 1;
    resolver->timeout = named_server_timeout;
    return TOOL_DONE;
}

static int set_clock(const char *time)
{
    uint64_t now;
    if (!time)
        return TOOL_DONE;
    if (!bytes_to_number(bytes_of(time), INT64_MAX, &now))
        return tool_usage_error("--time requires seconds since 1970, such as 1500000000, not '%s'",
                                time);
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

static int run_body(const struct tool_operands *operands, const struct resolver_config *config,
                    tool_body *body, void *user)
{
    struct resolver *resolver = resolver_new(config);
    struct arena *arena = arena_new(0);
    struct job job = {
        .body = body,
        .context = {.arena = arena, .operands = *operands},
        .user = user,
        .result = TOOL_UNABLE,
    };
    if (resolver && arena)
        job.context.dns = dns_memo(arena, resolver_dns(resolver), 0);
    if (!job.context.dns || !fiber_run(run_job, &job))
        job.result = tool_unable("out of memory");
    arena_free(arena);
    resolver_free(resolver);
    return job.result;
}

int tool_run_with_resolver(const struct tool_usage *usage, int argc, char **argv,
                           tool_set_resolver *set_resolver, tool_body *body, void *user)
{
    const char *server = NULL, *time = NULL;
    const struct tool_option common[] = {
        {"resolver", "HOST[:PORT]",
         set_resolver ? "the DNS server to ask (default: that of the\n"
                        "configuration, otherwise of /etc/resolv.conf)"
                      : "the DNS server to ask (default: those of /etc/resolv.conf)",
         &server, 1},
        {"time", "UNIXTIME", "use this as the current time", &time, 1},
        {0},
    };
    struct tool_usage all = *usage;
    struct tool_operands operands;
    struct resolver_config resolver;
    int status;
    all.common = common;
    if (!tool_read_command_line(&all, argc, argv, &operands, &status))
        return status;
    status = set_clock(time);
    if (status == TOOL_DONE)
        status = configure_resolver(server, set_resolver, user, &resolver);
    return status == TOOL_DONE ? run_body(&operands, &resolver, body, user) : status;
}

int tool_run(const struct tool_usage *usage, int argc, char **argv, tool_body *body, void *user)
{
    return tool_run_with_resolver(usage, argc, argv, NULL, body, user);
}

int tool_choose_engine(const char *tool, const char *name, const char *oracle, bool built,
                       bool *native)
{
    *native = strcmp(name, "native") == 0;
    if (!*native && strcmp(name, oracle) != 0)
        return tool_usage_error("%s: unknown engine '%s'; use native or %s", tool, name, oracle);
    if (!*native && !built)
        return tool_unable("%s: engine '%s' is not built in; build fairlead with "
                           "'meson setup -Doracles=true'",
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
    int result = tool_read_file(arena, path, TOOL_FILE_MAX, &file);
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

struct json *tool_start_object(struct tool_object *object)
{
    object->text = (struct buffer){0};
    object->json = json_start(&object->text);
    json_open_object(&object->json, NULL);
    return &object->json;
}

int tool_print_object(struct tool_object *object)
{
    json_close_object(&object->json);
    buffer_add_char(&object->text, '\n');
    int status = tool_print(&object->text);
    buffer_free(&object->text);
    return status;
}
