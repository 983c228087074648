/* fairlead srs forward, fairlead srs reverse: what an envelope sender becomes, and what it was. */
#include "srs.h"
#include "clock.h"
#include "json.h"
#include "load_config.h"
#include "route.h"
#include "tools.h"

#include <stdio.h>

enum { SECRETS_MOST = 16 };

struct srs_tool {
    const char *secrets[SECRETS_MOST];
    const char *config;
    const char *domain;   /* forward only */
    const char *overflow; /* forward only */
    const char *max_age;  /* reverse only */
};

#define SECRET_OPTIONS(tool)                                                                       \
    {"secret", "TEXT", "a secret; of several the first signs and all verify", (tool).secrets,      \
     SECRETS_MOST},                                                                                \
    {                                                                                              \
        "config", "FILE", "take secrets and settings from the relay's configuration (-c)",         \
            &(tool).config, 1                                                                      \
    }

/* What both directions need, from the options or from the configuration. */
struct settings {
    struct srs srs;
    struct bytes secrets[SECRETS_MOST];
    struct config *config; /* NULL without --config */
};

static int load_config(const char *path, struct settings *settings)
{
    settings->config = tool_load_config(path);
    if (!settings->config)
        return TOOL_USAGE;
    settings->srs = settings->config->srs;
    return TOOL_DONE;
}

static int read_settings(const struct srs_tool *tool, struct settings *settings)
{
    uint64_t max_age;
    struct srs *srs = &settings->srs;
    *srs = (struct srs){.secrets = settings->secrets, .overflow = bytes_of(tool->overflow)};
    if (!bytes_to_number(bytes_of(tool->max_age), SRS_DAYS - 1, &max_age))
        return tool_usage_error("srs: --max-age takes a number of days below %d", SRS_DAYS);
    srs->max_age_days = (unsigned)max_age;
    for (; srs->secret_count < SECRETS_MOST && tool->secrets[srs->secret_count];
         srs->secret_count++) {
        settings->secrets[srs->secret_count] = bytes_of(tool->secrets[srs->secret_count]);
        if (settings->secrets[srs->secret_count].n == 0)
            return tool_usage_error("srs: a secret is empty");
    }
    if (tool->config && srs->secret_count > 0)
        return tool_usage_error("srs: give --secret or --config, not both");
    if (tool->config)
        return load_config(tool->config, settings);
    if (srs->secret_count == 0)
        return tool_usage_error("srs: give --secret or --config");
    return TOOL_DONE;
}

/* Prints an object of one member. */
static int print_member(const char *key, struct bytes value)
{
    struct buffer out = {0};
    struct json json = json_start(&out);
    json_open_object(&json, NULL);
    json_string(&json, key, value);
    json_close_object(&json);
    int status = tool_print_json(&out);
    buffer_free(&out);
    return status;
}

static int print_address(struct arena *arena, const struct address *address)
{
    struct bytes written = address_write(arena, address);
    return written.p ? print_member("address", written) : tool_unable("srs: out of memory");
}

static int print_error(const char *error)
{
    return print_member("error", bytes_of(error));
}

/* An operand, with or without angle brackets; the null path is "" or "<>". */
static bool read_operand(struct arena *arena, const char *operand, struct address *address)
{
    struct bytes text = bytes_of(operand), rest;
    if (text.n > 0 && text.p[0] == '<')
        return address_read_path(arena, PATH_REVERSE, text, address, &rest) == ADDRESS_OK &&
               rest.n == 0;
    *address = (struct address){.kind = ADDRESS_NULL};
    return text.n == 0 || address_parse(arena, text, address) == ADDRESS_OK;
}

static int forward_with(struct tool_context *context, const struct srs_tool *tool,
                        const struct settings *settings)
{
    struct address sender, rewritten;
    struct srs srs = settings->srs;
    struct bytes domain = domain_normalise(context->arena, bytes_of(tool->domain));
    if (!domain.p)
        return tool_usage_error("srs forward: '%s' is not a domain name", tool->domain);
    if (settings->config) {
        const struct zone *zone = route_table_zone(settings->config->policy.routing.table, domain);
        if (!zone)
            return tool_usage_error("srs forward: %s does not serve %s", tool->config,
                                    tool->domain);
        srs.overflow = zone->srs_overflow;
    }
    if (!read_operand(context->arena, context->operands[0], &sender))
        return print_error("bad-address");
    if (!srs_forward(&srs, context->arena, &sender, domain, clock_wall(), &rewritten))
        return tool_unable("srs forward: out of memory");
    return print_address(context->arena, &rewritten);
}

static int forward(struct tool_context *context, void *user)
{
    const struct srs_tool *tool = user;
    struct settings settings = {.config = NULL};
    if (!tool->domain)
        return tool_usage_error("srs forward: --domain is needed");
    int status = read_settings(tool, &settings);
    if (status == TOOL_DONE)
        status = forward_with(context, tool, &settings);
    config_release(settings.config);
    return status;
}

static int reverse_with(struct tool_context *context, const struct settings *settings)
{
    struct address rewritten, original;
    if (!read_operand(context->arena, context->operands[0], &rewritten))
        return print_error("bad-address");
    enum srs_error error =
        srs_reverse(&settings->srs, context->arena, &rewritten, clock_wall(), &original);
    if (error == SRS_NO_MEMORY)
        return tool_unable("srs reverse: out of memory");
    return error == SRS_OK ? print_address(context->arena, &original)
                           : print_error(srs_error_name(error));
}

static int reverse(struct tool_context *context, void *user)
{
    struct settings settings = {.config = NULL};
    int status = read_settings(user, &settings);
    if (status == TOOL_DONE)
        status = reverse_with(context, &settings);
    config_release(settings.config);
    return status;
}

static int run_forward(int argc, char **argv)
{
    struct srs_tool tool = {.overflow = "bounces", .max_age = "21"};
    const struct tool_option options[] = {
        SECRET_OPTIONS(tool),
        {"domain", "DOMAIN", "the forwarding domain", &tool.domain, 1},
        {"overflow", "LOCAL", "stands in for what is over 64 octets (default: bounces)",
         &tool.overflow, 1},
        {0},
    };
    const struct tool_usage usage = {
        .name = "srs forward",
        .operands = "ADDRESS",
        .help = "Prints what an envelope sender becomes when its mail is forwarded: SRS0, or SRS1\n"
                "if it has been rewritten elsewhere. '<>', and a sender at the forwarding domain,\n"
                "stay as they are.\n\n"
                "  fairlead srs forward --secret s3cret --domain example.com user@example.org\n"
                "  {\"address\": \"SRS0=HHHH=TT=example.org=user@example.com\"}\n",
        .options = options,
        .operands_least = 1,
        .operands_most = 1,
    };
    return tool_run(&usage, argc, argv, forward, &tool);
}

static int run_reverse(int argc, char **argv)
{
    struct srs_tool tool = {.overflow = "bounces", .max_age = "21"};
    const struct tool_option options[] = {
        SECRET_OPTIONS(tool),
        {"max-age", "DAYS", "how old the address may be (default: 21)", &tool.max_age, 1},
        {0},
    };
    const struct tool_usage usage = {
        .name = "srs reverse",
        .operands = "ADDRESS",
        .help = "Prints the address that a rewritten one was made of, or the reason why it is not\n"
                "good: not-rewritten, malformed, wrong-hash, expired, bad-address.\n\n"
                "  fairlead srs reverse --secret s3cret SRS0=HHHH=TT=example.org=user@example.com\n"
                "  {\"address\": \"user@example.org\"}\n",
        .options = options,
        .operands_least = 1,
        .operands_most = 1,
    };
    return tool_run(&usage, argc, argv, reverse, &tool);
}

static int run(int argc, char **argv)
{
    static const struct tool words[] = {
        {"forward", "rewrite an envelope sender", run_forward},
        {"reverse", "find the address behind a rewritten one", run_reverse},
        {0},
    };
    return tool_run_word(words, argc, argv);
}

const struct tool tool_srs = {"srs", "rewrite an envelope sender, or undo it", run};
