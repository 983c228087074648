/* Fibers. See fiber.h.
 *
 * A fiber is entered once through makecontext(); from then on it is left and entered again with
 * _setjmp() and _longjmp(), which unlike swapcontext() make no system call. A fiber whose function
 * has returned waits in a pool, in the middle of its first function, for the next one to run.
 *
 * Every switch is between a fiber and whoever resumed it: the loop, or the fiber that started it.
 *
 * What this relies on beyond C and POSIX.1-2017:
 * - getcontext(), makecontext() and setcontext(), which POSIX.1-2008 removed. glibc has them; musl
 *   and OpenBSD do not.
 * - _longjmp() to a frame that is alive on another stack. C (7.13.2.1) knows of no second stack;
 *   glibc restores the registers and no more, except that with _FORTIFY_SOURCE it ends the process
 *   for a jump to what looks like a deeper frame. Hence the #undef, for this file only.
 * - No shadow stack (Intel CET, Arm GCS): _longjmp() would unwind the wrong one. Linux has
 *   one only in a program that is marked for it and asks for it; this one must not.
 * - One thread. errno, the signal mask and the floating-point environment are the thread's, not the
 *   fiber's: a caller reads errno before it waits.
 * - ASan and LSan are told of the switches; MSan, TSan and Valgrind are not. No C++ exception and
 * no longjmp() of anyone else's may cross a switch.
 * - A stack has a fixed size and does not grow; running over it hits the guard below: SIGSEGV. */

/* See above; the checks of the other functions are not missed here. */
#undef _FORTIFY_SOURCE

#include "fiber.h"

#include "clock.h"
#include "rota.h"

#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#ifdef __has_feature
#define HAS_FEATURE(feature) __has_feature(feature)
#else
#define HAS_FEATURE(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#define WITH_ASAN 1
#else
#define WITH_ASAN 0
#endif

/* Enough for OpenSSL, libopendkim and libspf2; pages that are never touched cost nothing. ASan's
 * red zones make frames several times as large. */
enum { STACK_SIZE = WITH_ASAN ? 1024 * 1024 : 256 * 1024, POOL_MAX = 128 };

/* Below each stack lies memory without access: more than one page, so that a function with a large
 * frame does not skip it, and whole pages whatever their size. */
enum { GUARD_SIZE = 64 * 1024, MAPPING_SIZE = GUARD_SIZE + STACK_SIZE };

struct fiber {
    ucontext_t entry; /* where it begins */
    bool entered;
    jmp_buf registers;     /* where it left off */
    struct fiber *resumer; /* to switch to when it waits or ends */
    fiber_function *function;
    void *argument;

    char *mapping;     /* the guard and the stack above it */
    const void *stack; /* bounds and shadow, for ASan */
    size_t stack_size;
    void *fake_stack;

    ev_io io;
    ev_timer timer;
    double deadline;
    enum fiber_event event; /* what ended the wait */
    bool suspended;
    bool wakeable; /* suspended in fiber_wait() */
    bool woken;
    bool cancelled;
    bool queued;   /* its wait is over, and its turn comes */
    bool yielding; /* it has more work, and its turn comes again */
    struct turn turn;

    struct fiber *next; /* in the pool */
};

static struct ev_loop *loop;
static struct fiber root; /* the thread's own stack, on which the loop runs */
static struct fiber *current = &root;
static struct fiber *previous;
static struct fiber *idle;
static unsigned idle_count;

/* Due as long as any fiber queues for its turn. */
static ev_timer turn_timer;

static void on_turn(struct ev_loop *self_loop, ev_timer *watcher, int events);

struct ev_loop *fiber_loop(void)
{
    if (!loop) {
        /* A peer that is gone is an error of write(), not a signal: OpenSSL and the log write
         * without MSG_NOSIGNAL. */
        signal(SIGPIPE, SIG_IGN);
        loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
        ev_init(&turn_timer, on_turn);
        /* What has become ready in this round queues up before. */
        ev_set_priority(&turn_timer, EV_MINPRI);
    }
    return loop;
}

struct fiber *fiber_self(void)
{
    return current == &root ? NULL : current;
}

/* Announces to ASan which stack is about to be used; `from` never comes back if it is dying. */
static void before_switch(struct fiber *from, const struct fiber *to, bool dying)
{
#if WITH_ASAN
    __sanitizer_start_switch_fiber(dying ? NULL : &from->fake_stack, to->stack, to->stack_size);
#else
    (void)from, (void)to, (void)dying;
#endif
}

static void after_switch(void)
{
#if WITH_ASAN
    __sanitizer_finish_switch_fiber(current->fake_stack, &previous->stack, &previous->stack_size);
#endif
}

/* Not inlined, so that no caller's variable is in a register across the jump. */
__attribute__((noinline)) static void switch_to(struct fiber *to, bool dying)
{
    previous = current;
    before_switch(current, to, dying);
    current = to;
    if (_setjmp(previous->registers) == 0) {
        if (to->entered || to == &root)
            _longjmp(to->registers, 1);
        to->entered = true;
        setcontext(&to->entry);
    }
    after_switch();
}

/* The first function on every fiber's stack: runs one function after the other and never returns.
 */
static void run_functions(void)
{
    after_switch();
    for (;;) {
        struct fiber *self = current;
        self->function(self->argument);
        self->function = NULL;
        switch_to(self->resumer, idle_count >= POOL_MAX);
    }
}

static void fiber_free(struct fiber *fiber)
{
#if WITH_ASAN
    __lsan_unregister_root_region(fiber->stack, fiber->stack_size);
    __asan_unpoison_memory_region(fiber->stack, fiber->stack_size);
#endif
    munmap(fiber->mapping, MAPPING_SIZE);
    free(fiber);
}

/* After a switch to `fiber` has come back: its function waits, or has returned. */
static void collect(struct fiber *fiber)
{
    if (fiber->function)
        return;
    rota_leave(&fiber->turn);
    if (idle_count >= POOL_MAX) {
        fiber_free(fiber);
        return;
    }
    fiber->next = idle;
    idle = fiber;
    idle_count++;
}

static void resume(struct fiber *fiber, enum fiber_event event)
{
    fiber->event = event;
    fiber->resumer = current;
    switch_to(fiber, false);
    collect(fiber);
}

/* In the next round of the loop. */
static void arm_turn_timer(void)
{
    if (ev_is_active(&turn_timer))
        return;
    ev_timer_set(&turn_timer, 0., 0.);
    ev_timer_start(loop, &turn_timer);
}

static void queue_up(struct fiber *fiber)
{
    rota_queue(&fiber->turn);
    arm_turn_timer();
}

/* The fiber's wait is over. A thousand whose waits end together take turns with all others: nobody
 * passes those that queue. Input counts if it comes while a time-out queues, and whatever came in
 * time counts before a cancel. */
static void end_wait(struct fiber *fiber, enum fiber_event event)
{
    if (!fiber->queued && rota_may_go_on(loop, &fiber->turn)) {
        resume(fiber, event);
        rota_end();
        return;
    }
    if (!fiber->queued || fiber->event == FIBER_TIMEOUT)
        fiber->event = event;
    if (!fiber->queued)
        queue_up(fiber);
    fiber->queued = true;
}

/* Of a fiber that queues nothing more is to be reported, in every round again: thousands of them
 * would keep the loop busy with that alone. */
static void end_wait_for(struct fiber *fiber, ev_io *watcher)
{
    if (fiber->queued)
        ev_io_stop(loop, watcher);
    end_wait(fiber, FIBER_READY);
}

static void on_io(struct ev_loop *self_loop, ev_io *watcher, int events)
{
    (void)self_loop, (void)events;
    end_wait_for(watcher->data, watcher);
}

static void arm_timer(struct fiber *fiber, double now)
{
    ev_timer_set(&fiber->timer, fiber->deadline > now ? fiber->deadline - now : 0., 0.);
    ev_timer_start(loop, &fiber->timer);
}

/* The timer has run out, or somebody fed it an event to have the fiber resumed. */
static void on_timer(struct ev_loop *self_loop, ev_timer *watcher, int events)
{
    struct fiber *fiber = watcher->data;
    (void)self_loop, (void)events;
    if (fiber->cancelled) {
        end_wait(fiber, FIBER_CANCELLED);
        return;
    }
    if (fiber->wakeable && fiber->woken) {
        end_wait(fiber, FIBER_READY);
        return;
    }
    if (fiber->deadline <= 0)
        return;
    double now = clock_monotonic();
    if (now >= fiber->deadline)
        end_wait(fiber, FIBER_TIMEOUT);
    else /* the loop counts from the time at which this iteration began */
        arm_timer(fiber, now);
}

static bool map_stack(struct fiber *fiber)
{
    fiber->mapping = mmap(NULL, MAPPING_SIZE, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (fiber->mapping == MAP_FAILED)
        return false;
    fiber->stack = fiber->mapping + GUARD_SIZE;
    fiber->stack_size = STACK_SIZE;
    if (mprotect(fiber->mapping, GUARD_SIZE, PROT_NONE) == 0 && getcontext(&fiber->entry) == 0)
        return true;
    munmap(fiber->mapping, MAPPING_SIZE);
    return false;
}

static struct fiber *fiber_new(void)
{
    struct fiber *fiber = calloc(1, sizeof *fiber);
    if (!fiber || !map_stack(fiber)) {
        free(fiber);
        return NULL;
    }
    fiber->entry.uc_stack.ss_sp = fiber->mapping + GUARD_SIZE;
    fiber->entry.uc_stack.ss_size = STACK_SIZE;
    fiber->entry.uc_link = NULL;
    makecontext(&fiber->entry, run_functions, 0);
    ev_init(&fiber->io, on_io);
    ev_init(&fiber->timer, on_timer);
    /* If input and time-out come in one iteration, the input counts. */
    ev_set_priority(&fiber->timer, EV_MINPRI);
    fiber->io.data = fiber;
    fiber->timer.data = fiber;
#if WITH_ASAN
    /* Memory to which only a waiting fiber points is not leaked. */
    __lsan_register_root_region(fiber->stack, fiber->stack_size);
#endif
    return fiber;
}

bool fiber_start(fiber_function *function, void *argument)
{
    struct fiber *fiber = idle;
    if (fiber) {
        idle = fiber->next;
        idle_count--;
    } else {
        fiber = fiber_loop() ? fiber_new() : NULL;
    }
    if (!fiber)
        return false;
    fiber->function = function;
    fiber->argument = argument;
    fiber->cancelled = fiber->woken = false;
    fiber->turn = (struct turn){0};
    fiber->resumer = current;
    switch_to(fiber, false);
    collect(fiber);
    return true;
}

struct run {
    fiber_function *function;
    void *argument;
    bool ended;
};

static void run_then_stop(void *argument)
{
    struct run *run = argument;
    run->function(run->argument);
    run->ended = true;
    ev_break(loop, EVBREAK_ONE);
}

bool fiber_run(fiber_function *function, void *argument)
{
    struct run run = {function, argument, false};
    if (fiber_self() || !fiber_start(run_then_stop, &run))
        return false;
    if (!run.ended)
        ev_run(loop, 0);
    return run.ended;
}

static enum fiber_event suspend(double deadline)
{
    struct fiber *self = current;
    self->deadline = deadline;
    if (deadline > 0)
        arm_timer(self, clock_monotonic());
    self->suspended = true;
    switch_to(self->resumer, false);
    self->suspended = false;
    /* Drops an event fed to it, too. */
    ev_timer_stop(loop, &self->timer);
    return self->event;
}

enum fiber_event fiber_wait_fd(int fd, int events, double deadline)
{
    struct fiber *self = current;
    if (self->cancelled)
        return FIBER_CANCELLED;
    ev_io_set(&self->io, fd, events);
    ev_io_start(loop, &self->io);
    enum fiber_event event = suspend(deadline);
    ev_io_stop(loop, &self->io);
    return event;
}

/* An event without a waiter stops the watch until the next wait. */
static void on_watch(struct ev_loop *self_loop, ev_io *io, int events)
{
    struct fiber_watch *watch = io->data;
    (void)events;
    if (watch->waiter)
        end_wait_for(watch->waiter, io);
    else
        ev_io_stop(self_loop, io);
}

void fiber_watch_begin(struct fiber_watch *watch, int fd)
{
    ev_io_init(&watch->io, on_watch, fd, EV_NONE);
    watch->io.data = watch;
    watch->waiter = NULL;
}

enum fiber_event fiber_wait_watch(struct fiber_watch *watch, int events, double deadline)
{
    if (current->cancelled)
        return FIBER_CANCELLED;
    if (!ev_is_active(&watch->io) || (watch->io.events & (EV_READ | EV_WRITE)) != events) {
        ev_io_stop(loop, &watch->io);
        ev_io_modify(&watch->io, events);
        ev_io_start(loop, &watch->io);
    }
    watch->waiter = current;
    enum fiber_event event = suspend(deadline);
    watch->waiter = NULL;
    return event;
}

void fiber_watch_end(struct fiber_watch *watch)
{
    if (loop)
        ev_io_stop(loop, &watch->io);
}

/* The turn of a fiber has come. */
static void go_on(struct fiber *fiber)
{
    if (fiber->yielding) {
        resume(fiber, FIBER_READY);
        return;
    }
    const bool late = fiber->event == FIBER_TIMEOUT && fiber->cancelled;
    fiber->queued = false;
    resume(fiber, late ? FIBER_CANCELLED : fiber->event);
}

static struct fiber *fiber_of(struct turn *turn)
{
    return (struct fiber *)((char *)turn - offsetof(struct fiber, turn));
}

static void on_turn(struct ev_loop *self_loop, ev_timer *watcher, int events)
{
    struct turn *turn;
    (void)watcher, (void)events;
    for (enum turn_queue queue = 0; queue < QUEUES; queue++) {
        if (!rota_begin(self_loop, queue))
            continue;
        while ((turn = rota_take(queue)) != NULL)
            go_on(fiber_of(turn));
    }
    if (rota_any_queued())
        arm_turn_timer();
}

/* Lets those that queue go on first. */
static void step_back(struct fiber *self)
{
    self->yielding = true;
    queue_up(self);
    switch_to(self->resumer, false);
    self->yielding = false;
}

void fiber_yield(void)
{
    if (current != &root && rota_is_over(loop, &current->turn))
        step_back(current);
}

void fiber_take_lane(enum fiber_lane lane)
{
    if (current == &root || current->turn.lane == lane)
        return;
    current->turn.lane = lane;
    if (lane != FIBER_SERVES)
        step_back(current);
}

enum fiber_event fiber_sleep_until(double deadline)
{
    return current->cancelled ? FIBER_CANCELLED : suspend(deadline);
}

/* ASan keeps notes of its own of what lies there. */
void fiber_trim_stack(void)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t bottom = (uintptr_t)current->stack;
    /* Two pages below this frame stay, for the frames from here to the wait. */
    uintptr_t end = (uintptr_t)__builtin_frame_address(0) / page * page - 2 * page;
    if (!WITH_ASAN && current != &root && end > bottom)
        madvise(current->mapping + GUARD_SIZE, end - bottom, MADV_DONTNEED);
}

enum fiber_event fiber_wait(double deadline)
{
    struct fiber *self = current;
    enum fiber_event event = FIBER_READY;
    if (self->cancelled)
        return FIBER_CANCELLED;
    if (!self->woken) {
        self->wakeable = true;
        event = suspend(deadline);
        self->wakeable = false;
        if (event == FIBER_TIMEOUT && self->woken) /* while the time-out queued */
            event = FIBER_READY;
    }
    self->woken = false;
    return event;
}

void fiber_wake(struct fiber *fiber)
{
    fiber->woken = true;
    if (fiber->wakeable)
        ev_feed_event(loop, &fiber->timer, EV_CUSTOM);
}

void fiber_cancel(struct fiber *fiber)
{
    fiber->cancelled = true;
    if (fiber->suspended)
        ev_feed_event(loop, &fiber->timer, EV_CUSTOM);
}
