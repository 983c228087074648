/* Unit tests of relay/mail/authres: reading, writing, and recognising forged fields (RFC 8601). */
#include "arena_fixture.h"
#include "authres.h"
#include "unit.h"

static struct authres parsed(const char *value)
{
    struct authres authres;
    assert_true(authres_parse(arena, bytes_of(value), &authres));
    return authres;
}

static const char *written(const struct authres *authres, size_t column)
{
    struct buffer out = {0};
    authres_write(&out, authres, column);
    assert_false(out.failed);
    const char *text = arena_string(arena, buffer_bytes(&out));
    buffer_free(&out);
    return text;
}

static void a_field_with_everything_is_read(void **state)
{
    (void)state;
    struct authres authres =
        parsed(" (who) \"mx.\\example\" (v) 1 (x);\r\n"
               "\tspf (a) / (b) 1 (c) = (d) pass (client is (really) it) reason (e) = (f) \"all "
               "\\\"ok\\\"\""
               " smtp (g) . (h) mailfrom (i) = (j) \"a b\"@example.com (k);\r\n"
               " DKIM=fail header.d=example.com header.b=\"ab/cd+\" ; dmarc=none");
    assert_bytes(authres.authserv_id, "mx.example");
    assert_int_equal(authres.version, 1);
    assert_int_equal(authres.result_count, 3);

    const struct authres_result *spf = &authres.results[0];
    assert_bytes(spf->method, "spf");
    assert_int_equal(spf->version, 1);
    assert_bytes(spf->value, "pass");
    assert_bytes(spf->comment, "client is (really) it");
    assert_bytes(spf->reason, "all \"ok\"");
    assert_int_equal(spf->property_count, 1);
    assert_bytes(spf->properties[0].ptype, "smtp");
    assert_bytes(spf->properties[0].name, "mailfrom");
    assert_bytes(spf->properties[0].value, "\"a b\"@example.com");

    const struct authres_result *dkim = &authres.results[1];
    assert_int_equal(dkim->property_count, 2);
    assert_bytes(dkim->properties[1].value, "ab/cd+");
    assert_bytes(dkim->text, "DKIM=fail header.d=example.com header.b=\"ab/cd+\"");
    assert_bytes(authres.results[2].method, "dmarc");
}

static void no_results_are_read_as_none(void **state)
{
    (void)state;
    static const char *const values[] = {
        "mx.example; none", " mx.example 1;\r\n (nothing) NONE (done)",
        "mx.example;",      "mx.example; none;",
        "mx.example",
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        assert_int_equal(parsed(values[i]).result_count, 0);
}

static void tolerated_forms_are_accepted(void **state)
{
    (void)state;
    struct authres authres = parsed("mx.example; dkim=pass header.i=@x.example header.b=A/b+c==;"
                                    " arc=pass smtp.remote-ip=2001:db8::1 reason=late;"
                                    " spf=pass smtp.mailfrom=<>;; ");
    assert_int_equal(authres.result_count, 3);
    assert_bytes(authres.results[0].properties[0].value, "@x.example");
    assert_bytes(authres.results[0].properties[1].value, "A/b+c==");
    assert_bytes(authres.results[1].properties[0].value, "2001:db8::1");
    assert_bytes(authres.results[1].reason, "late");
    assert_bytes(authres.results[2].properties[0].value, "<>");
}

static void an_invalid_field_is_refused(void **state)
{
    (void)state;
    static const struct bytes values[] = {
        BYTES_INIT(""),
        BYTES_INIT(" "),
        BYTES_INIT("; spf=pass"),
        BYTES_INIT("spf=pass smtp.mailfrom=x.example"),
        BYTES_INIT("mx.example spf=pass"),
        BYTES_INIT("mx.example 2; spf=pass"),
        BYTES_INIT("mx.example 1x; spf=pass"),
        BYTES_INIT("mx.example 99999999999; spf=pass"),
        BYTES_INIT("mx.example/1; spf=pass"),
        BYTES_INIT("mx.example (open; spf=pass"),
        BYTES_INIT("mx.example (open\\"),
        BYTES_INIT("\"mx.example; spf=pass"),
        BYTES_INIT("\"mx.example\\"),
        BYTES_INIT("\"mx\1.example\"; spf=pass"),
        BYTES_INIT("mx.example; spf"),
        BYTES_INIT("mx.example; spf="),
        BYTES_INIT("mx.example; spf=pass smtp"),
        BYTES_INIT("mx.example; spf=pass smtp.=x"),
        BYTES_INIT("mx.example; spf=pass smtp.mailfrom"),
        BYTES_INIT("mx.example; spf=pass smtp.mailfrom=a\0b"),
        BYTES_INIT("mx.example; spf/x=pass"),
        BYTES_INIT("mx.example; =pass"),
        BYTES_INIT("mx.example; none spf=pass"),
        BYTES_INIT("mx.example; none; spf=pass"),
        BYTES_INIT("mx.example; spf=pass; none"),
        BYTES_INIT("mx.example; none; none"),
        BYTES_INIT("mx.example; spf=pass smtp.mailfrom="),
        BYTES_INIT("mx.example; spf=pass smtp.mailfrom= ; dkim=pass"),
        BYTES_INIT("mx.example; spf=pass smtp.mailfrom=(x)"),
        BYTES_INIT("mx.example; spf=pass reason="),
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct authres authres;
        if (authres_parse(arena, values[i], &authres))
            fail_msg("read: %.*s", BYTES_ARG(values[i]));
    }
}

static void values_are_quoted_where_the_grammar_requires_it(void **state)
{
    (void)state;
    static const struct {
        struct bytes value;
        const char *written;
    } cases[] = {
        {BYTES_INIT("example.com"), "example.com"},
        {BYTES_INIT("192.0.2.1"), "192.0.2.1"},
        {BYTES_INIT("2001:db8::1"), "\"2001:db8::1\""},
        {BYTES_INIT("@example.com"), "@example.com"},
        {BYTES_INIT("a.b+c@example.com"), "a.b+c@example.com"},
        {BYTES_INIT(".a@example.com"), "\".a@example.com\""},
        {BYTES_INIT("a.@example.com"), "\"a.@example.com\""},
        {BYTES_INIT("a..b@example.com"), "\"a..b@example.com\""},
        {BYTES_INIT("a@example..com"), "\"a@example..com\""},
        {BYTES_INIT("a@"), "\"a@\""},
        {BYTES_INIT("\"a b\\\"c@\"@example.com"), "\"a b\\\"c@\"@example.com"},
        {BYTES_INIT("\"a\"b\"@example.com"), "\"\\\"a\\\"b\\\"@example.com\""},
        {BYTES_INIT("\"a\\\"@example.com"), "\"\\\"a\\\\\\\"@example.com\""},
        {BYTES_INIT("a@b@c"), "\"a@b@c\""},
        {BYTES_INIT("ab/c="), "\"ab/c=\""},
        {BYTES_INIT(""), "\"\""},
        {BYTES_INIT("say \"no\" \\"), "\"say \\\"no\\\" \\\\\""},
        {BYTES_INIT("a\r\nb\0c\xc3\xb1"), "\"a??b?c??\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct authres_property property = {BYTES("smtp"), BYTES("x"), cases[i].value};
        struct authres_result result = {.method = BYTES("m"),
                                        .version = 1,
                                        .value = BYTES("pass"),
                                        .properties = &property,
                                        .property_count = 1};
        struct authres authres = {BYTES("mx.example"), 1, &result, 1};
        assert_string_equal(
            written(&authres, 0),
            arena_printf(arena, " mx.example; m=pass smtp.x=%s", cases[i].written).p);
    }
}

static void what_is_written_can_be_read_back(void **state)
{
    (void)state;
    struct authres_property properties[] = {
        {BYTES("smtp"), BYTES("remote-ip"), BYTES("2001:db8::1")},
        {BYTES("header"), BYTES("oldest-pass"), BYTES("0")},
    };
    struct authres_result results[] = {
        {.method = BYTES("arc"),
         .version = 1,
         .value = BYTES("fail"),
         .comment = BYTES("odd ) and ( \\ and \r\n"),
         .reason = BYTES("the \"seal\" of 2 is broken"),
         .properties = properties,
         .property_count = 2},
        {.method = BYTES("spf"), .version = 1, .value = BYTES("none")},
    };
    struct authres authres = {BYTES("mx example"), 1, results, 2};
    struct authres back = parsed(written(&authres, 23));
    assert_bytes(back.authserv_id, "mx example");
    assert_int_equal(back.result_count, 2);
    assert_bytes(back.results[0].reason, "the \"seal\" of 2 is broken");
    assert_bytes(back.results[0].properties[0].value, "2001:db8::1");
    assert_bytes(back.results[0].comment, "odd \\) and \\( \\\\ and ??");

    struct authres none = {.authserv_id = BYTES("mx.example"), .version = 1};
    assert_string_equal(written(&none, 0), " mx.example; none");
}

static void lines_are_folded_before_78_octets(void **state)
{
    (void)state;
    struct authres authres =
        parsed("mx.example; dkim=pass (2048-bit key) header.d=a-rather-long-name.example.com"
               " header.s=selector; dkim=fail\r\n\treason=\"one two  three\" header.d=b.example");
    assert_string_equal(written(&authres, 23),
                        " mx.example; dkim=pass (2048-bit key)\r\n"
                        "\theader.d=a-rather-long-name.example.com header.s=selector; dkim=fail\r\n"
                        "\treason=\"one two  three\" header.d=b.example");
}

static void every_spelling_of_our_id_is_a_claim(void **state)
{
    (void)state;
    static const struct bytes values[] = {
        BYTES_INIT(" email.cloudflare.net; spf=pass"),
        BYTES_INIT("EMAIL.Cloudflare.NET;spf=pass"),
        BYTES_INIT("email.cloudflare.net"),
        BYTES_INIT("email.cloudflare.net."),
        BYTES_INIT("\r\n\temail.cloudflare.net\r\n ;none"),
        BYTES_INIT("(a (nested) \\) comment) email.cloudflare.net (more) ; none"),
        BYTES_INIT("\"email.cloudflare.net\"; none"),
        BYTES_INIT("\"e\\mail.cloud\\flare.net\"; none"),
        BYTES_INIT("\"email.cloudflare.net \"; none"),
        BYTES_INIT("\"email.\r\n cloudflare.net\"; none"),
        BYTES_INIT("email.cloudflare.net 1; spf=pass"),
        BYTES_INIT("email.cloudflare.net 2; spf=pass"),
        BYTES_INIT("email.cloudflare.net(x)1; spf=pass"),
        BYTES_INIT("email.cloudflare.net/1; spf=pass"),
        BYTES_INIT("email.cloudflare.net junk; spf=pass"),
        BYTES_INIT("email.cloudflare.net, spf=pass"),
        BYTES_INIT("email.cloudflare.net:25; spf=pass"),
        BYTES_INIT("<email.cloudflare.net>; spf=pass"),
        BYTES_INIT("email.cloudflare.net\0; spf=pass"),
        BYTES_INIT("em\0ail.cloudflare.net; spf=pass"),
        BYTES_INIT("(open email.cloudflare.net; spf=pass"),
        BYTES_INIT("(open; email.cloudflare.net; spf=pass"),
        BYTES_INIT("\"email.cloudflare.net; spf=pass"),
        BYTES_INIT("\"a\\\"b\" email.cloudflare.net; spf=pass"),
        BYTES_INIT("i=1; email.cloudflare.net; dmarc=pass"),
        BYTES_INIT(" (x) I (y) =\r\n 01 (z) ;\temail.cloudflare.net 1; dmarc=pass"),
        BYTES_INIT("i=1; i=2; \"email.cloudflare.net\"; dmarc=pass"),
        BYTES_INIT("v=\"1\"; email.cloudflare.net; dmarc=pass"),
        BYTES_INIT("i=1; email.cloudflare.net/1; dmarc=pass"),
        BYTES_INIT("=?utf-8?q?email=2Ecloudflare=2Enet?=; spf=pass"),
        BYTES_INIT(
            "email (x) . cloudflare.net; spf=pass; email.cloudflare.net") /* read by a lenient one
                                                                           */
        ,
        BYTES_INIT("\xef\xbd\x85mail.cloudflare.net; spf=pass") /* a full-width e */,
        BYTES_INIT("email\xe3\x80\x82"
                   "cloudflare\xe3\x80\x82net; spf=pass") /* ideographic stops */,
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (!authres_claims(arena, values[i], BYTES("email.cloudflare.net")))
            fail_msg("no claim: %.*s", BYTES_ARG(values[i]));
}

static void another_id_is_no_claim(void **state)
{
    (void)state;
    static const char *const values[] = {
        "mx.example; spf=pass smtp.mailfrom=email.cloudflare.net",
        "notemail.cloudflare.net; none",
        "i=1; mx.example; spf=pass smtp.mailfrom=email.cloudflare.net",
        "mx.example; i=1; email.cloudflare.net; none",
        "i=1",
        "email.cloudflare.net.example; none",
        "cloudflare.net; none",
        "mx.example (not email.cloudflare.net); none",
        "\"mx.example\" 1; none",
        "spf=pass smtp.mailfrom=email.cloudflare.net.evil.example; email=x",
        "mx.example, broken; dkim=pass header.d=email.cloudflare.net",
        "",
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (authres_claims(arena, bytes_of(values[i]), BYTES("email.cloudflare.net")))
            fail_msg("claim: %s", values[i]);
}

static void ids_are_compared_in_a_labels(void **state)
{
    (void)state;
    static const char *const spellings[] = {"xn--piata-pta.es",
                                            "pi\xc3\xb1"
                                            "ata.es",
                                            "\"PI\xc3\x91"
                                            "ATA.es\"",
                                            "pin\xcc\x83"
                                            "ata.es",
                                            "XN--PIATA-PTA.ES.",
                                            "(pi\xc3\xb1"
                                            "ata.es"};
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        assert_true(authres_claims(arena, bytes_of(spellings[i]), BYTES("xn--piata-pta.es")));
        assert_true(authres_claims(arena, bytes_of(spellings[i]),
                                   BYTES("pi\xc3\xb1"
                                         "ata.es")));
    }
    assert_false(authres_claims(arena, BYTES("pinata.es"), BYTES("xn--piata-pta.es")));
}

static void the_fields_of_one_id_are_merged_in_their_order(void **state)
{
    (void)state;
    struct message message;
    assert_true(message_parse(arena,
                              BYTES("Authentication-Results: mx.example; arc=none;\r\n"
                                    "  spf=pass (ok) smtp.mfrom=jqd@d1.example\r\n"
                                    "Authentication-Results: other.example; dkim=fail\r\n"
                                    "Authentication-Results: mx.example; dkim\r\n"
                                    "authentication-results: \"MX.example\" 1; dmarc=pass\r\n"
                                    "\r\nAuthentication-Results: mx.example; dkim=pass\r\n"),
                              &message));
    struct authres merged;
    assert_true(authres_merge(arena, &message, BYTES("mx.example"), &merged));
    assert_string_equal(written(&merged, 0), " mx.example; arc=none; spf=pass (ok)"
                                             " smtp.mfrom=jqd@d1.example; dmarc=pass");
}

static void hostile_octets_are_harmless(void **state)
{
    (void)state;
    static const char alphabet[] = "a;=.\"\\(/ )\r\n\t1@\0\xff";
    unsigned random = 1;
    for (size_t round = 0; round < 20000; round++) {
        char value[24];
        for (size_t i = 0; i < sizeof value; i++) {
            random = random * 1103515245u + 12345u;
            value[i] = alphabet[(random >> 16) % (sizeof alphabet - 1)];
        }
        struct authres authres;
        struct bytes slice = {value, sizeof value};
        if (authres_parse(arena, slice, &authres))
            assert_true(authres_claims(arena, slice, authres.authserv_id));
    }
}

/* RFC 8601 5 */
static void another_version_is_noticed(void **state)
{
    (void)state;
    assert_true(authres_has_other_version(arena, BYTES("mx.example 2; none")));
    assert_true(authres_has_other_version(arena, BYTES(" mx.example (a) 0 (b); none")));
    assert_false(authres_has_other_version(arena, BYTES("mx.example 1; none")));
    assert_false(authres_has_other_version(arena, BYTES("mx.example; none")));
    assert_false(authres_has_other_version(arena, BYTES("2")));
    assert_false(authres_has_other_version(arena, BYTES("mx.example 2 dkim=pass")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_field_with_everything_is_read),
        cmocka_unit_test(no_results_are_read_as_none),
        cmocka_unit_test(tolerated_forms_are_accepted),
        cmocka_unit_test(an_invalid_field_is_refused),
        cmocka_unit_test(values_are_quoted_where_the_grammar_requires_it),
        cmocka_unit_test(what_is_written_can_be_read_back),
        cmocka_unit_test(lines_are_folded_before_78_octets),
        cmocka_unit_test(every_spelling_of_our_id_is_a_claim),
        cmocka_unit_test(another_id_is_no_claim),
        cmocka_unit_test(ids_are_compared_in_a_labels),
        cmocka_unit_test(another_version_is_noticed),
        cmocka_unit_test(the_fields_of_one_id_are_merged_in_their_order),
        cmocka_unit_test(hostile_octets_are_harmless),
    };
    return cmocka_run_group_tests(tests, make_arena, drop_arena);
}
