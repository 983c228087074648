/* The native SPF evaluator: check_host() of RFC 7208 4, the mechanisms of 5 and the modifiers of 6.
 *
 * Where the RFC leaves a choice: a <target-name> that cannot be asked (4.8) does not match. A void
 * lookup is counted for each query that a term makes, except those that validate the client's own
 * PTR names, since the publishing domain has no say in them. An MX host with more than ten
 * addresses is a permerror, as 4.6.4 says at the letter; the bullets of 5.5 about subdomains are
 * read the other way round, as its example has them. */
#include "spf.h"

#include "clause.h"
#include "clock.h"
#include "domain.h"
#include "spf_macro.h"
#include "spf_record.h"

#include <string.h>

/* 4.6.4 */
enum {
    LOOKUPS_MOST = 10,
    VOID_LOOKUPS_MOST = 2,
    MX_MOST = 10,  /* MX records of a name, and addresses of each */
    PTR_MOST = 10, /* PTR records of a client, and addresses of each */
    SECONDS_MOST = 20
};

/* One evaluation, with everything that recursion shares. */
struct check {
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
    struct bytes validated_names[PTR_MOST];
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
static bool stop(struct check *check, enum spf_result error, const char *problem)
{
    if (!check->stopped) {
        check->stopped = true;
        check->error = error;
        check->problem = problem;
    }
    return false;
}

/* The same, with the term or name that is to blame, as much of it as reads well. */
static bool stop_at(struct check *check, enum spf_result error, const char *what, struct bytes name,
                    const char *problem)
{
    enum { SHOWN = 100 };
    name = bytes_first(name, SHOWN);
    return stop(check, error,
                arena_printf(check->arena, "%s %.*s: %s", what, BYTES_ARG(name), problem).p);
}

static bool count_lookup(struct check *check)
{
    if (check->explaining)
        return true;
    check->lookups++;
    if (CLAUSE(SPF_07, check->lookups > LOOKUPS_MOST))
        return stop(check, SPF_PERMERROR, "more than 10 terms that cause DNS lookups");
    return true;
}

static void ask(struct check *check, struct bytes name, enum dns_type type,
                struct dns_answer *answer)
{
    dns_query(check->dns, check->arena, name, type, check->deadline, answer);
    if (clock_monotonic() >= check->deadline)
        stop(check, SPF_TEMPERROR, "evaluation took longer than 20 seconds");
}

static bool is_void(const struct dns_answer *answer)
{
    return answer->status == DNS_NODATA || answer->status == DNS_NXDOMAIN;
}

static bool count_void(struct check *check, const struct dns_answer *answer)
{
    if (check->explaining || !is_void(answer))
        return true;
    check->void_lookups++;
    if (CLAUSE(SPF_08, check->void_lookups > VOID_LOOKUPS_MOST))
        return stop(check, SPF_PERMERROR, "more than 2 DNS lookups that found nothing");
    return true;
}

/* Asks on behalf of a mechanism; false when the evaluation is over (5, 4.6.4). */
static bool look_up(struct check *check, struct bytes name, enum dns_type type,
                    struct dns_answer *answer)
{
    ask(check, name, type, answer);
    if (answer->status == DNS_TEMPFAIL)
        stop(check, SPF_TEMPERROR, answer->problem);
    return !check->stopped && count_void(check, answer);
}

static enum dns_type address_type(const struct check *check)
{
    return check->macros.client.length == 4 ? DNS_A : DNS_AAAA;
}

static bool is_at(const struct ip *client, const struct dns_answer *answer, size_t most)
{
    for (size_t i = 0; i < answer->count && i < most; i++)
        if (ip_equal(client, &answer->records[i].address))
            return true;
    return false;
}

/* 5.5: the client's names that lead back to it, at most ten tried. False when it is all over. */
static bool validate_names(struct check *check)
{
    char text[IP_REVERSED_SIZE];
    const struct ip *client = &check->macros.client;
    struct dns_answer names, addresses;
    if (check->names_known)
        return true;
    struct bytes reverse = arena_printf(check->arena, "%s.%s", ip_reversed(client, text),
                                        client->length == 4 ? "in-addr.arpa" : "ip6.arpa");
    ask(check, reverse, DNS_PTR, &names);
    if (check->stopped || !count_void(check, &names))
        return false;
    for (size_t i = 0; i < names.count && i < PTR_MOST && !check->stopped; i++) {
        ask(check, names.records[i].text, address_type(check), &addresses);
        if (is_at(client, &addresses, PTR_MOST))
            check->validated_names[check->validated_count++] = names.records[i].text;
    }
    check->names_known = true;
    return !check->stopped;
}

/* %{p} (7.2): the domain itself if it is validated, else a name below it, else any. */
static struct bytes validated_name(void *context, struct bytes domain)
{
    struct check *check = context;
    struct bytes best = BYTES("unknown");
    /* 4.6.4: the PTR query counts among the ten, if this macro is what causes it. */
    if (!check->names_known && !count_lookup(check))
        return best;
    if (!validate_names(check))
        return best;
    for (size_t i = check->validated_count; i > 0; i--) {
        struct bytes name = check->validated_names[i - 1];
        if (bytes_equal_nocase(name, domain))
            return name;
        if (domain_is_within(name, domain) || !domain_is_within(best, domain))
            best = name;
    }
    return best;
}

/* The <target-name> of a term (4.8). False when the evaluation is over. */
static bool target_name(struct check *check, struct bytes domain, struct bytes domain_spec,
                        struct bytes *name)
{
    *name = domain;
    if (domain_spec.n > 0)
        *name = spf_expand_name(check->arena, &check->macros, domain, domain_spec);
    return !check->stopped;
}

static bool has_client(const struct check *check, const struct dns_answer *answer,
                       const struct spf_term *term)
{
    struct ip_prefix prefix = {.bits = address_type(check) == DNS_A ? term->bits4 : term->bits6};
    for (size_t i = 0; i < answer->count; i++) {
        prefix.address = answer->records[i].address;
        if (ip_in_prefix(&check->macros.client, &prefix))
            return true;
    }
    return false;
}

static bool matches_a(struct check *check, const struct spf_term *term, struct bytes name)
{
    struct dns_answer answer;
    return look_up(check, name, address_type(check), &answer) && has_client(check, &answer, term);
}

static bool matches_mx(struct check *check, const struct spf_term *term, struct bytes name)
{
    struct dns_answer hosts, addresses;
    if (!look_up(check, name, DNS_MX, &hosts))
        return false;
    if (hosts.count > MX_MOST)
        return stop(check, SPF_PERMERROR, "more than 10 MX records");
    for (size_t i = 0; i < hosts.count; i++) {
        if (!look_up(check, hosts.records[i].text, address_type(check), &addresses))
            return false;
        if (addresses.count > MX_MOST)
            return stop(check, SPF_PERMERROR, "more than 10 addresses of an MX host");
        if (has_client(check, &addresses, term))
            return true;
    }
    return false;
}

static bool matches_ptr(struct check *check, struct bytes name)
{
    if (!validate_names(check))
        return false;
    for (size_t i = 0; i < check->validated_count; i++)
        if (domain_is_within(check->validated_names[i], name))
            return true;
    return false;
}

static bool matches_exists(struct check *check, struct bytes name)
{
    struct dns_answer answer;
    return look_up(check, name, DNS_A, &answer) && answer.count > 0;
}

static void check_host(struct check *check, struct bytes domain, struct finding *finding);

/* 5.2, the table */
static bool matches_include(struct check *check, struct bytes name)
{
    struct finding inner;
    check_host(check, name, &inner);
    if (check->stopped)
        return false;
    if (inner.result == SPF_NONE)
        return stop_at(check, SPF_PERMERROR, "include", name, inner.problem);
    return inner.result == SPF_PASS;
}

static bool matches(struct check *check, const struct spf_term *term, struct bytes domain)
{
    struct bytes name;
    struct ip_prefix network = {.address = term->network};
    switch (term->kind) {
    case SPF_ALL:
        return true;
    case SPF_IP4:
        network.bits = term->bits4;
        return ip_in_prefix(&check->macros.client, &network);
    case SPF_IP6:
        network.bits = term->bits6;
        return ip_in_prefix(&check->macros.client, &network);
    default:
        break;
    }
    if (!count_lookup(check) || !target_name(check, domain, term->domain_spec, &name))
        return false;
    switch (term->kind) {
    case SPF_INCLUDE:
        return matches_include(check, name);
    case SPF_A:
        return matches_a(check, term, name);
    case SPF_MX:
        return matches_mx(check, term, name);
    case SPF_PTR:
        return matches_ptr(check, name);
    default: /* SPF_EXISTS */
        return matches_exists(check, name);
    }
}

/* 4.3 to 4.5: false when there is none (the reason is in the finding) or the evaluation is over. */
static bool fetch_record(struct check *check, struct bytes domain, struct finding *finding,
                         struct bytes *text)
{
    struct dns_answer answer;
    unsigned records = 0;
    finding->problem = "not a multi-label domain name";
    if (!spf_is_checkable(domain))
        return false;
    ask(check, domain, DNS_TXT, &answer);
    if (CLAUSE(SPF_09, answer.status == DNS_TEMPFAIL))
        stop(check, SPF_TEMPERROR, answer.problem);
    if (answer.status != DNS_BAD_NAME)
        finding->problem = answer.status == DNS_NXDOMAIN ? "no such domain" : "no SPF record";
    for (size_t i = 0; i < answer.count; i++) {
        if (!spf_is_record(answer.records[i].text))
            continue;
        *text = answer.records[i].text;
        records++;
    }
    if (CLAUSE(SPF_10, records > 1))
        stop_at(check, SPF_PERMERROR, "domain", domain, "several SPF records");
    return !check->stopped && records == 1;
}

/* 6.1: the other domain's finding is ours, but there must be one. */
static void redirect(struct check *check, struct bytes domain, struct bytes domain_spec,
                     struct finding *finding)
{
    struct bytes name;
    if (!count_lookup(check) || !target_name(check, domain, domain_spec, &name))
        return;
    check_host(check, name, finding);
    if (!check->stopped && finding->result == SPF_NONE)
        stop_at(check, SPF_PERMERROR, "redirect", name, finding->problem);
}

/* 4.6. An exception leaves check->stopped set, and the finding means nothing then. */
static void check_host(struct check *check, struct bytes domain, struct finding *finding)
{
    struct bytes text;
    struct spf_record record;
    struct spf_term term;
    *finding = (struct finding){.result = SPF_NONE, .domain = domain};
    if (!fetch_record(check, domain, finding, &text))
        return;
    if (!spf_record_parse(text, &record)) {
        stop_at(check, SPF_PERMERROR, "term", record.bad_term, record.problem);
        return;
    }
    finding->explanation = record.explanation;
    finding->problem = NULL;
    while (spf_next_term(&record.terms, &term)) {
        if (!spf_is_mechanism(&term))
            continue;
        if (matches(check, &term, domain)) {
            finding->result = term.result;
            finding->mechanism = term.text;
            return;
        }
        if (check->stopped)
            return;
    }
    if (record.redirect.n > 0) {
        redirect(check, domain, record.redirect, finding);
        return;
    }
    finding->result = SPF_NEUTRAL; /* 4.7 */
    finding->mechanism = BYTES("default");
}

/* 6.2: whatever goes wrong leaves the default. */
static struct bytes explain(struct check *check, const struct finding *finding,
                            struct bytes default_explanation)
{
    struct bytes name;
    struct dns_answer answer;
    check->explaining = true;
    if (finding->explanation.n == 0 ||
        !target_name(check, finding->domain, finding->explanation, &name))
        return default_explanation;
    ask(check, name, DNS_TXT, &answer);
    if (answer.count != 1 || !spf_is_explain_string(answer.records[0].text))
        return default_explanation;
    struct bytes text =
        spf_expand(check->arena, &check->macros, finding->domain, answer.records[0].text);
    return check->stopped ? default_explanation : spf_explanation(text, default_explanation);
}

void spf_check(struct dns *dns, struct arena *arena, const struct spf_request *request,
               struct spf_verdict *verdict)
{
    spf_identify(arena, request, verdict);
    struct check check = {
        .dns = dns,
        .arena = arena,
        .deadline = clock_monotonic() + SECONDS_MOST,
        .macros =
            {
                .sender = verdict->sender,
                .local_part =
                    bytes_first(verdict->sender, verdict->sender.n - verdict->domain.n - 1),
                .domain = verdict->domain,
                .helo = request->helo,
                .receiver = request->receiver,
                .client = request->client,
                .validated_name = validated_name,
            },
    };
    check.macros.context = &check;
    struct finding finding;
    check_host(&check, spf_without_final_dot(verdict->domain), &finding);
    verdict->lookups = check.lookups;
    verdict->void_lookups = check.void_lookups;
    verdict->result = check.stopped ? check.error : finding.result;
    verdict->problem = check.stopped ? check.problem : finding.problem;
    if (!check.stopped)
        verdict->mechanism = finding.mechanism;
    if (verdict->result == SPF_FAIL)
        verdict->explanation = explain(&check, &finding, request->default_explanation);
    if (arena_failed(arena)) {
        verdict->result = SPF_TEMPERROR;
        verdict->problem = "out of memory";
    }
}
