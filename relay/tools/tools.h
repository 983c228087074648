/* The sub-commands in the order of the help, each `struct tool tool_NAME` in the file of its name.
 */
#ifndef FAIRLEAD_TOOLS_H
#define FAIRLEAD_TOOLS_H

#include "tool.h"

/* clang-format off: one a line */
#define EACH_TOOL(X)                                                                               \
    X(serve)                                                                                       \
    X(check_config)                                                                                \
    X(spf)                                                                                         \
    X(dkim)                                                                                        \
    X(arc)                                                                                         \
    X(dmarc)                                                                                       \
    X(srs)                                                                                         \
    X(verify)                                                                                      \
    X(zone)                                                                                        \
    X(check_zone)
/* clang-format on */

#define DECLARE_TOOL(name) extern const struct tool tool_##name;
EACH_TOOL(DECLARE_TOOL)

#endif
