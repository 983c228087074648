/* fairlead check-config: reads a configuration as `serve` would, and says what is wrong with it. */
#include "config.h"
#include "tool.h"
#include "tools.h"

#include <getopt.h>
#include <stdio.h>

static const char help[] =
    "usage: fairlead check-config [-c] FILE\n"
    "\n"
    "Reads the configuration in FILE (fairlead.yaml(5)), and the keys and certificates it names,\n"
    "as 'fairlead serve' would, and prints every error with its line. Exit status: 0 if there is\n"
    "none, else 2.\n"
    "\n"
    "  -c, --config FILE   the configuration\n"
    "      --help          this text\n"
    "\n"
    "Example: fairlead check-config /etc/fairlead/fairlead.yaml\n";

static int check(const char *path)
{
    struct buffer errors = {0};
    struct config *config = config_load(path, &errors);
    size_t routes = 0;
    fprintf(stderr, "%.*s", BYTES_ARG(buffer_bytes(&errors)));
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
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {0}};
    const char *path = NULL;
    int option;
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            path = optarg;
            break;
        case 'h':
            fputs(help, stdout);
            return TOOL_DONE;
        default:
            return tool_usage_error(
                "check-config: 'fairlead check-config --help' shows the options");
        }
    }
    if (!path && optind < argc)
        path = argv[optind++];
    if (!path || optind != argc)
        return tool_usage_error("check-config: name one file: fairlead check-config FILE");
    return check(path);
}

const struct tool tool_check_config = {"check-config", "check a configuration file", run};
