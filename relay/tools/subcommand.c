/* Finding a sub-command by its name. See subcommand.h. */
#include "subcommand.h"

#include "command_line.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static void list_subcommands(const struct subcommand_table *table, FILE *out)
{
    fprintf(out, "usage: fairlead %sCOMMAND [OPTIONS] ...\n\ncommands:\n", table->prefix);
    for (size_t i = 0; table->subcommands[i]; i++)
        fprintf(out, "  %-14s %s\n", table->subcommands[i]->name, table->subcommands[i]->summary);
    fprintf(out,
            "\nexamples:\n%s\n'fairlead %sCOMMAND --help' shows a command's options and examples; "
            "see also\n"
            "fairlead(1).\n",
            table->examples, table->prefix);
}

static const struct subcommand *find_subcommand(const struct subcommand_table *table,
                                                const char *name)
{
    for (size_t i = 0; table->subcommands[i]; i++)
        if (strcmp(table->subcommands[i]->name, name) == 0)
            return table->subcommands[i];
    return NULL;
}

static bool asks_for_help(const char *argument)
{
    return strcmp(argument, "help") == 0 || strcmp(argument, "--help") == 0 ||
           strcmp(argument, "-h") == 0;
}

int subcommand_run(const struct subcommand_table *table, int argc, char **argv)
{
    if (argc < 2) {
        list_subcommands(table, stderr);
        return TOOL_USAGE;
    }
    if (asks_for_help(argv[1]) && argc == 2) {
        list_subcommands(table, stdout);
        return TOOL_DONE;
    }
    char help[] = "--help";
    if (asks_for_help(argv[1])) { /* `help dkim sign` is `dkim --help sign`, `dkim sign --help` */
        argv[1] = argv[2];
        argv[2] = help;
    }
    const struct subcommand *found = find_subcommand(table, argv[1]);
    if (found)
        return found->run(argc - 1, argv + 1);
    return tool_usage_error(argv[1][0] == '-' ? "unknown option '%s%s'; see 'fairlead %s--help'"
                                              : "unknown command '%s%s'; see 'fairlead %s--help'",
                            argv[1][0] == '-' ? "" : table->prefix, argv[1], table->prefix);
}
