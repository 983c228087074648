/* Unit tests of reading and writing SMTP replies. */
#include "read_reply.h"
#include "unit.h"

static const struct {
    struct bytes text;
    enum reply_progress progress;
    int code;
    const char *enhanced;
    size_t lines;
    const char *last;
} replies[] = {
    {BYTES_INIT("250 2.1.0 Ok\r\n"), REPLY_COMPLETE, 250, "2.1.0", 1, "2.1.0 Ok"},
    {BYTES_INIT("250\r\n"), REPLY_COMPLETE, 250, "", 1, ""},
    {BYTES_INIT("250"), REPLY_COMPLETE, 250, "", 1, ""},
    {BYTES_INIT("250 \n"), REPLY_COMPLETE, 250, "", 1, ""},
    {BYTES_INIT("250-a\r\n250-\r\n250 c\r\n"), REPLY_COMPLETE, 250, "", 3, "c"},
    {BYTES_INIT("250-a\r\n250\r\n"), REPLY_COMPLETE, 250, "", 2, ""},
    {BYTES_INIT("571 5.7.1 no\r\n"), REPLY_COMPLETE, 571, "5.7.1", 1, "5.7.1 no"},
    {BYTES_INIT("550 5.1.1\r\n"), REPLY_COMPLETE, 550, "5.1.1", 1, "5.1.1"},
    {BYTES_INIT("550 5.199.255 x"), REPLY_COMPLETE, 550, "5.199.255", 1, "5.199.255 x"},
    {BYTES_INIT("550 4.1.1 x"), REPLY_COMPLETE, 550, "", 1, "4.1.1 x"},
    {BYTES_INIT("354 3.0.0 x"), REPLY_COMPLETE, 354, "", 1, "3.0.0 x"},
    {BYTES_INIT("550 5.1 x"), REPLY_COMPLETE, 550, "", 1, "5.1 x"},
    {BYTES_INIT("550 5.01.1 x"), REPLY_COMPLETE, 550, "", 1, "5.01.1 x"},
    {BYTES_INIT("550 5.1.1000 x"), REPLY_COMPLETE, 550, "", 1, "5.1.1000 x"},
    {BYTES_INIT("550 5.1.1x"), REPLY_COMPLETE, 550, "", 1, "5.1.1x"},
    {BYTES_INIT("550 5.1.1.1"), REPLY_COMPLETE, 550, "", 1, "5.1.1.1"},
    {BYTES_INIT("550 5"), REPLY_COMPLETE, 550, "", 1, "5"},
    {BYTES_INIT("550 a\rb\r\n"), REPLY_COMPLETE, 550, "", 1, "a\rb"},
    {BYTES_INIT("550 \xff\x1b[2J"), REPLY_COMPLETE, 550, "", 1, "\xff\x1b[2J"},
    {BYTES_INIT("250-a\r\n"), REPLY_MORE, 250, "", 1, "a"},
    {BYTES_INIT("\r\n"), REPLY_UNPARSABLE, 0, NULL, 0, NULL},
    {BYTES_INIT("25"), REPLY_UNPARSABLE, 0, NULL, 0, NULL},
    {BYTES_INIT("2500 x"), REPLY_UNPARSABLE, 0, NULL, 0, NULL},
    {BYTES_INIT("250x"), REPLY_UNPARSABLE, 0, NULL, 0, NULL},
    {BYTES_INIT("250\tx"), REPLY_UNPARSABLE, 0, NULL, 0, NULL},
    {BYTES_INIT("250\0x"), REPLY_UNPARSABLE, 0, NULL, 0, NULL},
    {BYTES_INIT(" 250 x"), REPLY_UNPARSABLE, 0, NULL, 0, NULL},
    {BYTES_INIT("-50 x"), REPLY_UNPARSABLE, 0, NULL, 0, NULL},
    {BYTES_INIT("100 x"), REPLY_UNPARSABLE, 0, NULL, 0, NULL},
    {BYTES_INIT("000 x"), REPLY_UNPARSABLE, 0, NULL, 0, NULL},
    {BYTES_INIT("600 x"), REPLY_UNPARSABLE, 0, NULL, 0, NULL},
    {BYTES_INIT("HTTP/1.1 400 Bad Request\r\n"), REPLY_UNPARSABLE, 0, NULL, 0, NULL},
    {BYTES_INIT("\x16\x03\x01\x02"), REPLY_UNPARSABLE, 0, NULL, 0, NULL},
    {BYTES_INIT("250-a\r\n550 b\r\n"), REPLY_UNPARSABLE, 0, NULL, 0, NULL},
    {BYTES_INIT("250-a\r\nb\r\n"), REPLY_UNPARSABLE, 0, NULL, 0, NULL},
};

static void output_of_an_upstream_is_a_reply_or_is_rejected(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        struct arena *arena = arena_new(0);
        struct reply reply;
        if (read_reply(arena, replies[i].text, &reply) != replies[i].progress)
            fail_msg("case %zu: %.*s", i, BYTES_ARG(replies[i].text));
        if (replies[i].progress != REPLY_UNPARSABLE) {
            assert_int_equal(reply.code, replies[i].code);
            assert_bytes(reply.enhanced, replies[i].enhanced);
            assert_int_equal(reply.line_count, replies[i].lines);
            assert_bytes(reply.lines[reply.line_count - 1], replies[i].last);
        }
        arena_free(arena);
    }
}

static void a_reply_that_never_ends_is_cut_off(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct reply_reader reader;
    reply_start(&reader, arena);
    for (int i = 0; i < REPLY_LINES_MAX; i++)
        assert_int_equal(reply_take_line(&reader, BYTES("250-more")), REPLY_MORE);
    assert_int_equal(reply_take_line(&reader, BYTES("250 end")), REPLY_UNPARSABLE);
    arena_free(arena);
}

static void a_line_that_is_too_long_is_cut(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct reply reply;
    char line[3 * REPLY_READ_MAX];
    memset(line, 'x', sizeof line);
    memcpy(line, "550 ", 4);
    assert_int_equal(read_reply(arena, (struct bytes){line, sizeof line}, &reply), REPLY_COMPLETE);
    assert_int_equal(reply.lines[0].n, REPLY_READ_MAX);
    arena_free(arena);
}

static void a_reply_without_memory_is_unparsable_and_the_arena_has_failed(void **state)
{
    (void)state;
    struct arena *arena = arena_new(64);
    struct reply reply;
    assert_int_equal(read_reply(arena, BYTES("250 x"), &reply), REPLY_UNPARSABLE);
    assert_true(arena_failed(arena));
    arena_free(arena);
}

/* Reads `in` and compares what is written for our client. */
static void assert_handed_on(struct bytes in, const char *expected)
{
    struct arena *arena = arena_new(0);
    struct buffer out = {0};
    struct reply reply;
    assert_int_equal(read_reply(arena, in, &reply), REPLY_COMPLETE);
    reply_adapt_for_client(&reply);
    reply_write(&out, &reply);
    assert_bytes(buffer_bytes(&out), expected);
    buffer_free(&out);
    arena_free(arena);
}

static void every_line_is_passed_on_without_what_could_break_the_dialogue(void **state)
{
    (void)state;
    assert_handed_on(BYTES("550-5.7.1 one\n550-\n550 5.7.1\ttwo"),
                     "550-5.7.1 one\r\n550-\r\n550 5.7.1\ttwo\r\n");
    assert_handed_on(BYTES("250"), "250 \r\n");
    assert_handed_on(BYTES("550 a\rb\0c\x1b[31m\xc3\xa9\x7f~\r\n"), "550 a?b?c?[31m???~\r\n");
    assert_handed_on(BYTES("550 250 fake\r250 ok"), "550 250 fake?250 ok\r\n");
}

static void a_421_becomes_a_451_since_only_the_upstream_closes(void **state)
{
    (void)state;
    assert_handed_on(BYTES("421-4.3.2 bye\n421 now"), "451-4.3.2 bye\r\n451 now\r\n");
    assert_handed_on(BYTES("422 4.2.2 full"), "422 4.2.2 full\r\n");
}

static void a_line_over_the_limit_continues_without_losing_text(void **state)
{
    (void)state;
    static const size_t lengths[] = {505, 506, 507, 1012, 1013, 2048};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (int with_blanks = 0; with_blanks < 2; with_blanks++) {
            char text[2048], joined[2048];
            for (size_t j = 0; j < lengths[i]; j++)
                text[j] = with_blanks && j % 7 == 0 ? ' ' : (char)('a' + j % 26);
            struct buffer out = {0};
            size_t n = 0, lines = 0;
            reply_write_line(&out, 550, (struct bytes){text, lengths[i]});
            for (struct bytes rest = buffer_bytes(&out); rest.n > 0; lines++) {
                size_t end = bytes_find_slice(rest, BYTES("\r\n"));
                assert_true(end + 2 <= REPLY_LINE_MAX);
                assert_int_equal(rest.p[3], end + 2 == rest.n ? ' ' : '-');
                memcpy(joined + n, rest.p + 4, end - 4);
                n += end - 4;
                rest = bytes_from(rest, end + 2);
            }
            assert_int_equal(n, lengths[i]);
            assert_memory_equal(joined, text, n);
            assert_true(lines == 1 ? n <= 506 : n > 506);
            buffer_free(&out);
        }
}

static void the_extensions_of_an_ehlo_reply_are_found(void **state)
{
    (void)state;
    static const struct {
        struct bytes text;
        struct reply_extensions expected;
    } cases[] = {
        {BYTES_INIT("250 mx"), {0}},
        {BYTES_INIT("250-STARTTLS\n250 HELP"), {0}},
        {BYTES_INIT("250-mx\n250-size 1000\n250-8BitMime\n250-PIPELINING \n250 STARTTLS"),
         {true, 1000, true, true, true}},
        {BYTES_INIT("250-mx\n250-SIZE\n250 8BITMIMEX"), {.size = true}},
        {BYTES_INIT("250-mx\n250-SIZE  0\n250 X STARTTLS"), {.size = true}},
        {BYTES_INIT("250-mx\n250-SIZE -1\n250 \xff"), {.size = true}},
        {BYTES_INIT("250-mx\n250-SIZE 99999999999999999999\n250 SIZE=7"), {.size = true}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *arena = arena_new(0);
        struct reply reply;
        assert_int_equal(read_reply(arena, cases[i].text, &reply), REPLY_COMPLETE);
        struct reply_extensions found = reply_read_extensions(&reply);
        assert_int_equal(found.size, cases[i].expected.size);
        assert_true(found.size_limit == cases[i].expected.size_limit);
        assert_int_equal(found.eight_bit_mime, cases[i].expected.eight_bit_mime);
        assert_int_equal(found.pipelining, cases[i].expected.pipelining);
        assert_int_equal(found.starttls, cases[i].expected.starttls);
        arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_of_an_upstream_is_a_reply_or_is_rejected),
        cmocka_unit_test(a_reply_that_never_ends_is_cut_off),
        cmocka_unit_test(a_line_that_is_too_long_is_cut),
        cmocka_unit_test(a_reply_without_memory_is_unparsable_and_the_arena_has_failed),
        cmocka_unit_test(every_line_is_passed_on_without_what_could_break_the_dialogue),
        cmocka_unit_test(a_421_becomes_a_451_since_only_the_upstream_closes),
        cmocka_unit_test(a_line_over_the_limit_continues_without_losing_text),
        cmocka_unit_test(the_extensions_of_an_ehlo_reply_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
