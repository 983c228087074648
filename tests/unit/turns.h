/* How often another fiber gets its turn while one works. */
#ifndef FAIRLEAD_TESTS_TURNS_H
#define FAIRLEAD_TESTS_TURNS_H

#include "clock.h"
#include "fiber.h"

#include <stdbool.h>

struct turns {
    unsigned count;
    bool done;
};

static inline void turns_take(void *argument)
{
    struct turns *turns = argument;
    while (!turns->done) {
        turns->count++;
        fiber_sleep_until(clock_monotonic());
    }
}

/* From a fiber: starts another that counts its turns until turns_end(). */
static inline void turns_begin(struct turns *turns)
{
    fiber_start(turns_take, turns);
}

/* Returns when the other fiber has ended. */
static inline void turns_end(struct turns *turns)
{
    turns->done = true;
    fiber_sleep_until(clock_monotonic() + 0.001);
}

#endif
