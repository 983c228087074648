/* Loading a configuration on the command line. See load_config.h. */
#include "load_config.h"

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

const char *tool_config_path(const char *command, const char *option,
                             const struct tool_operands *operands)
{
    if (option && operands->count > 0)
        tool_usage_error("unexpected argument '%s'; see 'fairlead %s --help'", operands->text[0],
                         command);
    else if (option || operands->count > 0)
        return option ? option : operands->text[0];
    else
        tool_usage_error("missing -c FILE; see 'fairlead %s --help'", command);
    return NULL;
}
