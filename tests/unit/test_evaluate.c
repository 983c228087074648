/* Unit tests of relay/policy/evaluate.c and trace_fields.c: the evaluation of whole messages, and
 * the fields that are prepended to those that are forwarded. */
#include "clock.h"
#include "evaluate.h"
#include "fake_dns.h"
#include "rfc8463.h"
#include "signature_write.h"
#include "trace_fields.h"
#include "unit.h"

static const char *const world[] = {
    "_dmarc.reject.example TXT v=DMARC1; p=reject",
    "_dmarc.quarantine.example TXT v=DMARC1; p=quarantine",
    "_dmarc.none.example TXT v=DMARC1; p=none",
    "_dmarc.testing.example TXT v=DMARC1; p=reject; t=y",
    "_dmarc.broken.example TXT !TEMPFAIL",
    "_dmarc.half.example TXT v=DMARC1; p=reject; pct=50",
    "_dmarc.unusable.example TXT v=DMARC1; p=maybe",
    "s._domainkey.reject.example TXT v=DKIM1; p=" RSA_KEY,
    "slow._domainkey.reject.example TXT !TEMPFAIL",
    "service._domainkey.relay.example TXT v=DKIM1; p=" RSA_KEY,
    NULL,
};

static const int64_t NOW = 1700000000;

static struct arena *arena;
static struct fake_dns fake;
static struct policy policy;
static struct spf_request envelope;
static struct spf_outcome spf;
static struct message message;
static struct evaluation_request request;

static int set_up(void **state)
{
    (void)state;
    const char *problem;
    clock_fix(NOW);
    arena = arena_new(0);
    fake = FAKE_DNS(world);
    policy = (struct policy){
        .authserv_id = BYTES("relay.example"),
        .signing = {.domain = BYTES("relay.example"),
                    .selector = BYTES("service"),
                    .signer = signer_from_pem(bytes_of(rfc8463_rsa_pem), &problem)}};
    envelope = (struct spf_request){.helo = BYTES("client.example"),
                                    .mail_from = BYTES("a@elsewhere.example"),
                                    .receiver = BYTES("relay.example")};
    spf = (struct spf_outcome){.sender = BYTES("a@elsewhere.example"),
                               .domain = BYTES("elsewhere.example"),
                               .problem = ""};
    request = (struct evaluation_request){.policy = &policy,
                                          .dns = &fake.dns,
                                          .envelope = &envelope,
                                          .spf = &spf,
                                          .message = &message};
    return arena && policy.signing.signer && ip_parse(BYTES("2001:db8::7"), &envelope.client) ? 0
                                                                                              : -1;
}

static int tear_down(void **state)
{
    (void)state;
    signer_free(policy.signing.signer);
    arena_free(arena);
    return 0;
}

static struct evaluation evaluate(struct bytes octets)
{
    struct evaluation evaluation;
    assert_true(message_parse(arena, octets, &message));
    assert_true(evaluate_message(arena, &request, &evaluation));
    assert_true(evaluation.reason.n > 0);
    return evaluation;
}

static struct evaluation evaluate_from(const char *from)
{
    return evaluate(arena_printf(arena, "From: %s\r\nSubject: x\r\n\r\nbody\r\n", from));
}

/* The message with a signature of reject.example on top. */
static struct bytes signed_by(const char *selector, struct bytes octets)
{
    struct message unsigned_message;
    const struct signing_identity identity = {policy.signing.signer, BYTES("reject.example"),
                                              bytes_of(selector)};
    assert_true(message_parse(arena, octets, &unsigned_message));
    struct body_hash *body = body_hash_new(arena, unsigned_message.body);
    struct bytes field = dkim_sign_message(arena, &unsigned_message, body, &identity, NOW);
    assert_non_null(field.p);
    return arena_printf(arena, "%.*s%.*s", BYTES_ARG(field), BYTES_ARG(octets));
}

/* The same with an l= that covers the body as it is. */
static struct bytes signed_in_part(struct bytes octets)
{
    static const struct bytes headers[] = {BYTES_INIT("From")};
    struct message unsigned_message;
    struct signature_writer writer;
    const struct signing_identity identity = {policy.signing.signer, BYTES("reject.example"),
                                              BYTES("s")};
    assert_true(message_parse(arena, octets, &unsigned_message));
    signature_begin(&writer, arena, &identity, "DKIM-Signature", "v");
    signature_add(&writer, "v=1");
    signature_add_identity(&writer);
    signature_add(&writer, "c=relaxed/relaxed");
    signature_add(&writer, "l=%zu", unsigned_message.body.n);
    struct body_hash *body = body_hash_new(arena, unsigned_message.body);
    struct bytes field = signature_finish_message(&writer, &unsigned_message, body, headers, 1);
    assert_non_null(field.p);
    return arena_printf(arena, "%.*s%.*s", BYTES_ARG(field), BYTES_ARG(octets));
}

static const char *results_text(const struct evaluation *evaluation)
{
    struct buffer out = {0};
    authres_write(&out, &evaluation->results, 0);
    const char *text = arena_string(arena, buffer_bytes(&out));
    buffer_free(&out);
    return text;
}

static struct forwarded prepend(const struct evaluation *evaluation)
{
    const struct received received = {.helo = BYTES("client.example"),
                                      .client = envelope.client,
                                      .host = BYTES("relay.example"),
                                      .esmtp = true,
                                      .id = BYTES("1"),
                                      .time = NOW};
    struct forwarded forwarded;
    assert_true(trace_prepend(arena, &request, evaluation, &received, &forwarded));
    return forwarded;
}

static struct bytes joined(const struct forwarded *forwarded, size_t from)
{
    struct buffer out = {0};
    for (size_t i = from; i < forwarded->count; i++)
        buffer_add(&out, forwarded->slices[i]);
    struct bytes copy = arena_copy(arena, buffer_bytes(&out));
    buffer_free(&out);
    return copy;
}

static void the_policy_of_the_author_domain_decides(void **state)
{
    (void)state;
    static const struct {
        const char *from;
        enum quarantine quarantine;
        enum refusal_kind refusal;
    } cases[] = {
        {"a@reject.example", QUARANTINE_FORWARD, REFUSAL_DMARC_REJECT},
        {"a@sub.reject.example", QUARANTINE_FORWARD, REFUSAL_DMARC_REJECT},
        {"a@quarantine.example", QUARANTINE_FORWARD, REFUSAL_NONE},
        {"a@quarantine.example", QUARANTINE_REJECT, REFUSAL_DMARC_QUARANTINE},
        {"a@testing.example", QUARANTINE_FORWARD, REFUSAL_NONE},
        {"a@testing.example", QUARANTINE_REJECT, REFUSAL_DMARC_QUARANTINE},
        {"a@none.example", QUARANTINE_REJECT, REFUSAL_NONE},
        {"a@unusable.example", QUARANTINE_REJECT, REFUSAL_NONE},
        {"a@without.example", QUARANTINE_REJECT, REFUSAL_NONE},
        {"a@broken.example", QUARANTINE_FORWARD, REFUSAL_DMARC_DNS_FAILED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        policy.quarantine = cases[i].quarantine;
        struct evaluation evaluation = evaluate_from(cases[i].from);
        if (evaluation.refusal.kind != cases[i].refusal)
            fail_msg("%s: %d, %.*s", cases[i].from, (int)evaluation.refusal.kind,
                     BYTES_ARG(evaluation.reason));
    }
}

static void an_aligned_spf_pass_forwards_and_an_spf_fail_alone_refuses_nothing(void **state)
{
    (void)state;
    spf.result = SPF_PASS;
    spf.domain = BYTES("bounce.reject.example");
    assert_int_equal(evaluate_from("a@reject.example").refusal.kind, REFUSAL_NONE);
    spf.result = SPF_TEMPERROR;
    assert_int_equal(evaluate_from("a@reject.example").refusal.kind, REFUSAL_DMARC_DNS_FAILED);
    assert_int_equal(evaluate_from("a@none.example").refusal.kind, REFUSAL_NONE);
    spf.result = SPF_FAIL;
    assert_int_equal(evaluate_from("a@reject.example").refusal.kind, REFUSAL_DMARC_REJECT);
    assert_int_equal(evaluate_from("a@bounce.example").refusal.kind, REFUSAL_NONE);
}

static void an_aligned_signature_forwards_unless_it_leaves_out_a_part_of_the_body(void **state)
{
    (void)state;
    struct bytes octets = BYTES("From: a@reject.example\r\n\r\nbody\r\n");
    struct evaluation evaluation = evaluate(signed_by("s", octets));
    assert_int_equal(evaluation.refusal.kind, REFUSAL_NONE);
    assert_bytes(evaluation.reason, "a DKIM signature authenticated reject.example, which is "
                                    "aligned with reject.example");
    assert_int_equal(evaluate(signed_by("slow", octets)).refusal.kind, REFUSAL_DMARC_DNS_FAILED);
    assert_int_equal(evaluate(signed_by("absent", octets)).refusal.kind, REFUSAL_DMARC_REJECT);
    octets = signed_in_part(octets);
    assert_int_equal(evaluate(octets).refusal.kind, REFUSAL_NONE);
    evaluation = evaluate(arena_printf(arena, "%.*sappended\r\n", BYTES_ARG(octets)));
    assert_int_equal(evaluation.dkim.signatures[0].result, DKIM_PASS);
    assert_int_equal(evaluation.refusal.kind, REFUSAL_DMARC_REJECT);
}

static void a_message_without_exactly_one_author_domain_is_refused(void **state)
{
    (void)state;
    static const struct bytes messages[] = {
        BYTES_INIT(""),
        BYTES_INIT("\r\nFrom: a@none.example\r\n"),
        BYTES_INIT("Subject: x\r\n\r\n"),
        BYTES_INIT("From: a@none.example\r\nFrom: a@none.example\r\n\r\n"),
        BYTES_INIT("From: a@none.example\r\nfrom : a@none.example\r\n\r\n"),
        BYTES_INIT("From: a@none.example\r\nFRO\0M: a@none.example\r\n\r\n"),
        BYTES_INIT("From: a@none.example, b@other.example\r\n\r\n"),
        BYTES_INIT("From: a@none.example,\r\n b@other.example\r\n\r\n"),
        BYTES_INIT("From: \r\n\r\n"),
        BYTES_INIT("From: undisclosed:;\r\n\r\n"),
        BYTES_INIT("From: a@none.example <b@other.example>\r\n\r\n"),
        BYTES_INIT("From: <a@none.example> <b@other.example>\r\n\r\n"),
        BYTES_INIT("From: no address\r\n\r\n"),
        BYTES_INIT("From: a@[192.0.2.1]\r\n\r\n"),
        BYTES_INIT("From: a@none.example\0.other.example\r\n\r\n"),
    };
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
        if (evaluate(messages[i]).refusal.kind != REFUSAL_NO_AUTHOR)
            fail_msg("forwarded: %.*s", BYTES_ARG(messages[i]));
}

static void what_pretends_to_be_the_author_does_not_count(void **state)
{
    (void)state;
    static const struct {
        const char *from;
        enum refusal_kind refusal;
    } cases[] = {
        {"\"a@none.example\" <b@reject.example>", REFUSAL_DMARC_REJECT},
        {"(a@none.example) b@reject.example (<c@none.example>)", REFUSAL_DMARC_REJECT},
        {"\"a@none.example\"@reject.example", REFUSAL_DMARC_REJECT},
        {"=?utf-8?q?a=40none=2Eexample?= <b@reject.example>", REFUSAL_DMARC_REJECT},
        {"<@none.example:b@reject.example>", REFUSAL_DMARC_REJECT},
        {"b@reject . (x) example", REFUSAL_DMARC_REJECT},
        {"\"b@reject.example\" <a@none.example>", REFUSAL_NONE},
        {"a@REJECT.Example", REFUSAL_DMARC_REJECT},
        {"a@reject.example, b@reject.example", REFUSAL_DMARC_REJECT},
        {"people: a@reject.example, b@reject.example;", REFUSAL_DMARC_REJECT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct evaluation evaluation = evaluate_from(cases[i].from);
        if (evaluation.refusal.kind != cases[i].refusal)
            fail_msg("%s: %d, %.*s", cases[i].from, (int)evaluation.refusal.kind,
                     BYTES_ARG(evaluation.reason));
    }
}

static void sampling_is_a_property_of_the_message(void **state)
{
    (void)state;
    unsigned refused = 0;
    policy.dmarc_edition = DMARC_RFC7489;
    for (unsigned i = 0; i < 200; i++) {
        struct bytes octets =
            arena_printf(arena, "From: a@half.example\r\nMessage-ID: <%u@x>\r\n\r\n", i);
        enum refusal_kind first = evaluate(octets).refusal.kind,
                          second = evaluate(octets).refusal.kind;
        assert_int_equal(first, second);
        refused += first == REFUSAL_DMARC_REJECT;
    }
    assert_in_range(refused, 70, 130);
}

static void the_results_name_every_check(void **state)
{
    (void)state;
    struct evaluation evaluation = evaluate_from("a@quarantine.example");
    assert_string_equal(results_text(&evaluation),
                        " relay.example; spf=none smtp.mailfrom=elsewhere.example; dkim=none;\r\n"
                        "\tdmarc=fail (p=quarantine) header.from=quarantine.example\r\n"
                        "\tpolicy.dmarc=quarantine; arc=none smtp.remote-ip=\"2001:db8::7\"");
}

static void no_claim_of_a_signature_makes_a_line_too_long(void **state)
{
    (void)state;
    char domain[2001];
    memset(domain, '"', sizeof domain - 1);
    domain[sizeof domain - 1] = '\0';
    struct evaluation evaluation =
        evaluate(arena_printf(arena,
                              "DKIM-Signature: v=1; a=rsa-sha256; d=%s; s=%s; h=From; bh=; b=%s\r\n"
                              "From: a@none.example\r\n\r\n",
                              domain, domain, domain));
    struct bytes rest = bytes_of(results_text(&evaluation));
    while (rest.p != NULL)
        assert_true(bytes_cut(&rest, '\n').n < 998);
}

static void many_signatures_cost_few_questions_and_make_no_long_field(void **state)
{
    (void)state;
    struct buffer octets = {0};
    for (unsigned i = 0; i < 1000; i++)
        buffer_printf(&octets, "DKIM-Signature: v=1; a=rsa-sha256; d=x%u.none.example; s=s;\r\n",
                      i);
    buffer_add(&octets, BYTES("From: a@none.example\r\n\r\n"));
    struct evaluation evaluation = evaluate(arena_copy(arena, buffer_bytes(&octets)));
    buffer_free(&octets);
    assert_in_range(fake.queries, 1, 8 * 4);
    assert_in_range(strlen(results_text(&evaluation)), 1, 8192);
}

static double first_deadline, last_deadline;

static void query_noting_the_deadline(struct dns *self, struct arena *memory, struct bytes name,
                                      enum dns_type type, double deadline,
                                      struct dns_answer *answer)
{
    last_deadline = deadline;
    if (first_deadline == 0)
        first_deadline = deadline;
    fake_dns_query(self, memory, name, type, deadline, answer);
}

static void all_questions_have_one_deadline(void **state)
{
    (void)state;
    double before = clock_monotonic();
    first_deadline = 0;
    fake.dns.query = query_noting_the_deadline;
    evaluate(signed_by("s", BYTES("From: a@sub.reject.example\r\n\r\n")));
    assert_true(first_deadline > before && first_deadline < before + 100);
    assert_true(last_deadline == first_deadline);
}

static void forged_results_go_and_nothing_else_changes(void **state)
{
    (void)state;
    struct evaluation evaluation =
        evaluate(BYTES("Authentication-Results: relay.example; x=pass\r\n"
                       "From: a@none.example\r\n"
                       "authentication-results : (c) \"RELAY.example\" 1;\r\n"
                       "\tdkim=pass\r\n"
                       "Authentication-Results: other.example; spf=pass\r\n"
                       "AUTHENTICATION-RESULTS: relay.example.;none\r\n"
                       "X:  y \r\n\r\n"
                       "Authentication-Results: relay.example; none\r\n"));
    struct forwarded forwarded = prepend(&evaluation);
    assert_bytes(joined(&forwarded, 1), "From: a@none.example\r\n"
                                        "Authentication-Results: other.example; spf=pass\r\n"
                                        "X:  y \r\n\r\n"
                                        "Authentication-Results: relay.example; none\r\n");
    assert_int_equal(forwarded.size, joined(&forwarded, 0).n);
}

static void the_fields_stand_in_their_order_and_the_signatures_verify(void **state)
{
    (void)state;
    static const char *const order[] = {
        "ARC-Seal",
        "ARC-Message-Signature",
        "ARC-Authentication-Results",
        "DKIM-Signature",
        "Authentication-Results",
        "Received-SPF",
        "Received",
        "From",
    };
    struct evaluation evaluation =
        evaluate(BYTES("Authentication-Results: relay.example; dkim=pass\r\n"
                       "From: a@none.example\r\nSubject: x\r\n\r\nbody\r\n"));
    struct forwarded forwarded = prepend(&evaluation);
    evaluation = evaluate(joined(&forwarded, 0));
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        assert_bytes(message.fields[i].name, order[i]);
    assert_int_equal(evaluation.dkim.signatures[0].result, DKIM_PASS);
    assert_int_equal(evaluation.arc.status, ARC_PASS);
    assert_int_equal(evaluation.arc.instances, 1);

    forwarded = prepend(&evaluation);
    evaluation = evaluate(joined(&forwarded, 0));
    assert_int_equal(evaluation.arc.status, ARC_PASS);
    assert_int_equal(evaluation.arc.instances, 2);
}

static void short_memory_is_told_and_harms_nothing(void **state)
{
    (void)state;
    struct arena *plenty = arena;
    struct bytes octets = signed_by("s", BYTES("Authentication-Results: relay.example; x=pass\r\n"
                                               "From: a@sub.reject.example\r\n\r\nbody\r\n"));
    const struct received received = {.helo = BYTES("c"), .client = envelope.client, .time = NOW};
    bool completed = false;
    for (size_t limit = 4096; !completed; limit += 4096) {
        struct evaluation evaluation;
        struct forwarded forwarded;
        arena = arena_new(limit);
        completed = message_parse(arena, octets, &message) &&
                    evaluate_message(arena, &request, &evaluation) &&
                    trace_prepend(arena, &request, &evaluation, &received, &forwarded);
        assert_true(completed != arena_failed(arena));
        arena_free(arena);
    }
    arena = plenty;
}

static void without_an_identity_nothing_is_signed(void **state)
{
    (void)state;
    struct signer *signer = policy.signing.signer;
    policy.signing.signer = NULL;
    struct evaluation evaluation = evaluate_from("a@none.example");
    struct forwarded forwarded = prepend(&evaluation);
    policy.signing.signer = signer;
    assert_true(bytes_starts_with_nocase(forwarded.slices[0], BYTES("Authentication-Results:")));
    assert_bytes(joined(&forwarded, 1), "From: a@none.example\r\nSubject: x\r\n\r\nbody\r\n");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_policy_of_the_author_domain_decides),
        CASE(an_aligned_spf_pass_forwards_and_an_spf_fail_alone_refuses_nothing),
        CASE(an_aligned_signature_forwards_unless_it_leaves_out_a_part_of_the_body),
        CASE(a_message_without_exactly_one_author_domain_is_refused),
        CASE(what_pretends_to_be_the_author_does_not_count),
        CASE(sampling_is_a_property_of_the_message),
        CASE(the_results_name_every_check),
        CASE(no_claim_of_a_signature_makes_a_line_too_long),
        CASE(many_signatures_cost_few_questions_and_make_no_long_field),
        CASE(all_questions_have_one_deadline),
        CASE(forged_results_go_and_nothing_else_changes),
        CASE(the_fields_stand_in_their_order_and_the_signatures_verify),
        CASE(short_memory_is_told_and_harms_nothing),
        CASE(without_an_identity_nothing_is_signed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
