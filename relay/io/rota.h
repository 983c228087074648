/* Whose turn it is: the order in which the fibers whose wait is over, or that have more work, go on
 * (specification.md#bounds-loop). For fiber.c alone.
 *
 * A round of the loop is one pass over what has become ready. In each, every queue below has a
 * share of processor time of its own and is served at least once, whatever the others hold: none
 * can keep another from coming to its end. */
#ifndef FAIRLEAD_ROTA_H
#define FAIRLEAD_ROTA_H

#include "fiber.h"

enum turn_queue {
    QUEUE_LIGHT, /* serve, and have used little processor time of late */
    QUEUE_HEAVY, /* serve, and have used more, or carry */
    QUEUE_ACCEPT,
    QUEUE_RELOAD,
    QUEUE_LEAVE,
    QUEUES
};

/* A fiber's place. All zeros: it has used nothing and serves. */
struct turn {
    struct turn *next;
    enum fiber_lane lane;
    double used;    /* seconds of processor time, less what time has forgiven */
    double used_at; /* clock_monotonic(), when that was reckoned */
};

/* Whether the wait of `turn` that has just ended may end at once. If so its fiber is to be resumed,
 * and rota_end() called when it waits again; if not, it is to be queued. */
void rota_end(void);
bool rota_may_go_on(struct ev_loop *loop, struct turn *turn);

/* Puts it behind the others of its queue. */
void rota_queue(struct turn *turn);
bool rota_any_queued(void);

/* rota_begin() begins the share of a queue, if anything is in it, from which rota_take() takes
 * what is to be resumed: one if there is any, more for as long as the share lasts, then NULL. */
bool rota_begin(struct ev_loop *loop, enum turn_queue queue);
struct turn *rota_take(enum turn_queue queue);

/* Whether the running fiber, of `turn`, should let others go on. */
bool rota_is_over(struct ev_loop *loop, struct turn *turn);

/* The fiber has ended: nothing more is charged to it. */
void rota_leave(const struct turn *turn);

#endif
