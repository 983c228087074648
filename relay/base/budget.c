/* A shared budget. See budget.h. */
#include "budget.h"

bool budget_raise(struct budget *budget, size_t *held, size_t amount)
{
    if (amount <= *held)
        return true;
    size_t more = amount - *held;
    if (budget->used > budget->limit || more > budget->limit - budget->used)
        return false;
    budget->used += more;
    *held = amount;
    return true;
}

void budget_release(struct budget *budget, size_t *held)
{
    budget->used -= *held;
    *held = 0;
}

bool budget_is_exhausted(const struct budget *budget)
{
    return budget->used >= budget->limit;
}
