/* Sub-commands of two words. See tool.h. */
#include "tool.h"

#include <stdio.h>
#include <string.h>

int tool_run_word(const struct tool *words, int argc, char **argv)
{
    const char *wanted = argc > 1 ? argv[1] : "";
    for (const struct tool *word = words; word->name; word++)
        if (strcmp(word->name, wanted) == 0)
            return word->run(argc - 1, argv + 1);
    const bool asked = strcmp(wanted, "--help") == 0;
    for (const struct tool *word = words; word->name; word++)
        fprintf(asked ? stdout : stderr, "%s fairlead %s %-8s %s\n",
                word == words ? "usage:" : "      ", argv[0], word->name, word->summary);
    return asked ? TOOL_DONE : TOOL_USAGE;
}
