/* fairlead serve: runs the relay in the foreground. */
#include "base/log.h"
#include "config.h"
#include "server.h"
#include "tool.h"
#include "tools.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: fairlead serve -c FILE\n"
    "\n"
    "Runs the relay in the foreground with the configuration in FILE (fairlead.yaml(5)) and logs\n"
    "one JSON object a line on stderr.\n"
    "\n"
    "  -c, --config FILE   the configuration\n"
    "      --help          this text\n"
    "\n"
    "SIGHUP reads FILE again for new sessions; an invalid file leaves the old one in force.\n"
    "SIGTERM and SIGINT refuse new connections, let transactions under way finish, and end.\n"
    "\n"
    "Example: fairlead check-config -c fairlead.yaml && fairlead serve -c fairlead.yaml\n";

static int serve(const char *path)
{
    struct buffer errors = {0};
    struct config *config = config_load(path, &errors);
    if (!config) {
        fprintf(stderr, "%.*s", (int)errors.n, errors.p ? errors.p : "");
        buffer_free(&errors);
        return TOOL_USAGE;
    }
    struct server *server = server_new(config, &errors);
    if (!server) {
        fprintf(stderr, "fairlead serve: %.*s", (int)errors.n, errors.p ? errors.p : "");
        buffer_free(&errors);
        return TOOL_UNABLE;
    }
    server_run(server);
    server_free(server);
    return TOOL_DONE;
}

static int run_serve(int argc, char **argv)
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
            return tool_usage_error("serve: 'fairlead serve --help' shows the options");
        }
    }
    if (!path || optind != argc)
        return tool_usage_error("serve: name the configuration: fairlead serve -c FILE");
    return serve(path);
}

const struct tool tool_serve = {"serve", "run the relay", run_serve};
