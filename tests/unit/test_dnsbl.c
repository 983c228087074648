/* Unit tests of policy/dnsbl.c. */
#include "clock.h"
#include "dnsbl.h"
#include "fake_dns.h"
#include "fiber.h"
#include "unit.h"

static const char *const zone[] = {
    "2.0.0.127.one.example A 127.0.0.2",
    "2.0.0.127.two.example A 127.0.0.2",
    "1.2.0.192.two.example A 127.1.2.3",
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.two.example A 127.0.0.4",
    "3.2.0.192.one.example A 127.255.255.254",
    "3.2.0.192.two.example A 203.0.113.7",
    "4.2.0.192.one.example A 127.255.255.254",
    "4.2.0.192.one.example A 127.0.0.9",
    "5.2.0.192.one.example * !TEMPFAIL",
    "5.2.0.192.two.example A 127.0.0.2",
    NULL,
};

static const struct dnsbl lists[] = {
    {.zone = {"one.example", 11}, .name = {"first", 5}},
    {.zone = {"two.example", 11}, .name = {"second", 6}},
};

static struct bytes listed(struct dns *dns, const char *client, double deadline)
{
    struct ip ip;
    assert_true(ip_parse(bytes_of(client), &ip));
    struct dnsbl_listing listing = dnsbl_look_up(dns, &ip, lists, 2, deadline);
    return listing.status == DNSBL_LISTED ? listing.name : BYTES("");
}

static void a_list_that_does_not_answer_is_distinguished_from_one_that_does_not_list(void **state)
{
    (void)state;
    static const char *const silent[] = {"2.2.0.192.two.example * !TEMPFAIL", NULL};
    const struct ip client = {4, {192, 0, 2, 2}};
    struct fake_dns fake = FAKE_DNS(silent);
    struct dnsbl_listing listing = dnsbl_look_up(&fake.dns, &client, lists, 2, 0);
    assert_int_equal(listing.status, DNSBL_UNANSWERED);
    assert_bytes(listing.name, "second");
    assert_int_equal(dnsbl_look_up(&fake.dns, &client, lists, 1, 0).status, DNSBL_NOT_LISTED);
}

static void the_first_list_that_lists_the_address_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *client, *name;
    } cases[] = {
        {"127.0.0.2", "first"},
        {"192.0.2.1", "second"},
        {"2001:db8::1", "second"},
        {"192.0.2.2", ""},
        {"192.0.2.3", ""}, /* an error code, and no list's value */
        {"192.0.2.4", "first"},
        {"192.0.2.5", "second"}, /* the first does not answer */
        {"::ffff:192.0.2.1", "second"},
    };
    struct fake_dns fake = FAKE_DNS(zone);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_bytes(listed(&fake.dns, cases[i].client, 0), cases[i].name);
    assert_int_equal(dnsbl_look_up(&fake.dns, &(struct ip){0}, lists, 2, 0).status,
                     DNSBL_NOT_LISTED);
    assert_int_equal(dnsbl_look_up(&fake.dns, &(struct ip){4, {127, 0, 0, 2}}, lists, 0, 0).status,
                     DNSBL_NOT_LISTED);
}

/* A DNS that takes its time: longer for one.example than for the rest. */
struct slow_dns {
    struct fake_dns fake;
    unsigned waiting, waiting_max;
};

static void slow_query(struct dns *self, struct arena *arena, struct bytes name, enum dns_type type,
                       double deadline, struct dns_answer *answer)
{
    struct slow_dns *slow = (struct slow_dns *)self;
    double seconds = bytes_ends_with_nocase(name, BYTES("one.example")) ? 0.3 : 0.01;
    slow->waiting++;
    if (slow->waiting_max < slow->waiting)
        slow->waiting_max = slow->waiting;
    fiber_sleep_until(clock_monotonic() + seconds);
    slow->waiting--;
    fake_dns_query(self, arena, name, type, deadline, answer);
}

static void wait_for_lists(void *argument)
{
    struct slow_dns *slow = argument;
    /* The second answers first, but the first is the first that lists. */
    assert_bytes(listed(&slow->fake.dns, "127.0.0.2", 0), "first");
    assert_int_equal(slow->waiting_max, 2);
    assert_bytes(listed(&slow->fake.dns, "127.0.0.2", clock_monotonic() + 0.15), "second");
    assert_bytes(listed(&slow->fake.dns, "127.0.0.2", clock_monotonic()), "");
    while (slow->waiting > 0) /* the queries that were left behind end by themselves */
        fiber_sleep_until(clock_monotonic() + 0.01);
}

static void lists_are_queried_in_parallel_until_the_deadline(void **state)
{
    (void)state;
    struct slow_dns slow = {.fake = FAKE_DNS(zone)};
    slow.fake.dns.query = slow_query;
    assert_true(fiber_run(wait_for_lists, &slow));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_list_that_lists_the_address_is_named),
        cmocka_unit_test(a_list_that_does_not_answer_is_distinguished_from_one_that_does_not_list),
        cmocka_unit_test(lists_are_queried_in_parallel_until_the_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
