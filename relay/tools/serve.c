/* fairlead serve: runs the relay in the foreground. */
#include "load_config.h"
#include "server.h"
#include "tools.h"

#include <stdio.h>

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
    struct config *config = tool_load_config(path);
    if (!config)
        return TOOL_USAGE;
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

static int run(int argc, char **argv)
{
    return tool_run_with_config("serve", help, argc, argv, serve);
}

const struct tool tool_serve = {"serve", "run the relay", run};
