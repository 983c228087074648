/* fairlead check-zone: how the MX and SPF records of a live zone differ from those that the service
 * requires, as JSON. */
#include "json.h"
#include "provision_input.h"
#include "subcommand.h"
#include "tool.h"

static int print_findings(struct bytes domain, const struct provision_report *report)
{
    struct tool_object object;
    struct json *json = tool_start_object(&object);
    json_string(json, "domain", domain);
    json_bool(json, "in_order", report->finding_count == 0);
    json_open_array(json, "findings");
    for (size_t i = 0; i < report->finding_count; i++) {
        const struct provision_finding *finding = &report->findings[i];
        json_open_object(json, NULL);
        json_string(json, "fault", bytes_of(provision_fault_name(finding->fault)));
        json_string(json, "record", bytes_of(finding->record));
        json_string(json, "text", finding->text);
        json_close_object(json);
    }
    json_close_array(json);
    json_number(json, "spf_lookups", report->spf_lookups);
    return tool_print_object(&object);
}

static int check_live_zone(struct tool_context *context, void *user)
{
    struct config_provisioning provisioning;
    struct provision_report report;
    struct bytes domain;
    int status = provision_read(context, "check-zone", user, &provisioning, &domain);
    if (status != TOOL_DONE)
        return status;
    provision_check(context->dns, context->arena, &provisioning, domain, &report);
    if (arena_failed(context->arena))
        return tool_unable("check-zone: out of memory");
    return print_findings(domain, &report);
}

static int run_check_zone(int argc, char **argv)
{
    struct provision_options options = {.config = NULL};
    const struct tool_option table[] = {PROVISION_OPTIONS(options), {0}};
    const struct tool_usage usage = {
        .name = "check-zone",
        .operands = "DOMAIN",
        .help =
            "Looks up the domain's MX and TXT records and prints which are missing, wrong "
            "(another\n"
            "preference, no include of the service's SPF record), in conflict (another MX host,\n"
            "two SPF records, more than 10 lookups) or unknown (the DNS lookup failed). The\n"
            "service's names come from the configuration, or from --mx and --spf-include.\n\n"
            "  fairlead check-zone -c email-routing.yaml --resolver 192.0.2.53 example.com\n",
        .options = table,
        .operands_min = 1,
        .operands_max = 1,
    };
    int status = tool_run_with_resolver(&usage, argc, argv, provision_set_resolver, check_live_zone,
                                        &options);
    provision_options_release(&options);
    return status;
}

const struct subcommand subcommand_check_zone = {"check-zone", "check the records of a live zone",
                                                 run_check_zone};
