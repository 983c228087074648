/* fairlead check-config: reads a configuration as `serve` would, and says what is wrong with it. */
#include "config.h"
#include "tools.h"

#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: fairlead check-config [-c] FILE\n"
    "\n"
    "Reads the configuration and the keys and certificates it names, as 'fairlead serve' would,\n"
    "and prints every error with its line. Exit status: 0 if there is none, else 2.\n"
    "\n"
    "  fairlead check-config /etc/fairlead/fairlead.yaml\n";

static int check(const char *path)
{
    struct buffer errors = {0};
    struct config *config = config_load(path, &errors);
    size_t routes = 0;
    fwrite(errors.p, 1, errors.n, stderr);
    buffer_free(&errors);
    if (!config)
        return TOOL_USAGE;
    for (size_t i = 0; i < config->zone_count; i++)
        routes += config->zones[i].route_count;
    printf("%s: ok, %zu zone%s, %zu route%s\n", path, config->zone_count,
           config->zone_count == 1 ? "" : "s", routes, routes == 1 ? "" : "s");
    config_release(config);
    return TOOL_DONE;
}

static int run(int argc, char **argv)
{
    const bool with_option = argc == 3 && strcmp(argv[1], "-c") == 0;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return TOOL_DONE;
    }
    if (!with_option && (argc != 2 || argv[1][0] == '-')) {
        fputs(help, stderr);
        return TOOL_USAGE;
    }
    return check(argv[argc - 1]);
}

const struct tool tool_check_config = {"check-config", "check a configuration file", run};
