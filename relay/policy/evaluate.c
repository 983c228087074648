/* Authenticating one message. See evaluate.h. */
#include "evaluate.h"

#include "author.h"
#include "clause.h"
#include "clock.h"
#include "evaluate_results.h"
#include "fiber.h"

/* Seconds for all DNS queries about one message together. The client waits ten minutes for the
 * reply to its final dot (RFC 5321 4.5.3.2.6), and the upstream needs most of that. */
static const double DNS_TIMEOUT = 60;

/* DNS with one deadline for all queries. */
struct bounded_dns {
    struct dns dns;
    struct dns *inner;
    double deadline;
};

static void query_bounded(struct dns *self, struct arena *arena, struct bytes name,
                          enum dns_type type, double deadline, struct dns_answer *answer)
{
    const struct bounded_dns *bounded = (const struct bounded_dns *)self;
    bool sooner = deadline > 0 && deadline < bounded->deadline;
    dns_query(bounded->inner, arena, name, type, sooner ? deadline : bounded->deadline, answer);
}

static void refuse_author(struct evaluation *evaluation, const char *clause, struct bytes reason)
{
    evaluation->refusal = REFUSE(NO_AUTHOR, clause);
    evaluation->reason = reason;
}

/* RFC 9989 5.3.1 and 11.5, RFC 7489 6.6.1: a message without exactly one author domain escapes
 * DMARC, so it is not forwarded. A non-delivery report that names nobody does so in nobody's name,
 * and is. */
static bool find_author(struct arena *arena, const struct evaluation_request *request,
                        struct evaluation *evaluation)
{
    struct author author = author_of_message(arena, request->message);
    bool is_report = request->envelope->mail_from.n == 0 && author.names_no_domain;
    bool unusable = author.status == AUTHOR_MISSING || author.status == AUTHOR_MALFORMED ||
                    author.status == AUTHOR_NOBODY;
    if (author.status == AUTHOR_NO_MEMORY)
        return false;
    if (CLAUSE(DMARC_11, author.status == AUTHOR_REPEATED))
        refuse_author(evaluation, "DMARC-11", BYTES("there is more than one From field"));
    else if (CLAUSE(DMARC_12, author.status == AUTHOR_SEVERAL_DOMAINS))
        refuse_author(evaluation, "DMARC-12",
                      arena_printf(arena, "the authors are at different domains, %.*s and %.*s",
                                   BYTES_ARG(author.domains[0]), BYTES_ARG(author.domains[1])));
    else if (unusable && CLAUSE(DMARC_24, is_report))
        evaluation->dmarc = (struct dmarc_outcome){
            .result = DMARC_NONE, .requested_by = "", .reason = BYTES("there is no author domain")};
    else if (CLAUSE(DMARC_10, unusable))
        refuse_author(evaluation, "DMARC-10",
                      arena_printf(arena, "there is no usable From field: %s",
                                   author.problem ? author.problem : "it names no author"));
    else
        evaluation->author_domain = author.domains[0];
    return true;
}

/* SPF counts by itself here, whatever becomes of it at the upstream. */
static struct dmarc_identifier spf_identifier(const struct spf_outcome *spf)
{
    return (struct dmarc_identifier){
        .authentication = CLAUSE(RDM_01, spf->result == SPF_PASS) ? DMARC_AUTHENTICATED
                          : spf->result == SPF_TEMPERROR          ? DMARC_UNDECIDED
                                                                  : DMARC_UNAUTHENTICATED,
        .domain = spf->domain};
}

/* A signature over part of the body says nothing about what was appended to it. Clause: RDM-02 */
static struct dmarc_identifier dkim_identifier(const struct dkim_signature *signature)
{
    struct dmarc_identifier identifier = {DMARC_UNAUTHENTICATED, signature->domain};
    if (signature->result == DKIM_PASS && CLAUSE(DKIM_13, signature->covers_whole_body))
        identifier.authentication = DMARC_AUTHENTICATED;
    else if (signature->result == DKIM_TEMPERROR)
        identifier.authentication = DMARC_UNDECIDED;
    return identifier;
}

/* A header may have thousands of fields, and each step passes over all of them. */
static bool evaluate_signatures(struct arena *arena, const struct message *message, struct dns *dns,
                                struct evaluation *evaluation)
{
    if (!dkim_verify_message(arena, message, evaluation->body, dns, &evaluation->dkim))
        return false;
    fiber_yield();
    if (!arc_verify(arena, message, evaluation->body, dns, &evaluation->arc))
        return false;
    fiber_yield();
    return true;
}

static bool evaluate_dmarc(struct arena *arena, const struct evaluation_request *request,
                           struct dns *dns, struct evaluation *evaluation)
{
    const struct dkim_results *dkim = &evaluation->dkim;
    struct dmarc_identifier signatures[DKIM_SIGNATURES_MAX];
    size_t count = dkim->count < DKIM_SIGNATURES_MAX ? dkim->count : DKIM_SIGNATURES_MAX;
    for (size_t i = 0; i < count; i++)
        signatures[i] = dkim_identifier(&dkim->signatures[i]);
    /* The same for every attempt at one message: Date, Message-ID and trace make the header as good
     * a lot as the whole message. Clause: DMARC-21 */
    const struct dmarc_request dmarc = {
        .edition = request->policy->dmarc_edition,
        .suffixes = request->policy->public_suffixes,
        .author_domain = evaluation->author_domain,
        .spf = spf_identifier(request->spf),
        .signatures = signatures,
        .signature_count = count,
        .sample = (unsigned)(bytes_hash_nocase(request->message->header) % DMARC_SAMPLES),
    };
    return dmarc_evaluate(dns, arena, &dmarc, &evaluation->dmarc);
}

/* Whether DMARC is a reason to refuse the message; an SPF fail alone is not. A message under
 * quarantine is forwarded unless the configuration says otherwise, since a forwarder has no junk
 * folder. Clauses: DMARC-14, SPF-02, SPF-11 */
static struct refusal dmarc_refusal(const struct policy *policy,
                                    const struct evaluation *evaluation)
{
    const struct dmarc_outcome *dmarc = &evaluation->dmarc;
    struct bytes author = evaluation->author_domain;
    bool refuses_quarantine = CLAUSE(DMARC_19, policy->quarantine == QUARANTINE_REJECT);
    enum dmarc_policy refused_min =
        refuses_quarantine ? DMARC_POLICY_QUARANTINE : DMARC_POLICY_REJECT;
    if (CLAUSE(DMARC_13, dmarc->result == DMARC_TEMPERROR && dmarc->at_stake >= refused_min))
        return REFUSE_WITH(DMARC_DNS_FAILED, "DMARC-13", author);
    if (!CLAUSE(DMARC_01, dmarc->result == DMARC_FAIL) ||
        CLAUSE(DMARC_05, dmarc->disposition == DMARC_POLICY_NONE))
        return ACCEPT;
    if (dmarc->disposition != DMARC_POLICY_QUARANTINE)
        return REFUSE_WITH(DMARC_REJECT, "DMARC-01", author);
    if (CLAUSE(DMARC_04, !refuses_quarantine))
        return ACCEPT;
    return REFUSE_WITH(DMARC_QUARANTINE, "DMARC-19", author);
}

bool evaluate_message(struct arena *arena, const struct evaluation_request *request,
                      struct evaluation *evaluation)
{
    const struct message *message = request->message;
    struct bounded_dns bounded = {{query_bounded}, request->dns, clock_monotonic() + DNS_TIMEOUT};
    *evaluation = (struct evaluation){.body = body_hash_new(arena, message->body)};
    if (!evaluation->body || !evaluate_signatures(arena, message, &bounded.dns, evaluation) ||
        !find_author(arena, request, evaluation))
        return false;
    evaluation->dmarc_evaluated = evaluation->refusal.kind == REFUSAL_NONE;
    if (evaluation->author_domain.n > 0) {
        if (!evaluate_dmarc(arena, request, &bounded.dns, evaluation))
            return false;
        evaluation->refusal = dmarc_refusal(request->policy, evaluation);
    }
    if (evaluation->dmarc_evaluated)
        evaluation->reason = evaluation->dmarc.reason;
    return evaluate_results(arena, request, evaluation);
}
