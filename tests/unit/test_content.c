/* Unit tests of relay/mail/content: end of data, transparency, forbidden octets, limits. */
#include "content.h"
#include "unit.h"

#include <string.h>

static const struct content_limits roomy = {1000000, 100000, 1000};

struct outcome {
    struct content_reader reader;
    struct buffer message;
    size_t used;
};

/* Feeds the octets in pieces of `step`. */
static struct outcome read_content(struct bytes octets, size_t step, struct content_limits limits)
{
    struct outcome outcome = {0};
    content_start(&outcome.reader, &outcome.message, limits);
    while (outcome.used < octets.n && !outcome.reader.ended) {
        struct bytes piece = bytes_first(bytes_from(octets, outcome.used), step);
        outcome.used += content_feed(&outcome.reader, piece);
    }
    outcome.reader.message = NULL;
    return outcome;
}

static void only_crlf_dot_crlf_ends_the_data(void **state)
{
    (void)state;
    static const struct {
        struct bytes octets;
        bool ended, bad;
    } cases[] = {
        {BYTES_INIT("a\r\n.\r\nQUIT\r\n"), true, false},
        {BYTES_INIT(".\r\nQUIT\r\n"), true, false},
        {BYTES_INIT("a\n.\nQUIT\r\n"), false, true},
        {BYTES_INIT("a\n.\r\nQUIT\r\n"), false, true},
        {BYTES_INIT("a\r\n.\nQUIT\r\n"), false, true},
        {BYTES_INIT("a\r.\rQUIT\r\n"), false, true},
        {BYTES_INIT("a\r.\r\nQUIT\r\n"), false, true},
        {BYTES_INIT("a\r\n.\rQUIT\r\n"), false, true},
        {BYTES_INIT("a\r\n\0.\r\nQUIT\r\n"), false, true},
        {BYTES_INIT("a\r\n.\0\r\nQUIT\r\n"), false, true},
        {BYTES_INIT("a\r\n.\r\0\nQUIT\r\n"), false, true},
        {BYTES_INIT("a\r\n.\r\r\nQUIT\r\n"), false, true},
        {BYTES_INIT("a\r\r\n.\r\nQUIT\r\n"), true, true},
        {BYTES_INIT("a\r\n..\r\nQUIT\r\n"), false, false},
        {BYTES_INIT("a\r\n.b\r\nQUIT\r\n"), false, false},
        {BYTES_INIT("\n.\n"), false, true},
        {BYTES_INIT("\r.\r\n"), false, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t step = 1; step < 20; step++) {
            struct outcome outcome = read_content(cases[i].octets, step, roomy);
            assert_int_equal(outcome.reader.ended, cases[i].ended);
            assert_int_equal(outcome.reader.bare_cr || outcome.reader.bare_lf || outcome.reader.nul,
                             cases[i].bad);
            if (cases[i].ended)
                assert_bytes(bytes_from(cases[i].octets, outcome.used), "QUIT\r\n");
            buffer_free(&outcome.message);
        }
    }
}

static void transparency_dots_are_removed_and_everything_else_is_kept(void **state)
{
    (void)state;
    for (size_t step = 1; step < 30; step++) {
        struct outcome outcome =
            read_content(BYTES("A: b\r\n\r\n..x\r\n.y.\r\n...\r\n\xff\r\n.\r\n"), step, roomy);
        assert_true(outcome.reader.ended);
        assert_true(outcome.reader.eight_bit);
        assert_bytes(buffer_bytes(&outcome.message), "A: b\r\n\r\n.x\r\ny.\r\n..\r\n\xff\r\n");
        buffer_free(&outcome.message);
    }
}

static void limits_are_checked_while_reading_and_nothing_more_is_stored(void **state)
{
    (void)state;
    struct outcome big =
        read_content(BYTES("12345678\r\n1\r\n.\r\n"), 3, (struct content_limits){10, 100, 10});
    assert_true(big.reader.too_big && big.reader.ended);
    assert_true(big.message.n <= 10);
    buffer_free(&big.message);

    struct outcome header = read_content(BYTES("A: 1\r\n\r\nbody is not counted\r\n.\r\n"), 5,
                                         (struct content_limits){100, 8, 10});
    assert_false(header.reader.header_too_big);
    buffer_free(&header.message);
    header = read_content(BYTES("A: 123\r\n\r\n.\r\n"), 5, (struct content_limits){100, 8, 10});
    assert_true(header.reader.header_too_big);
    buffer_free(&header.message);
}

static void fields_are_counted_and_neither_their_continuations_nor_the_body(void **state)
{
    (void)state;
    static const struct {
        struct bytes octets;
        bool too_many;
    } cases[] = {
        {BYTES_INIT("A:\r\nB:\r\n\r\nc\r\nd\r\n.\r\n"), false},
        {BYTES_INIT("A:\r\n b\r\n\tc\r\nD:\r\n.\r\n"), false},
        {BYTES_INIT("A:\r\n. b\r\nC:\r\n.\r\n"), false},
        {BYTES_INIT("A:\r\nB:\r\nC:\r\n.\r\n"), true},
        {BYTES_INIT("A:\r\n.B:\r\nC\r\n\r\n.\r\n"), true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t step = 1; step < 10; step++) {
            struct outcome outcome =
                read_content(cases[i].octets, step, (struct content_limits){1000, 1000, 2});
            assert_true(outcome.reader.ended);
            assert_int_equal(outcome.reader.too_many_fields, cases[i].too_many);
            buffer_free(&outcome.message);
        }
    }
}

static void only_the_first_line_can_continue_the_field_above_the_message(void **state)
{
    (void)state;
    static const struct {
        struct bytes octets;
        bool continues;
    } cases[] = {
        {BYTES_INIT(" a\r\n.\r\n"), true},          {BYTES_INIT("\ta\r\n.\r\n"), true},
        {BYTES_INIT(". a\r\n.\r\n"), true},         {BYTES_INIT(" \r\n.\r\n"), true},
        {BYTES_INIT("a: b\r\n c\r\n.\r\n"), false}, {BYTES_INIT("\r\n a\r\n.\r\n"), false},
        {BYTES_INIT(".. a\r\n.\r\n"), false},       {BYTES_INIT(".\r\n"), false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t step = 1; step < 10; step++) {
            struct outcome outcome = read_content(cases[i].octets, step, roomy);
            assert_true(outcome.reader.ended);
            assert_int_equal(outcome.reader.continues_field, cases[i].continues);
            buffer_free(&outcome.message);
        }
    }
}

static void add_run(void *context, struct bytes run)
{
    buffer_add(context, run);
}

static void stuffing_and_reading_return_the_same_message(void **state)
{
    (void)state;
    struct bytes message = BYTES(".a\r\n..b\r\nc.\r\n\r\n.\r\nd\r\n");
    for (size_t step = 1; step < message.n; step++) {
        struct buffer wire = {0};
        bool at_line_start = true;
        for (size_t at = 0; at < message.n; at += step)
            content_stuff(bytes_first(bytes_from(message, at), step), &at_line_start, add_run,
                          &wire);
        buffer_add(&wire, BYTES(".\r\n"));
        struct outcome outcome = read_content(buffer_bytes(&wire), 7, roomy);
        assert_true(outcome.reader.ended);
        assert_true(bytes_equal(buffer_bytes(&outcome.message), message));
        buffer_free(&outcome.message);
        buffer_free(&wire);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_crlf_dot_crlf_ends_the_data),
        cmocka_unit_test(transparency_dots_are_removed_and_everything_else_is_kept),
        cmocka_unit_test(limits_are_checked_while_reading_and_nothing_more_is_stored),
        cmocka_unit_test(fields_are_counted_and_neither_their_continuations_nor_the_body),
        cmocka_unit_test(stuffing_and_reading_return_the_same_message),
        cmocka_unit_test(only_the_first_line_can_continue_the_field_above_the_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
