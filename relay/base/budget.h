/* A budget of octets that all mails share, so that memory has a ceiling
 * (specification.md#bounds-memory).
 *
 * Each mail has an account. No client (an IPv4 address, an IPv6 /64) gets more than half of the
 * budget for all its mails, and the last eighth of the budget is kept for small mails: whoever
 * holds large ones, others are still served. */
#ifndef FAIRLEAD_BUDGET_H
#define FAIRLEAD_BUDGET_H

#include "ip.h"

enum { BUDGET_SMALL_MAX = 256 * 1024 /* octets of a mail that may use the last eighth */ };

struct budget_client;

/* Zeroed but for the limit. */
struct budget {
    size_t limit;
    size_t used;
    struct budget_client *clients; /* those that have an account */
};

struct budget_account {
    struct budget *budget;
    struct budget_client *client;
    size_t used;
};

/* Opens an account for mails of the client at `address`. False when memory is short. */
bool budget_open(struct budget *budget, const struct ip *address, struct budget_account *account);

/* Gives back what is left in the account, which is then closed. Ignores one that is not open. */
void budget_close(struct budget_account *account);

/* True if the account may take that much more. */
bool budget_has_room(const struct budget_account *account, size_t octets);

/* Takes so many octets. False, and nothing changes, when that exceeds a limit. */
bool budget_take(struct budget_account *account, size_t octets);

void budget_give_back(struct budget_account *account, size_t octets);

#endif
