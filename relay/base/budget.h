/* A budget of octets that several holders share, so that memory has a ceiling
 * (specification.md#bounds-memory). */
#ifndef FAIRLEAD_BUDGET_H
#define FAIRLEAD_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

struct budget {
    size_t limit;
    size_t used;
};

/* Raises what a holder has taken, *held, to `amount`. False, and nothing changes, when that
 * exceeds the budget. */
bool budget_raise(struct budget *budget, size_t *held, size_t amount);

/* Gives back everything that a holder has taken. */
void budget_release(struct budget *budget, size_t *held);

bool budget_is_exhausted(const struct budget *budget);

#endif
