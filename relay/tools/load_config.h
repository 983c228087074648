/* What the sub-commands share that read the relay's configuration. */
#ifndef FAIRLEAD_LOAD_CONFIG_H
#define FAIRLEAD_LOAD_CONFIG_H

#include "command_line.h"
#include "config.h"

/* Reads the configuration, or prints what is wrong with it and returns NULL. */
struct config *tool_load_config(const char *path);

/* The same without the key, certificate and secret files that it names. */
struct config *tool_load_config_without_files(const char *path);

/* The configuration's path, given as "-c FILE" (`option`, or NULL) or as the one operand. NULL
 * after having said what is wrong. `command` is for messages. */
const char *tool_config_path(const char *command, const char *option,
                             const struct tool_operands *operands);

#endif
