/* Unit tests of the author domain: what a From field says, to the grammar and to an attacker. */
#include "author.h"
#include "buffer.h"
#include "unit.h"

struct field_case {
    struct bytes value;
    enum author_status status;
    const char *domain; /* the first author domain, if there is any */
};

static void check(const struct field_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct arena *arena = arena_new(0);
        struct author author = author_of_field(arena, cases[i].value);
        if (author.status != cases[i].status)
            fail_msg("%.*s: %d (%s), not %d", BYTES_ARG(cases[i].value), author.status,
                     author.problem, cases[i].status);
        assert_int_equal(author.problem != NULL, author.status == AUTHOR_MALFORMED &&
                                                     cases[i].value.n > 0 &&
                                                     bytes_trim(cases[i].value).n > 0);
        if (cases[i].domain)
            assert_bytes(author.domains[0], cases[i].domain);
        arena_free(arena);
    }
}

#define CHECK(cases) check((cases), sizeof(cases) / sizeof *(cases))

static void one_author_in_every_form_of_the_grammar_is_found(void **state)
{
    (void)state;
    static const struct field_case cases[] = {
        {BYTES_INIT("user@example.com"), 0, "example.com"},
        {BYTES_INIT(" user@Example.COM"), 0, "example.com"},
        {BYTES_INIT("<user@example.com>"), 0, "example.com"},
        {BYTES_INIT("Name <user@example.com>"), 0, "example.com"},
        {BYTES_INIT("Name<user@example.com>"), 0, "example.com"},
        {BYTES_INIT("John Q. Public <user@example.com>"), 0, "example.com"},
        {BYTES_INIT("\"Public, John\" <user@example.com>"), 0, "example.com"},
        {BYTES_INIT("=?utf-8?q?N=C3=A4me?= <user@example.com>"), 0, "example.com"},
        {BYTES_INIT("N\xc3\xa4me <user@example.com>"), 0, "example.com"},
        {BYTES_INIT("N\xe4me \"\xff\" <user@example.com>"), 0, "example.com"},
        {BYTES_INIT("a, b@example.com"), AUTHOR_MALFORMED, NULL},
        {BYTES_INIT("user@example.com, other@EXAMPLE.com"), 0, "example.com"},
        {BYTES_INIT(",, user@example.com ,,"), 0, "example.com"},
        {BYTES_INIT("\r\n user@example.com"), 0, "example.com"},
        {BYTES_INIT("Na\r\n\tme\r\n <user\r\n @example\r\n .com>\r\n "), 0, "example.com"},
        {BYTES_INIT("user . name @ example . com"), 0, "example.com"},
        {BYTES_INIT("\"user\".name@example.com"), 0, "example.com"},
        {BYTES_INIT("\"us er\"@example.com"), 0, "example.com"},
        {BYTES_INIT("\"us\\\"er\"@example.com"), 0, "example.com"},
        {BYTES_INIT("<@a.example,@b.example:user@example.com>"), 0, "example.com"},
        {BYTES_INIT("<,@a.example,,:user@example.com>"), 0, "example.com"},
        {BYTES_INIT("Group: user@example.com, Name <x@example.com>;"), 0, "example.com"},
        {BYTES_INIT("Empty:;, user@example.com"), 0, "example.com"},
        {BYTES_INIT("user@pi\xc3\xb1"
                    "ata.es"),
         0, "xn--piata-pta.es"},
        {BYTES_INIT("pi\xc3\xb1"
                    "ata@example.com"),
         0, "example.com"},
        {BYTES_INIT("user@my_host.example.com"), 0, "my_host.example.com"},
    };
    CHECK(cases);
}

static void what_only_looks_like_an_author_is_not_one(void **state)
{
    (void)state;
    static const struct field_case cases[] = {
        {BYTES_INIT("user@example.com (x@evil.example)"), 0, "example.com"},
        {BYTES_INIT("(x@evil.example) user@example.com"), 0, "example.com"},
        {BYTES_INIT("user(@evil.example)@example.com"), 0, "example.com"},
        {BYTES_INIT("user@(evil.)example.com"), 0, "example.com"},
        {BYTES_INIT("user@example(.evil).com"), 0, "example.com"},
        {BYTES_INIT("(a (b) \\) <x@evil.example>) user@example.com"), 0, "example.com"},
        {BYTES_INIT("\"x@evil.example\" <user@example.com>"), 0, "example.com"},
        {BYTES_INIT("\"x@evil.example\"@example.com"), 0, "example.com"},
        {BYTES_INIT("\"x@evil.example>\" <user@example.com>"), 0, "example.com"},
        {BYTES_INIT("\"\\\"x@evil.example\\\"\" <user@example.com>"), 0, "example.com"},
        {BYTES_INIT("=?utf-8?q?x=40evil.example?= <user@example.com>"), 0, "example.com"},
        {BYTES_INIT("=?utf-8?b?PHhAZXZpbD4=?= <user@example.com>"), 0, "example.com"},
        {BYTES_INIT("<@evil.example:user@example.com>"), 0, "example.com"},
        {BYTES_INIT("user@example.com <user@example.com>"), 0, "example.com"},
        {BYTES_INIT("user@example.com.evil.example"), 0, "example.com.evil.example"},
        {BYTES_INIT("user@example.com .evil.example"), 0, "example.com.evil.example"},
    };
    CHECK(cases);
}

static void where_all_readers_agree_the_grammar_does_not_matter(void **state)
{
    (void)state;
    static const struct field_case cases[] = {
        {BYTES_INIT("Doe, John <user@example.com>"), 0, "example.com"},
        {BYTES_INIT("Support: Team <user@example.com>"), 0, "example.com"},
        {BYTES_INIT("[Team] Support <user@example.com>"), 0, "example.com"},
        {BYTES_INIT("Team (Support <user@example.com>"), 0, "example.com"},
        {BYTES_INIT("Team <Support> <user@example.com>"), 0, "example.com"},
        {BYTES_INIT("\"Team Support <user@example.com>"), 0, "example.com"},
        {BYTES_INIT("Team; <us..er.@EXAMPLE.com>\r\n "), 0, "example.com"},
        {BYTES_INIT("<.user@example.com>"), 0, "example.com"},
        {BYTES_INIT("Doe, John <user@example.com> x"), AUTHOR_MALFORMED, NULL},
        {BYTES_INIT("Doe, John <user@example.com> (x)"), AUTHOR_MALFORMED, NULL},
        {BYTES_INIT("Doe, John <user@example.com"), AUTHOR_MALFORMED, NULL},
        {BYTES_INIT("Doe, J@x <user@example.com>"), AUTHOR_MALFORMED, NULL},
        {BYTES_INIT("Doe, John <user@example.com@x>"), AUTHOR_MALFORMED, NULL},
        {BYTES_INIT("Doe, John <@example.com>"), AUTHOR_MALFORMED, NULL},
        {BYTES_INIT("Doe, John <us er@example.com>"), AUTHOR_MALFORMED, NULL},
        {BYTES_INIT("Doe, John <user@exa(x)mple.com>"), AUTHOR_MALFORMED, NULL},
        {BYTES_INIT("Doe, John <user@[192.0.2.1]>"), AUTHOR_MALFORMED, NULL},
        {BYTES_INIT("Doe, John <x:user@example.com>"), AUTHOR_MALFORMED, NULL},
        {BYTES_INIT("Doe,\1 John <user@example.com>"), AUTHOR_MALFORMED, NULL},
    };
    CHECK(cases);
}

static void a_field_without_any_at_sign_names_no_domain(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        bool names_no_domain;
    } cases[] = {
        {"", true},
        {"<>", true},
        {"MAILER-DAEMON", true},
        {"Mail <>", true},
        {"Mail <daemon>", true},
        {"G:;", true},
        {"(a@b)", true},
        {"daemon@", false},
        {"daemon@[192.0.2.1]", false},
        {"a@b, c d", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *arena = arena_new(0);
        struct author author = author_of_field(arena, bytes_of(cases[i].value));
        assert_int_not_equal(author.status, AUTHOR_FOUND);
        assert_int_equal(author.names_no_domain, cases[i].names_no_domain);
        arena_free(arena);
    }
}

static void several_author_domains_are_distinguished_from_one(void **state)
{
    (void)state;
    static const struct field_case cases[] = {
        {BYTES_INIT("a@example.com, b@evil.example"), AUTHOR_SEVERAL_DOMAINS, "example.com"},
        {BYTES_INIT("a@example.com, b@sub.example.com"), AUTHOR_SEVERAL_DOMAINS, "example.com"},
        {BYTES_INIT("x@evil.example <a@example.com>"), AUTHOR_SEVERAL_DOMAINS, "evil.example"},
        {BYTES_INIT("G: a@example.com;, b@evil.example"), AUTHOR_SEVERAL_DOMAINS, "example.com"},
        {BYTES_INIT("G: a@example.com, b@evil.example;"), AUTHOR_SEVERAL_DOMAINS, "example.com"},
        {BYTES_INIT("G:;"), AUTHOR_NOBODY, NULL},
        {BYTES_INIT("G:(x@y);, H : , , ;"), AUTHOR_NOBODY, NULL},
        {BYTES_INIT(","), AUTHOR_NOBODY, NULL},
        {BYTES_INIT("(a@b)"), AUTHOR_NOBODY, NULL},
    };
    CHECK(cases);
}

static const struct bytes malformed_fields[] = {
    BYTES_INIT(""),
    BYTES_INIT(" "),
    BYTES_INIT("\r\n "),
    BYTES_INIT("user"),
    BYTES_INIT("Name"),
    BYTES_INIT("Name <>"),
    BYTES_INIT("<>"),
    BYTES_INIT("@"),
    BYTES_INIT("user@"),
    BYTES_INIT("@example.com"),
    BYTES_INIT("<@example.com>"),
    BYTES_INIT("<@evil.example:>"),
    BYTES_INIT("<@evil.example user@example.com>"),
    BYTES_INIT("<@evil.example@a:user@example.com>"),
    BYTES_INIT("<user@example.com"),
    BYTES_INIT("user@example.com>"),
    BYTES_INIT("<<user@example.com>>"),
    BYTES_INIT("<user@example.com> <x@evil.example>"),
    BYTES_INIT("<user@example.com> x@evil.example"),
    BYTES_INIT("<user@example.com>x"),
    BYTES_INIT("user@example.com x@evil.example"),
    BYTES_INIT("user@example.com; x@evil.example"),
    BYTES_INIT("user@example.com:"),
    BYTES_INIT("user@@example.com"),
    BYTES_INIT("user@example.com@evil.example"),
    BYTES_INIT("user name@example.com"),
    BYTES_INIT("\"user\"name@example.com"),
    BYTES_INIT(".user@example.com"),
    BYTES_INIT("user.@example.com"),
    BYTES_INIT("us..er@example.com"),
    BYTES_INIT("user@.example.com"),
    BYTES_INIT("user@example.com."),
    BYTES_INIT("user@example..com"),
    BYTES_INIT("user@exam ple.com"),
    BYTES_INIT("user@\"example.com\""),
    BYTES_INIT("user@example.com\""),
    BYTES_INIT("user@[192.0.2.1]"),
    BYTES_INIT("user@example[.com]"),
    BYTES_INIT("user@exa$mple.com"),
    BYTES_INIT("user@\xff.example"),
    BYTES_INIT("\"user@example.com"),
    BYTES_INIT("\"user\\\"@example.com"),
    BYTES_INIT("\"user\\"),
    BYTES_INIT("(user@example.com"),
    BYTES_INIT("user@example.com ("),
    BYTES_INIT("user@example.com (()"),
    BYTES_INIT("user@example.com (\\)"),
    BYTES_INIT("user@example.com )"),
    BYTES_INIT("Group: user@example.com"),
    BYTES_INIT("Group: Inner: user@example.com;;"),
    BYTES_INIT("Group: user@example.com; x"),
    BYTES_INIT(": user@example.com;"),
    BYTES_INIT("user@example.com, evil"),
    BYTES_INIT("user\0@example.com"),
    BYTES_INIT("user@example.com\0.evil.example"),
    BYTES_INIT("user@example.com\0"),
    BYTES_INIT("(\0) user@example.com"),
    BYTES_INIT("\"\\\0\" <user@example.com>"),
    BYTES_INIT("user@example.com\r"),
    BYTES_INIT("user@example.com\r\nx"),
    BYTES_INIT("user@example.com\n x@evil.example"),
    BYTES_INIT("Na\x7fme <user@example.com>"),
    BYTES_INIT("Na\x1bme <user@example.com>"),
};

static void hostile_fields_are_malformed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof malformed_fields / sizeof *malformed_fields; i++) {
        const struct field_case one = {malformed_fields[i], AUTHOR_MALFORMED, NULL};
        check(&one, 1);
    }
}

static void long_and_deep_fields_are_parsed_fast_and_within_bounds(void **state)
{
    (void)state;
    static const struct {
        const char *repeated, *end;
        enum author_status status;
    } cases[] = {
        {"(", "", AUTHOR_MALFORMED},      {"a", "@b", AUTHOR_FOUND},
        {"a@b,", "", AUTHOR_FOUND},       {"a.", "a@b", AUTHOR_FOUND},
        {"g:;,", "", AUTHOR_NOBODY},      {"g:", "", AUTHOR_MALFORMED},
        {"()", "a@b", AUTHOR_FOUND},      {"<", "", AUTHOR_MALFORMED},
        {"a@", "", AUTHOR_MALFORMED},     {"\\", "", AUTHOR_MALFORMED},
        {"\"\" ", "<a@b>", AUTHOR_FOUND}, {"\xc3\xb1@\xc3\xb1,", "a@b", AUTHOR_SEVERAL_DOMAINS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *arena = arena_new(0);
        struct buffer field = {0};
        for (int j = 0; j < 20000; j++)
            buffer_add(&field, bytes_of(cases[i].repeated));
        buffer_add(&field, bytes_of(cases[i].end));
        assert_int_equal(author_of_field(arena, buffer_bytes(&field)).status, cases[i].status);
        buffer_free(&field);
        arena_free(arena);
    }
    char domain[5000];
    memset(domain, 'a', sizeof domain);
    domain[1] = '@';
    for (size_t n = 250; n < sizeof domain; n += 250) {
        struct arena *arena = arena_new(0);
        assert_int_equal(author_of_field(arena, (struct bytes){domain, n}).status,
                         AUTHOR_MALFORMED);
        arena_free(arena);
    }
}

static void more_domains_than_there_is_room_for_are_still_several(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct author author =
        author_of_field(arena, BYTES("a@a,a@b,a@c,a@d,a@e,a@f,a@g,a@h,a@i,a@j,a@a"));
    assert_int_equal(author.status, AUTHOR_SEVERAL_DOMAINS);
    assert_int_equal(author.domain_count, AUTHOR_DOMAINS_MAX);
    assert_bytes(author.domains[AUTHOR_DOMAINS_MAX - 1], "h");
    arena_free(arena);
}

static void a_message_has_one_from_field_and_no_disguised_one(void **state)
{
    (void)state;
    static const struct {
        struct bytes header;
        enum author_status status;
    } cases[] = {
        {BYTES_INIT("From: a@b\r\n"), AUTHOR_FOUND},
        {BYTES_INIT("fRoM : a@b\r\n"), AUTHOR_FOUND},
        {BYTES_INIT("To: a@b\r\n"), AUTHOR_MISSING},
        {BYTES_INIT(""), AUTHOR_MISSING},
        {BYTES_INIT("From: a@b\r\nFrom: a@b\r\n"), AUTHOR_REPEATED},
        {BYTES_INIT("From: a@b\r\nFROM : c@d\r\n"), AUTHOR_REPEATED},
        {BYTES_INIT("From: a@b\r\nFrom\0: c@d\r\n"), AUTHOR_REPEATED},
        {BYTES_INIT("From: a@b\r\nFr\xff"
                    "om: c@d\r\n"),
         AUTHOR_REPEATED},
        {BYTES_INIT("F rom: c@d\r\nFrom: a@b\r\n"), AUTHOR_REPEATED},
        {BYTES_INIT(" From: c@d\r\nFrom: a@b\r\n"), AUTHOR_REPEATED},
        {BYTES_INIT("From\r\n : c@d\r\nFrom: a@b\r\n"), AUTHOR_REPEATED},
        {BYTES_INIT("From\r\n\t\r\n : c@d\r\n"), AUTHOR_MISSING},
        {BYTES_INIT("X-From: c@d\r\nFrom: a@b\r\nFrom-X: e@f\r\n"), AUTHOR_FOUND},
        {BYTES_INIT("From a@b Mon Nov 23 14:25:23 2026\r\nFrom: a@b\r\n"), AUTHOR_FOUND},
        {BYTES_INIT("Fro: c@d\r\nFrom: a@b\r\n"), AUTHOR_FOUND},
        {BYTES_INIT("Resent-From: c@d\r\nSender: e@f\r\nFrom: a@b\r\n"), AUTHOR_FOUND},
        {BYTES_INIT("From:\r\n a@b\r\n"), AUTHOR_FOUND},
        {BYTES_INIT("From:\r\n"), AUTHOR_MALFORMED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *arena = arena_new(0);
        struct message message;
        assert_true(message_parse(arena, cases[i].header, &message));
        struct author author = author_of_message(arena, &message);
        if (author.status != cases[i].status)
            fail_msg("case %zu: %d (%s)", i, author.status, author.problem);
        arena_free(arena);
    }
}

static void an_author_without_memory_is_not_found(void **state)
{
    (void)state;
    struct arena *arena = arena_new(8);
    assert_int_equal(author_of_field(arena, BYTES("user@example.example.example")).status,
                     AUTHOR_NO_MEMORY);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_author_in_every_form_of_the_grammar_is_found),
        cmocka_unit_test(what_only_looks_like_an_author_is_not_one),
        cmocka_unit_test(where_all_readers_agree_the_grammar_does_not_matter),
        cmocka_unit_test(a_field_without_any_at_sign_names_no_domain),
        cmocka_unit_test(several_author_domains_are_distinguished_from_one),
        cmocka_unit_test(hostile_fields_are_malformed),
        cmocka_unit_test(long_and_deep_fields_are_parsed_fast_and_within_bounds),
        cmocka_unit_test(more_domains_than_there_is_room_for_are_still_several),
        cmocka_unit_test(a_message_has_one_from_field_and_no_disguised_one),
        cmocka_unit_test(an_author_without_memory_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
