/* Unit tests of envelope paths and mailboxes. */
#include "address.h"
#include "unit.h"

static void paths_are_read_by_the_grammar_and_written_back(void **state)
{
    (void)state;
    static const struct {
        struct bytes text;
        enum address_error reverse, forward;
        const char *written; /* if either is ADDRESS_OK */
        const char *rest;
    } cases[] = {
        {BYTES_INIT("<>"), ADDRESS_OK, ADDRESS_SYNTAX, "", ""},
        {BYTES_INIT("<> SIZE=1"), ADDRESS_OK, ADDRESS_SYNTAX, "", " SIZE=1"},
        {BYTES_INIT("<Info@Example.COM>"), 0, 0, "Info@example.com", ""},
        {BYTES_INIT("<a@b>>"), 0, 0, "a@b", ">"},
        {BYTES_INIT("<a.b+c=d@e.f> X=<y@z>"), 0, 0, "a.b+c=d@e.f", " X=<y@z>"},
        {BYTES_INIT("<!#$%&'*+-/=?^_`{|}~@x.y>"), 0, 0, "!#$%&'*+-/=?^_`{|}~@x.y", ""},
        {BYTES_INIT("<\"quoted\"@x>"), 0, 0, "quoted@x", ""},
        {BYTES_INIT("<\"\\q\\u\"@x>"), 0, 0, "qu@x", ""},
        {BYTES_INIT("<\"a b\"@x>"), 0, 0, "\"a b\"@x", ""},
        {BYTES_INIT("<\"a@b>c\"@x>"), 0, 0, "\"a@b>c\"@x", ""},
        {BYTES_INIT("<\"a\\\"\\\\b\"@x>"), 0, 0, "\"a\\\"\\\\b\"@x", ""},
        {BYTES_INIT("<\"a..b\"@x>"), 0, 0, "\"a..b\"@x", ""},
        {BYTES_INIT("<\".\"@x>"), 0, 0, "\".\"@x", ""},
        {BYTES_INIT("<.a@x>"), 0, 0, "\".a\"@x", ""},
        {BYTES_INIT("<a.@x>"), 0, 0, "\"a.\"@x", ""},
        {BYTES_INIT("<a..b@x>"), 0, 0, "\"a..b\"@x", ""},
        {BYTES_INIT("<a@My_Host._x>"), 0, 0, "a@my_host._x", ""},
        {BYTES_INIT("<\"\"@x>"), 0, 0, "\"\"@x", ""},
        {BYTES_INIT("<@a,@b.c:d@e>"), 0, 0, "d@e", ""},
        {BYTES_INIT("<@[192.0.2.1]:d@e>"), 0, 0, "d@e", ""},
        {BYTES_INIT("<a@[192.0.2.1]>"), 0, 0, "a@[192.0.2.1]", ""},
        {BYTES_INIT("<a@[ipv6:2001:DB8::1]>"), 0, 0, "a@[IPv6:2001:db8::1]", ""},
        {BYTES_INIT("<info@pi\xc3\xb1"
                    "ata.es>"),
         0, 0, "info@xn--piata-pta.es", ""},
        {BYTES_INIT("<PostMaster>"), ADDRESS_SYNTAX, ADDRESS_OK, "PostMaster", ""},
        {BYTES_INIT("<\"postmaster\"> X"), ADDRESS_SYNTAX, ADDRESS_OK, "postmaster", " X"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int role = PATH_REVERSE; role <= PATH_FORWARD; role++) {
            struct arena *arena = arena_new(0);
            struct address address;
            struct bytes rest;
            enum address_error expected =
                role == PATH_REVERSE ? cases[i].reverse : cases[i].forward;
            assert_int_equal(
                address_read_path(arena, (enum path_role)role, cases[i].text, &address, &rest),
                expected);
            if (expected == ADDRESS_OK) {
                assert_bytes(address_write(arena, &address), cases[i].written);
                assert_bytes(rest, cases[i].rest);
            }
            arena_free(arena);
        }
}

static const struct {
    struct bytes text;
    enum address_error error;
} hostile_paths[] = {
    {BYTES_INIT(""), ADDRESS_SYNTAX},
    {BYTES_INIT("<"), ADDRESS_SYNTAX},
    {BYTES_INIT("a@b"), ADDRESS_SYNTAX},
    {BYTES_INIT(" <a@b>"), ADDRESS_SYNTAX},
    {BYTES_INIT("< >"), ADDRESS_SYNTAX},
    {BYTES_INIT("<a>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<a@b"), ADDRESS_SYNTAX},
    {BYTES_INIT("<a@>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<@b>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<@b:>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<@b,:a@c>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<@b a@c>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<@b:postmaster>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<@-b:a@c>"), ADDRESS_BAD_DOMAIN},
    {BYTES_INIT("<@b:a@[c]>"), ADDRESS_BAD_DOMAIN},
    {BYTES_INIT("<@b:a@-c>"), ADDRESS_BAD_DOMAIN},
    {BYTES_INIT("<.@b>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<..@b>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<a@-b_c>"), ADDRESS_BAD_DOMAIN},
    {BYTES_INIT("<a@b_c.xn--piata-pta.es>"), ADDRESS_BAD_DOMAIN},
    {BYTES_INIT("<a c@b>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<a@b c>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<a@b >"), ADDRESS_SYNTAX},
    {BYTES_INIT("<a@@b>"), ADDRESS_BAD_DOMAIN},
    {BYTES_INIT("<a@b@c>"), ADDRESS_BAD_DOMAIN},
    {BYTES_INIT("<a@b,c>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<a(x)@b>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<a@b(x)>"), ADDRESS_BAD_DOMAIN},
    {BYTES_INIT("<a@b..c>"), ADDRESS_BAD_DOMAIN},
    {BYTES_INIT("<a@b.>"), ADDRESS_BAD_DOMAIN},
    {BYTES_INIT("<a@[192.0.2.1>"), ADDRESS_BAD_DOMAIN},
    {BYTES_INIT("<a@[192.0.2.1]x>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<a@[x:y]>"), ADDRESS_BAD_DOMAIN},
    {BYTES_INIT("<\"a@b>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<\"a\\"), ADDRESS_SYNTAX},
    {BYTES_INIT("<\"a\"b@c>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<\"a\".b@c>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<\"a\tb\"@c>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<\"a\\\tb\"@c>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<\"a\0b\"@c>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<a\0@c>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<a@c\0>"), ADDRESS_BAD_DOMAIN},
    {BYTES_INIT("<a@c\r\n>"), ADDRESS_BAD_DOMAIN},
    {BYTES_INIT("<a\x7f@c>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<pi\xc3\xb1"
                "ata@pi\xc3\xb1"
                "ata.es>"),
     ADDRESS_NON_ASCII_LOCAL},
    {BYTES_INIT("<\"\xe2\x82\xac \xf0\x9f\x93\xa7\"@c>"), ADDRESS_NON_ASCII_LOCAL},
    {BYTES_INIT("<\xc3@c>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<\xc0\xaf@c>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<\xe0\x80\xaf@c>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<\xed\xa0\x80@c>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<\xf4\x90\x80\x80@c>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<\xe2\x82@c>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<\xff@c>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<\"\\\xc3\xb1\"@c>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<\xc3\xb1@-c>"), ADDRESS_BAD_DOMAIN},
    {BYTES_INIT("<\xc3\xb1>"), ADDRESS_SYNTAX},
    {BYTES_INIT("<a@\xc3>"), ADDRESS_BAD_DOMAIN},
};

static void hostile_paths_are_refused_with_their_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof hostile_paths / sizeof *hostile_paths; i++)
        for (int role = PATH_REVERSE; role <= PATH_FORWARD; role++) {
            struct arena *arena = arena_new(0);
            struct address address;
            struct bytes rest;
            enum address_error error = address_read_path(arena, (enum path_role)role,
                                                         hostile_paths[i].text, &address, &rest);
            if (error != hostile_paths[i].error)
                fail_msg("%.*s: %d, not %d", BYTES_ARG(hostile_paths[i].text), error,
                         hostile_paths[i].error);
            arena_free(arena);
        }
}

static enum address_error with_lengths(size_t local, size_t domain)
{
    char text[600];
    size_t n = 0;
    memset(text, 'a', sizeof text);
    for (size_t i = local + 2 + 63; i < sizeof text; i += 64)
        text[i] = '.';
    text[n] = '<';
    text[n + local + 1] = '@';
    n = local + domain + 2;
    text[n++] = '>';
    struct arena *arena = arena_new(0);
    struct address address;
    struct bytes rest;
    enum address_error error =
        address_read_path(arena, PATH_FORWARD, (struct bytes){text, n}, &address, &rest);
    arena_free(arena);
    return error;
}

static void lengths_are_limited_by_rfc_5321_4_5_3_1(void **state)
{
    (void)state;
    assert_int_equal(with_lengths(64, 63), ADDRESS_OK);
    assert_int_equal(with_lengths(65, 63), ADDRESS_TOO_LONG);
    assert_int_equal(with_lengths(64, 189), ADDRESS_OK);
    assert_int_equal(with_lengths(64, 190), ADDRESS_TOO_LONG);
    assert_int_equal(with_lengths(1, 252), ADDRESS_OK);
    assert_int_equal(with_lengths(1, 253), ADDRESS_TOO_LONG);
    assert_int_equal(with_lengths(1, 257), ADDRESS_BAD_DOMAIN);
    assert_int_equal(with_lengths(300, 10), ADDRESS_TOO_LONG);
}

static void a_mailbox_alone_has_no_brackets_and_nothing_after_it(void **state)
{
    (void)state;
    static const char *const refused[] = {"",     "<a@b>", "a",     "a@",    "@b",    "a@b ",
                                          " a@b", "a@b>",  "a@b,c", "a@b:c", "a@b;c", "a@b\n"};
    struct arena *arena = arena_new(0);
    struct address address;
    assert_int_equal(address_parse(arena, BYTES("\"a b\"@C"), &address), ADDRESS_OK);
    assert_bytes(address.local, "a b");
    assert_bytes(address.domain, "c");
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_int_not_equal(address_parse(arena, bytes_of(refused[i]), &address), ADDRESS_OK);
    arena_free(arena);
}

static void an_address_has_one_written_form(void **state)
{
    (void)state;
    static const struct {
        const char *text, *written;
    } cases[] = {
        {"Info@Example.com", "Info@example.com"},
        {"\"in\\fo\"@example.com", "info@example.com"},
        {"a@pi\xc3\xb1"
         "ata.es",
         "a@xn--piata-pta.es"},
        {"a@[IPv6:::ffff:192.0.2.1]", "a@[192.0.2.1]"},
        {"a+b@c", "a+b@c"},
        {"a.b@c", "a.b@c"},
        {"\"a..b\"@c", "\"a..b\"@c"},
        {"a@b.c", "a@b.c"},
    };
    struct arena *arena = arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address address;
        assert_int_equal(address_parse(arena, bytes_of(cases[i].text), &address), ADDRESS_OK);
        assert_bytes(address_write(arena, &address), cases[i].written);
    }
    arena_free(arena);
}

static void a_path_fails_without_memory(void **state)
{
    (void)state;
    for (size_t limit = 1; limit < 64; limit += 16) {
        struct arena *arena = arena_new(limit);
        struct address address;
        struct bytes rest;
        assert_int_equal(address_read_path(arena, PATH_FORWARD,
                                           BYTES("<a@\xc3\xb1.example.example.example>"), &address,
                                           &rest),
                         ADDRESS_NO_MEMORY);
        arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_read_by_the_grammar_and_written_back),
        cmocka_unit_test(hostile_paths_are_refused_with_their_error),
        cmocka_unit_test(lengths_are_limited_by_rfc_5321_4_5_3_1),
        cmocka_unit_test(a_mailbox_alone_has_no_brackets_and_nothing_after_it),
        cmocka_unit_test(an_address_has_one_written_form),
        cmocka_unit_test(a_path_fails_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
