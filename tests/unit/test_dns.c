/* Unit tests of dns/dns.c: which names can be asked, and the memory for one message. */
#include "dns.h"
#include "fake_dns.h"
#include "unit.h"

static const char *const zone[] = {
    "example.com TXT one two",
    "example.com MX 10 mx.example.com.",
    "mx.example.com A 192.0.2.1",
    "www.example.com CNAME example.com",
    "loop.example CNAME loop.example",
    "slow.example * !TEMPFAIL",
    NULL,
};

static void a_name_is_queried_only_if_it_fits_the_wire_format(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum dns_status status;
    } cases[] = {
        {"", DNS_BAD_NAME},
        {".", DNS_BAD_NAME},
        {"a..b", DNS_BAD_NAME},
        {".a", DNS_BAD_NAME},
        {"a..", DNS_BAD_NAME},
        {"example.com", DNS_OK},
        {"EXAMPLE.com.", DNS_OK},
        {"_a b.\x01\xff", DNS_NXDOMAIN},
        {"123456789012345678901234567890123456789012345678901234567890123.x", DNS_NXDOMAIN},
        {"1234567890123456789012345678901234567890123456789012345678901234.x", DNS_BAD_NAME},
    };
    struct arena *arena = arena_new(0);
    struct fake_dns fake = FAKE_DNS(zone);
    struct dns_answer answer;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dns_query(&fake.dns, arena, bytes_of(cases[i].name), DNS_TXT, 0, &answer);
        assert_int_equal(answer.status, cases[i].status);
    }
    arena_free(arena);
}

static void a_name_of_253_octets_is_queried_and_one_of_254_is_not(void **state)
{
    (void)state;
    char name[254];
    for (size_t i = 0; i < sizeof name; i++)
        name[i] = i % 2 ? '.' : 'a';
    name[252] = 'a';
    name[253] = 'a';
    struct arena *arena = arena_new(0);
    struct fake_dns fake = FAKE_DNS(zone);
    struct dns_answer answer;
    dns_query(&fake.dns, arena, (struct bytes){name, 253}, DNS_TXT, 0, &answer);
    assert_int_equal(answer.status, DNS_NXDOMAIN);
    dns_query(&fake.dns, arena, (struct bytes){name, 254}, DNS_TXT, 0, &answer);
    assert_int_equal(answer.status, DNS_BAD_NAME);
    arena_free(arena);
}

static void an_arena_that_runs_out_gives_a_temporary_failure(void **state)
{
    (void)state;
    struct arena *arena = arena_new(64);
    struct fake_dns fake = FAKE_DNS(zone);
    struct dns_answer answer;
    dns_query(&fake.dns, arena, BYTES("example.com"), DNS_TXT, 0, &answer);
    assert_int_equal(answer.status, DNS_TEMPFAIL);
    assert_string_equal(answer.problem, "out of memory");
    assert_int_equal(answer.count, 0);
    arena_free(arena);
}

static void a_memo_asks_each_question_once_even_when_it_failed(void **state)
{
    (void)state;
    struct arena *message = arena_new(0), *other = arena_new(0);
    struct fake_dns fake = FAKE_DNS(zone);
    struct dns *memo = dns_memo(message, &fake.dns);
    struct dns_answer answer;
    for (int i = 0; i < 3; i++) {
        struct arena *arena = i == 1 ? other : message;
        dns_query(memo, arena, i == 2 ? BYTES("EXAMPLE.com.") : BYTES("example.com"), DNS_TXT, 0,
                  &answer);
        assert_int_equal(answer.status, DNS_OK);
        assert_int_equal(answer.count, 1);
        assert_bytes(answer.records[0].text, "one two");
        dns_query(memo, arena, BYTES("slow.example"), DNS_A, 0, &answer);
        assert_int_equal(answer.status, DNS_TEMPFAIL);
        assert_non_null(answer.problem);
    }
    assert_int_equal(fake.queries, 2);
    dns_query(memo, message, BYTES("example.com"), DNS_MX, 0, &answer);
    assert_int_equal(fake.queries, 3);
    arena_free(message);
    assert_int_equal(answer.status, DNS_OK);
    arena_free(other);
}

static void
the_fake_distinguishes_missing_types_from_missing_names_and_follows_aliases(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct fake_dns fake = FAKE_DNS(zone);
    struct dns_answer answer;
    dns_query(&fake.dns, arena, BYTES("example.com"), DNS_MX, 0, &answer);
    assert_int_equal(answer.records[0].preference, 10);
    assert_bytes(answer.records[0].text, "mx.example.com");
    dns_query(&fake.dns, arena, BYTES("example.com"), DNS_A, 0, &answer);
    assert_int_equal(answer.status, DNS_NODATA);
    dns_query(&fake.dns, arena, BYTES("com"), DNS_A, 0, &answer);
    assert_int_equal(answer.status, DNS_NODATA);
    dns_query(&fake.dns, arena, BYTES("nowhere.com"), DNS_A, 0, &answer);
    assert_int_equal(answer.status, DNS_NXDOMAIN);
    dns_query(&fake.dns, arena, BYTES("www.example.com"), DNS_TXT, 0, &answer);
    assert_int_equal(answer.status, DNS_OK);
    assert_bytes(answer.canonical_name, "example.com");
    dns_query(&fake.dns, arena, BYTES("loop.example"), DNS_TXT, 0, &answer);
    assert_int_equal(answer.status, DNS_TEMPFAIL);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_queried_only_if_it_fits_the_wire_format),
        cmocka_unit_test(a_name_of_253_octets_is_queried_and_one_of_254_is_not),
        cmocka_unit_test(an_arena_that_runs_out_gives_a_temporary_failure),
        cmocka_unit_test(a_memo_asks_each_question_once_even_when_it_failed),
        cmocka_unit_test(
            the_fake_distinguishes_missing_types_from_missing_names_and_follows_aliases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
