/* Unit tests of mail/canon.c: RFC 6376 3.4 and 5.4.2. */
#include "buffer.h"
#include "canon.h"
#include "unit.h"

#include <string.h>

static void take(void *context, struct bytes piece)
{
    buffer_add(context, piece);
}

static void canonicalise(enum canon canon, struct bytes body, size_t step, struct buffer *out)
{
    struct canon_body state;
    canon_body_start(&state, canon, body, (struct canon_sink){take, out});
    while (canon_body_step(&state, step))
        continue;
}

static void fields_are_canonicalised(void **state)
{
    (void)state;
    static const struct {
        const char *raw, *relaxed;
    } cases[] = {
        {"A: X\r\n", "a:X\r\n"},                 /* the example of 3.4.5 */
        {"B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n"},   /* and its second field */
        {"SUBJect: AbC\r\n", "subject:AbC\r\n"}, /* 3.4.2, first step */
        {"A:\r\n x\r\n", "a:x\r\n"},
        {"A:x\r\n \r\n y\r\n", "a:x y\r\n"},
        {"A: \t \r\n", "a:\r\n"},
        {"A:\r\n", "a:\r\n"},
        {"A: b: c :d\r\n", "a:b: c :d\r\n"},
        {"A: x\t \t y\r\n", "a:x y\r\n"},
        {"A: x\ry\r\n", "a:x\ry\r\n"},
        {"A: x", "a:x\r\n"},
        {"A\t: x\r\n", "a:x\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer out = {0};
        canon_field(CANON_RELAXED, bytes_of(cases[i].raw), (struct canon_sink){take, &out});
        assert_bytes(buffer_bytes(&out), cases[i].relaxed);
        buffer_clear(&out);
        canon_field(CANON_SIMPLE, bytes_of(cases[i].raw), (struct canon_sink){take, &out});
        assert_memory_equal(out.p, cases[i].raw, strlen(cases[i].raw));
        assert_true(bytes_ends_with_nocase(buffer_bytes(&out), BYTES("\r\n")));
        buffer_free(&out);
    }
}

static void the_signature_field_loses_the_value_of_b_and_its_line_end(void **state)
{
    (void)state;
    static const struct {
        const char *raw, *cut, *simple, *relaxed;
    } cases[] = {
        {"S: a=1; b=xyz\r\n", "xyz", "S: a=1; b=", "s:a=1; b="},
        {"S: b=\r\n x y \r\n ; a=1\r\n", "\r\n x y \r\n ", "S: b=; a=1", "s:b=; a=1"},
        {"S: a=1;\r\n\tb = xyz ;\r\n", " xyz ", "S: a=1;\r\n\tb =;", "s:a=1; b =;"},
        {"S: b=x;  \r\n", "x", "S: b=;  ", "s:b=;"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer out = {0};
        struct bytes raw = bytes_of(cases[i].raw);
        size_t at = bytes_find_slice(raw, bytes_of(cases[i].cut));
        struct bytes cut = bytes_first(bytes_from(raw, at), strlen(cases[i].cut));
        canon_signature_field(CANON_SIMPLE, raw, cut, (struct canon_sink){take, &out});
        assert_bytes(buffer_bytes(&out), cases[i].simple);
        buffer_clear(&out);
        canon_signature_field(CANON_RELAXED, raw, cut, (struct canon_sink){take, &out});
        assert_bytes(buffer_bytes(&out), cases[i].relaxed);
        buffer_free(&out);
    }
}

static void bodies_are_canonicalised(void **state)
{
    (void)state;
    static const struct {
        const char *body, *simple, *relaxed;
    } cases[] = {
        {" C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"}, /* 3.4.5 */
        {"", "\r\n", ""},                                                    /* 3.4.3, 3.4.4 */
        {"\r\n", "\r\n", ""},
        {"\r\n\r\n", "\r\n", ""},
        {"a", "a\r\n", "a\r\n"},
        {"a\r\n", "a\r\n", "a\r\n"},
        {"a\r\n\r\nb", "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n"},
        {"\r\n\r\na\r\n", "\r\n\r\na\r\n", "\r\n\r\na\r\n"},
        {"a\r\n \t\r\n\r\n  \r\n", "a\r\n \t\r\n\r\n  \r\n", "a\r\n"},
        {"a\r\n \t", "a\r\n \t\r\n", "a\r\n"},
        {" \r\n", " \r\n", ""},
        {" ", " \r\n", ""},
        {"a  \r\n\t b\t\r\n", "a  \r\n\t b\t\r\n", "a\r\n b\r\n"},
        {"a \r", "a \r\r\n", "a \r\r\n"},
        {"a\tb \n c\r\n", "a\tb \n c\r\n", "a b \n c\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t step = 1; step < 20; step++) {
            struct buffer out = {0};
            canonicalise(CANON_SIMPLE, bytes_of(cases[i].body), step, &out);
            assert_bytes(buffer_bytes(&out), cases[i].simple);
            buffer_clear(&out);
            canonicalise(CANON_RELAXED, bytes_of(cases[i].body), step, &out);
            assert_bytes(buffer_bytes(&out), cases[i].relaxed);
            buffer_free(&out);
        }
    }
}

static void a_body_larger_than_the_buffer_is_complete(void **state)
{
    (void)state;
    char body[5000];
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = i % 3 == 2 || (i > 2000 && i < 4000) ? 'x' : ' ';
    struct buffer out = {0};
    canonicalise(CANON_RELAXED, (struct bytes){body, sizeof body}, 1500, &out);
    size_t expected = 2;
    for (size_t i = 0; i < sizeof body; i++)
        expected += body[i] == 'x' || (i + 1 < sizeof body && body[i + 1] == 'x');
    assert_int_equal(out.n, expected);
    assert_int_equal(bytes_find_slice(buffer_bytes(&out), BYTES("  ")), BYTES_NOT_FOUND);
    buffer_free(&out);
}

static void fields_are_chosen_from_the_bottom_up(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct message message;
    assert_true(message_parse(arena,
                              BYTES("Received: A\r\nFrom: f\r\nRECEIVED: B\r\nReceived : C\r\n"
                                    "no colon\r\nFrom : g\r\n\r\n"),
                              &message));
    struct field_index *index = field_index_new(arena, &message);
    static const struct {
        const char *name;
        const char *raw; /* NULL: none left */
    } cases[] = {
        {"received", "Received : C\r\n"},
        {"Received", "RECEIVED: B\r\n"},
        {"from", "From : g\r\n"},
        {"Received", "Received: A\r\n"},
        {"Received", NULL},
        {"To", NULL},
        {"", NULL},
        {"FROM", "From: f\r\n"},
        {"From", NULL},
    };
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            const struct header_field *field = field_index_take(index, bytes_of(cases[i].name));
            assert_int_equal(field != NULL, cases[i].raw != NULL);
            if (field)
                assert_bytes(field->raw, cases[i].raw);
        }
        field_index_restart(index, NULL);
    }
    field_index_restart(index, &message.fields[2]);
    assert_ptr_equal(field_index_take(index, BYTES("Received")), &message.fields[3]);
    assert_ptr_equal(field_index_take(index, BYTES("Received")), &message.fields[0]);
    assert_null(field_index_take(index, BYTES("Received")));
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_canonicalised),
        cmocka_unit_test(the_signature_field_loses_the_value_of_b_and_its_line_end),
        cmocka_unit_test(bodies_are_canonicalised),
        cmocka_unit_test(a_body_larger_than_the_buffer_is_complete),
        cmocka_unit_test(fields_are_chosen_from_the_bottom_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
