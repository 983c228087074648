/* An arena for unit tests. See arena_fixture.h. */
#include "arena_fixture.h"

struct arena *arena;

int make_arena(void **state)
{
    (void)state;
    arena = arena_new(0);
    return arena ? 0 : -1;
}

int drop_arena(void **state)
{
    (void)state;
    arena_free(arena);
    arena = NULL;
    return 0;
}
