/* A shared budget. See budget.h. */
#include "budget.h"

#include "clause.h"

#include <stdlib.h>

enum { CLIENT_SHARE = 2, SMALL_SHARE = 8 }; /* one part in so many */

struct budget_client {
    struct budget_client *next;
    struct ip address;
    unsigned accounts;
    size_t used;
};

bool budget_open(struct budget *budget, const struct ip *address, struct budget_account *account)
{
    struct budget_client *client = budget->clients;
    while (client && !ip_is_same_client(&client->address, address))
        client = client->next;
    if (!client) {
        client = calloc(1, sizeof *client);
        if (!client)
            return false;
        client->address = *address;
        client->next = budget->clients;
        budget->clients = client;
    }
    client->accounts++;
    *account = (struct budget_account){.budget = budget, .client = client};
    return true;
}

void budget_close(struct budget_account *account)
{
    if (!account->client)
        return;
    budget_give_back(account, account->used);
    if (--account->client->accounts == 0) {
        struct budget_client **link = &account->budget->clients;
        while (*link != account->client)
            link = &(*link)->next;
        *link = account->client->next;
        free(account->client);
    }
    *account = (struct budget_account){0};
}

static bool fits(size_t used, size_t more, size_t limit)
{
    return used <= limit && more <= limit - used;
}

bool budget_has_room(const struct budget_account *account, size_t octets)
{
    const struct budget *budget = account->budget;
    size_t for_large = budget->limit - budget->limit / SMALL_SHARE;
    bool small = fits(account->used, octets, BUDGET_SMALL_MAX);
    if (CLAUSE(LIM_31, !small) && !fits(budget->used, octets, for_large))
        return false;
    if (!fits(account->client->used, octets, budget->limit / CLIENT_SHARE) && unless_broken(LIM_30))
        return false;
    return fits(budget->used, octets, budget->limit);
}

bool budget_take(struct budget_account *account, size_t octets)
{
    if (!budget_has_room(account, octets))
        return false;
    account->used += octets;
    account->client->used += octets;
    account->budget->used += octets;
    return true;
}

void budget_give_back(struct budget_account *account, size_t octets)
{
    account->used -= octets;
    account->client->used -= octets;
    account->budget->used -= octets;
}
