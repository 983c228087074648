/* Loading a configuration on the command line. See load_config.h. */
#include "load_config.h"

#include "tool.h"

#include <getopt.h>
#include <stdio.h>

static struct config *load_with(struct config *(*load)(const char *path, struct buffer *errors),
                                const char *path)
{
    struct buffer errors = {0};
    struct config *config = load(path, &errors);
    if (errors.n > 0)
        fwrite(errors.p, 1, errors.n, stderr);
    buffer_free(&errors);
    return config;
}

struct config *tool_load_config(const char *path)
{
    return load_with(config_load, path);
}

struct config *tool_load_config_without_files(const char *path)
{
    return load_with(config_load_without_files, path);
}

int tool_run_with_config(const char *name, const char *help, int argc, char **argv,
                         int (*body)(const char *path))
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
            return tool_usage_error("%s: 'fairlead %s --help' shows the options", name, name);
        }
    }
    if (!path && optind < argc)
        path = argv[optind++];
    if (!path)
        return tool_usage_error("%s: missing -c FILE", name);
    if (optind != argc)
        return tool_usage_error("%s: unexpected argument '%s'", name, argv[optind]);
    return body(path);
}
