/* The pace in DATA. See pace.h.
 *
 * Each octet pays for its part of a second, and nobody can pay for more than a window ahead: a
 * client that falls below the rate for so long has nothing left. */
#include "pace.h"

#include "clause.h"

void pace_start(struct pace *pace, double patience, double now)
{
    *pace = (struct pace){.patience = patience, .paid_until = now + patience};
}

void pace_received(struct pace *pace, size_t octets, double now)
{
    double window = pace->patience < PACE_WINDOW ? pace->patience : PACE_WINDOW;
    double paid_until = pace->paid_until + (double)octets / PACE_RATE_MIN;
    if (paid_until > now + window && unless_broken(LIM_32))
        paid_until = now + window;
    /* What was granted at the start stays. */
    if (paid_until > pace->paid_until)
        pace->paid_until = paid_until;
}

double pace_deadline(const struct pace *pace, double now)
{
    double patient_until = now + pace->patience;
    return pace->paid_until < patient_until ? pace->paid_until : patient_until;
}
