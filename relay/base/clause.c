/* What is broken in a mutants build. See clause.h. */
#include "clause.h"

#ifdef FAIRLEAD_MUTANTS
#include <stddef.h>

static const char *broken;

void clause_break(const char *id)
{
    broken = id;
}

bool clause_broken(const char *id)
{
    const char *name = broken;
    if (!name)
        return false;
    for (; *name && *id; name++, id++)
        if (*name != *id && !((*name == '-' || *name == '_') && (*id == '-' || *id == '_')))
            return false;
    return *name == *id;
}
#else
/* ISO C forbids an empty translation unit. */
typedef int clause_nothing_to_break;
#endif
