/* The broken clause of a mutants build. See clause.h. */
#include "clause.h"

#ifdef FAIRLEAD_MUTANTS
#include <stddef.h>

static const char *broken;

void clause_break(const char *id)
{
    broken = id;
}

static bool same_id(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if (*a != *b && !((*a == '-' || *a == '_') && (*b == '-' || *b == '_')))
            return false;
    return *a == *b;
}

bool clause_decide(const char *id, bool condition)
{
    return broken && same_id(broken, id) ? !condition : condition;
}
#else
/* ISO C forbids an empty translation unit. */
typedef int clause_nothing_to_break;
#endif
