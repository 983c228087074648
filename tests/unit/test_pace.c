/* Unit tests of smtpd/pace.c: how long a client in DATA may still be silent. */
#include "pace.h"
#include "unit.h"

enum { PATIENCE = 180, START = 1000 };

static void assert_seconds(double actual, double expected)
{
    assert_true(actual > expected - 0.001 && actual < expected + 0.001);
}

static void the_first_octets_have_as_long_as_any(void **state)
{
    (void)state;
    struct pace pace;
    pace_start(&pace, PATIENCE, START);
    assert_seconds(pace_deadline(&pace, START), START + PATIENCE);
}

static void what_was_sent_fast_is_good_for_a_minute_and_not_for_hours(void **state)
{
    (void)state;
    struct pace pace;
    pace_start(&pace, PATIENCE, START);
    pace_received(&pace, 17000000, START + 170);
    assert_seconds(pace_deadline(&pace, START + 170), START + 170 + PACE_WINDOW);
    /* An octet now and then does not prolong it by more than it pays. */
    for (int second = 171; second < 230; second++)
        pace_received(&pace, 1, START + second);
    assert_true(pace_deadline(&pace, START + 230) < START + 231);
}

static void a_client_that_keeps_the_rate_is_never_late(void **state)
{
    (void)state;
    struct pace pace;
    pace_start(&pace, PATIENCE, START);
    for (int second = 1; second < 100000; second++) {
        assert_true(pace_deadline(&pace, START + second) > START + second);
        pace_received(&pace, PACE_RATE_MIN, START + second);
    }
}

static void nobody_is_silent_for_longer_than_the_patience(void **state)
{
    (void)state;
    struct pace pace;
    pace_start(&pace, 3, START);
    pace_received(&pace, 1000000, START + 1);
    assert_seconds(pace_deadline(&pace, START + 1), START + 4);
    pace_received(&pace, 1, START + 3);
    assert_true(pace_deadline(&pace, START + 3) < START + 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_octets_have_as_long_as_any),
        cmocka_unit_test(what_was_sent_fast_is_good_for_a_minute_and_not_for_hours),
        cmocka_unit_test(a_client_that_keeps_the_rate_is_never_late),
        cmocka_unit_test(nobody_is_silent_for_longer_than_the_patience),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
