/* What all sessions are forwarding. See progress.h. */
#include "progress.h"

#include "clause.h"

enum { ROUNDS_MAX = 10 }; /* mails of one client to one recipient that wait upstream */

void progress_start(struct progress *progress)
{
    progress->ring.previous = progress->ring.next = &progress->ring;
}

void progress_add(struct progress *progress, struct progress_entry *entry)
{
    entry->previous = &progress->ring;
    entry->next = progress->ring.next;
    entry->next->previous = entry;
    progress->ring.next = entry;
}

void progress_remove(struct progress_entry *entry)
{
    entry->previous->next = entry->next;
    entry->next->previous = entry->previous;
}

void progress_set_waiting(struct progress *progress, const void *mail, bool waits)
{
    for (struct progress_entry *e = progress->ring.next; e != &progress->ring; e = e->next)
        if (e->mail == mail)
            e->waits = waits;
}

static bool is_same_recipient(const struct progress_entry *a, const struct progress_entry *b)
{
    return bytes_equal_nocase(a->recipient, b->recipient);
}

/* True if another mail to the same recipient went out with the same origin. Without regard to case,
 * which some forwarders fold. */
static bool has_origin(const struct progress *progress, const struct progress_entry *entry)
{
    if (entry->origin.n == 0)
        return false;
    for (const struct progress_entry *e = progress->ring.next; e != &progress->ring; e = e->next)
        if (e->mail != entry->mail && bytes_equal_nocase(e->origin, entry->origin) &&
            is_same_recipient(e, entry))
            return true;
    return false;
}

/* How many mails of the same client to the same recipient wait for an upstream. */
static unsigned count_waiting(const struct progress *progress, const struct progress_entry *entry)
{
    unsigned count = 0;
    for (const struct progress_entry *e = progress->ring.next; e != &progress->ring; e = e->next)
        count += e->waits && e->mail != entry->mail && ip_equal(&e->client, &entry->client) &&
                 is_same_recipient(e, entry);
    return count;
}

/* Where the reverse-path has come back the loop is certain. Else so many mails that all wait are
 * taken for its rounds, for the time being. */
struct refusal progress_judge(const struct progress *progress, const struct progress_entry *entry)
{
    if (CLAUSE(MX_24, has_origin(progress, entry)))
        return REFUSE(LOOP_THROUGH_OTHERS, "MX-24");
    if (CLAUSE(MX_25, count_waiting(progress, entry) >= ROUNDS_MAX))
        return REFUSE(LOOP_SUSPECTED, "MX-25");
    return ACCEPT;
}
