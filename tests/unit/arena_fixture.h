/* An arena for all tests of a program: cmocka_run_group_tests(tests, make_arena, drop_arena). */
#ifndef FAIRLEAD_TESTS_ARENA_FIXTURE_H
#define FAIRLEAD_TESTS_ARENA_FIXTURE_H

#include "arena.h"

extern struct arena *arena;

int make_arena(void **state);
int drop_arena(void **state);

#endif
