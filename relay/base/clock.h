/* The clocks: wall time for what goes into messages, monotonic time for deadlines, processor time
 * for the share of the loop that one fiber may have. */
#ifndef FAIRLEAD_CLOCK_H
#define FAIRLEAD_CLOCK_H

#include <stdint.h>

/* Seconds since 1970-01-01 UTC, or the time set by clock_fix(). */
int64_t clock_wall(void);

/* Makes clock_wall() answer `unix_time` from now on (the tools' --time). */
void clock_fix(int64_t unix_time);

/* Seconds from an arbitrary origin, never going back; for deadlines. */
double clock_monotonic(void);

/* Seconds of processor time that this thread has used. Costs a system call. */
double clock_processor(void);

#endif
