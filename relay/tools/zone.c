/* fairlead zone: the records that the service adds to a zone, in master-file form (RFC 1035 5.1).
 */
#include "provision_input.h"
#include "tools.h"

#include <string.h>

struct zone_tool {
    struct provision_options provision;
    const char *plan;
};

/* A subdomain can use the service in a zone of plan enterprise only. */
static int check_place(struct tool_context *context, const struct zone_tool *tool,
                       struct bytes domain)
{
    static const char *const plans[] = {"free", "pro", "business", "enterprise"};
    bool is_plan = false;
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++)
        is_plan = is_plan || strcmp(tool->plan, plans[i]) == 0;
    if (!is_plan)
        return tool_usage_error("zone: no plan '%s': free, pro, business or enterprise",
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
    return tool_usage_error("zone: %.*s is a public suffix, under which others have their zones",
                            BYTES_ARG(domain));
}

static int print_records(struct tool_context *context, void *user)
{
    const struct zone_tool *tool = user;
    struct provision provision;
    struct bytes domain;
    int status = provision_read(context, &tool->provision, &provision, &domain);
    if (status == TOOL_DONE)
        status = check_place(context, tool, domain);
    if (status != TOOL_DONE)
        return status;
    struct buffer out = {0};
    provision_write(&out, &provision, domain);
    status = tool_print(&out);
    buffer_free(&out);
    return status;
}

static int run(int argc, char **argv)
{
    struct zone_tool tool = {.plan = "free"};
    const struct tool_option options[] = {
        {"plan", "NAME", "the zone's plan: free (the default), pro, business, enterprise",
         &tool.plan, 1},
        PROVISION_OPTIONS(tool.provision),
        {0},
    };
    const struct tool_usage usage = {
        .name = "zone",
        .operands = "DOMAIN",
        .help =
            "Prints the MX and TXT records that a zone needs to use the service, to be added to\n"
            "its master file. An internationalised domain may be given in either form. What\n"
            "is below a registered domain by the Public Suffix List counts as a subdomain, and\n"
            "is refused unless the zone's plan is enterprise.\n\n"
            "  fairlead zone example.com\n"
            "  fairlead zone --plan enterprise mail.example.com\n",
        .options = options,
        .operands_least = 1,
        .operands_most = 1,
    };
    return tool_run(&usage, argc, argv, print_records, &tool);
}

const struct tool tool_zone = {"zone", "print the records that a zone needs", run};
