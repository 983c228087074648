/* Fibers: stackful coroutines on the libev loop, one per client session (and per listener, timer
 * job or tool run). Code in a fiber reads straight down; whenever it waits, other fibers run.
 *
 * There is one loop and one thread. All functions that wait must be called from inside a fiber. */
#ifndef FAIRLEAD_FIBER_H
#define FAIRLEAD_FIBER_H

#include <ev.h>
#include <stdbool.h>

typedef void fiber_function(void *argument);

/* The process's one loop, created at first use; NULL when libev cannot run here. */
struct ev_loop *fiber_loop(void);

/* Runs `function(argument)` in a new fiber, at once, until its first wait. False when no stack
 * could be had; the function has not been called then. */
bool fiber_start(fiber_function *function, void *argument);

/* Runs one function in a fiber and the loop until that fiber ends (the tools, unit tests). Not from
 * inside a fiber. False when it could not be started, or when it waits for what cannot come. */
bool fiber_run(fiber_function *function, void *argument);

/* True inside a fiber. */
bool fiber_inside(void);

enum fiber_event { FIBER_READY, FIBER_TIMEOUT, FIBER_CANCELLED };

/* Waits until `fd` is readable (EV_READ) or writable (EV_WRITE), or until the monotonic time
 * `deadline` (clock_monotonic(); 0 or less: no deadline). */
enum fiber_event fiber_wait_fd(int fd, int events, double deadline);

/* The same for a descriptor that is waited for again and again: the watch outlasts the wait, so
 * that the kernel need not be told of it each time. It belongs to one fiber at a time, and must be
 * ended before the descriptor is closed. A wait may end without need. */
struct fiber_watch {
    ev_io io;
    struct fiber *waiter; /* NULL: nobody waits now */
};

void fiber_watch_begin(struct fiber_watch *watch, int fd);
enum fiber_event fiber_wait_watch(struct fiber_watch *watch, int events, double deadline);
void fiber_watch_end(struct fiber_watch *watch);

/* Waits until the monotonic time `deadline`. */
enum fiber_event fiber_sleep_until(double deadline);

/* A rendezvous inside the loop: a fiber waits in fiber_wait(), another (or a callback of the loop)
 * calls fiber_wake(). A wake-up that comes before the wait is kept for it; several count as one. A
 * pointer from fiber_self() is good until that fiber's function returns. */
struct fiber;
struct fiber *fiber_self(void);
enum fiber_event fiber_wait(double deadline);
void fiber_wake(struct fiber *fiber);

/* Makes the wait that the fiber is in, and every later wait of it, return FIBER_CANCELLED at once.
 */
void fiber_cancel(struct fiber *fiber);

/* Fibers alive now, the caller's included. */
unsigned fiber_count(void);

#endif
