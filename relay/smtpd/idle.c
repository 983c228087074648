/* The wait for a client's next command. See idle.h. */
#include "idle.h"

#include "clause.h"
#include "clock.h"
#include "fiber.h"

/* Seconds without a command. A busy client never pays for what resting saves. */
enum { REST_AFTER = 1 };

static double earlier(double a, double b)
{
    return a < b ? a : b;
}

enum stream_status idle_wait(struct stream *stream, struct transaction *transaction,
                             struct arena *line, double deadline)
{
    double rest_at = clock_monotonic() + REST_AFTER;
    for (;;) {
        double unused = transaction_upstream_unused_until(transaction);
        double until = earlier(deadline, rest_at);
        if (unused > 0 && unused <= clock_monotonic() && unless_broken(UPS_30))
            transaction_drop_upstream(transaction);
        else if (unused > clock_monotonic())
            until = earlier(until, unused);
        enum stream_status status = stream_await_input(stream, until);
        if (status != STREAM_TIMEOUT || until >= deadline)
            return status;
        if (until < rest_at)
            continue;
        arena_drop(line);
        transaction_rest(transaction);
        stream_rest(stream);
        fiber_trim_stack();
        rest_at = deadline;
    }
}
