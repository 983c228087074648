/* Fibers: stackful coroutines on the libev loop, one for each listener, client session, DNS lookup
 * and DNSBL query, and one for a run of a tool. Code in a fiber reads straight down; whenever it
 * waits, other fibers run.
 *
 * There is one loop and one thread. All functions that wait must be called from inside a fiber.
 * What fibers need of the C library and the processor is said in fiber.c. */
#ifndef FAIRLEAD_FIBER_H
#define FAIRLEAD_FIBER_H

#include <ev.h>
#include <stdbool.h>

typedef void fiber_function(void *argument);

/* The process's one loop, created at first use, from when on SIGPIPE is ignored. NULL when libev
 * cannot run here. */
struct ev_loop *fiber_loop(void);

/* Runs `function(argument)` in a new fiber, at once, until its first wait. False when there is no
 * memory for a stack; the function has not been called then. */
bool fiber_start(fiber_function *function, void *argument);

/* Runs one function in a fiber and the loop until that fiber ends (the tools, unit tests). Not from
 * inside a fiber. False when it could not be started, or waits for something that cannot happen. */
bool fiber_run(fiber_function *function, void *argument);

enum fiber_event { FIBER_READY, FIBER_TIMEOUT, FIBER_CANCELLED };

/* Waits until `fd` is readable (EV_READ) or writable (EV_WRITE), or until the monotonic time
 * `deadline` (clock_monotonic(); 0 or less: no deadline). */
enum fiber_event fiber_wait_fd(int fd, int events, double deadline);

/* The same for a descriptor that is waited for again and again: the watch outlasts the wait, which
 * saves a system call each time. It belongs to one fiber at a time, and must be ended before the
 * descriptor is closed. A wait may end spuriously. */
struct fiber_watch {
    ev_io io;
    struct fiber *waiter; /* NULL: no fiber waits now */
};

void fiber_watch_begin(struct fiber_watch *watch, int fd);
enum fiber_event fiber_wait_watch(struct fiber_watch *watch, int events, double deadline);
void fiber_watch_end(struct fiber_watch *watch);

/* For work that may be long and never waits, to be called between its parts of a millisecond or so:
 * once the current round of the loop has used its share of processor time, the other fibers get
 * their turn first. Never ends a wait early, also when the fiber is cancelled. Outside fibers it
 * does nothing. OpenSSL's queue of errors is the thread's: it is to be empty. */
void fiber_yield(void);

/* What a fiber does. Those of each kind have a share of every round of the loop for themselves,
 * however much the others have to do; those that serve and have used little processor time of late
 * come first. */
enum fiber_lane {
    FIBER_SERVES,
    FIBER_CARRIES, /* a large message */
    FIBER_ACCEPTS, /* connections */
    FIBER_RELOADS, /* the configuration */
    FIBER_LEAVES   /* nobody waits for it any more: it tidies up */
};

/* From now on the calling fiber is one of `lane`, and queues behind those that are, unless it was
 * before; each begins as FIBER_SERVES, for which it does not queue. Outside fibers it does nothing.
 */
void fiber_take_lane(enum fiber_lane lane);

/* Waits until the monotonic time `deadline`. */
enum fiber_event fiber_sleep_until(double deadline);

/* Gives the memory of the calling fiber's stack below the frame in use back to the system. To be
 * called before a long wait, by code that is not deep in calls. */
void fiber_trim_stack(void);

/* A rendezvous inside the loop: a fiber waits in fiber_wait(), another (or a callback of the loop)
 * calls fiber_wake(). A wake-up that comes before the wait is kept for it; several count as one.
 * fiber_self() is NULL outside fibers; the pointer is valid until that fiber's function returns. */
struct fiber;
struct fiber *fiber_self(void);
enum fiber_event fiber_wait(double deadline);
void fiber_wake(struct fiber *fiber);

/* Makes the wait that the fiber is in, and every later wait of it, return FIBER_CANCELLED at once.
 */
void fiber_cancel(struct fiber *fiber);

#endif
