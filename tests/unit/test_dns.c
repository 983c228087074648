/* Unit tests of dns/dns.c: which names can be asked, and the memory for one message. */
#include "dns.h"
#include "fake_dns.h"
#include "unit.h"

#include <string.h>

static const char *const zone[] = {
    "example.com TXT one two",
    "example.com MX 10 mx.example.com.",
    "mx.example.com A 192.0.2.1",
    "www.example.com CNAME example.com",
    "loop.example CNAME loop.example",
    "slow.example * !TEMPFAIL",
    "www0.example CNAME example.com",
    "www1.example CNAME example.com",
    "www2.example CNAME example.com",
    "www3.example CNAME example.com",
    "www4.example CNAME example.com",
    "www5.example CNAME example.com",
    "www6.example CNAME example.com",
    "www7.example CNAME example.com",
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
    struct dns *memo = dns_memo(message, &fake.dns, 0);
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

static void a_memo_never_causes_more_questions_than_it_may_with_aliases_counted(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct fake_dns fake = FAKE_DNS(zone);
    struct dns *memo = dns_memo(arena, &fake.dns, 20);
    struct dns_answer answer;
    for (int i = 0; i < 40; i++) {
        dns_query(memo, arena, arena_printf(arena, "%d.example.com", i), DNS_A, 0, &answer);
        /* Ten questions leave room for as many as one more may become. */
        assert_int_equal(answer.status == DNS_TEMPFAIL, i >= 12);
    }
    assert_int_equal(fake.queries, 12);
    /* What it remembers it still answers. */
    dns_query(memo, arena, BYTES("3.example.com"), DNS_A, 0, &answer);
    assert_int_equal(answer.status, DNS_NXDOMAIN);

    memo = dns_memo(arena, &fake.dns, 20);
    fake.queries = 0;
    for (int i = 0; i < 8; i++)
        dns_query(memo, arena, arena_printf(arena, "www%d.example", i), DNS_A, 0, &answer);
    assert_int_equal(fake.queries, 6);
    arena_free(arena);
}

static void of_a_huge_answer_what_mail_looks_for_is_kept(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static char letters[DNS_TEXT_MAX + 100];
    struct dns_record records[COUNT] = {{.text = {NULL, 0}}};
    struct arena *arena = arena_new(0);
    struct dns_answer answer = {.status = DNS_OK, .count = COUNT, .records = records};
    dns_answer_trim(arena, DNS_AAAA, &answer);
    assert_int_equal(answer.count, DNS_RECORDS_MAX);

    memset(letters, 'x', sizeof letters);
    for (size_t i = 0; i < COUNT; i++)
        records[i].text = (struct bytes){letters, 1000};
    records[COUNT - 1].text = BYTES("v=spf1 -all");
    records[COUNT - 2].text = (struct bytes){letters, sizeof letters};
    answer = (struct dns_answer){.status = DNS_OK, .count = COUNT, .records = records};
    dns_answer_trim(arena, DNS_TXT, &answer);
    assert_int_equal(answer.count, 1 + DNS_TEXTS_MAX / 1000);
    assert_bytes(answer.records[0].text, "v=spf1 -all");

    answer = (struct dns_answer){.status = DNS_OK, .count = 1, .records = &records[COUNT - 2]};
    dns_answer_trim(arena, DNS_TXT, &answer);
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.records[0].text.n, DNS_TEXT_MAX);
    arena_free(arena);
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
        cmocka_unit_test(a_memo_never_causes_more_questions_than_it_may_with_aliases_counted),
        cmocka_unit_test(of_a_huge_answer_what_mail_looks_for_is_kept),
        cmocka_unit_test(a_memo_asks_each_question_once_even_when_it_failed),
        cmocka_unit_test(
            the_fake_distinguishes_missing_types_from_missing_names_and_follows_aliases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
