/* The native SPF evaluator: check_host() of RFC 7208 4, the mechanisms of 5 and the modifiers of 6.
 *
 * Where the RFC leaves a choice: a <target-name> that cannot be asked (4.8) does not match. A void
 * lookup is counted for each query that a term makes, except those that validate the client's own
 * PTR names, since the publishing domain has no say in them. An MX host with more than ten
 * addresses is a permerror, by the letter of 4.6.4; the bullets of 5.5 about subdomains are read
 * the other way round, as in its example. */
#include "spf.h"

#include "clause.h"
#include "clock.h"
#include "domain.h"
#include "fiber.h"
#include "spf_macro.h"
#include "spf_record.h"

#include <string.h>

/* 4.6.4 */
enum {
    LOOKUPS_MAX = 10,
    VOID_LOOKUPS_MAX = 2,
    MX_MAX = 10,  /* MX records of a name, and addresses of each */
    PTR_MAX = 10, /* PTR records of a client, and addresses of each */
    SECONDS_MAX = 20
};

/* One evaluation, with everything that recursion shares. */
struct spf_evaluation {
    struct dns *dns;
    struct arena *arena;
    struct spf_macros macros;
    double deadline; /* monotonic */
    unsigned lookups, void_lookups;
    bool explaining; /* the limits are for the record's evaluation, not for exp (4.6.4) */
    bool stopped;    /* an exception: `error` is the result of the topmost check_host() */
    enum spf_result error;
    const char *problem;
    bool names_known; /* validated_names is filled */
    size_t validated_count;
    struct bytes validated_names[PTR_MAX];
};

/* What one check_host() found. */
struct finding {
    enum spf_result result;
    struct bytes mechanism;
    struct bytes domain;      /* whose record decided: not the first one after a redirect */
    struct bytes explanation; /* that record's exp, unexpanded */
    const char *problem;
};

/* Ends the evaluation; false, so that it can be returned as "does not match". */
static bool stop(struct spf_evaluation *evaluation, enum spf_result error, const char *problem)
{
    if (!evaluation->stopped) {
        evaluation->stopped = true;
        evaluation->error = error;
        evaluation->problem = problem;
    }
    return false;
}

/* The same, with the term or name at fault, truncated to a readable length. */
static bool stop_at(struct spf_evaluation *evaluation, enum spf_result error, const char *what,
                    struct bytes name, const char *problem)
{
    enum { SHOWN = 100 };
    name = bytes_first(name, SHOWN);
    return stop(evaluation, error,
                arena_printf(evaluation->arena, "%s %.*s: %s", what, BYTES_ARG(name), problem).p);
}

static bool count_lookup(struct spf_evaluation *evaluation)
{
    if (evaluation->explaining)
        return true;
    evaluation->lookups++;
    if (CLAUSE(SPF_07, evaluation->lookups > LOOKUPS_MAX))
        return stop(evaluation, SPF_PERMERROR, "more than 10 terms that cause DNS queries");
    return true;
}

static void ask_dns(struct spf_evaluation *evaluation, struct bytes name, enum dns_type type,
                    struct dns_answer *answer)
{
    fiber_yield(); /* an answer from the cache is there without a wait */
    dns_query(evaluation->dns, evaluation->arena, name, type, evaluation->deadline, answer);
    if (clock_monotonic() >= evaluation->deadline)
        stop(evaluation, SPF_TEMPERROR, "evaluation took longer than 20 seconds");
}

static bool is_void(const struct dns_answer *answer)
{
    return answer->status == DNS_NODATA || answer->status == DNS_NXDOMAIN;
}

static bool count_void(struct spf_evaluation *evaluation, const struct dns_answer *answer)
{
    if (evaluation->explaining || !is_void(answer))
        return true;
    evaluation->void_lookups++;
    if (CLAUSE(SPF_08, evaluation->void_lookups > VOID_LOOKUPS_MAX))
        return stop(evaluation, SPF_PERMERROR, "more than 2 void DNS lookups");
    return true;
}

/* Asks on behalf of a mechanism; false when the evaluation is over (5, 4.6.4). */
static bool ask_for_mechanism(struct spf_evaluation *evaluation, struct bytes name,
                              enum dns_type type, struct dns_answer *answer)
{
    ask_dns(evaluation, name, type, answer);
    if (answer->status == DNS_TEMPFAIL)
        stop(evaluation, SPF_TEMPERROR, answer->problem);
    return !evaluation->stopped && count_void(evaluation, answer);
}

static enum dns_type address_type(const struct spf_evaluation *evaluation)
{
    return evaluation->macros.client.length == 4 ? DNS_A : DNS_AAAA;
}

static bool is_at(const struct ip *client, const struct dns_answer *answer, size_t max)
{
    for (size_t i = 0; i < answer->count && i < max; i++)
        if (ip_equal(client, &answer->records[i].address))
            return true;
    return false;
}

/* 5.5: the client's names that resolve to its address, at most ten tried. False when the evaluation
 * is over. */
static bool validate_names(struct spf_evaluation *evaluation)
{
    char text[IP_REVERSED_SIZE];
    const struct ip *client = &evaluation->macros.client;
    struct dns_answer names, addresses;
    if (evaluation->names_known)
        return true;
    struct bytes reverse = arena_printf(evaluation->arena, "%s.%s", ip_reversed(client, text),
                                        client->length == 4 ? "in-addr.arpa" : "ip6.arpa");
    ask_dns(evaluation, reverse, DNS_PTR, &names);
    if (evaluation->stopped || !count_void(evaluation, &names))
        return false;
    for (size_t i = 0; i < names.count && i < PTR_MAX && !evaluation->stopped; i++) {
        ask_dns(evaluation, names.records[i].text, address_type(evaluation), &addresses);
        if (is_at(client, &addresses, PTR_MAX))
            evaluation->validated_names[evaluation->validated_count++] = names.records[i].text;
    }
    evaluation->names_known = true;
    return !evaluation->stopped;
}

/* %{p} (7.2): the domain itself if it is validated, else a name below it, else any. */
static struct bytes validated_name(void *context, struct bytes domain)
{
    struct spf_evaluation *evaluation = context;
    struct bytes best = BYTES("unknown");
    /* 4.6.4: the PTR query counts among the ten, if this macro is what causes it. */
    if (!evaluation->names_known && !count_lookup(evaluation))
        return best;
    if (!validate_names(evaluation))
        return best;
    for (size_t i = evaluation->validated_count; i > 0; i--) {
        struct bytes name = evaluation->validated_names[i - 1];
        if (bytes_equal_nocase(name, domain))
            return name;
        if (domain_is_within(name, domain) || !domain_is_within(best, domain))
            best = name;
    }
    return best;
}

/* The <target-name> of a term (4.8). False when the evaluation is over. */
static bool target_name(struct spf_evaluation *evaluation, struct bytes domain,
                        struct bytes domain_spec, struct bytes *name)
{
    *name = domain;
    if (domain_spec.n > 0)
        *name = spf_expand_name(evaluation->arena, &evaluation->macros, domain, domain_spec);
    return !evaluation->stopped;
}

static bool has_client(const struct spf_evaluation *evaluation, const struct dns_answer *answer,
                       const struct spf_term *term)
{
    struct ip_prefix prefix = {.bits =
                                   address_type(evaluation) == DNS_A ? term->bits4 : term->bits6};
    for (size_t i = 0; i < answer->count; i++) {
        prefix.address = answer->records[i].address;
        if (ip_in_prefix(&evaluation->macros.client, &prefix))
            return true;
    }
    return false;
}

static bool matches_a(struct spf_evaluation *evaluation, const struct spf_term *term,
                      struct bytes name)
{
    struct dns_answer answer;
    return ask_for_mechanism(evaluation, name, address_type(evaluation), &answer) &&
           has_client(evaluation, &answer, term);
}

static bool matches_mx(struct spf_evaluation *evaluation, const struct spf_term *term,
                       struct bytes name)
{
    struct dns_answer hosts, addresses;
    if (!ask_for_mechanism(evaluation, name, DNS_MX, &hosts))
        return false;
    if (hosts.count > MX_MAX)
        return stop(evaluation, SPF_PERMERROR, "more than 10 MX records");
    for (size_t i = 0; i < hosts.count; i++) {
        if (!ask_for_mechanism(evaluation, hosts.records[i].text, address_type(evaluation),
                               &addresses))
            return false;
        if (addresses.count > MX_MAX)
            return stop(evaluation, SPF_PERMERROR, "more than 10 addresses for an MX host");
        if (has_client(evaluation, &addresses, term))
            return true;
    }
    return false;
}

static bool matches_ptr(struct spf_evaluation *evaluation, struct bytes name)
{
    if (!validate_names(evaluation))
        return false;
    for (size_t i = 0; i < evaluation->validated_count; i++)
        if (domain_is_within(evaluation->validated_names[i], name))
            return true;
    return false;
}

static bool matches_exists(struct spf_evaluation *evaluation, struct bytes name)
{
    struct dns_answer answer;
    return ask_for_mechanism(evaluation, name, DNS_A, &answer) && answer.count > 0;
}

static void check_host(struct spf_evaluation *evaluation, struct bytes domain,
                       struct finding *finding);

/* 5.2, the table */
static bool matches_include(struct spf_evaluation *evaluation, struct bytes name)
{
    struct finding inner;
    check_host(evaluation, name, &inner);
    if (evaluation->stopped)
        return false;
    if (inner.result == SPF_NONE)
        return stop_at(evaluation, SPF_PERMERROR, "include", name, inner.problem);
    return CLAUSE(SPF_01, inner.result == SPF_PASS);
}

static bool mechanism_matches(struct spf_evaluation *evaluation, const struct spf_term *term,
                              struct bytes domain)
{
    struct bytes name;
    struct ip_prefix network = {.address = term->network};
    switch (term->kind) {
    case SPF_ALL:
        return true;
    case SPF_IP4:
        network.bits = term->bits4;
        return ip_in_prefix(&evaluation->macros.client, &network);
    case SPF_IP6:
        network.bits = term->bits6;
        return ip_in_prefix(&evaluation->macros.client, &network);
    default:
        break;
    }
    if (!count_lookup(evaluation) || !target_name(evaluation, domain, term->domain_spec, &name))
        return false;
    switch (term->kind) {
    case SPF_INCLUDE:
        return matches_include(evaluation, name);
    case SPF_A:
        return matches_a(evaluation, term, name);
    case SPF_MX:
        return matches_mx(evaluation, term, name);
    case SPF_PTR:
        return matches_ptr(evaluation, name);
    default: /* SPF_EXISTS */
        return matches_exists(evaluation, name);
    }
}

/* 4.3 to 4.5: false when there is no record (the finding says why) or the evaluation is over. */
static bool fetch_record(struct spf_evaluation *evaluation, struct bytes domain,
                         struct finding *finding, struct bytes *text)
{
    struct dns_answer answer;
    unsigned records = 0;
    finding->problem = "not a multi-label domain name";
    if (!spf_is_checkable(domain))
        return false;
    ask_dns(evaluation, domain, DNS_TXT, &answer);
    if (CLAUSE(SPF_09, answer.status == DNS_TEMPFAIL))
        stop(evaluation, SPF_TEMPERROR, answer.problem);
    if (answer.status != DNS_BAD_NAME)
        finding->problem = answer.status == DNS_NXDOMAIN ? "no such domain" : "no SPF record";
    for (size_t i = 0; i < answer.count; i++) {
        if (!spf_is_record(answer.records[i].text))
            continue;
        *text = answer.records[i].text;
        records++;
    }
    if (CLAUSE(SPF_10, records > 1))
        stop_at(evaluation, SPF_PERMERROR, "domain", domain, "multiple SPF records");
    else if (records == 1 && CLAUSE(SPF_13, text->n > DNS_POLICY_TEXT_MAX))
        stop_at(evaluation, SPF_PERMERROR, "domain", domain, "SPF record of more than 8192 octets");
    return !evaluation->stopped && records == 1;
}

/* 6.1: the other domain's finding is ours, but there must be one. */
static void redirect(struct spf_evaluation *evaluation, struct bytes domain,
                     struct bytes domain_spec, struct finding *finding)
{
    struct bytes name;
    if (!count_lookup(evaluation) || !target_name(evaluation, domain, domain_spec, &name))
        return;
    check_host(evaluation, name, finding);
    if (!evaluation->stopped && finding->result == SPF_NONE)
        stop_at(evaluation, SPF_PERMERROR, "redirect", name, finding->problem);
}

/* 4.6. An exception leaves evaluation->stopped set, and the finding means nothing then. */
static void check_host(struct spf_evaluation *evaluation, struct bytes domain,
                       struct finding *finding)
{
    struct bytes text;
    struct spf_record record;
    struct spf_term term;
    *finding = (struct finding){.result = BREAK(SPF_17, SPF_NONE, SPF_NEUTRAL), .domain = domain};
    if (!fetch_record(evaluation, domain, finding, &text))
        return;
    if (!spf_record_parse(text, &record)) {
        stop_at(evaluation, SPF_PERMERROR, "term", record.bad_term, record.problem);
        return;
    }
    finding->explanation = record.explanation;
    finding->problem = NULL;
    while (spf_next_term(&record.terms, &term)) {
        if (!spf_is_mechanism(&term))
            continue;
        if (mechanism_matches(evaluation, &term, domain)) {
            finding->result = term.result;
            finding->mechanism = term.text;
            return;
        }
        if (evaluation->stopped)
            return;
    }
    if (CLAUSE(SPF_03, record.redirect.n > 0)) {
        redirect(evaluation, domain, record.redirect, finding);
        return;
    }
    finding->result = BREAK(SPF_06_default, SPF_NEUTRAL, SPF_NONE); /* 4.7 */
    finding->mechanism = BYTES("default");
}

/* 6.2: on any error the default is used. */
static struct bytes explain(struct spf_evaluation *evaluation, const struct finding *finding,
                            struct bytes default_explanation)
{
    struct bytes name;
    struct dns_answer answer;
    evaluation->explaining = true;
    if (finding->explanation.n == 0 ||
        !target_name(evaluation, finding->domain, finding->explanation, &name))
        return default_explanation;
    ask_dns(evaluation, name, DNS_TXT, &answer);
    if (answer.count != 1 || !spf_is_explain_string(answer.records[0].text))
        return default_explanation;
    struct bytes text =
        spf_expand(evaluation->arena, &evaluation->macros, finding->domain, answer.records[0].text);
    return evaluation->stopped ? default_explanation : spf_explanation(text, default_explanation);
}

void spf_check(struct dns *dns, struct arena *arena, const struct spf_request *request,
               struct spf_outcome *outcome)
{
    spf_identify(arena, request, outcome);
    struct spf_evaluation evaluation = {
        .dns = dns,
        .arena = arena,
        .deadline = clock_monotonic() + SECONDS_MAX,
        .macros =
            {
                .sender = outcome->sender,
                .local_part =
                    bytes_first(outcome->sender, outcome->sender.n - outcome->domain.n - 1),
                .domain = outcome->domain,
                .helo = request->helo,
                .receiver = request->receiver,
                .client = request->client,
                .validated_name = validated_name,
            },
    };
    evaluation.macros.context = &evaluation;
    struct finding finding;
    check_host(&evaluation, spf_without_final_dot(outcome->domain), &finding);
    outcome->lookups = evaluation.lookups;
    outcome->void_lookups = evaluation.void_lookups;
    outcome->result = evaluation.stopped ? evaluation.error : finding.result;
    outcome->problem = evaluation.stopped ? evaluation.problem : finding.problem;
    if (!evaluation.stopped)
        outcome->mechanism = finding.mechanism;
    if (outcome->result == SPF_FAIL && request->explain)
        outcome->explanation = explain(&evaluation, &finding, request->default_explanation);
    if (arena_failed(arena)) {
        outcome->result = SPF_TEMPERROR;
        outcome->problem = "out of memory";
    }
}
