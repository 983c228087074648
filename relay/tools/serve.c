/* fairlead serve: runs the relay in the foreground. */
#include "load_config.h"
#include "privileges.h"
#include "server.h"
#include "subcommand.h"
#include "tool.h"

#include <stdio.h>

static int serve(const char *path)
{
    struct buffer errors = {0};
    if (!privileges_hide_memory()) { /* before there are keys in it */
        perror("fairlead serve: core dumps cannot be turned off");
        return TOOL_UNABLE;
    }
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

static int run_serve(int argc, char **argv)
{
    const char *config = NULL;
    const struct tool_option options[] = {{"config", "FILE", "the configuration", &config, 1}, {0}};
    const struct tool_usage usage = {
        .name = "serve",
        .operands = "-c FILE",
        .help =
            "Runs the relay in the foreground with the configuration in FILE (see\n"
            "fairlead.yaml(5)) and logs one JSON object a line on stderr.\n\n"
            "SIGHUP reads FILE again for new sessions; if it has errors, the old configuration\n"
            "stays in force. SIGTERM and SIGINT refuse new connections, let the transactions\n"
            "in progress finish, and exit.\n\n"
            "  fairlead serve -c /etc/fairlead/fairlead.yaml\n",
        .options = options,
        .operands_max = 1,
    };
    struct tool_operands operands;
    int status;
    if (!tool_read_command_line(&usage, argc, argv, &operands, &status))
        return status;
    const char *path = tool_config_path(usage.name, config, &operands);
    return path ? serve(path) : TOOL_USAGE;
}

const struct subcommand subcommand_serve = {"serve", "run the relay", run_serve};
