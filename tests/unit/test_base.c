/* Unit tests of relay/base: slices, arenas, buffers, addresses, JSON. */
#include "arena.h"
#include "cursor.h"
#include "ip.h"
#include "json.h"
#include "unit.h"
#include "utf8.h"

#include <string.h>

static void cutting_visits_every_part_even_empty_ones(void **state)
{
    (void)state;
    struct bytes rest = BYTES("a,,b,");
    const char *expected[] = {"a", "", "b", ""};
    size_t parts = 0;
    while (rest.p != NULL) {
        assert_bytes(bytes_cut(&rest, ','), expected[parts]);
        parts++;
    }
    assert_int_equal(parts, 4);
}

static void numbers_consist_of_digits_and_never_overflow(void **state)
{
    (void)state;
    uint64_t value = 7;
    assert_false(bytes_is_digits(BYTES("")));
    assert_false(bytes_is_digits(BYTES("1a")));
    assert_true(bytes_is_digits(BYTES("0123456789")));
    assert_false(bytes_to_number(BYTES(""), UINT64_MAX, &value));
    assert_false(bytes_to_number(BYTES("+1"), UINT64_MAX, &value));
    assert_false(bytes_to_number(BYTES("1 "), UINT64_MAX, &value));
    assert_false(bytes_to_number(BYTES("18446744073709551616"), UINT64_MAX, &value));
    assert_false(bytes_to_number(BYTES("256"), 255, &value));
    assert_false(bytes_to_number(BYTES("9"), 5, &value));
    assert_int_equal(value, 7);
    assert_true(bytes_to_number(BYTES("18446744073709551615"), UINT64_MAX, &value));
    assert_true(value == UINT64_MAX);
}

static void slices_are_found_and_compared_without_case(void **state)
{
    (void)state;
    assert_true(bytes_equal_nocase(BYTES("MaIl"), BYTES("mAiL")));
    assert_false(bytes_equal_nocase(BYTES("mail"), BYTES("mails")));
    assert_true(bytes_ends_with_nocase(BYTES("a.Example"), BYTES(".eXAMPLE")));
    assert_int_equal(bytes_find_slice(BYTES("aab"), BYTES("ab")), 1);
    assert_int_equal(bytes_find_slice(BYTES("aa"), BYTES("ab")), BYTES_NOT_FOUND);
    assert_int_equal(bytes_find_last(BYTES("a@b@c"), '@'), 3);
    assert_bytes(bytes_trim(BYTES(" \t x y\r\n")), "x y");
}

static void an_arena_that_reaches_its_limit_fails_for_good_and_can_be_reset(void **state)
{
    (void)state;
    struct arena *arena = arena_new(10000);
    assert_non_null(arena_alloc(arena, 4000));
    assert_null(arena_alloc(arena, 9000));
    assert_true(arena_failed(arena));
    assert_null(arena_alloc(arena, 1));
    arena_reset(arena);
    assert_false(arena_failed(arena));
    assert_bytes(arena_printf(arena, "%d-%s", 7, "x"), "7-x");
    const struct bytes parts[] = {BYTES("a"), BYTES(""), {NULL, 0}, BYTES("bc")};
    assert_bytes(arena_join(arena, parts, 4), "abc");
    assert_null(arena_alloc_array(arena, SIZE_MAX / 2, 3));
    arena_free(arena);
}

static unsigned parts_freed;

static void count_part(void)
{
    parts_freed++;
}

enum { MIB = 1024 * 1024, LARGE = 10 * MIB };

/* Across the size from which a buffer has a mapping of its own, up and down. */
static void a_large_buffer_keeps_its_octets_and_is_freed_in_parts(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    for (unsigned i = 0; buffer.n < LARGE && !buffer.failed; i++)
        buffer_add(&buffer, (struct bytes){(const char *)&i, sizeof i});
    assert_int_equal(buffer.n, LARGE);
    for (unsigned i = 0; i < LARGE / sizeof i; i++)
        assert_memory_equal(buffer.p + i * sizeof i, &i, sizeof i);
    parts_freed = 0;
    buffer_free_in_parts(&buffer, count_part);
    assert_true(parts_freed >= 4);
    assert_true(buffer.p == NULL && buffer.capacity == 0);
}

/* What the system refuses is a failure like any other. */
static void a_large_buffer_that_is_not_to_be_had_fails(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    buffer_add(&buffer, BYTES("octets"));
    assert_false(buffer_reserve(&buffer, (size_t)1 << 46));
    assert_true(buffer.failed);
    assert_bytes(buffer_bytes(&buffer), "octets");
    buffer_free(&buffer);
}

static void an_arena_takes_over_a_buffer_and_its_failure(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct buffer text = {0};
    assert_non_null(arena_take(arena, &text).p);
    buffer_add(&text, BYTES("octets"));
    assert_bytes(arena_take(arena, &text), "octets");
    assert_null(text.p);
    buffer_add(&text, BYTES("more"));
    text.failed = true;
    assert_null(arena_take(arena, &text).p);
    assert_null(text.p);
    assert_true(arena_failed(arena));
    arena_free(arena);
}

static void an_arena_string_refuses_an_embedded_nul(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    assert_null(arena_string(arena, BYTES("a\0b")));
    assert_string_equal(arena_string(arena, BYTES("ab")), "ab");
    arena_free(arena);
}

static void addresses_round_trip_and_reverse(void **state)
{
    (void)state;
    static const struct {
        const char *text, *formatted, *reversed;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1", "1.2.0.192"},
        {"::ffff:192.0.2.1", "192.0.2.1", "1.2.0.192"},
        {"2001:DB8::1", "2001:db8::1",
         "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ip ip;
        char text[IP_TEXT_SIZE], reversed[IP_REVERSED_SIZE];
        assert_true(ip_parse(bytes_of(cases[i].text), &ip));
        assert_string_equal(ip_format(&ip, text), cases[i].formatted);
        assert_string_equal(ip_reversed(&ip, reversed), cases[i].reversed);
    }
    struct ip ip;
    assert_false(ip_parse(BYTES("192.0.2.256"), &ip));
    assert_false(ip_parse(BYTES("192.0.2.1\0"), &ip));
    assert_false(ip_parse(BYTES("fe80::1%lo"), &ip));
}

static void prefixes_match_on_their_bits(void **state)
{
    (void)state;
    struct ip_prefix prefix;
    struct ip ip;
    assert_true(ip_prefix_parse(BYTES("104.30.0.0/19"), &prefix));
    assert_true(ip_parse(BYTES("104.30.31.255"), &ip) && ip_in_prefix(&ip, &prefix));
    assert_true(ip_parse(BYTES("104.30.32.0"), &ip) && !ip_in_prefix(&ip, &prefix));
    assert_true(ip_prefix_parse(BYTES("::/0"), &prefix));
    assert_true(ip_parse(BYTES("2001:db8::"), &ip) && ip_in_prefix(&ip, &prefix));
    assert_true(ip_parse(BYTES("1.2.3.4"), &ip) && !ip_in_prefix(&ip, &prefix));
    assert_false(ip_prefix_parse(BYTES("1.2.3.4/33"), &prefix));
    assert_false(ip_prefix_parse(BYTES("1.2.3.4/"), &prefix));
}

static void json_escapes_whatever_could_break_a_line_or_a_terminal(void **state)
{
    (void)state;
    struct buffer out = {0};
    struct json json = json_start(&out);
    json_open_object(&json, NULL);
    json_string(&json, "a", BYTES("\"\\\x1b\xff\n"));
    json_open_array(&json, "b");
    json_number(&json, NULL, -1);
    json_bool(&json, NULL, true);
    json_close_array(&json);
    json_close_object(&json);
    assert_bytes(buffer_bytes(&out),
                 "{\"a\": \"\\\"\\\\\\u001b\\u00ff\\u000a\", \"b\": [-1, true]}");
    buffer_free(&out);
}

static void a_cursor_reads_up_to_its_first_error_and_keeps_that(void **state)
{
    (void)state;
    struct cursor c = cursor_start(BYTES("<12> x\0y"));
    assert_false(cursor_take(&c, '>'));
    assert_true(cursor_take(&c, '<'));
    struct bytes start = c.rest;
    assert_bytes(cursor_take_while(&c, ascii_is_digit), "12");
    assert_bytes(cursor_take_while(&c, ascii_is_digit), "");
    assert_int_equal(cursor_peek(&c), '>');
    cursor_expect(&c, '>', "not reached");
    assert_bytes(cursor_since(&c, start), "12>");
    assert_null(c.problem);
    cursor_skip(&c, 2);
    assert_false(cursor_at_end(&c));
    assert_true(cursor_take(&c, '\0'));
    cursor_expect(&c, 'z', "first");
    assert_true(cursor_at_end(&c));
    assert_int_equal(cursor_peek(&c), '\0');
    assert_false(cursor_take(&c, '\0'));
    cursor_expect(&c, 'y', "second");
    cursor_skip(&c, 7);
    assert_string_equal(c.problem, "first");
}

static void utf8_is_exactly_that_of_rfc_3629(void **state)
{
    (void)state;
    static const struct {
        struct bytes text;
        size_t length;
    } cases[] = {
        {BYTES_INIT(""), 0},
        {BYTES_INIT("a\xff"), 1},
        {BYTES_INIT("\0"), 1},
        {BYTES_INIT("\x7f"), 1},
        {BYTES_INIT("\x80"), 0},
        {BYTES_INIT("\xc1\xbf"), 0},
        {BYTES_INIT("\xc2\x80"), 2},
        {BYTES_INIT("\xc2"), 0},
        {BYTES_INIT("\xdf\xc0"), 0},
        {BYTES_INIT("\xe0\x9f\xbf"), 0},
        {BYTES_INIT("\xe0\xa0\x80x"), 3},
        {BYTES_INIT("\xe0\xa0"), 0},
        {BYTES_INIT("\xed\x9f\xbf"), 3},
        {BYTES_INIT("\xed\xa0\x80"), 0},
        {BYTES_INIT("\xef\xbf\xbf"), 3},
        {BYTES_INIT("\xf0\x8f\xbf\xbf"), 0},
        {BYTES_INIT("\xf0\x90\x80\x80"), 4},
        {BYTES_INIT("\xf0\x90\x80"), 0},
        {BYTES_INIT("\xf4\x8f\xbf\xbf"), 4},
        {BYTES_INIT("\xf4\x8f\xbf\x3f"), 0},
        {BYTES_INIT("\xf4\x90\x80\x80"), 0},
        {BYTES_INIT("\xf5\x80\x80\x80"), 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(utf8_length(cases[i].text), cases[i].length);
    assert_true(utf8_is_valid(BYTES("")));
    assert_true(utf8_is_valid(BYTES("a\xc3\xb1\xf4\x8f\xbf\xbf")));
    assert_false(utf8_is_valid(BYTES("a\xc3\xb1\xf4\x8f\xbf")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cutting_visits_every_part_even_empty_ones),
        cmocka_unit_test(numbers_consist_of_digits_and_never_overflow),
        cmocka_unit_test(slices_are_found_and_compared_without_case),
        cmocka_unit_test(an_arena_that_reaches_its_limit_fails_for_good_and_can_be_reset),
        cmocka_unit_test(a_large_buffer_keeps_its_octets_and_is_freed_in_parts),
        cmocka_unit_test(a_large_buffer_that_is_not_to_be_had_fails),
        cmocka_unit_test(an_arena_takes_over_a_buffer_and_its_failure),
        cmocka_unit_test(an_arena_string_refuses_an_embedded_nul),
        cmocka_unit_test(addresses_round_trip_and_reverse),
        cmocka_unit_test(prefixes_match_on_their_bits),
        cmocka_unit_test(json_escapes_whatever_could_break_a_line_or_a_terminal),
        cmocka_unit_test(a_cursor_reads_up_to_its_first_error_and_keeps_that),
        cmocka_unit_test(utf8_is_exactly_that_of_rfc_3629),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
