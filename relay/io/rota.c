/* Whose turn it is. See rota.h. */
#include "rota.h"

#include "clock.h"

#include <stddef.h>

/* Seconds of processor time for each queue in a round. A round takes longer by what one fiber of
 * each queue does until it waits or yields (specification.md#bounds-loop allows 10 ms). A mail
 * takes some twenty waits, each of which may be behind such a round, so that short ones are worth
 * their system call. */
static const double SHARES[QUEUES] = {
    [QUEUE_LIGHT] = 0.0003,  [QUEUE_HEAVY] = 0.0002, [QUEUE_ACCEPT] = 0.0001,
    [QUEUE_RELOAD] = 0.0003, [QUEUE_LEAVE] = 0.0001,
};

/* Seconds of processor time that a fiber may go on for while others queue. Twenty clients that send
 * as fast as they can keep one that says little waiting for twenty times as long. */
static const double TURN_MAX = 0.00005;

/* A fiber that has used more than LIGHT_MAX seconds of processor time is heavy; FORGIVEN seconds of
 * them are forgiven in a second, so that of a thousand that have always work all are heavy. A small
 * mail takes some 2 ms, most of them for its signatures. */
static const double LIGHT_MAX = 0.006;
static const double FORGIVEN = 0.001;

static struct {
    struct turn *first, *last;
} queues[QUEUES];

static struct {
    unsigned iteration; /* of the loop */
    double began;       /* processor time, of the share that is being used */
    bool used;          /* by one fiber at least */
    struct turn *turn;  /* of the fiber that was resumed last; NULL once it has ended */
    double turn_began;  /* processor time */
} current = {.iteration = ~0U};

/* Charges what was used since it was resumed to the fiber that was. */
static void charge(double now)
{
    if (current.turn)
        current.turn->used += now - current.turn_began;
    current.turn = NULL;
}

static void begin_turn(struct turn *turn, double now)
{
    current.turn = turn;
    current.turn_began = now;
    current.used = true;
}

static void begin_share(struct ev_loop *loop, double now)
{
    current.iteration = ev_iteration(loop);
    current.began = now;
    current.used = false;
}

static bool is_heavy(struct turn *turn)
{
    double now = clock_monotonic();
    double used = turn->used - (now - turn->used_at) * FORGIVEN;
    turn->used = used > 0 ? used : 0;
    turn->used_at = now;
    return turn->used > LIGHT_MAX;
}

static enum turn_queue queue_of(struct turn *turn)
{
    switch (turn->lane) {
    case FIBER_CARRIES:
        return QUEUE_HEAVY;
    case FIBER_ACCEPTS:
        return QUEUE_ACCEPT;
    case FIBER_RELOADS:
        return QUEUE_RELOAD;
    case FIBER_LEAVES:
        return QUEUE_LEAVE;
    default:
        return is_heavy(turn) ? QUEUE_HEAVY : QUEUE_LIGHT;
    }
}

bool rota_may_go_on(struct ev_loop *loop, struct turn *turn)
{
    double now = clock_processor();
    if (current.iteration != ev_iteration(loop))
        begin_share(loop, now);
    enum turn_queue queue = queue_of(turn);
    if (queues[queue].first || now - current.began >= SHARES[queue])
        return false;
    begin_turn(turn, now);
    return true;
}

void rota_queue(struct turn *turn)
{
    enum turn_queue queue = queue_of(turn);
    turn->next = NULL;
    if (queues[queue].first)
        queues[queue].last->next = turn;
    else
        queues[queue].first = turn;
    queues[queue].last = turn;
}

bool rota_any_queued(void)
{
    for (int queue = 0; queue < QUEUES; queue++)
        if (queues[queue].first)
            return true;
    return false;
}

bool rota_begin(struct ev_loop *loop, enum turn_queue queue)
{
    if (!queues[queue].first)
        return false;
    begin_share(loop, clock_processor());
    return true;
}

struct turn *rota_take(enum turn_queue queue)
{
    struct turn *turn = queues[queue].first;
    double now = clock_processor();
    charge(now);
    if (!turn || (current.used && now - current.began >= SHARES[queue]))
        return NULL;
    queues[queue].first = turn->next;
    begin_turn(turn, now);
    return turn;
}

bool rota_is_over(struct ev_loop *loop, struct turn *turn)
{
    double now = clock_processor();
    enum turn_queue queue = queue_of(turn);
    if (current.iteration != ev_iteration(loop))
        begin_share(loop, now);
    if (now - current.began >= SHARES[queue])
        return true;
    bool others = queues[QUEUE_LIGHT].first || queues[queue].first;
    return others && current.turn == turn && now - current.turn_began >= TURN_MAX;
}

void rota_end(void)
{
    charge(clock_processor());
}

void rota_leave(const struct turn *turn)
{
    if (current.turn == turn)
        current.turn = NULL;
}
