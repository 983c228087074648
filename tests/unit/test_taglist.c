/* Unit tests of mail/taglist.c and mail/base64.c: RFC 6376 3.2 and 2.10. */
#include "base64.h"
#include "taglist.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

static void a_list_that_follows_the_grammar_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *name, *value, *between;
        size_t count;
    } cases[] = {
        {"v=1", "v", "1", "1", 1},
        {"v=1;", "v", "1", "1", 1},
        {"v=1; \r\n\t", "v", "1", "1", 1},
        {" v = 1 ; a=b", "v", "1", " 1 ", 2},
        {"v=1;a=b c", "a", "b c", "b c", 2},
        {"p=", "p", "", "", 1},
        {"p=;v=1", "p", "", "", 2},
        {"\r\n b =\r\n abc\r\n def \r\n\t;c=d", "b", "abc\r\n def", "\r\n abc\r\n def \r\n\t", 2},
        {"b=a==; c=d", "b", "a==", "a==", 2},
        {"a_1=x", "a_1", "x", "x", 1},
        {"A=x; a=y", "a", "y", "y", 2},
        {"d=b\xc3\xbc"
         "cher.example",
         "d",
         "b\xc3\xbc"
         "cher.example",
         "b\xc3\xbc"
         "cher.example",
         1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct taglist list;
        assert_true(taglist_parse(bytes_of(cases[i].text), &list));
        assert_null(list.problem);
        assert_int_equal(list.count, cases[i].count);
        const struct tag *tag = taglist_find(&list, cases[i].name);
        assert_non_null(tag);
        assert_bytes(tag->value, cases[i].value);
        assert_bytes(tag->between, cases[i].between);
    }
}

static void a_list_that_does_not_is_refused_whole(void **state)
{
    (void)state;
    static const struct bytes cases[] = {
        BYTES_INIT(""),           BYTES_INIT(" "),
        BYTES_INIT(";"),          BYTES_INIT("v"),
        BYTES_INIT("=1"),         BYTES_INIT("1v=1"),
        BYTES_INIT("_v=1"),       BYTES_INIT("v-1=1"),
        BYTES_INIT("v w=1"),      BYTES_INIT("v=1;;a=b"),
        BYTES_INIT("v=1; ;a=b"),  BYTES_INIT("v=1;;"),
        BYTES_INIT(";v=1"),       BYTES_INIT("v=1; a"),
        BYTES_INIT("v=1; v=1"),   BYTES_INIT("v=1; a=b; v="),
        BYTES_INIT("v=1\r\n"),    BYTES_INIT("v=1\r\na=b"),
        BYTES_INIT("v=1;\n a=b"), BYTES_INIT("v=1;\r a=b"),
        BYTES_INIT("v=\0"),       BYTES_INIT("v=\x7f"),
        BYTES_INIT("v=\x01"),     BYTES_INIT("v=\xff"),
        BYTES_INIT("v=\xc0\x80"), BYTES_INIT("\xc3\xbc=1"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct taglist list;
        assert_false(taglist_parse(cases[i], &list));
        assert_non_null(list.problem);
    }
}

static void an_excessive_number_of_tags_is_refused(void **state)
{
    (void)state;
    char text[8 * (TAGLIST_MAX + 1) + 1];
    size_t n = 0;
    for (int i = 0; i <= TAGLIST_MAX; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "t%d=x;", i);
    struct taglist list;
    assert_false(taglist_parse((struct bytes){text, n}, &list));
    assert_true(taglist_parse(bytes_first((struct bytes){text, n}, n - strlen("t64=x;")), &list));
    assert_int_equal(list.count, TAGLIST_MAX);
}

static void elements_between_colons_lose_their_white_space(void **state)
{
    (void)state;
    struct bytes rest = BYTES("From : To:\r\n Subject ::");
    static const char *const expected[] = {"From", "To", "Subject", "", ""};
    for (size_t i = 0; i < 5; i++)
        assert_bytes(taglist_cut_element(&rest), expected[i]);
    assert_null(rest.p);
}

static void base64_is_decoded_with_white_space_and_without_anything_else(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *octets; /* NULL: refused */
    } cases[] = {
        {"Zg==", "f"},
        {"Zm8=", "fo"},
        {"Zm9v", "foo"},
        {"Zm9vYg==", "foob"},
        {"Zm\r\n 9v\tYmFy", "foobar"},
        {"Z g = =", "f"},
        {"", NULL},
        {"  ", NULL},
        {"Zg=", NULL},
        {"Zg", NULL},
        {"Zm9vY", NULL},
        {"Zg==Zg==", NULL},
        {"Z===", NULL},
        {"====", NULL},
        {"Zm9-", NULL},
        {"Zm9v!", NULL},
        {"Z=m9", NULL},
        {"=m9v", NULL},
        {"Zm9v-", NULL},
        {"Zm9v----", NULL},
        {"-Zm9v", NULL},
        {"Zm9v=", NULL},
        {"Zm9v====", NULL},
        {"Zm9v\v", NULL},
        {"Zm9v\xc3\xb1\xc3\xb1", NULL},
    };
    struct arena *arena = arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bytes octets = base64_decode(arena, bytes_of(cases[i].text));
        assert_int_equal(octets.p != NULL, cases[i].octets != NULL);
        if (cases[i].octets)
            assert_bytes(octets, cases[i].octets);
    }
    assert_null(base64_decode(arena, BYTES("Zm9v\0")).p);
    assert_null(base64_decode(arena, BYTES("Zg\0=")).p);
    assert_false(arena_failed(arena));
    arena_free(arena);
}

static void base64_round_trips(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    char octets[67];
    for (size_t n = 1; n < sizeof octets; n++) {
        for (size_t i = 0; i < n; i++)
            octets[i] = (char)(i * 37 + n);
        struct bytes text = base64_encode(arena, (struct bytes){octets, n});
        assert_int_equal(text.n, (n + 2) / 3 * 4);
        assert_true(bytes_equal(base64_decode(arena, text), (struct bytes){octets, n}));
    }
    assert_bytes(base64_encode(arena, BYTES("foob")), "Zm9vYg==");
    assert_bytes(base64_encode(arena, BYTES("")), "");
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_that_follows_the_grammar_is_read),
        cmocka_unit_test(a_list_that_does_not_is_refused_whole),
        cmocka_unit_test(an_excessive_number_of_tags_is_refused),
        cmocka_unit_test(elements_between_colons_lose_their_white_space),
        cmocka_unit_test(base64_is_decoded_with_white_space_and_without_anything_else),
        cmocka_unit_test(base64_round_trips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
