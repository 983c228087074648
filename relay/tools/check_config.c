/* fairlead check-config: reads a configuration as `serve` would and reports its errors; or prints
 * the keys that a configuration may have. */
#include "config_explain.h"
#include "load_config.h"
#include "tools.h"

#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: fairlead check-config [-c] FILE\n"
    "       fairlead check-config --explain\n"
    "\n"
    "Reads the configuration in FILE (fairlead.yaml(5)), and the keys and certificates it names,\n"
    "as 'fairlead serve' would, and prints every error with its line. Exit status: 0 if there are\n"
    "no errors, else 2.\n"
    "\n"
    "  -c, --config FILE   the configuration\n"
    "      --explain       print every key with its values, bounds and default\n"
    "      --help          this text\n"
    "\n"
    "Example: fairlead check-config /etc/fairlead/fairlead.yaml\n";

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

static int explain(void)
{
    struct buffer out = {0};
    config_explain(&out);
    int status = tool_print(&out);
    buffer_free(&out);
    return status;
}

static int run(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--explain") == 0)
        return explain();
    return tool_run_with_config("check-config", help, argc, argv, check_file);
}

const struct tool tool_check_config = {"check-config", "check a configuration file", run};
