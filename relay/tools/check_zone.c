/* fairlead check-zone: how the MX and SPF records of a live zone differ from those that the service
 * needs, as JSON. */
#include "json.h"
#include "provision_input.h"
#include "tools.h"

static int print_report(struct bytes domain, const struct provision_report *report)
{
    struct buffer out = {0};
    struct json json = json_start(&out);
    json_open_object(&json, NULL);
    json_string(&json, "domain", domain);
    json_bool(&json, "in_order", report->finding_count == 0);
    json_open_array(&json, "findings");
    for (size_t i = 0; i < report->finding_count; i++) {
        const struct provision_finding *finding = &report->findings[i];
        json_open_object(&json, NULL);
        json_string(&json, "fault", bytes_of(provision_fault_name(finding->fault)));
        json_string(&json, "record", bytes_of(finding->record));
        json_string(&json, "text", finding->text);
        json_close_object(&json);
    }
    json_close_array(&json);
    json_number(&json, "spf_lookups", report->spf_lookups);
    json_close_object(&json);
    int status = tool_print_json(&out);
    buffer_free(&out);
    return status;
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
    return print_report(domain, &report);
}

static int run(int argc, char **argv)
{
    struct provision_options options = {.config = NULL};
    const struct tool_option table[] = {PROVISION_OPTIONS(options), {0}};
    const struct tool_usage usage = {
        .name = "check-zone",
        .operands = "DOMAIN",
        .help =
            "Looks up the domain's MX and TXT records and prints what is missing, wrong (another\n"
            "preference, no include of the service's SPF record), in conflict (a foreign MX, two\n"
            "SPF records, more than 10 lookups) or unknown (DNS did not answer). The service's\n"
            "names are those of the configuration, or of --mx and --spf-include.\n\n"
            "  fairlead check-zone -c email-routing.yaml --resolver 192.0.2.53 example.com\n",
        .options = table,
        .operands_least = 1,
        .operands_most = 1,
    };
    return tool_run(&usage, argc, argv, check_live_zone, &options);
}

const struct tool tool_check_zone = {"check-zone", "compare a live zone with its records", run};
