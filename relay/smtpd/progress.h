/* The recipients that all sessions are forwarding to at this moment, so that a loop through others
 * is recognized while it is being made: two relays that answer in-session and lead to each other
 * hold one session for every round (specification.md#loops-nested, #loops-bounded). */
#ifndef FAIRLEAD_PROGRESS_H
#define FAIRLEAD_PROGRESS_H

#include "bytes.h"
#include "ip.h"
#include "refusal.h"

/* One recipient of one mail. Its texts must live as long as it is in the list. */
struct progress_entry {
    const void *mail; /* whose recipient it is */
    struct bytes recipient;
    struct bytes origin; /* the relay's own SRS0 in the reverse-path that the upstream was given, as
                            srs_own_origin() has it; may be empty */
    struct ip client;
    bool waits; /* for the upstream's reply */
    struct progress_entry *previous, *next;
};

/* The list, in a ring around this entry. */
struct progress {
    struct progress_entry ring;
};

void progress_start(struct progress *progress);
void progress_add(struct progress *progress, struct progress_entry *entry);
void progress_remove(struct progress_entry *entry);

/* Whether the recipients of a mail wait. */
void progress_set_waiting(struct progress *progress, const void *mail, bool waits);

/* Whether this entry, not yet added, would be one more round of a loop: then its mail must not be
 * forwarded. Its `origin` is the one that its mail arrived with. */
struct refusal progress_judge(const struct progress *progress, const struct progress_entry *entry);

#endif
