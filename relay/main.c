/* The fairlead command: dispatches to sub-commands, one file each (tool_*.c), and nothing else. */
#include "clause.h"
#include "tools.h"

#include <stdio.h>
#include <string.h>

#define POINT_TO_TOOL(name) &tool_##name,
static const struct tool *const tools[] = {EACH_TOOL(POINT_TO_TOOL) NULL};

static void print_usage(FILE *out)
{
    fputs("usage: fairlead COMMAND [ARGUMENTS]\n\n", out);
    for (size_t i = 0; tools[i]; i++)
        fprintf(out, "  %-14s %s\n", tools[i]->name, tools[i]->summary);
    fputs("\n'fairlead COMMAND --help' explains a command and shows an example.\n", out);
}

#ifdef FAIRLEAD_MUTANTS
/* `--break CLAUSE` before the command inverts the decisions that implement the clause. */
static void take_broken_clause(int *argc, char ***argv)
{
    if (*argc < 3 || strcmp((*argv)[1], "--break") != 0)
        return;
    clause_break((*argv)[2]);
    *argc -= 2;
    *argv += 2;
}
#endif

int main(int argc, char **argv)
{
#ifdef FAIRLEAD_MUTANTS
    take_broken_clause(&argc, &argv);
#endif
    if (argc < 2) {
        print_usage(stderr);
        return TOOL_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_usage(stdout);
        return TOOL_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("fairlead " FAIRLEAD_VERSION);
        return TOOL_DONE;
    }
    for (size_t i = 0; tools[i]; i++)
        if (strcmp(argv[1], tools[i]->name) == 0)
            return tools[i]->run(argc - 1, argv + 1);
    fprintf(stderr, "fairlead: no command '%s'; 'fairlead --help' lists them\n", argv[1]);
    return TOOL_USAGE;
}
