/* Unit tests of the division of a message into fields and body. */
#include "message.h"
#include "unit.h"

static struct message parsed(struct arena *arena, struct bytes raw)
{
    struct message message;
    assert_true(message_parse(arena, raw, &message));
    return message;
}

/* However a message is divided, its parts are the whole of it, in order, byte for byte. */
static void assert_complete(const struct message *message)
{
    size_t n = 0;
    for (size_t i = 0; i < message->field_count; i++) {
        assert_ptr_equal(message->fields[i].raw.p, message->raw.p + n);
        n += message->fields[i].raw.n;
    }
    assert_int_equal(n, message->header.n);
    size_t separator = message->raw.n - message->header.n - message->body.n;
    assert_true(separator == 2 || (separator == 0 && message->body.n == 0));
}

static void fields_and_body_are_divided_at_the_first_empty_line(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct message m = parsed(arena, BYTES("From: a@b\r\nSubject:\r\n two\r\n\tlines\r\n"
                                           "\r\nbody\r\n\r\nmore: body"));
    assert_complete(&m);
    assert_int_equal(m.field_count, 2);
    assert_bytes(m.fields[0].name, "From");
    assert_bytes(m.fields[0].value, " a@b");
    assert_bytes(m.fields[1].raw, "Subject:\r\n two\r\n\tlines\r\n");
    assert_bytes(m.fields[1].value, "\r\n two\r\n\tlines");
    assert_bytes(m.header, "From: a@b\r\nSubject:\r\n two\r\n\tlines\r\n");
    assert_bytes(m.body, "body\r\n\r\nmore: body");
    arena_free(arena);
}

static void every_first_line_gives_the_field_it_is(void **state)
{
    (void)state;
    static const struct {
        struct bytes raw;
        const char *name, *value;
        bool malformed;
    } cases[] = {
        {BYTES_INIT("From : x\r\n"), "From", " x", false},
        {BYTES_INIT("From \t:x\r\n"), "From", "x", false},
        {BYTES_INIT("From:\r\n"), "From", "", false},
        {BYTES_INIT("From:"), "From", "", false},
        {BYTES_INIT("a:b:c\r\n"), "a", "b:c", false},
        {BYTES_INIT("From: x\r"), "From", " x\r", false},
        {BYTES_INIT(": x\r\n"), "", " x", true},
        {BYTES_INIT(" : x\r\n"), "", " x", true},
        {BYTES_INIT("no colon\r\n"), "", "no colon", true},
        {BYTES_INIT("From\r\n : x\r\n"), "", "From\r\n : x", true},
        {BYTES_INIT(" From: x\r\n"), " From", " x", true},
        {BYTES_INIT("Fr om: x\r\n"), "Fr om", " x", true},
        {BYTES_INIT("Fr\xc3\xb6m: x\r\n"), "Fr\xc3\xb6m", " x", true},
        {BYTES_INIT("Fr\x7fm: x\r\n"), "Fr\x7fm", " x", true},
        {BYTES_INIT("Fr\rm: x\r\n"), "Fr\rm", " x", true},
        {BYTES_INIT("x\nFrom: x\r\n"), "x\nFrom", " x", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *arena = arena_new(0);
        struct message m = parsed(arena, cases[i].raw);
        assert_complete(&m);
        assert_int_equal(m.field_count, 1);
        assert_bytes(m.fields[0].name, cases[i].name);
        assert_bytes(m.fields[0].value, cases[i].value);
        assert_int_equal(m.fields[0].malformed, cases[i].malformed);
        arena_free(arena);
    }
}

static void a_nul_does_not_end_a_name_or_a_value(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct message m = parsed(arena, BYTES("From\0: x\r\nTo: a\0b\r\n\r\n"));
    assert_complete(&m);
    assert_int_equal(m.fields[0].name.n, 5);
    assert_true(m.fields[0].malformed);
    assert_null(message_find(&m, BYTES("From"), 0));
    assert_int_equal(m.fields[1].value.n, 4);
    assert_false(m.fields[1].malformed);
    arena_free(arena);
}

static void unusual_line_ends_lose_no_octet(void **state)
{
    (void)state;
    static const struct {
        struct bytes raw;
        size_t fields;
        const char *body;
    } cases[] = {
        {BYTES_INIT(""), 0, ""},
        {BYTES_INIT("\r\n"), 0, ""},
        {BYTES_INIT("\r\nbody"), 0, "body"},
        {BYTES_INIT("\r"), 1, ""},
        {BYTES_INIT("a: b"), 1, ""},
        {BYTES_INIT("a: b\r\n"), 1, ""},
        {BYTES_INIT("a: b\r\n\r\n"), 1, ""},
        {BYTES_INIT("a: b\r\n \r\n\r\nx"), 1, "x"},
        {BYTES_INIT("a: b\r\n\n\r\nc: d\r\n\r\nx"), 3, "x"},
        {BYTES_INIT("a: b\n\nc: d\r\n\r\nx"), 1, "x"},
        {BYTES_INIT("a: b\r\njunk\r\n folded\r\nc: d\r\n\r\nx"), 3, "x"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *arena = arena_new(0);
        struct message m = parsed(arena, cases[i].raw);
        assert_complete(&m);
        assert_int_equal(m.field_count, cases[i].fields);
        assert_bytes(m.body, cases[i].body);
        arena_free(arena);
    }
}

static void fields_are_found_and_counted_without_case(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct message m =
        parsed(arena, BYTES("from: 1\r\nFROM : 2\r\nFromm: 3\r\nFro: 4\r\nFrom: 5\r\n\r\nFrom: 6"));
    assert_int_equal(message_count(&m, BYTES("From")), 3);
    assert_bytes(message_find(&m, BYTES("From"), 0)->value, " 1");
    assert_bytes(message_find(&m, BYTES("From"), 1)->value, " 2");
    assert_bytes(message_find(&m, BYTES("From"), 2)->value, " 5");
    assert_null(message_find(&m, BYTES("From"), 5));
    assert_null(message_find(&m, BYTES("From"), 99));
    arena_free(arena);
}

static void a_parse_without_memory_fails(void **state)
{
    (void)state;
    struct arena *arena = arena_new(64);
    struct message m;
    assert_false(message_parse(arena, BYTES("a: b\r\nc: d\r\ne: f\r\n\r\n"), &m));
    arena_free(arena);
}

static void files_with_bare_line_feeds_become_crlf_and_nothing_else_changes(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},
        {"a\nb\n", "a\r\nb\r\n"},
        {"a\r\nb\r\n", "a\r\nb\r\n"},
        {"\n\n", "\r\n\r\n"},
        {"a\rb\r", "a\rb\r"},
        {"\r\r\n", "\r\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *arena = arena_new(0);
        assert_bytes(message_with_crlf(arena, bytes_of(cases[i][0])), cases[i][1]);
        arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_and_body_are_divided_at_the_first_empty_line),
        cmocka_unit_test(every_first_line_gives_the_field_it_is),
        cmocka_unit_test(a_nul_does_not_end_a_name_or_a_value),
        cmocka_unit_test(unusual_line_ends_lose_no_octet),
        cmocka_unit_test(fields_are_found_and_counted_without_case),
        cmocka_unit_test(a_parse_without_memory_fails),
        cmocka_unit_test(files_with_bare_line_feeds_become_crlf_and_nothing_else_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
