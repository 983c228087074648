/* What the sub-commands share: their table entry, exit codes, message files, the resolver they ask.
 *
 * A tool prints one JSON object (or a message, or a zone) on stdout and diagnostics on stderr. */
#ifndef FAIRLEAD_TOOL_H
#define FAIRLEAD_TOOL_H

#include "base/arena.h"

enum tool_exit {
    TOOL_DONE = 0,  /* evaluated, whatever the result */
    TOOL_USAGE = 2, /* the command line or the configuration is wrong */
    TOOL_UNABLE = 3 /* could not be evaluated: a file, the resolver, memory */
};

struct tool {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv); /* argv[0] is the sub-command's name */
};

#endif
