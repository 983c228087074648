/* fairlead check-config: reads a configuration as `serve` would and reports its errors; or prints
 * the keys that a configuration may have. */
#include "config_explain.h"
#include "load_config.h"
#include "subcommand.h"
#include "tool.h"

#include <stdio.h>

static int check_file(const char *path)
{
    struct config *config = tool_load_config(path);
    size_t routes = 0;
    if (!config)
        return TOOL_USAGE;
    for (size_t i = 0; i < config->policy.routing.zone_count; i++)
        routes += config->policy.routing.zones[i].route_count;
    printf("%s: ok, %zu zone%s, %zu route%s\n", path, config->policy.routing.zone_count,
           config->policy.routing.zone_count == 1 ? "" : "s", routes, routes == 1 ? "" : "s");
    config_release(config);
    return TOOL_DONE;
}

static int print_keys(void)
{
    struct buffer out = {0};
    config_explain(&out);
    int status = tool_print(&out);
    buffer_free(&out);
    return status;
}

static int run_check_config(int argc, char **argv)
{
    const char *config = NULL, *explain = NULL;
    const struct tool_option options[] = {
        {"config", "FILE", "the configuration", &config, 1},
        {"explain", NULL, "print every key with its values, bounds and default", &explain, 1},
        {0},
    };
    const struct tool_usage usage = {
        .name = "check-config",
        .operands = "[-c] FILE",
        .help =
            "Reads the configuration in FILE (see fairlead.yaml(5)), and the keys and\n"
            "certificates that it names, as 'fairlead serve' would, and prints every error with\n"
            "its line. The exit status is 0 if there are no errors, otherwise 2.\n\n"
            "  fairlead check-config /etc/fairlead/fairlead.yaml\n"
            "  fairlead check-config --explain\n",
        .options = options,
        .operands_max = 1,
    };
    struct tool_operands operands;
    int status;
    if (!tool_read_command_line(&usage, argc, argv, &operands, &status))
        return status;
    if (explain && (config || operands.count > 0))
        return tool_usage_error("check-config: --explain does not read a FILE");
    if (explain)
        return print_keys();
    const char *path = tool_config_path(usage.name, config, &operands);
    return path ? check_file(path) : TOOL_USAGE;
}

const struct subcommand subcommand_check_config = {"check-config", "check a configuration file",
                                                   run_check_config};
