/* The clocks. See clock.h. */
#include "clock.h"

#include <stdbool.h>
#include <time.h>

static bool fixed;
static int64_t fixed_time;

int64_t clock_wall(void)
{
    return fixed ? fixed_time : (int64_t)time(NULL);
}

void clock_fix(int64_t unix_time)
{
    fixed = true;
    fixed_time = unix_time;
}

static double read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

double clock_monotonic(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

double clock_processor(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}
