/* What the commands share that read the relay's configuration. */
#ifndef FAIRLEAD_LOAD_CONFIG_H
#define FAIRLEAD_LOAD_CONFIG_H

#include "config.h"

/* Reads the configuration, or prints what is wrong with it and returns NULL. */
struct config *tool_load_config(const char *path);

/* The same without the key, certificate and secret files that it names. */
struct config *tool_load_config_without_files(const char *path);

/* Reads the command line of a command whose one argument is a configuration, as "-c FILE" or
 * "FILE", and runs `body` with it. `name` is the command's for messages, `help` what --help prints.
 * Returns the exit code. */
int tool_run_with_config(const char *name, const char *help, int argc, char **argv,
                         int (*body)(const char *path));

#endif
