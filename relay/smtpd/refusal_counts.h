/* How often a session's client got which refusal in the relay's own words, for the log. */
#ifndef FAIRLEAD_REFUSAL_COUNTS_H
#define FAIRLEAD_REFUSAL_COUNTS_H

#include "json.h"
#include "refusal.h"

enum { REFUSALS_LOGGED_MAX = 8 /* different ones; any further one is not counted */ };

struct refusal_count {
    enum refusal_kind kind;
    const char *clause;
    unsigned count;
};

struct refusal_counts {
    struct refusal_count list[REFUSALS_LOGGED_MAX];
    size_t n;
};

void refusal_counts_add(struct refusal_counts *counts, const struct refusal *refusal);

/* Writes the member "refusals", with the clauses that decided them; nothing if there are none. */
void refusal_counts_write(struct json *json, const struct refusal_counts *counts);

#endif
