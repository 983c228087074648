/* The two clocks. See clock.h. */
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

double clock_monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
