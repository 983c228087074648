/* fairlead srs forward, fairlead srs reverse: rewrites an envelope sender, and undoes it. */
#include "srs.h"
#include "clock.h"
#include "json.h"
#include "load_config.h"
#include "route.h"
#include "subcommand.h"
#include "tool.h"

#include <stdio.h>

enum { SECRETS_MAX = 16 };

struct srs_tool {
    const char *secrets[SECRETS_MAX];
    const char *config;
    const char *domain;   /* forward only */
    const char *overflow; /* forward only */
    const char *max_age;  /* reverse only */
};

#define SECRET_OPTIONS(tool)                                                                       \
    {"secret", "TEXT", "a secret; may be repeated: the first signs, all verify", (tool).secrets,   \
     SECRETS_MAX},                                                                                 \
    {                                                                                              \
        "config", "FILE", "the relay's configuration, for its secrets and settings",               \
            &(tool).config, 1                                                                      \
    }

/* For both directions, from the options or from the configuration. */
struct srs_settings {
    struct srs srs;
    struct bytes secrets[SECRETS_MAX];
    struct config *config; /* NULL without --config */
};

static int read_srs_section(const char *path, struct srs_settings *settings)
{
    settings->config = tool_load_config(path);
    if (!settings->config)
        return TOOL_USAGE;
    settings->srs = settings->config->srs;
    return TOOL_DONE;
}

static int read_settings(const struct srs_tool *tool, struct srs_settings *settings)
{
    uint64_t max_age;
    struct srs *srs = &settings->srs;
    *srs = (struct srs){.secrets = settings->secrets, .overflow = bytes_of(tool->overflow)};
    if (!bytes_to_number(bytes_of(tool->max_age), SRS_DAYS - 1, &max_age))
        return tool_usage_error("srs: --max-age requires a number of days below %d, not '%s'",
                                SRS_DAYS, tool->max_age);
    srs->max_age_days = (unsigned)max_age;
    for (; srs->secret_count < SECRETS_MAX && tool->secrets[srs->secret_count];
         srs->secret_count++) {
        settings->secrets[srs->secret_count] = bytes_of(tool->secrets[srs->secret_count]);
        if (settings->secrets[srs->secret_count].n == 0)
            return tool_usage_error("srs: --secret may not be empty");
    }
    if (tool->config && srs->secret_count > 0)
        return tool_usage_error("srs: --secret and --config exclude each other");
    if (tool->config)
        return read_srs_section(tool->config, settings);
    if (srs->secret_count == 0)
        return tool_usage_error("srs: missing --secret TEXT or -c FILE");
    return TOOL_DONE;
}

/* Prints an object of one member. */
static int print_member(const char *key, struct bytes value)
{
    struct tool_object object;
    json_string(tool_start_object(&object), key, value);
    return tool_print_object(&object);
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

static int rewrite_with(struct tool_context *context, const struct srs_tool *tool,
                        const struct srs_settings *settings)
{
    struct address sender, rewritten;
    struct srs srs = settings->srs;
    struct bytes domain = domain_normalise(context->arena, bytes_of(tool->domain));
    if (!domain.p)
        return tool_usage_error("srs forward: '%s' is not a domain name", tool->domain);
    if (settings->config) {
        const struct zone *zone = route_table_zone(settings->config->policy.routing.table, domain);
        if (!zone)
            return tool_usage_error("srs forward: %s has no zone %s", tool->config, tool->domain);
        srs.overflow = zone->srs_overflow;
    }
    if (!read_operand(context->arena, context->operands.text[0], &sender))
        return print_error("bad-address");
    if (!srs_forward(&srs, context->arena, &sender, domain, clock_wall(), &rewritten))
        return tool_unable("srs forward: out of memory");
    return print_address(context->arena, &rewritten);
}

static int print_rewritten(struct tool_context *context, void *user)
{
    const struct srs_tool *tool = user;
    struct srs_settings settings = {.config = NULL};
    if (!tool->domain)
        return tool_usage_error("srs forward: missing --domain DOMAIN");
    int status = read_settings(tool, &settings);
    if (status == TOOL_DONE)
        status = rewrite_with(context, tool, &settings);
    config_release(settings.config);
    return status;
}

static int reverse_with(struct tool_context *context, const struct srs_settings *settings)
{
    struct address rewritten, original;
    if (!read_operand(context->arena, context->operands.text[0], &rewritten))
        return print_error("bad-address");
    enum srs_error error =
        srs_reverse(&settings->srs, context->arena, &rewritten, clock_wall(), &original);
    if (error == SRS_NO_MEMORY)
        return tool_unable("srs reverse: out of memory");
    return error == SRS_OK ? print_address(context->arena, &original)
                           : print_error(srs_error_name(error));
}

static int print_original(struct tool_context *context, void *user)
{
    struct srs_settings settings = {.config = NULL};
    int status = read_settings(user, &settings);
    if (status == TOOL_DONE)
        status = reverse_with(context, &settings);
    config_release(settings.config);
    return status;
}

static int run_srs_forward(int argc, char **argv)
{
    struct srs_tool tool = {.overflow = "bounces", .max_age = "21"};
    const struct tool_option options[] = {
        SECRET_OPTIONS(tool),
        {"domain", "DOMAIN", "the forwarding domain", &tool.domain, 1},
        {"overflow", "LOCAL",
         "the local part used if the address would exceed 64 octets\n"
         "(default: bounces)",
         &tool.overflow, 1},
        {0},
    };
    const struct tool_usage usage = {
        .name = "srs forward",
        .operands = "ADDRESS",
        .help =
            "Prints an envelope sender as it is rewritten when its mail is forwarded: to SRS0, or\n"
            "to SRS1 if another forwarder has rewritten it. '<>' and a sender at the forwarding\n"
            "domain are not rewritten.\n\n"
            "  fairlead srs forward --secret s3cret --domain example.com user@example.org\n"
            "  {\"address\": \"SRS0=HHHH=TT=example.org=user@example.com\"}\n",
        .options = options,
        .operands_min = 1,
        .operands_max = 1,
    };
    return tool_run(&usage, argc, argv, print_rewritten, &tool);
}

static int run_srs_reverse(int argc, char **argv)
{
    struct srs_tool tool = {.overflow = "bounces", .max_age = "21"};
    const struct tool_option options[] = {
        SECRET_OPTIONS(tool),
        {"max-age", "DAYS", "the age limit of the address (default: 21)", &tool.max_age, 1},
        {0},
    };
    const struct tool_usage usage = {
        .name = "srs reverse",
        .operands = "ADDRESS",
        .help =
            "Prints the original of a rewritten address, or an error: not-rewritten, malformed,\n"
            "wrong-hash, expired, bad-address.\n\n"
            "  fairlead srs reverse --secret s3cret SRS0=HHHH=TT=example.org=user@example.com\n"
            "  {\"address\": \"user@example.org\"}\n",
        .options = options,
        .operands_min = 1,
        .operands_max = 1,
    };
    return tool_run(&usage, argc, argv, print_original, &tool);
}

static int run_srs(int argc, char **argv)
{
    static const struct subcommand forward = {"forward", "rewrite an envelope sender",
                                              run_srs_forward};
    static const struct subcommand reverse = {"reverse", "find the original of a rewritten address",
                                              run_srs_reverse};
    static const struct subcommand *const subcommands[] = {&forward, &reverse, NULL};
    return subcommand_run(
        &(const struct subcommand_table){
            .prefix = "srs ",
            .subcommands = subcommands,
            .examples =
                "  fairlead srs forward --secret s3cret --domain example.com user@example.org\n"
                "  fairlead srs reverse -c fairlead.yaml "
                "SRS0=HHHH=TT=example.org=user@example.com\n",
        },
        argc, argv);
}

const struct subcommand subcommand_srs = {"srs", "rewrite an envelope sender, or undo it", run_srs};
