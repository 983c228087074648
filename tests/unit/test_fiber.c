/* Unit tests of io/fiber.c: running, waiting, waking, cancelling, and stacks used again. */
#include "clock.h"
#include "fiber.h"
#include "unit.h"

#include <sys/socket.h>
#include <unistd.h>

struct trace {
    char text[64];
    size_t n;
    struct fiber *waiting;
};

static void mark(struct trace *trace, char c)
{
    if (trace->n < sizeof trace->text - 1)
        trace->text[trace->n++] = c;
}

static void child(void *argument)
{
    struct trace *trace = argument;
    mark(trace, 'b');
    fiber_sleep_until(clock_monotonic() + 0.001);
    mark(trace, 'd');
}

static void parent(void *argument)
{
    struct trace *trace = argument;
    assert_non_null(fiber_self());
    mark(trace, 'a');
    assert_true(fiber_start(child, trace));
    mark(trace, 'c');
    fiber_sleep_until(clock_monotonic() + 0.05);
    mark(trace, 'e');
}

static void a_started_fiber_runs_at_once_until_its_first_wait(void **state)
{
    (void)state;
    struct trace trace = {0};
    assert_null(fiber_self());
    assert_true(fiber_run(parent, &trace));
    assert_string_equal(trace.text, "abcde");
}

static void waits_for_a_pair(void *argument)
{
    int *pair = argument;
    double begin = clock_monotonic();
    assert_int_equal(fiber_wait_fd(pair[0], EV_WRITE, begin + 5), FIBER_READY);
    assert_int_equal(fiber_wait_fd(pair[0], EV_READ, begin + 0.02), FIBER_TIMEOUT);
    assert_true(clock_monotonic() >= begin + 0.02);
    assert_int_equal(write(pair[1], "x", 1), 1);
    assert_int_equal(fiber_wait_fd(pair[0], EV_READ, 0), FIBER_READY);
    /* What is there counts, though the time has run out. */
    assert_int_equal(fiber_wait_fd(pair[0], EV_READ, begin), FIBER_READY);
}

static void a_wait_for_a_socket_ends_when_it_is_ready_or_at_the_deadline(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_true(fiber_run(waits_for_a_pair, pair));
    close(pair[0]);
    close(pair[1]);
}

static void sleeper(void *argument)
{
    struct trace *trace = argument;
    trace->waiting = fiber_self();
    for (;;) {
        enum fiber_event event = fiber_wait(0);
        mark(trace, event == FIBER_READY ? 'w' : 'c');
        if (event != FIBER_READY)
            break;
    }
    mark(trace, fiber_sleep_until(clock_monotonic() + 60) == FIBER_CANCELLED ? 'c' : '?');
    mark(trace, fiber_wait_fd(0, EV_READ, 0) == FIBER_CANCELLED ? 'c' : '?');
    trace->waiting = NULL;
}

static void wakes_and_cancels(void *argument)
{
    struct trace *trace = argument;
    fiber_start(sleeper, trace);
    for (int i = 0; i < 3; i++) {
        fiber_wake(trace->waiting);
        fiber_wake(trace->waiting);
        mark(trace, '.');
        fiber_sleep_until(clock_monotonic() + 0.001);
    }
    fiber_cancel(trace->waiting);
    fiber_sleep_until(clock_monotonic() + 0.001);
    assert_null(trace->waiting);
}

static void watches_a_pair(void *argument)
{
    int *pair = argument;
    struct fiber_watch watch;
    double soon = clock_monotonic() + 0.02;
    fiber_watch_begin(&watch, pair[0]);
    assert_int_equal(fiber_wait_watch(&watch, EV_READ, soon), FIBER_TIMEOUT);
    assert_int_equal(write(pair[1], "x", 1), 1);
    /* It happens while nobody waits: the loop must not turn idly until somebody does. */
    assert_int_equal(fiber_sleep_until(clock_monotonic() + 0.02), FIBER_TIMEOUT);
    assert_false(ev_is_active(&watch.io));
    assert_int_equal(fiber_wait_watch(&watch, EV_READ, 0), FIBER_READY);
    assert_int_equal(fiber_wait_watch(&watch, EV_WRITE, 0), FIBER_READY);
    assert_true(ev_is_active(&watch.io));
    fiber_watch_end(&watch);
    assert_false(ev_is_active(&watch.io));
}

static void a_watch_outlasts_the_wait_and_is_idle_without_a_waiter(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_true(fiber_run(watches_a_pair, pair));
    close(pair[0]);
    close(pair[1]);
}

static void wake_ups_count_once_and_a_cancelled_fiber_waits_no_more(void **state)
{
    (void)state;
    struct trace trace = {0};
    assert_true(fiber_run(wakes_and_cancels, &trace));
    assert_string_equal(trace.text, ".w.w.wccc");
}

static void wakes_itself_early(void *argument)
{
    (void)argument;
    fiber_wake(fiber_self());
    assert_int_equal(fiber_wait(0), FIBER_READY);
    assert_int_equal(fiber_wait(clock_monotonic() + 0.001), FIBER_TIMEOUT);
}

static void a_wake_up_before_the_wait_is_kept_for_it(void **state)
{
    (void)state;
    assert_true(fiber_run(wakes_itself_early, NULL));
}

/* Deep enough that a stack of a page or two would not do. */
__attribute__((noinline)) static unsigned use_stack(unsigned depth)
{
    volatile char frame[1024];
    frame[depth % sizeof frame] = (char)depth;
    return depth == 0 ? 0 : use_stack(depth - 1) + (unsigned)(frame[depth % sizeof frame] != 0);
}

static void digs(void *argument)
{
    unsigned *ended = argument;
    use_stack(100);
    fiber_sleep_until(clock_monotonic() + 0.001);
    use_stack(100);
    ++*ended;
}

static void starts_many(void *argument)
{
    const unsigned *ended = argument;
    for (unsigned started = 0; started < 1200;) {
        for (unsigned end = started + 300; started < end; started++)
            assert_true(fiber_start(digs, argument));
        while (*ended < started)
            fiber_sleep_until(clock_monotonic() + 0.001);
    }
}

static void hundreds_of_fibers_run_at_once_and_their_stacks_are_reused(void **state)
{
    (void)state;
    unsigned ended = 0;
    assert_true(fiber_run(starts_many, &ended));
    assert_int_equal(ended, 1200);
}

static void waits_for_no_event(void *argument)
{
    (void)argument;
    fiber_wait(0);
}

static void a_run_that_cannot_end_is_reported(void **state)
{
    (void)state;
    assert_false(fiber_run(waits_for_no_event, NULL));
}

/* Far more than a round's share, and an end for a loop that does not turn. */
static const double BURNED_MAX = 2;

static void works(double seconds)
{
    for (double end = clock_processor() + seconds; clock_processor() < end;)
        continue;
}

struct labour {
    bool other_ran;
    unsigned alternations;
    const char *last;
};

static void runs_once_later(void *argument)
{
    struct labour *labour = argument;
    fiber_sleep_until(clock_monotonic() + 0.001);
    labour->other_ran = true;
}

static void works_until_another_has_run(void *argument)
{
    struct labour *labour = argument;
    fiber_start(runs_once_later, labour);
    for (double end = clock_processor() + BURNED_MAX;
         !labour->other_ran && clock_processor() < end;) {
        works(0.001);
        fiber_yield();
    }
}

static void long_work_that_yields_lets_the_loop_turn(void **state)
{
    (void)state;
    struct labour labour = {0};
    assert_true(fiber_run(works_until_another_has_run, &labour));
    assert_true(labour.other_ran);
}

static void takes_turns(struct labour *labour, const char *name)
{
    for (int i = 0; i < 40; i++) {
        labour->alternations += labour->last != name ? 1 : 0;
        labour->last = name;
        works(0.001);
        fiber_yield();
    }
}

static void second_worker(void *argument)
{
    takes_turns(argument, "second");
}

static void first_worker(void *argument)
{
    fiber_start(second_worker, argument);
    takes_turns(argument, "first");
    fiber_sleep_until(clock_monotonic() + 0.001);
}

static void fibers_that_yield_take_turns(void **state)
{
    (void)state;
    struct labour labour = {0};
    assert_true(fiber_run(first_worker, &labour));
    assert_true(labour.alternations >= 10);
}

static void yields_after_little_work(void *argument)
{
    struct labour *labour = argument;
    fiber_start(runs_once_later, labour);
    fiber_yield();
    fiber_yield();
    assert_false(labour->other_ran);
    fiber_cancel(fiber_self());
    works(0.01);
    fiber_yield(); /* a fiber that is cancelled still has work to end */
}

static void little_work_does_not_give_up_the_loop(void **state)
{
    (void)state;
    struct labour labour = {0};
    fiber_yield(); /* nor does anything outside fibers */
    assert_true(fiber_run(yields_after_little_work, &labour));
}

struct crowd {
    int fd;
    unsigned woken;
    unsigned first_round, last_round; /* of the loop */
};

static void works_once_woken(void *argument)
{
    struct crowd *crowd = argument;
    assert_int_equal(fiber_wait_fd(crowd->fd, EV_READ, 0), FIBER_READY);
    crowd->last_round = ev_iteration(fiber_loop());
    if (crowd->woken++ == 0)
        crowd->first_round = crowd->last_round;
    works(0.002);
}

enum { CROWD = 50 };

static void wakes_a_crowd(void *argument)
{
    struct crowd *crowd = argument;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    crowd->fd = ends[0];
    for (int i = 0; i < CROWD; i++)
        fiber_start(works_once_woken, crowd);
    assert_int_equal(write(ends[1], "x", 1), 1);
    while (crowd->woken < CROWD)
        fiber_sleep_until(clock_monotonic());
    close(ends[0]);
    close(ends[1]);
}

static void waits_that_end_together_take_turns(void **state)
{
    (void)state;
    struct crowd crowd = {0};
    assert_true(fiber_run(wakes_a_crowd, &crowd));
    assert_true(crowd.last_round - crowd.first_round >= CROWD / 3);
}

struct queue_of_sleepers {
    struct fiber *last;
    enum fiber_event last_event;
    unsigned left;
};

static void works_after_a_sleep(void *argument)
{
    struct queue_of_sleepers *queue = argument;
    fiber_sleep_until(clock_monotonic() + 0.001);
    works(0.001);
    if (--queue->left == 0)
        fiber_cancel(queue->last);
}

static void sleeps_longest(void *argument)
{
    struct queue_of_sleepers *queue = argument;
    queue->last = fiber_self();
    queue->last_event = fiber_sleep_until(clock_monotonic() + 0.005);
}

static void cancels_the_last_of_a_queue(void *argument)
{
    struct queue_of_sleepers *queue = argument;
    for (unsigned i = queue->left; i > 0; i--)
        fiber_start(works_after_a_sleep, queue);
    fiber_start(sleeps_longest, queue);
    while (queue->left > 0)
        fiber_sleep_until(clock_monotonic());
    fiber_sleep_until(clock_monotonic() + 0.001);
}

/* The last one's time is over long before those ahead of it have worked. */
static void a_fiber_that_queues_can_be_cancelled(void **state)
{
    (void)state;
    struct queue_of_sleepers queue = {.left = CROWD};
    assert_true(fiber_run(cancels_the_last_of_a_queue, &queue));
    assert_int_equal(queue.last_event, FIBER_CANCELLED);
}

struct late_wake {
    struct fiber *sleeper;
    enum fiber_event event;
    unsigned left;
};

static void works_then_wakes(void *argument)
{
    struct late_wake *wake = argument;
    fiber_sleep_until(clock_monotonic() + 0.001);
    works(0.001);
    if (--wake->left == 0)
        fiber_wake(wake->sleeper);
}

static void waits_for_a_wake(void *argument)
{
    struct late_wake *wake = argument;
    wake->sleeper = fiber_self();
    wake->event = fiber_wait(clock_monotonic() + 0.005);
}

static void wakes_the_last_of_a_queue(void *argument)
{
    struct late_wake *wake = argument;
    for (unsigned i = wake->left; i > 0; i--)
        fiber_start(works_then_wakes, wake);
    fiber_start(waits_for_a_wake, wake);
    while (wake->left > 0)
        fiber_sleep_until(clock_monotonic());
    fiber_sleep_until(clock_monotonic() + 0.01);
}

static void a_wake_up_while_the_time_out_queues_counts(void **state)
{
    (void)state;
    struct late_wake wake = {.left = CROWD};
    assert_true(fiber_run(wakes_the_last_of_a_queue, &wake));
    assert_int_equal(wake.event, FIBER_READY);
}

static void works_apart(void *argument)
{
    double *took = argument;
    fiber_take_lane(FIBER_RELOADS);
    double began = clock_processor();
    for (int i = 0; i < 200; i++) {
        works(0.0001);
        fiber_yield();
    }
    *took = clock_processor() - began;
}

static void works_in_a_crowd(void *argument)
{
    const bool *over = argument;
    while (!*over) {
        works(0.0001);
        fiber_yield();
    }
}

struct apart {
    double took;
    bool over;
};

static void starts_one_apart_and_a_crowd(void *argument)
{
    struct apart *apart = argument;
    fiber_start(works_apart, &apart->took);
    for (int i = 0; i < CROWD; i++)
        fiber_start(works_in_a_crowd, &apart->over);
    while (apart->took == 0)
        fiber_sleep_until(clock_monotonic());
    apart->over = true;
    fiber_sleep_until(clock_monotonic() + 0.1);
}

/* One of fifty-one would take a second for these 20 ms. */
static void a_fiber_apart_does_not_share_with_the_crowd(void **state)
{
    (void)state;
    struct apart apart = {0};
    assert_true(fiber_run(starts_one_apart_and_a_crowd, &apart));
    assert_true(apart.took < 0.3);
}

struct beside_a_crowd {
    int crowd;     /* how often one of the crowd has worked */
    int most;      /* of these while the one waited for its turn */
    bool one_done; /* the crowd is to end */
};

static void waits_again_and_again(void *argument)
{
    struct beside_a_crowd *beside = argument;
    for (int i = 0; i < 20; i++) {
        int before = beside->crowd;
        fiber_sleep_until(clock_monotonic());
        if (beside->crowd - before > beside->most)
            beside->most = beside->crowd - before;
        works(0.00001);
    }
    beside->one_done = true;
}

static void works_between_waits(void *argument)
{
    struct beside_a_crowd *beside = argument;
    while (!beside->one_done) {
        works(0.0002);
        beside->crowd++;
        fiber_sleep_until(clock_monotonic());
    }
}

static void starts_one_beside_a_busy_crowd(void *argument)
{
    struct beside_a_crowd *beside = argument;
    for (int i = 0; i < CROWD; i++)
        fiber_start(works_between_waits, beside);
    while (beside->crowd < CROWD * 50) /* so that each has used some 10 ms */
        fiber_sleep_until(clock_monotonic() + 0.01);
    fiber_start(waits_again_and_again, beside);
    while (!beside->one_done)
        fiber_sleep_until(clock_monotonic() + 0.01);
    fiber_sleep_until(clock_monotonic() + 0.1);
}

/* Behind the whole crowd it would wait for fifty of them. */
static void who_has_used_little_comes_before_a_busy_crowd(void **state)
{
    (void)state;
    struct beside_a_crowd beside = {0};
    assert_true(fiber_run(starts_one_beside_a_busy_crowd, &beside));
    assert_in_range(beside.most, 0, CROWD / 4);
}

static void leaves(void *argument)
{
    struct beside_a_crowd *beside = argument;
    fiber_take_lane(FIBER_LEAVES);
    works(0.0004);
    beside->crowd++;
}

static void starts_one_beside_those_who_leave(void *argument)
{
    struct beside_a_crowd *beside = argument;
    for (int i = 0; i < CROWD; i++)
        fiber_start(leaves, beside);
    waits_again_and_again(beside);
    while (beside->crowd < CROWD)
        fiber_sleep_until(clock_monotonic() + 0.01);
}

static void who_leaves_keeps_nobody_waiting(void **state)
{
    (void)state;
    struct beside_a_crowd beside = {0};
    assert_true(fiber_run(starts_one_beside_those_who_leave, &beside));
    assert_in_range(beside.most, 1, CROWD / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_started_fiber_runs_at_once_until_its_first_wait),
        cmocka_unit_test(a_wait_for_a_socket_ends_when_it_is_ready_or_at_the_deadline),
        cmocka_unit_test(a_watch_outlasts_the_wait_and_is_idle_without_a_waiter),
        cmocka_unit_test(wake_ups_count_once_and_a_cancelled_fiber_waits_no_more),
        cmocka_unit_test(a_wake_up_before_the_wait_is_kept_for_it),
        cmocka_unit_test(hundreds_of_fibers_run_at_once_and_their_stacks_are_reused),
        cmocka_unit_test(a_run_that_cannot_end_is_reported),
        cmocka_unit_test(long_work_that_yields_lets_the_loop_turn),
        cmocka_unit_test(fibers_that_yield_take_turns),
        cmocka_unit_test(waits_that_end_together_take_turns),
        cmocka_unit_test(a_fiber_that_queues_can_be_cancelled),
        cmocka_unit_test(a_wake_up_while_the_time_out_queues_counts),
        cmocka_unit_test(who_has_used_little_comes_before_a_busy_crowd),
        cmocka_unit_test(who_leaves_keeps_nobody_waiting),
        cmocka_unit_test(a_fiber_apart_does_not_share_with_the_crowd),
        cmocka_unit_test(little_work_does_not_give_up_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
