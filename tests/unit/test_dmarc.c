/* Unit tests of relay/auth/dmarc: records, discovery, alignment, policy (RFC 9989, RFC 7489). */
#include "arena_fixture.h"
#include "dmarc.h"
#include "fake_dns.h"
#include "unit.h"

#define NONE DMARC_POLICY_NONE
#define QUARANTINE DMARC_POLICY_QUARANTINE
#define REJECT DMARC_POLICY_REJECT
#define N DMARC_POLICY_NONE
#define Q DMARC_POLICY_QUARANTINE
#define R DMARC_POLICY_REJECT

static const char *const world[] = {
    "_dmarc.reject.example TXT v=DMARC1; p=reject",
    "www.reject.example A 192.0.2.1",
    "_dmarc.quarantine.example TXT v=DMARC1; p=quarantine; adkim=s; aspf=s",
    "_dmarc.none.example TXT v=DMARC1; p=none",
    "_dmarc.testing.example TXT v=DMARC1; p=reject; t=y",
    "_dmarc.sampled.example TXT v=DMARC1; p=reject; pct=50",
    "_dmarc.never.example TXT v=DMARC1; p=quarantine; pct=0",

    "_dmarc.parent.example TXT v=DMARC1; p=none; sp=quarantine; np=reject",
    "exists.parent.example MX 10 mail.parent.example",
    "alias.parent.example CNAME gone.parent.example",
    "unknown.parent.example A !TEMPFAIL",
    "below.entnode.parent.example A 192.0.2.1",

    "_dmarc.two.example TXT v=DMARC1; p=reject",
    "_dmarc.two.example TXT v=DMARC1; p=none",
    "_dmarc.two.reject.example TXT v=DMARC1; p=none",
    "_dmarc.two.reject.example TXT v=DMARC1; p=quarantine",
    "_dmarc.mixed.example TXT some other text",
    "_dmarc.mixed.example TXT v=DMARC1; p=reject",

    "_dmarc.bad.example TXT v=DMARC1; p=refuse",
    "_dmarc.reported.example TXT v=DMARC1; p=refuse; rua=mailto:a@reported.example",

    "_dmarc.broken.example TXT !TEMPFAIL",
    "_dmarc.a.high.example TXT v=DMARC1; p=reject",
    "_dmarc.high.example TXT !TEMPFAIL",

    /* RFC 9989 B.4.1, B.4.2, B.4.3 and the examples of 4.10.2, below .example */
    "_dmarc.walk.example TXT v=DMARC1; p=reject",
    "_dmarc.signing.walk.example TXT v=DMARC1; p=none",
    "_dmarc.giant.bank.example TXT v=DMARC1; p=reject",
    "_dmarc.bank.example TXT v=DMARC1; p=quarantine; sp=none; np=reject; psd=y",
    "mega.bank.example A 192.0.2.2",
    "_dmarc.mail.own.example TXT v=DMARC1; p=quarantine; psd=n",
    "_dmarc.own.example TXT v=DMARC1; p=reject",
    "_dmarc.co.uk TXT v=DMARC1; p=reject; psd=y",
    NULL,
};

/* "pass:domain", "temperror:domain" or "fail:domain". */
static struct dmarc_identifier identifier(const char *text)
{
    struct bytes domain = bytes_of(text), result = {NULL, 0};
    if (text)
        result = bytes_cut(&domain, ':');
    struct dmarc_identifier id = {DMARC_UNAUTHENTICATED, domain};
    if (bytes_equal(result, BYTES("pass")))
        id.authentication = DMARC_AUTHENTICATED;
    else if (bytes_equal(result, BYTES("temperror")))
        id.authentication = DMARC_UNDECIDED;
    return id;
}

static struct dmarc_outcome evaluate(enum dmarc_edition edition, const char *from, const char *spf,
                                     const char *dkim, unsigned sample)
{
    struct fake_dns fake = FAKE_DNS(world);
    struct dmarc_identifier signature = identifier(dkim);
    struct dmarc_request request = {.edition = edition,
                                    .author_domain = bytes_of(from),
                                    .spf = identifier(spf),
                                    .signatures = &signature,
                                    .signature_count = dkim ? 1 : 0,
                                    .sample = sample};
    struct dmarc_outcome outcome;
    assert_true(dmarc_evaluate(&fake.dns, arena, &request, &outcome));
    assert_true(outcome.reason.n > 0);
    return outcome;
}

struct record_case {
    struct bytes text;
    bool is_record, usable;
    enum dmarc_policy p, sp, np;
    enum dmarc_edition edition;
};

static void records_are_read_tag_by_tag(void **state)
{
    (void)state;
    static const struct record_case cases[] = {
        {BYTES_INIT("v=DMARC1; p=reject"), true, true, R, R, R, DMARC_RFC9989},
        {BYTES_INIT("v=DMARC1;p=reject;"), true, true, R, R, R, DMARC_RFC9989},
        {BYTES_INIT("V \t= DMARC1 ; P =\tReject ; ;;"), true, true, R, R, R, DMARC_RFC9989},
        {BYTES_INIT("v=DMARC1; sp=none; p=reject"), true, true, R, N, N, DMARC_RFC9989},
        {BYTES_INIT("v=DMARC1; p=none; sp=quarantine; np=reject"), true, true, N, Q, R, 0},
        {BYTES_INIT("v=DMARC1; p=none; np=bad"), true, false, N, N, N, DMARC_RFC9989},
        {BYTES_INIT("v=DMARC1; p=reject; np=bad"), true, true, R, R, R, DMARC_RFC7489},
        {BYTES_INIT("v=DMARC1; p=reject; x=1; junk; =; t"), true, true, R, R, R, DMARC_RFC9989},
        {BYTES_INIT("v=DMARC1; p=reject; p=none"), true, true, R, R, R, DMARC_RFC9989},
        {BYTES_INIT("v=DMARC1; p=reject; v=DMARC2"), true, true, R, R, R, DMARC_RFC9989},
        {BYTES_INIT("v=DMARC1"), true, true, N, N, N, DMARC_RFC9989},
        {BYTES_INIT("v=DMARC1"), true, false, N, N, N, DMARC_RFC7489},
        {BYTES_INIT("v=DMARC1; sp=reject"), true, true, N, R, R, DMARC_RFC9989},
        {BYTES_INIT("v=DMARC1; sp=reject"), true, false, N, N, N, DMARC_RFC7489},
        {BYTES_INIT("v=DMARC1; p="), true, false, N, N, N, DMARC_RFC9989},
        {BYTES_INIT("v=DMARC1; p=reject sp=none"), true, false, N, N, N, DMARC_RFC9989},
        {BYTES_INIT("v=DMARC1; p=rejec\0t"), true, false, N, N, N, DMARC_RFC9989},
        {BYTES_INIT("v=DMARC1; p=reject; sp=x"), true, false, N, N, N, DMARC_RFC9989},
        {BYTES_INIT("v=DMARC1; p=reject; sp=x; rua=mailto:a@b.example"), true, true, N, N, N, 0},
        {BYTES_INIT("v=DMARC1; p=x; rua=mailto:a@b.example"), true, true, N, N, N, DMARC_RFC9989},
        {BYTES_INIT("v=DMARC1; p=x; rua=x , mailto:a@b!10m"), true, true, N, N, N, DMARC_RFC9989},
        {BYTES_INIT("v=DMARC1; p=x; rua=a@b.example"), true, false, N, N, N, DMARC_RFC9989},
        {BYTES_INIT("v=DMARC1; p=x; rua=mailto:"), true, false, N, N, N, DMARC_RFC9989},
        {BYTES_INIT("v=DMARC1; p=x; rua=:a@b"), true, false, N, N, N, DMARC_RFC9989},
        {BYTES_INIT("v=DMARC1; p=x; rua=1a:b"), true, false, N, N, N, DMARC_RFC9989},
        {BYTES_INIT("v=DMARC1; p=x; rua=mailto:a b"), true, false, N, N, N, DMARC_RFC9989},
        {BYTES_INIT(" v=DMARC1; p=reject"), false, false, N, N, N, DMARC_RFC9989},
        {BYTES_INIT("p=reject; v=DMARC1"), false, false, N, N, N, DMARC_RFC9989},
        {BYTES_INIT("v=dmarc1; p=reject"), false, false, N, N, N, DMARC_RFC9989},
        {BYTES_INIT("v=DMARC10; p=reject"), false, false, N, N, N, DMARC_RFC9989},
        {BYTES_INIT("v=DMARC1 p=reject"), false, false, N, N, N, DMARC_RFC9989},
        {BYTES_INIT("v=DMARC1, p=reject"), false, false, N, N, N, DMARC_RFC9989},
        {BYTES_INIT("vv=DMARC1; p=reject"), false, false, N, N, N, DMARC_RFC9989},
        {BYTES_INIT("=DMARC1; p=reject"), false, false, N, N, N, DMARC_RFC9989},
        {BYTES_INIT("v; p=reject"), false, false, N, N, N, DMARC_RFC9989},
        {BYTES_INIT(""), false, false, N, N, N, DMARC_RFC9989},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct record_case *c = &cases[i];
        struct dmarc_record record = {0};
        bool is_record = dmarc_record_parse(c->text, c->edition, &record);
        if (is_record != c->is_record || record.usable != c->usable || record.policy != c->p ||
            record.subdomain_policy != c->sp || record.nonexistent_policy != c->np)
            fail_msg("%.*s", BYTES_ARG(c->text));
    }
}

static void each_edition_knows_its_own_tags(void **state)
{
    (void)state;
    struct bytes text = BYTES("v=DMARC1; p=reject; np=none; psd=N; t=Y; pct=0; adkim=S; aspf=s");
    struct dmarc_record record;
    assert_true(dmarc_record_parse(text, DMARC_RFC9989, &record));
    assert_true(record.testing && record.strict_dkim && record.strict_spf);
    assert_int_equal(record.psd, DMARC_PSD_NO);
    assert_int_equal(record.percent, 100);
    assert_true(dmarc_record_parse(text, DMARC_RFC7489, &record));
    assert_false(record.testing);
    assert_int_equal(record.psd, DMARC_PSD_UNSTATED);
    assert_int_equal(record.nonexistent_policy, DMARC_POLICY_REJECT);
    assert_int_equal(record.percent, 0);
}

static void a_malformed_tag_leaves_the_default(void **state)
{
    (void)state;
    static const char *const records[] = {
        "v=DMARC1; p=reject; adkim=x; aspf=; t=1; psd=yes; pct=101",
        "v=DMARC1; p=reject; adkim=ss; aspf=r; t=yes; psd=u; pct=-1",
        "v=DMARC1; p=reject; adkim; aspf:s; t; psd; pct=ten",
    };
    for (size_t i = 0; i < sizeof records / sizeof *records; i++)
        for (enum dmarc_edition edition = DMARC_RFC9989; edition <= DMARC_RFC7489; edition++) {
            struct dmarc_record record;
            assert_true(dmarc_record_parse(bytes_of(records[i]), edition, &record));
            assert_false(record.strict_dkim || record.strict_spf || record.testing);
            assert_int_equal(record.psd, DMARC_PSD_UNSTATED);
            assert_int_equal(record.percent, 100);
        }
}

struct outcome_case {
    const char *from, *spf, *dkim;
    enum dmarc_edition edition;
    enum dmarc_result result;
    enum dmarc_policy disposition;
    const char *organization, *record; /* "" for no record */
};

static void check(const struct outcome_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct outcome_case *c = &cases[i];
        struct dmarc_outcome v = evaluate(c->edition, c->from, c->spf, c->dkim, 0);
        if (v.result != c->result || v.disposition != c->disposition ||
            !bytes_equal(v.organizational_domain, bytes_of(c->organization)) ||
            !bytes_equal(v.found.domain, bytes_of(c->record)))
            fail_msg("case %zu, %s spf %s dkim %s: %s, %s, organization %.*s, record %.*s", i,
                     c->from, c->spf ? c->spf : "-", c->dkim ? c->dkim : "-",
                     dmarc_result_name(v.result), dmarc_policy_name(v.disposition),
                     BYTES_ARG(v.organizational_domain), BYTES_ARG(v.found.domain));
    }
}

#define CHECK(cases) check(cases, sizeof(cases) / sizeof *(cases))

static void an_aligned_pass_of_either_kind_is_enough(void **state)
{
    (void)state;
    static const struct outcome_case cases[] = {
        {"reject.example", "pass:reject.example", NULL, 0, DMARC_PASS, NONE, "reject.example",
         "reject.example"},
        {"reject.example", "fail:reject.example", "pass:Reject.Example.", 0, DMARC_PASS, NONE,
         "reject.example", "reject.example"},
        {"reject.example", "pass:other.example", "pass:sub.reject.example", 0, DMARC_PASS, NONE,
         "reject.example", "reject.example"},
        {"www.reject.example", "pass:mail.reject.example", NULL, 0, DMARC_PASS, NONE,
         "reject.example", "reject.example"},
        {"reject.example", "pass:_x.reject.example", NULL, 0, DMARC_PASS, NONE, "reject.example",
         "reject.example"},
        {"reject.example", "fail:reject.example", "fail:reject.example", 0, DMARC_FAIL, REJECT,
         "reject.example", "reject.example"},
        {"reject.example", "pass:notreject.example", "pass:example", 0, DMARC_FAIL, REJECT,
         "reject.example", "reject.example"},
        {"reject.example", "pass:", NULL, 0, DMARC_FAIL, REJECT, "reject.example",
         "reject.example"},
        {"none.example", NULL, NULL, 0, DMARC_FAIL, NONE, "none.example", "none.example"},
    };
    CHECK(cases);
}

static void strict_alignment_requires_the_same_domain(void **state)
{
    (void)state;
    static const struct outcome_case cases[] = {
        {"quarantine.example", "pass:mail.quarantine.example", "pass:m.quarantine.example", 0,
         DMARC_FAIL, QUARANTINE, "quarantine.example", "quarantine.example"},
        {"quarantine.example", "pass:quarantine.example", NULL, 0, DMARC_PASS, NONE,
         "quarantine.example", "quarantine.example"},
        {"quarantine.example", NULL, "pass:QUARANTINE.example", DMARC_RFC7489, DMARC_PASS, NONE,
         "quarantine.example", "quarantine.example"},
    };
    CHECK(cases);
}

static void the_tree_walk_finds_the_organization(void **state)
{
    (void)state;
    static const struct outcome_case cases[] = {
        /* B.4.1, B.4.2 */
        {"walk.example", "fail:x", "pass:signing.walk.example", 0, DMARC_PASS, NONE, "walk.example",
         "walk.example"},
        {"a.b.c.d.e.f.g.h.i.j.k.walk.example", "pass:walk.example", NULL, 0, DMARC_PASS, NONE,
         "walk.example", "walk.example"},
        /* B.4.3 */
        {"giant.bank.example", "pass:mail.giant.bank.example", NULL, 0, DMARC_PASS, NONE,
         "giant.bank.example", "giant.bank.example"},
        {"giant.bank.example", NULL, "pass:mail.mega.bank.example", 0, DMARC_FAIL, REJECT,
         "giant.bank.example", "giant.bank.example"},
        /* the PSD's own record: sp for what exists, np for what does not */
        {"mega.bank.example", NULL, "pass:bank.example", 0, DMARC_FAIL, NONE, "mega.bank.example",
         "bank.example"},
        {"tiny.bank.example", NULL, NULL, 0, DMARC_FAIL, REJECT, "tiny.bank.example",
         "bank.example"},
        {"bank.example", "pass:x.bank.example", NULL, 0, DMARC_FAIL, QUARANTINE, "bank.example",
         "bank.example"},
        /* psd=n stops the walk below the parent's record */
        {"mail.own.example", "pass:own.example", NULL, 0, DMARC_FAIL, QUARANTINE,
         "mail.own.example", "mail.own.example"},
        {"a.mail.own.example", "pass:b.mail.own.example", NULL, 0, DMARC_PASS, NONE,
         "mail.own.example", "mail.own.example"},
        /* RFC 7489 knows no psd and asks the list */
        {"mail.own.example", "pass:own.example", NULL, DMARC_RFC7489, DMARC_PASS, NONE,
         "own.example", "mail.own.example"},
        {"a.example.co.uk", NULL, NULL, DMARC_RFC7489, DMARC_NONE, NONE, "example.co.uk", ""},
        {"a.example.co.uk", NULL, NULL, DMARC_RFC9989, DMARC_FAIL, REJECT, "example.co.uk",
         "co.uk"},
        {"nowhere.test", "fail:nowhere.test", NULL, 0, DMARC_NONE, NONE, "nowhere.test", ""},
    };
    CHECK(cases);
}

static void a_walk_takes_eight_queries_at_most(void **state)
{
    (void)state;
    struct fake_dns fake = FAKE_DNS(world);
    struct dmarc_lookup lookup = {.dns = &fake.dns, .arena = arena};
    struct bytes organization;
    assert_true(
        dmarc_organization(&lookup, BYTES("a.b.c.d.e.f.g.h.i.j.mail.example.com"), &organization));
    assert_int_equal(fake.queries, 8);
    fake.queries = 0;
    assert_true(dmarc_organization(&lookup, BYTES("a.b.c.d.e.f.g.com"), &organization));
    assert_int_equal(fake.queries, 8);
    fake.queries = 0;
    assert_true(dmarc_organization(&lookup, BYTES("example.com"), &organization));
    assert_int_equal(fake.queries, 2);
}

static void sp_applies_to_subdomains_and_np_to_names_that_do_not_exist(void **state)
{
    (void)state;
    static const struct outcome_case cases[] = {
        {"parent.example", NULL, NULL, 0, DMARC_FAIL, NONE, "parent.example", "parent.example"},
        {"exists.parent.example", NULL, NULL, 0, DMARC_FAIL, QUARANTINE, "parent.example",
         "parent.example"},
        {"alias.parent.example", NULL, NULL, 0, DMARC_FAIL, QUARANTINE, "parent.example",
         "parent.example"},
        {"entnode.parent.example", NULL, NULL, 0, DMARC_FAIL, QUARANTINE, "parent.example",
         "parent.example"},
        {"nothing.parent.example", NULL, NULL, 0, DMARC_FAIL, REJECT, "parent.example",
         "parent.example"},
        {"nothing.parent.example", NULL, NULL, DMARC_RFC7489, DMARC_FAIL, QUARANTINE,
         "parent.example", "parent.example"},
        {"unknown.parent.example", NULL, NULL, 0, DMARC_TEMPERROR, NONE, "parent.example",
         "parent.example"},
        {"unknown.parent.example", "pass:parent.example", NULL, 0, DMARC_PASS, NONE,
         "parent.example", "parent.example"},
    };
    CHECK(cases);
    assert_int_equal(evaluate(0, "unknown.parent.example", NULL, NULL, 0).at_stake, REJECT);
}

static void several_records_count_as_none(void **state)
{
    (void)state;
    static const struct outcome_case cases[] = {
        {"two.example", NULL, NULL, DMARC_RFC9989, DMARC_NONE, NONE, "two.example", ""},
        {"two.example", NULL, NULL, DMARC_RFC7489, DMARC_NONE, NONE, "two.example", ""},
        /* RFC 9989 walks on, RFC 7489 ends */
        {"two.reject.example", NULL, NULL, DMARC_RFC9989, DMARC_FAIL, REJECT, "reject.example",
         "reject.example"},
        {"two.reject.example", NULL, NULL, DMARC_RFC7489, DMARC_NONE, NONE, "reject.example", ""},
        {"mixed.example", NULL, NULL, DMARC_RFC9989, DMARC_FAIL, REJECT, "mixed.example",
         "mixed.example"},
    };
    CHECK(cases);
}

static void an_unusable_record_is_a_permanent_error_unless_reports_are_wanted(void **state)
{
    (void)state;
    static const struct outcome_case cases[] = {
        {"bad.example", NULL, NULL, 0, DMARC_PERMERROR, NONE, "bad.example", "bad.example"},
        {"reported.example", NULL, NULL, 0, DMARC_FAIL, NONE, "reported.example",
         "reported.example"},
        {"reported.example", NULL, "pass:reported.example", DMARC_RFC7489, DMARC_PASS, NONE,
         "reported.example", "reported.example"},
    };
    CHECK(cases);
}

static void testing_and_sampling_lower_the_disposition_one_step(void **state)
{
    (void)state;
    assert_int_equal(evaluate(0, "testing.example", NULL, NULL, 0).disposition, QUARANTINE);
    assert_int_equal(evaluate(DMARC_RFC7489, "testing.example", NULL, NULL, 0).disposition, REJECT);
    assert_int_equal(evaluate(DMARC_RFC7489, "sampled.example", NULL, NULL, 49).disposition,
                     REJECT);
    assert_int_equal(evaluate(DMARC_RFC7489, "sampled.example", NULL, NULL, 50).disposition,
                     QUARANTINE);
    assert_int_equal(evaluate(DMARC_RFC9989, "sampled.example", NULL, NULL, 99).disposition,
                     REJECT);
    assert_int_equal(evaluate(DMARC_RFC7489, "never.example", NULL, NULL, 0).disposition, NONE);
    struct dmarc_outcome outcome = evaluate(0, "testing.example", NULL, NULL, 0);
    assert_int_equal(outcome.requested, REJECT);
    assert_true(outcome.lowered);
}

static void a_dns_failure_leaves_the_result_open(void **state)
{
    (void)state;
    static const struct {
        const char *from, *spf, *dkim;
        enum dmarc_result result;
        enum dmarc_policy at_stake;
    } cases[] = {
        {"broken.example", NULL, NULL, DMARC_TEMPERROR, REJECT},
        {"broken.example", "pass:mail.broken.example", NULL, DMARC_TEMPERROR, REJECT},
        {"broken.example", "pass:broken.example", NULL, DMARC_TEMPERROR, NONE},
        {"broken.example", NULL, "pass:broken.example", DMARC_TEMPERROR, NONE},
        {"www.broken.example", NULL, NULL, DMARC_TEMPERROR, REJECT},
        /* the policy is known, the organization is not */
        {"a.high.example", "pass:a.high.example", NULL, DMARC_PASS, NONE},
        {"a.high.example", "pass:b.high.example", NULL, DMARC_TEMPERROR, REJECT},
        {"a.high.example", "fail:a.high.example", NULL, DMARC_FAIL, REJECT},
        /* an identifier that may yet pass, and one that could not help */
        {"reject.example", "temperror:reject.example", NULL, DMARC_TEMPERROR, REJECT},
        {"reject.example", NULL, "temperror:mail.reject.example", DMARC_TEMPERROR, REJECT},
        {"reject.example", "temperror:other.example", NULL, DMARC_FAIL, REJECT},
        {"reject.example", "temperror:reject.example", "pass:reject.example", DMARC_PASS, NONE},
        {"none.example", "temperror:none.example", NULL, DMARC_TEMPERROR, NONE},
        {"testing.example", "temperror:testing.example", NULL, DMARC_TEMPERROR, QUARANTINE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dmarc_outcome v = evaluate(0, cases[i].from, cases[i].spf, cases[i].dkim, 0);
        enum dmarc_policy stake = v.result == DMARC_FAIL ? v.disposition : v.at_stake;
        if (v.result != cases[i].result || stake != cases[i].at_stake)
            fail_msg("case %zu, %s: %s, %s at stake", i, cases[i].from, dmarc_result_name(v.result),
                     dmarc_policy_name(v.at_stake));
    }
}

static void names_too_long_to_query_have_no_record(void **state)
{
    (void)state;
    char name[251];
    memset(name, 'a', sizeof name);
    for (size_t i = 50; i < sizeof name - 1; i += 50)
        name[i] = '.';
    name[sizeof name - 1] = '\0';
    assert_int_equal(evaluate(0, name, NULL, NULL, 0).result, DMARC_NONE);
    assert_int_equal(evaluate(DMARC_RFC7489, name, NULL, NULL, 0).result, DMARC_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_read_tag_by_tag),
        cmocka_unit_test(each_edition_knows_its_own_tags),
        cmocka_unit_test(a_malformed_tag_leaves_the_default),
        cmocka_unit_test(an_aligned_pass_of_either_kind_is_enough),
        cmocka_unit_test(strict_alignment_requires_the_same_domain),
        cmocka_unit_test(the_tree_walk_finds_the_organization),
        cmocka_unit_test(a_walk_takes_eight_queries_at_most),
        cmocka_unit_test(sp_applies_to_subdomains_and_np_to_names_that_do_not_exist),
        cmocka_unit_test(several_records_count_as_none),
        cmocka_unit_test(an_unusable_record_is_a_permanent_error_unless_reports_are_wanted),
        cmocka_unit_test(testing_and_sampling_lower_the_disposition_one_step),
        cmocka_unit_test(a_dns_failure_leaves_the_result_open),
        cmocka_unit_test(names_too_long_to_query_have_no_record),
    };
    return cmocka_run_group_tests(tests, make_arena, drop_arena);
}
