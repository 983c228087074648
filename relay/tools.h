/* The sub-commands, each defined in the file of its name; main.c has the table. */
#ifndef FAIRLEAD_TOOLS_H
#define FAIRLEAD_TOOLS_H

#include "tool.h"

extern const struct tool tool_arc;
extern const struct tool tool_check_config;
extern const struct tool tool_dkim;
extern const struct tool tool_dmarc;
extern const struct tool tool_spf;
extern const struct tool tool_serve;

#endif
