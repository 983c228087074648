/* The pace that a client must keep in DATA (specification.md#bounds-rate): 500 octets a second over
 * the last minute, however fast it was before, so that a message half sent is not held for hours.
 */
#ifndef FAIRLEAD_PACE_H
#define FAIRLEAD_PACE_H

#include <stddef.h>

enum {
    PACE_RATE_MIN = 500, /* octets a second */
    PACE_WINDOW = 60     /* seconds over which the rate is measured */
};

/* All times are monotonic, in seconds. */
struct pace {
    double patience;
    double paid_until;
};

/* DATA begins. The first octets may take as long as any later: `patience` seconds. */
void pace_start(struct pace *pace, double patience, double now);

void pace_received(struct pace *pace, size_t octets, double now);

/* When more must have arrived. */
double pace_deadline(const struct pace *pace, double now);

#endif
