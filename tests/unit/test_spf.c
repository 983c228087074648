/* Unit tests of relay/auth/spf. The vectors in fixtures/vectors/spf cover RFC 7208 section by
 * section; here are the grammar, the parts of a result, and what the vectors cannot reach. */
#include "clock.h"
#include "fake_dns.h"
#include "spf.h"
#include "spf_macro.h"
#include "spf_record.h"
#include "spf_zone.h"
#include "unit.h"

static struct ip address(const char *text)
{
    struct ip ip = {0};
    assert_true(ip_parse(bytes_of(text), &ip));
    return ip;
}

static struct spf_request request(const char *ip, const char *mail_from)
{
    return (struct spf_request){
        .client = address(ip),
        .helo = BYTES("client.example.org"),
        .mail_from = bytes_of(mail_from),
        .receiver = BYTES("mx.example.net"),
        .explain = true,
        .default_explanation = BYTES("not 100% ours"),
    };
}

static void the_outcome_names_result_mechanism_and_counts(void **state)
{
    (void)state;
    static const struct {
        const char *ip, *mail_from;
        enum spf_result result;
        const char *mechanism;
        unsigned lookups, void_lookups;
    } cases[] = {
        {"192.0.2.10", "me@example.com", SPF_PASS, "a", 1, 0},
        {"192.0.2.129", "me@example.com", SPF_PASS, "mx/28", 2, 0},
        {"2001:db8::1", "me@example.com", SPF_PASS, "ip6:2001:db8::/32", 2, 2},
        {"198.51.100.1", "me@example.com", SPF_PASS, "include:partner.example", 4, 0},
        {"203.0.113.1", "me@example.com", SPF_FAIL, "-all", 4, 0},
        {"192.0.2.10", "me@moved.example", SPF_PASS, "a", 2, 0},
        {"192.0.2.1", "me@open.example", SPF_NEUTRAL, "?ip4:192.0.2.1", 0, 0},
        {"192.0.2.2", "me@open.example", SPF_NEUTRAL, "default", 0, 0},
        {"192.0.2.1", "me@two.example", SPF_PERMERROR, "", 0, 0},
        {"192.0.2.1", "me@broken.example", SPF_PERMERROR, "", 0, 0},
        {"192.0.2.1", "me@loop.example", SPF_PERMERROR, "", 11, 0},
        {"192.0.2.1", "me@void.example", SPF_PERMERROR, "", 3, 3},
        {"192.0.2.1", "me@slow.example", SPF_TEMPERROR, "", 0, 0},
        {"192.0.2.1", "me@nowhere.example", SPF_NONE, "", 0, 0},
        {"192.0.2.1", "me@localhost", SPF_NONE, "", 0, 0},
        {"192.0.2.1", "me@[192.0.2.1]", SPF_NONE, "", 0, 0},
        {"::ffff:192.0.2.10", "me@example.com", SPF_PASS, "a", 1, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena *arena = arena_new(0);
        struct fake_dns fake = FAKE_DNS(spf_zone);
        struct spf_request asked = request(cases[i].ip, cases[i].mail_from);
        struct spf_outcome outcome;
        spf_check(&fake.dns, arena, &asked, &outcome);
        assert_int_equal(outcome.result, cases[i].result);
        assert_bytes(outcome.mechanism, cases[i].mechanism);
        assert_int_equal(outcome.lookups, cases[i].lookups);
        assert_int_equal(outcome.void_lookups, cases[i].void_lookups);
        bool decided = cases[i].mechanism[0] != '\0';
        assert_int_equal(outcome.problem == NULL, decided);
        arena_free(arena);
    }
}

static void helo_is_checked_for_the_null_reverse_path(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct fake_dns fake = FAKE_DNS(spf_zone);
    struct spf_request asked = request("192.0.2.10", "");
    asked.helo = BYTES("example.com");
    struct spf_outcome outcome;
    spf_check(&fake.dns, arena, &asked, &outcome);
    assert_int_equal(outcome.result, SPF_PASS);
    assert_int_equal(outcome.identity, SPF_HELO);
    assert_bytes(outcome.sender, "postmaster@example.com");
    assert_bytes(outcome.domain, "example.com");
    arena_free(arena);
}

static void an_explanation_is_that_of_the_domain_or_the_default(void **state)
{
    (void)state;
    static const struct {
        const char *mail_from, *explanation;
    } cases[] = {
        {"me@example.com", "203.0.113.1 is not ours, says mx.example.net"},
        {"me@moved.example", "203.0.113.1 is not ours, says mx.example.net"},
        {"me@all.example", "not 100% ours"},
        {"fine@bad-why.example", "ring fine"},
        {"b\x07l@bad-why.example", "not 100% ours"},
        {"b\xe9@bad-why.example", "not 100% ours"},
        {"me@nowhere.example", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena *arena = arena_new(0);
        struct fake_dns fake = FAKE_DNS(spf_zone);
        struct spf_request asked = request("203.0.113.1", cases[i].mail_from);
        struct spf_outcome outcome;
        spf_check(&fake.dns, arena, &asked, &outcome);
        assert_bytes(outcome.explanation, cases[i].explanation);
        arena_free(arena);
    }
}

static const char *const valid_records[] = {
    "v=spf1",
    "V=SPF1  a   -ALL ",
    "v=spf1 all all",
    "v=spf1 a/24 a//64 a/24//64 a/0//0 a:example.com/32//128",
    "v=spf1 a:foo:bar/baz.example.com",
    "v=spf1 a:example.com.",
    "v=spf1 a:example.xn--p1ai",
    "v=spf1 a:example.1a",
    "v=spf1 a:_spf.%{d} a:%{d} a:%%%_%- a:%{d}.com",
    "v=spf1 ptr:example.com ptr",
    "v=spf1 ip4:192.0.2.1/0 ip4:192.0.2.1/32",
    "v=spf1 ip6:2001:db8::1/128 ip6:::/0 ip6:::ffff:192.0.2.1/96",
    "v=spf1 redirect=example.com exp=why.example.com",
    "v=spf1 x= x= a.b-c_d=%{l1r+}/:= default=pass",
    "v=spf1 x=%{c}%{r}%{t}",
    "v=spf1 exists:%{d99999999999999999999r.-+,/_=}.example.com",
};

static const char *const invalid_records[] = {
    "v=spf1 all:",
    "v=spf1 all/8",
    "v=spf1 -",
    "v=spf1 --all",
    "v=spf1 include",
    "v=spf1 include:",
    "v=spf1 include:example.com/24",
    "v=spf1 a:",
    "v=spf1 a:/24",
    "v=spf1 a/",
    "v=spf1 a//",
    "v=spf1 a/33",
    "v=spf1 a//129",
    "v=spf1 a/024",
    "v=spf1 a/24/64",
    "v=spf1 a/24//",
    "v=spf1 a///64",
    "v=spf1 a/4294967296",
    "v=spf1 a:example.com:8080",
    "v=spf1 mx:foo:8080",
    "v=spf1 a:museum",
    "v=spf1 a:museum.",
    "v=spf1 a:example.com..",
    "v=spf1 a:example.com-",
    "v=spf1 a:example.-com",
    "v=spf1 a:192.0.2.1",
    "v=spf1 a:%{d}com",
    "v=spf1 ptr/24",
    "v=spf1 ip4",
    "v=spf1 ip4:",
    "v=spf1 ip4:192.0.2.1/33",
    "v=spf1 ip4:192.0.2.1/00",
    "v=spf1 ip4:192.0.2",
    "v=spf1 ip4:192.0.2.01",
    "v=spf1 ip4:192.0.2.256",
    "v=spf1 ip4:192.0.2.1:25",
    "v=spf1 ip4:2001:db8::1",
    "v=spf1 ip6:2001:db8::1/129",
    "v=spf1 ip6:192.0.2.1",
    "v=spf1 ip6:fe80::1%eth0",
    "v=spf1 exists",
    "v=spf1 exists:example.com/24",
    "v=spf1 redirect=",
    "v=spf1 redirect:example.com",
    "v=spf1 -redirect=example.com",
    "v=spf1 redirect=a.example redirect=a.example",
    "v=spf1 exp=a.example Exp=a.example",
    "v=spf1 exp=",
    "v=spf1 =all",
    "v=spf1 1x=y",
    "v=spf1 x=%{q}",
    "v=spf1 x=%(l)",
    "v=spf1 x=%{l",
    "v=spf1 exists:%{c}.example.com",
    "v=spf1 exists:%{d0}.example.com",
    "v=spf1 exists:%{rd}.example.com",
    "v=spf1 exists:%{d}% .example.com",
    "v=spf1 exists:caf\xe9.example.com",
    "v=spf1 a\t-all",
    "v=spf1 mxx",
    "v=spf1 ipv4:192.0.2.1",
};

static void check_record(const char *text, bool valid)
{
    struct spf_record record;
    assert_true(spf_is_record(bytes_of(text)));
    if (spf_record_parse(bytes_of(text), &record) != valid)
        fail_msg("%s: %s", text, record.problem ? record.problem : "accepted");
    assert_int_equal(record.problem == NULL, valid);
}

static void a_record_is_refused_for_any_error_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof valid_records / sizeof *valid_records; i++)
        check_record(valid_records[i], true);
    for (size_t i = 0; i < sizeof invalid_records / sizeof *invalid_records; i++)
        check_record(invalid_records[i], false);
}

static void only_a_whole_version_makes_an_spf_record(void **state)
{
    (void)state;
    assert_false(spf_is_record(BYTES("v=spf10")));
    assert_false(spf_is_record(BYTES("v=spf1\t-all")));
    assert_false(spf_is_record(BYTES(" v=spf1 -all")));
    assert_false(spf_is_record(BYTES("v=spf")));
}

static struct bytes no_name(void *context, struct bytes domain)
{
    (void)context;
    (void)domain;
    return BYTES("unknown");
}

static void macros_expand_as_in_the_examples_of_the_rfc(void **state)
{
    (void)state;
    static const struct {
        const char *ip, *text, *expansion;
    } cases[] = {
        {"192.0.2.3", "%{s}", "strong-bad@email.example.com"},
        {"192.0.2.3", "%{o} %{d} %{d4} %{d3}",
         "email.example.com email.example.com email.example.com email.example.com"},
        {"192.0.2.3", "%{d2} %{d1} %{dr} %{d2r}",
         "example.com com com.example.email example.email"},
        {"192.0.2.3", "%{l} %{l-} %{lr} %{lr-} %{l1r-}",
         "strong-bad strong.bad strong-bad bad.strong strong"},
        {"192.0.2.3", "%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"},
        {"192.0.2.3", "%{lr-}.lp.%{ir}.%{v}._spf.%{d2}",
         "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"},
        {"2001:db8::cb01", "%{ir}.%{v}._spf.%{d2}",
         "1.0.B.C.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6._spf.example.com"},
        {"2001:db8::cb01", "%{i3} %{c}", "B.0.1 2001:db8::cb01"},
        {"192.0.2.3", "%%%_%-%{p}%{r}", "% %20unknownunknown"},
        {"192.0.2.3", "%{S} %{H}", "strong-bad%40email.example.com a%20%2Fb~_"},
        {"192.0.2.3", "%{h}", "a /b~_"},
        {"192.0.2.3", "%{o1r.-}", "email"},
    };
    struct spf_macros macros = {
        .sender = BYTES("strong-bad@email.example.com"),
        .local_part = BYTES("strong-bad"),
        .domain = BYTES("email.example.com"),
        .helo = BYTES("a /b~_"),
        .validated_name = no_name,
    };
    struct arena *arena = arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        macros.client = address(cases[i].ip);
        assert_true(spf_is_explain_string(bytes_of(cases[i].text)));
        assert_bytes(spf_expand(arena, &macros, macros.domain, bytes_of(cases[i].text)),
                     cases[i].expansion);
    }
    arena_free(arena);
}

static void a_long_name_loses_labels_on_the_left(void **state)
{
    (void)state;
    char local[301];
    memset(local, 'x', sizeof local - 1);
    local[sizeof local - 1] = '\0';
    for (size_t i = 49; i < sizeof local - 1; i += 50)
        local[i] = '.';
    struct spf_macros macros = {.local_part = bytes_of(local), .validated_name = no_name};
    struct arena *arena = arena_new(0);
    struct bytes name = spf_expand_name(arena, &macros, BYTES("example.com"), BYTES("%{l}%{d}."));
    assert_int_equal(name.n, 211);
    assert_true(bytes_ends_with_nocase(name, BYTES("x.example.com")));
    assert_int_equal(bytes_find(name, '.'), 49);
    arena_free(arena);
}

static void an_excessive_expansion_is_not_a_name(void **state)
{
    (void)state;
    static char local[1000], text[4 * 1000 + 1];
    memset(local, '.', sizeof local);
    for (size_t i = 0; i + 1 < sizeof text; i += 4)
        memcpy(text + i, "%{l}", 4);
    struct spf_macros macros = {.local_part = {local, sizeof local}, .validated_name = no_name};
    struct arena *arena = arena_new(0);
    assert_bytes(spf_expand_name(arena, &macros, BYTES("example.com"), bytes_of(text)), "");
    assert_true(spf_expand(arena, &macros, BYTES("example.com"), bytes_of(text)).n < 70000);
    arena_free(arena);
}

/* Answers nothing, and keeps the deadline it was given. */
struct patient_dns {
    struct dns dns;
    double deadline;
};

static void keep_deadline(struct dns *self, struct arena *arena, struct bytes name,
                          enum dns_type type, double deadline, struct dns_answer *answer)
{
    (void)arena;
    (void)name;
    (void)type;
    ((struct patient_dns *)self)->deadline = deadline;
    dns_answer_fail(answer, "too late");
}

static void all_lookups_together_have_twenty_seconds(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct patient_dns patient = {.dns.query = keep_deadline};
    struct spf_request asked = request("192.0.2.1", "me@example.com");
    struct spf_outcome outcome;
    double start = clock_monotonic();
    spf_check(&patient.dns, arena, &asked, &outcome);
    assert_int_equal(outcome.result, SPF_TEMPERROR);
    assert_true(patient.deadline >= start + 20 && patient.deadline <= clock_monotonic() + 20);
    arena_free(arena);
}

static struct bytes received(struct buffer *out, const struct spf_request *asked,
                             const struct spf_outcome *outcome)
{
    buffer_clear(out);
    spf_write_received(out, asked, outcome);
    return buffer_bytes(out);
}

static void received_spf_quotes_what_is_not_a_dot_atom(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct fake_dns fake = FAKE_DNS(spf_zone);
    struct buffer out = {0};
    struct spf_request asked = request("2001:db8::1", "me@example.com");
    struct spf_outcome outcome;
    spf_check(&fake.dns, arena, &asked, &outcome);
    assert_bytes(
        received(&out, &asked, &outcome),
        "Received-SPF: pass (mx.example.net: domain of me@example.com designates\r\n"
        " 2001:db8::1 as permitted sender) receiver=mx.example.net;\r\n"
        " client-ip=\"2001:db8::1\"; envelope-from=\"me@example.com\";\r\n"
        " helo=client.example.org; identity=mailfrom; mechanism=\"ip6:2001:db8::/32\";\r\n");
    buffer_free(&out);
    arena_free(arena);
}

static void nothing_from_outside_can_break_received_spf(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct fake_dns fake = FAKE_DNS(spf_zone);
    struct buffer out = {0};
    struct spf_request asked = request("192.0.2.1", "a\"b)\\c\r\nX: y@no.example");
    asked.helo = BYTES("(\xff\"\r\n\\");
    struct spf_outcome outcome;
    spf_check(&fake.dns, arena, &asked, &outcome);
    assert_bytes(
        received(&out, &asked, &outcome),
        "Received-SPF: none (mx.example.net: domain of a\"b\\)\\\\c??X: y@no.example has no\r\n"
        " SPF policy for 192.0.2.1) receiver=mx.example.net; client-ip=192.0.2.1;\r\n"
        " envelope-from=\"a\\\"b)\\\\c??X: y@no.example\"; helo=\"(?\\\"??\\\\\";\r\n"
        " identity=mailfrom; problem=\"no such domain\";\r\n");
    buffer_free(&out);
    arena_free(arena);
}

/* RFC 5322 3.2.2: a line of nothing but blanks may end the header for who reads it. */
static void blanks_make_no_blank_line_in_received_spf(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct fake_dns fake = FAKE_DNS(spf_zone);
    struct buffer out = {0};
    struct spf_request asked =
        request("192.0.2.1", "\"a                                                            "
                             "                                                              "
                             "b\"@no.example");
    struct spf_outcome outcome;
    spf_check(&fake.dns, arena, &asked, &outcome);
    assert_bytes(bytes_first(received(&out, &asked, &outcome), 97),
                 "Received-SPF: none (mx.example.net: domain of \"a b\"@no.example has no SPF\r\n"
                 " policy for 192.0.2.1)");
    buffer_free(&out);
    arena_free(arena);
}

static void an_exhausted_arena_is_a_temporary_error(void **state)
{
    (void)state;
    struct fake_dns fake = FAKE_DNS(spf_zone);
    struct spf_request asked = request("192.0.2.1", "me@example.com");
    struct spf_outcome outcome;
    for (size_t limit = 16; limit < 400; limit += 16) {
        struct arena *arena = arena_new(limit);
        spf_check(&fake.dns, arena, &asked, &outcome);
        assert_true(!arena_failed(arena) || outcome.result == SPF_TEMPERROR);
        arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_outcome_names_result_mechanism_and_counts),
        cmocka_unit_test(helo_is_checked_for_the_null_reverse_path),
        cmocka_unit_test(an_explanation_is_that_of_the_domain_or_the_default),
        cmocka_unit_test(a_record_is_refused_for_any_error_anywhere),
        cmocka_unit_test(only_a_whole_version_makes_an_spf_record),
        cmocka_unit_test(macros_expand_as_in_the_examples_of_the_rfc),
        cmocka_unit_test(a_long_name_loses_labels_on_the_left),
        cmocka_unit_test(an_excessive_expansion_is_not_a_name),
        cmocka_unit_test(all_lookups_together_have_twenty_seconds),
        cmocka_unit_test(received_spf_quotes_what_is_not_a_dot_atom),
        cmocka_unit_test(nothing_from_outside_can_break_received_spf),
        cmocka_unit_test(blanks_make_no_blank_line_in_received_spf),
        cmocka_unit_test(an_exhausted_arena_is_a_temporary_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
