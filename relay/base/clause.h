/* CLAUSE(): a decision named by the clause of the catalogue that it implements.
 *
 *     if (CLAUSE(SRS_03, reverse_path_is_null(sender)))
 *
 * In a normal build the macro is its condition and nothing else. In a build with -Dmutants=true,
 * `fairlead --break SRS-03 ...` inverts exactly the decisions so named, and scripts/mutants checks
 * that a test which claims the clause then fails. Where inverting the whole condition would only
 * make a relay that serves nobody, the decision is what follows from it:
 *
 *     if (sessions > limit && CLAUSE(LIM_18, true)) */
#ifndef FAIRLEAD_CLAUSE_H
#define FAIRLEAD_CLAUSE_H

#include <stdbool.h>

#ifdef FAIRLEAD_MUTANTS
/* `condition`, inverted if `id` is the clause given to clause_break(). */
bool clause_decide(const char *id, bool condition);

/* Names the clause to break, written with either '-' or '_'. */
void clause_break(const char *id);
#define CLAUSE(id, condition) clause_decide(#id, (condition))
#else
#define CLAUSE(id, condition) (condition)
#endif

#endif
