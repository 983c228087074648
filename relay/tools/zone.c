/* fairlead zone: the records that a zone needs, in master-file form (RFC 1035 5.1). */
#include "provision_input.h"
#include "subcommand.h"
#include "tool.h"

#include <string.h>

struct zone_tool {
    struct provision_options provision;
    const char *plan;
};

/* A subdomain can use the service only in a zone of plan enterprise. */
static int check_place(struct tool_context *context, const struct zone_tool *tool,
                       struct bytes domain)
{
    static const char *const plans[] = {"free", "pro", "business", "enterprise"};
    bool is_plan = false;
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++)
        is_plan = is_plan || strcmp(tool->plan, plans[i]) == 0;
    if (!is_plan)
        return tool_usage_error("zone: unknown plan '%s'; use free, pro, business or enterprise",
                                tool->plan);
    switch (provision_place(context->arena, NULL, domain)) {
    case PROVISION_ZONE:
        return TOOL_DONE;
    case PROVISION_SUBDOMAIN:
        if (strcmp(tool->plan, "enterprise") == 0)
            return TOOL_DONE;
        return tool_usage_error("zone: %.*s is a subdomain, which needs --plan enterprise",
                                BYTES_ARG(domain));
    case PROVISION_PUBLIC_SUFFIX:
        break;
    }
    return tool_usage_error("zone: %.*s is a public suffix, not a registered domain",
                            BYTES_ARG(domain));
}

static int print_records(struct tool_context *context, void *user)
{
    struct zone_tool *tool = user;
    struct config_provisioning provisioning;
    struct bytes domain;
    int status = provision_read(context, "zone", &tool->provision, &provisioning, &domain);
    if (status == TOOL_DONE)
        status = check_place(context, tool, domain);
    if (status != TOOL_DONE)
        return status;
    struct buffer out = {0};
    provision_write(&out, &provisioning, domain);
    status = tool_print(&out);
    buffer_free(&out);
    return status;
}

static int run_zone(int argc, char **argv)
{
    struct zone_tool tool = {.plan = "free"};
    const struct tool_option options[] = {
        {"plan", "NAME",
         "the zone's plan: free (the default), pro, business or\n"
         "enterprise",
         &tool.plan, 1},
        PROVISION_OPTIONS(tool.provision),
        {0},
    };
    const struct tool_usage usage = {
        .name = "zone",
        .operands = "DOMAIN",
        .help =
            "Prints the MX and TXT records that a zone needs to use the service, ready for its\n"
            "master file. The service's names come from the configuration, or from --mx and\n"
            "--spf-include. An internationalized domain name may be given as U-labels or\n"
            "A-labels. A subdomain of a registered domain (by the Public Suffix List) is\n"
            "refused unless the zone's plan is enterprise.\n\n"
            "  fairlead zone -c email-routing.yaml example.com\n"
            "  fairlead zone -c email-routing.yaml --plan enterprise mail.example.com\n"
            "  fairlead zone --mx 10:mx.example.net --spf-include _spf.example.net example.com\n",
        .options = options,
        .operands_min = 1,
        .operands_max = 1,
    };
    int status = tool_run(&usage, argc, argv, print_records, &tool);
    provision_options_release(&tool.provision);
    return status;
}

const struct subcommand subcommand_zone = {"zone", "print the records that a zone needs", run_zone};
