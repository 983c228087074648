/* Decisions and values named by the clause of the catalogue that they implement.
 *
 *     if (CLAUSE(SRS_03, reverse_path_is_null(sender)))      a condition
 *     reply(session, BREAK(DLG_04, 503, 250), ...)           a value, and a wrong one
 *     if (sessions > limit && unless_broken(LIM_18))         what follows from a condition, the
 *                                                            inverse of which would serve nobody
 *
 * In a normal build these are the condition, the right value and `true`, and nothing else. In a
 * build with -Dmutants=true, `fairlead --break SRS-03 ...` breaks exactly what is so named: the
 * condition is inverted, the wrong value used, the consequence left out. scripts/mutants checks
 * that a test which claims the clause then fails.
 *
 * A clause that says several things has several breakages, told apart by a word behind the clause:
 * BREAK(DLG_04_code, ...) is broken by `--break DLG-04-code` alone. What no expression can break is
 * a patch, tests/mutants/DLG-04-WORD.patch. */
#ifndef FAIRLEAD_CLAUSE_H
#define FAIRLEAD_CLAUSE_H

#include <stdbool.h>

#ifdef FAIRLEAD_MUTANTS
/* Whether `id` is what was given to clause_break(). */
bool clause_broken(const char *id);

/* Names what to break: a clause, or one of its breakages, written with either '-' or '_'. The text
 * is kept, not copied. */
void clause_break(const char *id);
#define unless_broken(id) (!clause_broken(#id))
#define CLAUSE(id, condition) ((bool)(condition) == unless_broken(id))
#else
#define unless_broken(id) true
#define CLAUSE(id, condition) (condition)
#endif
#define BREAK(id, right, wrong) (unless_broken(id) ? (right) : (wrong))

#endif
