/* The fairlead command: dispatches to its sub-commands, one file each in tools/, and nothing else.
 */
#include "clause.h"
#include "command_line.h"
#include "crypto_memory.h"
#include "subcommand.h"

#include <stdio.h>
#include <string.h>

#define POINT_TO_SUBCOMMAND(name) &subcommand_##name,
static const struct subcommand *const subcommands[] = {EACH_SUBCOMMAND(POINT_TO_SUBCOMMAND) NULL};

static const char examples[] =
    "  fairlead check-config fairlead.yaml && fairlead serve -c fairlead.yaml\n"
    "  fairlead verify -c fairlead.yaml --ip 192.0.2.1 --helo mail.example.com \\\n"
    "      --mail-from me@example.com message.eml\n"
    "  fairlead spf --ip 192.0.2.1 --helo mail.example.com --mail-from me@example.com\n"
    "  fairlead --version\n";

#ifdef FAIRLEAD_MUTANTS
/* `--break CLAUSE` before the command inverts the decisions that implement the clause. */
static void read_broken_clause(int *argc, char ***argv)
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
    const struct subcommand_table table = {
        .prefix = "", .subcommands = subcommands, .examples = examples};
    crypto_memory_watch();
#ifdef FAIRLEAD_MUTANTS
    read_broken_clause(&argc, &argv);
#endif
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("fairlead " FAIRLEAD_VERSION);
        return TOOL_DONE;
    }
    return subcommand_run(&table, argc, argv);
}
