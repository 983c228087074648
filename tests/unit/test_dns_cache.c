/* Unit tests of dns/cache.c: lifetimes, the bound of memory, and what goes first. */
#include "cache.h"
#include "unit.h"

#include <stdio.h>

static const struct dns_cache_limits limits = {
    .octets = 64 * 1024, .ttl_min = 30, .ttl_max = 1000, .negative_ttl_max = 100};

static struct dns_answer positive(uint32_t ttl)
{
    static const struct dns_record records[] = {
        {.text = {"v=spf1 -all", 11}}, {.text = {"other", 5}}, {.text = {NULL, 0}}};
    return (struct dns_answer){.status = DNS_OK,
                               .count = 3,
                               .records = records,
                               .canonical_name = BYTES("example.com"),
                               .ttl = ttl};
}

static void an_answer_is_found_by_name_and_type_until_it_expires(void **state)
{
    (void)state;
    struct dns_cache *cache = dns_cache_new(&limits);
    struct arena *arena = arena_new(0);
    struct dns_answer in = positive(300), out;
    dns_cache_put(cache, BYTES("example.com"), DNS_TXT, 1000, &in);
    assert_false(dns_cache_get(cache, arena, BYTES("example.com"), DNS_MX, 1000, &out));
    assert_false(dns_cache_get(cache, arena, BYTES("xample.com"), DNS_TXT, 1000, &out));
    assert_true(dns_cache_get(cache, arena, BYTES("EXAMPLE.com"), DNS_TXT, 1100, &out));
    assert_int_equal(out.count, 3);
    assert_bytes(out.records[0].text, "v=spf1 -all");
    assert_bytes(out.records[1].text, "other");
    assert_bytes(out.canonical_name, "example.com");
    assert_int_equal(out.ttl, 200);
    assert_false(dns_cache_get(cache, arena, BYTES("example.com"), DNS_TXT, 1300, &out));
    dns_cache_free(cache);
    assert_bytes(out.records[0].text, "v=spf1 -all");
    arena_free(arena);
}

static void lifetimes_are_kept_within_their_limits(void **state)
{
    (void)state;
    static const struct {
        enum dns_status status;
        uint32_t ttl, kept; /* 0: not at all */
    } cases[] = {
        {DNS_OK, 0, 0},       {DNS_OK, 1, 30},      {DNS_OK, 300, 300},      {DNS_OK, 5000, 1000},
        {DNS_NXDOMAIN, 0, 0}, {DNS_NXDOMAIN, 5, 5}, {DNS_NODATA, 5000, 100}, {DNS_TEMPFAIL, 300, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dns_cache *cache = dns_cache_new(&limits);
        struct arena *arena = arena_new(0);
        struct dns_answer in = {.status = cases[i].status, .ttl = cases[i].ttl}, out;
        dns_cache_put(cache, BYTES("example.com"), DNS_A, 1000, &in);
        bool found = dns_cache_get(cache, arena, BYTES("example.com"), DNS_A, 1000, &out);
        assert_int_equal(found, cases[i].kept > 0);
        if (found)
            assert_int_equal(out.ttl, cases[i].kept);
        dns_cache_free(cache);
        arena_free(arena);
    }
}

static void a_newer_answer_replaces_the_older(void **state)
{
    (void)state;
    struct dns_cache *cache = dns_cache_new(&limits);
    struct arena *arena = arena_new(0);
    struct dns_answer first = positive(300), second = {.status = DNS_NXDOMAIN, .ttl = 50}, out;
    dns_cache_put(cache, BYTES("example.com"), DNS_TXT, 1000, &first);
    dns_cache_put(cache, BYTES("example.com"), DNS_TXT, 1000, &second);
    assert_true(dns_cache_get(cache, arena, BYTES("example.com"), DNS_TXT, 1000, &out));
    assert_int_equal(out.status, DNS_NXDOMAIN);
    assert_int_equal(out.count, 0);
    dns_cache_free(cache);
    arena_free(arena);
}

static void a_full_cache_evicts_the_least_recently_used(void **state)
{
    (void)state;
    struct dns_cache *cache = dns_cache_new(&limits);
    struct arena *arena = arena_new(0);
    struct dns_answer in = positive(300), out;
    char name[32];
    dns_cache_put(cache, BYTES("kept.example"), DNS_TXT, 1000, &in);
    dns_cache_put(cache, BYTES("gone.example"), DNS_TXT, 1000, &in);
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof name, "n%d.example", i);
        dns_cache_put(cache, bytes_of(name), DNS_TXT, 1000, &in);
        assert_true(dns_cache_get(cache, arena, BYTES("kept.example"), DNS_TXT, 1000, &out));
        arena_reset(arena);
    }
    assert_true(dns_cache_get(cache, arena, bytes_of(name), DNS_TXT, 1000, &out));
    assert_false(dns_cache_get(cache, arena, BYTES("gone.example"), DNS_TXT, 1000, &out));
    dns_cache_free(cache);
    arena_free(arena);
}

static void an_answer_larger_than_the_cache_is_not_kept(void **state)
{
    (void)state;
    static const char text[2000] = {'x'};
    struct dns_cache_limits small = limits;
    small.octets = 1000;
    struct dns_cache *cache = dns_cache_new(&small);
    struct arena *arena = arena_new(0);
    const struct dns_record record = {.text = {text, sizeof text}};
    struct dns_answer in = {.status = DNS_OK, .count = 1, .records = &record, .ttl = 300}, out;
    dns_cache_put(cache, BYTES("example.com"), DNS_TXT, 1000, &in);
    assert_false(dns_cache_get(cache, arena, BYTES("example.com"), DNS_TXT, 1000, &out));
    dns_cache_free(cache);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_found_by_name_and_type_until_it_expires),
        cmocka_unit_test(lifetimes_are_kept_within_their_limits),
        cmocka_unit_test(a_newer_answer_replaces_the_older),
        cmocka_unit_test(a_full_cache_evicts_the_least_recently_used),
        cmocka_unit_test(an_answer_larger_than_the_cache_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
