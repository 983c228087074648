/* The order of a destination's hosts and addresses (relay/forward/mx.c). */
#include "unit.h"

#include "buffer.h"
#include "fake_dns.h"
#include "mx.h"

#include <stdio.h>

static const char *const zone[] = {
    "ordered.example MX 20 b.example",
    "ordered.example MX 10 a.example",
    "ordered.example MX 30 only4.example",
    "a.example AAAA 2001:db8::a1",
    "a.example AAAA 2001:db8::a2",
    "a.example A 192.0.2.1",
    "b.example A 192.0.2.2",
    "only4.example A 192.0.2.4",

    "implicit.example A 192.0.2.5",
    "implicit.example AAAA 2001:db8::5",
    "no-address.example TXT there is no mail here",
    "null.example MX 0 .",
    "null-and-more.example MX 0 .",
    "null-and-more.example MX 10 b.example",
    "broken.example MX !TEMPFAIL",
    "alias.example CNAME ordered.example",

    "absent-hosts.example MX 10 absent1.example",
    "absent-hosts.example MX 20 no-address.example",
    "absent-first.example MX 10 absent1.example",
    "absent-first.example MX 20 b.example",

    "half-broken.example MX 10 broken6.example",
    "half-broken.example MX 20 broken.both.example",
    "half-broken.example MX 30 b.example",
    "broken6.example AAAA !TEMPFAIL",
    "broken6.example A 192.0.2.6",
    "broken.both.example * !TEMPFAIL",
    "all-broken.example MX 10 broken.both.example",
    "all-broken.example MX 20 absent1.example",

    "own-name.example MX 10 b.example",
    "own-name.example MX 20 mx.own.example",
    "own-name.example MX 30 a.example",
    "mx.own.example A 192.0.2.99",
    "own-address.example MX 10 pseudonym.example",
    "pseudonym.example A 192.0.2.25",

    "other-name.example MX 10 MX2.own.example",
    "own-and-other.example MX 5 b.example",
    "own-and-other.example MX 10 only4.example",
    "own-and-other.example MX 10 mx.own.example",
    "own-and-other.example MX 10 a.example",
    "own-and-other.example MX 20 a.example",
    "own-ipv4.example MX 10 only4.example",
    "own-ipv4.example MX 10 half-own.example",
    "half-own.example AAAA 2001:db8::99",
    "half-own.example A 192.0.2.25",
    "mapped.example MX 10 mapped-own.example",
    "mapped-own.example AAAA ::ffff:192.0.2.25",

    "nowhere.example MX 10 nowhere-host.example",
    "nowhere.example MX 20 b.example",
    "nowhere-host.example A 0.0.0.0",
    "nowhere-host.example A 0.255.255.255",
    "nowhere-host.example A 127.0.0.1",
    "nowhere-host.example A 127.255.255.254",
    "nowhere-host.example A 169.254.1.1",
    "nowhere-host.example A 224.0.0.1",
    "nowhere-host.example A 239.255.255.255",
    "nowhere-host.example A 255.255.255.255",
    "nowhere6.example AAAA ::",
    "nowhere6.example AAAA ::1",
    "nowhere6.example AAAA fe80::1",
    "nowhere6.example AAAA febf::1",
    "nowhere6.example AAAA ff02::1",
    "nowhere6.example AAAA ::ffff:127.0.0.1",
    "nowhere6.example A 198.51.100.7",
    "excepted.example A 127.0.0.63",
    "excepted.example A 127.0.0.64",
    "close.example AAAA ::2",
    "close.example AAAA fec0::1",
    "close.example A 1.0.0.0",
    "close.example A 126.255.255.255",
    "close.example A 128.0.0.1",
    "close.example A 169.253.0.1",
    "close.example A 223.255.255.255",
    "close.example A 198.51.101.1",

    "alias-host.example MX 10 www.example",
    "www.example CNAME b.example",
    "equal.example MX 10 only4.example",
    "equal.example MX 10 b.example",
    NULL,
};

static const struct ip own_address = {4, {192, 0, 2, 25}};
static const struct bytes own_names[] = {BYTES_INIT("mx.own.example"),
                                         BYTES_INIT("mx2.own.example")};
static const struct ip_prefix also_never = {{4, {198, 51, 100}}, 24};
static const struct ip_prefix exception = {{4, {127, 0, 0, 64}}, 26};
static const struct mx_settings settings = {
    .self = {own_names, 2, &own_address, 1},
    .never = &also_never,
    .never_count = 1,
    .allow = &exception,
    .allow_count = 1,
};

static const char *status_name(enum mx_status status)
{
    switch (status) {
    case MX_CANDIDATE:
        break;
    case MX_END:
        return "end";
    case MX_NO_SUCH_DOMAIN:
        return "no such domain";
    case MX_NO_HOST:
        return "no host";
    case MX_NULL:
        return "null";
    case MX_LOOP:
        return "loop";
    case MX_DNS_FAILED:
        return "DNS failed";
    }
    return "?";
}

/* "a.example 192.0.2.1, b.example 2001:db8::1, end" */
static void walk(const char *const *table, const char *domain, struct buffer *seen)
{
    struct fake_dns fake = FAKE_DNS(table);
    struct arena *arena = arena_new(0);
    struct mx *mx = mx_new(arena, &fake.dns, &settings, bytes_of(domain));
    assert_non_null(mx);
    struct mx_candidate candidate;
    enum mx_status status;
    while ((status = mx_next(mx, 0, &candidate)) == MX_CANDIDATE) {
        char text[IP_TEXT_SIZE];
        buffer_printf(seen, "%.*s %s, ", BYTES_ARG(candidate.host),
                      ip_format(&candidate.address, text));
    }
    buffer_printf(seen, "%s", status_name(status));
    assert_int_equal(mx_next(mx, 0, &candidate), status); /* a final status stays */
    arena_free(arena);
}

static void assert_order(const char *domain, const char *expected)
{
    struct buffer seen = {0};
    walk(zone, domain, &seen);
    assert_bytes(buffer_bytes(&seen), expected);
    buffer_free(&seen);
}

static void hosts_come_by_preference_and_ipv6_first(void **state)
{
    (void)state;
    assert_order("ordered.example",
                 "a.example 2001:db8::a1, a.example 2001:db8::a2, a.example 192.0.2.1, "
                 "b.example 192.0.2.2, only4.example 192.0.2.4, end");
    assert_order("alias.example",
                 "a.example 2001:db8::a1, a.example 2001:db8::a2, a.example 192.0.2.1, "
                 "b.example 192.0.2.2, only4.example 192.0.2.4, end");
    assert_order("alias-host.example", "www.example 192.0.2.2, end");
}

static void a_domain_without_mx_is_its_own_host(void **state)
{
    (void)state;
    assert_order("implicit.example",
                 "implicit.example 2001:db8::5, implicit.example 192.0.2.5, end");
    assert_order("no-address.example", "no host");
}

static void what_dns_says_at_first_is_told_apart(void **state)
{
    (void)state;
    assert_order("absent.example", "no such domain");
    assert_order("bad..name", "no such domain");
    assert_order("null.example", "null");
    assert_order("null-and-more.example", "b.example 192.0.2.2, end");
    assert_order("broken.example", "DNS failed");
}

static void an_address_literal_is_its_own_candidate(void **state)
{
    (void)state;
    assert_order("[192.0.2.9]", "[192.0.2.9] 192.0.2.9, end");
    assert_order("[IPv6:2001:db8::9]", "[IPv6:2001:db8::9] 2001:db8::9, end");
}

static void hosts_without_addresses_are_skipped(void **state)
{
    (void)state;
    assert_order("absent-hosts.example", "end");
    assert_order("absent-first.example", "b.example 192.0.2.2, end");
}

static void a_failing_lookup_of_one_host_leaves_the_others(void **state)
{
    (void)state;
    assert_order("half-broken.example", "broken6.example 192.0.2.6, b.example 192.0.2.2, end");
    assert_order("all-broken.example", "DNS failed");
}

static void the_relay_itself_ends_the_list(void **state)
{
    (void)state;
    assert_order("own-name.example", "b.example 192.0.2.2, end");
    assert_order("own-address.example", "loop");
    assert_order("[192.0.2.25]", "loop");
    assert_order("other-name.example", "loop");
    assert_order("mapped.example", "loop");
}

static void no_host_of_the_relays_own_preference_is_tried(void **state)
{
    (void)state;
    enum { WALKS = 16 }; /* whatever the shuffle */
    for (int i = 0; i < WALKS; i++) {
        assert_order("own-and-other.example", "b.example 192.0.2.2, end");
        assert_order("own-ipv4.example", "loop");
    }
}

static void addresses_of_no_host_elsewhere_are_passed_over(void **state)
{
    (void)state;
    assert_order("nowhere.example", "b.example 192.0.2.2, end");
    assert_order("nowhere6.example", "end");
    assert_order("[127.0.0.1]", "end");
    assert_order("excepted.example", "excepted.example 127.0.0.64, end");
    assert_order("close.example",
                 "close.example ::2, close.example fec0::1, close.example 1.0.0.0, "
                 "close.example 126.255.255.255, close.example 128.0.0.1, "
                 "close.example 169.253.0.1, close.example 223.255.255.255, "
                 "close.example 198.51.101.1, end");
}

static void a_later_host_is_not_looked_up_before_its_turn(void **state)
{
    (void)state;
    struct fake_dns fake = FAKE_DNS(zone);
    struct arena *arena = arena_new(0);
    struct mx *mx = mx_new(arena, &fake.dns, &settings, BYTES("ordered.example"));
    struct mx_candidate candidate;
    assert_int_equal(fake.queries, 0);
    assert_int_equal(mx_next(mx, 0, &candidate), MX_CANDIDATE);
    assert_int_equal(mx_next(mx, 0, &candidate), MX_CANDIDATE);
    assert_int_equal(fake.queries, 3); /* MX of the domain, AAAA and A of its first host */
    arena_free(arena);
}

static void equal_preferences_share_the_load(void **state)
{
    (void)state;
    enum { WALKS = 64 }; /* all the same by chance: one in 2^63 */
    unsigned first = 0;
    for (int i = 0; i < WALKS; i++) {
        struct buffer seen = {0};
        walk(zone, "equal.example", &seen);
        first += bytes_starts_with_nocase(buffer_bytes(&seen), BYTES("b.example"));
        buffer_free(&seen);
    }
    assert_in_range(first, 1, WALKS - 1);
}

static void a_flood_of_hosts_and_addresses_is_bounded(void **state)
{
    (void)state;
    enum { HOSTS = 40, ADDRESSES = 20, LINE = 48 };
    static char lines[HOSTS + ADDRESSES][LINE];
    static const char *table[HOSTS + ADDRESSES + 1];
    for (int i = 0; i < HOSTS; i++)
        snprintf(lines[i], LINE, "flood.example MX %d same.example", HOSTS - i);
    for (int i = 0; i < ADDRESSES; i++)
        snprintf(lines[HOSTS + i], LINE, "same.example A 192.0.2.%d", i + 100);
    for (int i = 0; i < HOSTS + ADDRESSES; i++)
        table[i] = lines[i];
    struct buffer seen = {0};
    walk(table, "flood.example", &seen);
    size_t candidates = 0;
    for (size_t i = 0; i < seen.n; i++)
        candidates += seen.p[i] == ',';
    assert_int_equal(candidates, 10 * 8);
    buffer_free(&seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_come_by_preference_and_ipv6_first),
        cmocka_unit_test(a_domain_without_mx_is_its_own_host),
        cmocka_unit_test(what_dns_says_at_first_is_told_apart),
        cmocka_unit_test(an_address_literal_is_its_own_candidate),
        cmocka_unit_test(hosts_without_addresses_are_skipped),
        cmocka_unit_test(a_failing_lookup_of_one_host_leaves_the_others),
        cmocka_unit_test(the_relay_itself_ends_the_list),
        cmocka_unit_test(no_host_of_the_relays_own_preference_is_tried),
        cmocka_unit_test(addresses_of_no_host_elsewhere_are_passed_over),
        cmocka_unit_test(a_later_host_is_not_looked_up_before_its_turn),
        cmocka_unit_test(equal_preferences_share_the_load),
        cmocka_unit_test(a_flood_of_hosts_and_addresses_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
