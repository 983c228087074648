/* Evaluating DMARC: RFC 9989 5.3 and RFC 7489 6.6.2. See dmarc.h. */
#include "dmarc.h"

#include "clause.h"
#include "domain.h"

struct dmarc_evaluation {
    const struct dmarc_request *request;
    struct dmarc_outcome *outcome;
    struct dmarc_lookup lookup;
    bool existence_unknown; /* whether np= applies could not be found out */
};

const char *dmarc_result_name(enum dmarc_result result)
{
    static const char *const names[] = {"none", "pass", "fail", "temperror", "permerror"};
    return names[result];
}

static struct arena *arena_of(const struct dmarc_evaluation *evaluation)
{
    return evaluation->lookup.arena;
}

struct bytes dmarc_domain(struct arena *arena, struct bytes text)
{
    if (text.n > 0 && text.p[text.n - 1] == '.')
        text.n--;
    struct bytes name = domain_for_lookup(arena, text);
    return name.p ? name : text;
}

/* RFC 9989 4.10.2, RFC 7489 3.1. A name outside the author's organizational domain cannot have the
 * same one, so no query is made for it: a message with many signatures costs few queries. */
static enum dmarc_alignment align(struct dmarc_evaluation *evaluation, struct bytes domain,
                                  bool strict)
{
    struct bytes author = evaluation->request->author_domain;
    struct bytes organization = evaluation->outcome->organizational_domain;
    struct bytes other;
    if (domain.n == 0)
        return DMARC_NOT_ALIGNED;
    domain = dmarc_domain(arena_of(evaluation), domain);
    if (bytes_equal(domain, author))
        return DMARC_ALIGNED;
    if (CLAUSE(DMARC_08, strict) || (organization.p && !domain_is_within(domain, organization)))
        return DMARC_NOT_ALIGNED;
    if (!organization.p || !dmarc_organization(&evaluation->lookup, domain, &other))
        return DMARC_ALIGNMENT_UNKNOWN;
    return bytes_equal(other, organization) ? DMARC_ALIGNED : DMARC_NOT_ALIGNED;
}

/* True if an identifier of that authentication has that alignment. */
static bool has_identifier(const struct dmarc_evaluation *evaluation,
                           enum dmarc_authentication authentication, enum dmarc_alignment alignment)
{
    const struct dmarc_request *request = evaluation->request;
    if (request->spf.authentication == authentication && evaluation->outcome->spf == alignment)
        return true;
    for (size_t i = 0; i < request->signature_count; i++)
        if (request->signatures[i].authentication == authentication &&
            evaluation->outcome->signatures[i] == alignment)
            return true;
    return false;
}

static void align_all(struct dmarc_evaluation *evaluation, bool strict_spf, bool strict_dkim)
{
    const struct dmarc_request *request = evaluation->request;
    struct dmarc_outcome *outcome = evaluation->outcome;
    outcome->spf = align(evaluation, request->spf.domain, CLAUSE(DMARC_30, strict_spf));
    outcome->spf_passes = request->spf.authentication == DMARC_AUTHENTICATED &&
                          CLAUSE(DMARC_02, outcome->spf == DMARC_ALIGNED);
    for (size_t i = 0; i < request->signature_count; i++) {
        outcome->signatures[i] = align(evaluation, request->signatures[i].domain, strict_dkim);
        if (request->signatures[i].authentication == DMARC_AUTHENTICATED &&
            CLAUSE(DMARC_03, outcome->signatures[i] == DMARC_ALIGNED))
            outcome->signature_passes = true;
    }
}

static enum dmarc_policy severer(enum dmarc_policy a, enum dmarc_policy b)
{
    return a > b ? a : b;
}

/* RFC 9989 4.10.1, RFC 7489 6.3: p= for the record's own domain, np= or sp= for those below it. */
static void request_policy(struct dmarc_evaluation *evaluation)
{
    struct dmarc_outcome *outcome = evaluation->outcome;
    const struct dmarc_record *record = &outcome->found.record;
    struct bytes author = evaluation->request->author_domain;
    outcome->requested = record->policy;
    outcome->requested_by = "p";
    if (!CLAUSE(DMARC_06, !bytes_equal(author, outcome->found.domain)))
        return;
    if (record->has_subdomain_policy) {
        outcome->requested = record->subdomain_policy;
        outcome->requested_by = "sp";
    }
    if (!record->has_nonexistent_policy)
        return;
    enum dmarc_existence existence = dmarc_existence(&evaluation->lookup, author);
    if (CLAUSE(DMARC_07, existence == DMARC_EXISTS_NOT)) {
        outcome->requested = record->nonexistent_policy;
        outcome->requested_by = "np";
    } else if (existence == DMARC_EXISTENCE_UNKNOWN &&
               outcome->requested != record->nonexistent_policy) {
        outcome->requested = severer(outcome->requested, record->nonexistent_policy);
        evaluation->existence_unknown = true;
    }
}

/* What is done to a message that fails: t=y (RFC 9989 4.7) and messages that pct= leaves out
 * (RFC 7489 6.6.4) are treated one step less severely. RFC 9989 has no pct=. Clause: DMARC-22 */
static enum dmarc_policy disposition_of_failure(struct dmarc_evaluation *evaluation)
{
    const struct dmarc_request *request = evaluation->request;
    struct dmarc_outcome *outcome = evaluation->outcome;
    const struct dmarc_record *record = &outcome->found.record;
    bool spared = request->edition == DMARC_RFC9989
                      ? CLAUSE(DMARC_09, record->testing)
                      : CLAUSE(DMARC_20, request->sample >= record->percent);
    outcome->lowered = spared && outcome->requested != DMARC_POLICY_NONE;
    return outcome->lowered ? outcome->requested - 1 : outcome->requested;
}

static void explain_pass(struct dmarc_evaluation *evaluation)
{
    const struct dmarc_request *request = evaluation->request;
    struct dmarc_outcome *outcome = evaluation->outcome;
    struct bytes domain = request->spf.domain;
    const char *means = "SPF";
    for (size_t i = 0; outcome->signature_passes && i < request->signature_count; i++)
        if (request->signatures[i].authentication == DMARC_AUTHENTICATED &&
            outcome->signatures[i] == DMARC_ALIGNED) {
            domain = request->signatures[i].domain;
            means = "a DKIM signature";
            break;
        }
    outcome->reason = arena_printf(
        arena_of(evaluation), "%s authenticated %.*s, which is aligned with %.*s", means,
        BYTES_ARG(dmarc_domain(arena_of(evaluation), domain)), BYTES_ARG(request->author_domain));
}

static void judge_alignment(struct dmarc_evaluation *evaluation)
{
    struct dmarc_outcome *outcome = evaluation->outcome;
    struct bytes author = evaluation->request->author_domain;
    enum dmarc_policy failure = disposition_of_failure(evaluation);
    bool undecided = has_identifier(evaluation, DMARC_AUTHENTICATED, DMARC_ALIGNMENT_UNKNOWN) ||
                     has_identifier(evaluation, DMARC_UNDECIDED, DMARC_ALIGNED) ||
                     has_identifier(evaluation, DMARC_UNDECIDED, DMARC_ALIGNMENT_UNKNOWN);
    if (outcome->spf_passes || outcome->signature_passes) {
        outcome->result = DMARC_PASS;
        explain_pass(evaluation);
        return;
    }
    outcome->at_stake = failure;
    if (undecided || evaluation->existence_unknown) {
        outcome->result = DMARC_TEMPERROR;
        outcome->reason =
            evaluation->lookup.problem.n > 0
                ? evaluation->lookup.problem
                : BYTES("DNS failure, so alignment or authentication is undetermined");
        return;
    }
    outcome->result = DMARC_FAIL;
    outcome->disposition = failure;
    outcome->reason = arena_printf(
        arena_of(evaluation),
        "neither SPF nor DKIM passed in alignment with %.*s, and %s=%s at _dmarc.%.*s%s",
        BYTES_ARG(author), outcome->requested_by, dmarc_policy_name(outcome->requested),
        BYTES_ARG(outcome->found.domain),
        !outcome->lowered                               ? " applies"
        : evaluation->request->edition == DMARC_RFC9989 ? " is in test mode (t=y)"
                                                        : " does not cover this message (pct=)");
}

/* No record to apply. Where DNS failed, an author domain that is itself authenticated would pass
 * under any record, or have none: nothing is at stake then. */
static void judge_without_record(struct dmarc_evaluation *evaluation,
                                 enum dmarc_discovery discovery)
{
    struct dmarc_outcome *outcome = evaluation->outcome;
    struct bytes author = evaluation->request->author_domain;
    outcome->found = (struct dmarc_found){0};
    if (discovery == DMARC_UNAVAILABLE) {
        align_all(evaluation, true, true);
        outcome->result = DMARC_TEMPERROR;
        outcome->reason = evaluation->lookup.problem;
        if (!outcome->spf_passes && !outcome->signature_passes)
            outcome->at_stake = DMARC_POLICY_REJECT;
        return;
    }
    outcome->result = DMARC_NONE;
    outcome->reason =
        arena_printf(arena_of(evaluation),
                     discovery == DMARC_SEVERAL ? "multiple DMARC records for %.*s, so none applies"
                                                : "no DMARC record for %.*s",
                     BYTES_ARG(author));
}

static void judge_by_record(struct dmarc_evaluation *evaluation)
{
    struct dmarc_outcome *outcome = evaluation->outcome;
    const struct dmarc_record *record = &outcome->found.record;
    if (!record->usable) {
        outcome->result = DMARC_PERMERROR;
        outcome->reason = arena_printf(arena_of(evaluation),
                                       "the DMARC record at _dmarc.%.*s has no valid policy",
                                       BYTES_ARG(outcome->found.domain));
        return;
    }
    request_policy(evaluation);
    align_all(evaluation, record->strict_spf, record->strict_dkim);
    judge_alignment(evaluation);
}

bool dmarc_evaluate(struct dns *dns, struct arena *arena, const struct dmarc_request *request,
                    struct dmarc_outcome *outcome)
{
    struct dmarc_evaluation evaluation = {
        .request = request,
        .outcome = outcome,
        .lookup = {.dns = dns,
                   .arena = arena,
                   .edition = request->edition,
                   .suffixes = request->suffixes ? request->suffixes : psl_builtin()},
    };
    *outcome = (struct dmarc_outcome){.requested_by = ""};
    outcome->signatures =
        arena_alloc_array(arena, request->signature_count + 1, sizeof *outcome->signatures);
    if (!outcome->signatures)
        return false;
    enum dmarc_discovery discovery =
        dmarc_discover(&evaluation.lookup, request->author_domain, &outcome->found);
    if (!dmarc_organization(&evaluation.lookup, request->author_domain,
                            &outcome->organizational_domain))
        outcome->organizational_domain = (struct bytes){NULL, 0};
    if (discovery == DMARC_FOUND)
        judge_by_record(&evaluation);
    else
        judge_without_record(&evaluation, discovery);
    return !arena_failed(arena);
}
