/* The relay's judgement. See judge.h. */
#include "judge.h"

#include "clause.h"
#include "clock.h"
#include "fiber.h"

#include <inttypes.h>

enum {
    RCPT_ATTEMPTS_FACTOR = 2, /* RCPT commands, for each recipient that may be accepted */
    DNSBL_TIMEOUT = 10
};

static struct bytes number_text(struct arena *arena, uint64_t number)
{
    return arena_printf(arena, "%" PRIu64, number);
}

struct refusal judge_sender(struct arena *arena, const struct policy *policy,
                            const struct mail_arguments *mail)
{
    if (CLAUSE(LIM_10, mail->size_stated && mail->size > policy->limits.message_size))
        return REFUSE_WITH(MESSAGE_TOO_BIG, "LIM-10",
                           number_text(arena, policy->limits.message_size));
    return ACCEPT;
}

/* ---- RCPT ---- */

/* Kept for the session, so that a client is looked up once. */
static bool is_listed(const struct judge *judge)
{
    if (judge->listing->status == DNSBL_NOT_ASKED)
        *judge->listing =
            dnsbl_look_up(judge->dns, &judge->client, judge->policy->dnsbls,
                          judge->policy->dnsbl_count, clock_monotonic() + DNSBL_TIMEOUT);
    return judge->listing->status == DNSBL_LISTED;
}

static struct refusal refuse_listed(const struct judge *judge, struct arena *arena)
{
    char address[IP_TEXT_SIZE];
    ip_format(&judge->client, address);
    return REFUSE_WITH(DNSBL, "SPAM-01", arena_copy(arena, bytes_of(address)),
                       judge->listing->name);
}

/* One client transaction has one upstream transaction: every recipient goes from the same
 * forwarding domain to the same destination domain. */
static struct refusal judge_pair(const struct judge_recipients *earlier, const struct route *route)
{
    if (earlier->accepted == 0)
        return ACCEPT;
    if (CLAUSE(INV_17, !bytes_equal_nocase(earlier->forwarding_domain, route->forwarding_domain)))
        return REFUSE(OTHER_DESTINATION, "INV-17");
    if (CLAUSE(INV_16, !bytes_equal_nocase(earlier->destination_domain, route->to->domain)))
        return REFUSE(OTHER_DESTINATION, "INV-16");
    return ACCEPT;
}

/* A destination that verifies senders asks for the address that the relay gave it, as a report
 * would (specification.md#ndr-call-out). */
static bool is_call_out(const struct judge *judge, struct arena *arena,
                        const struct address *recipient)
{
    return judge->null_sender && CLAUSE(NDR_03, srs_has_valid_hash(judge->srs, arena, recipient));
}

static void route_call_out(struct route *route, const struct address *recipient)
{
    static const struct mailbox nobody = {BYTES_INIT(""), BYTES_INIT("")};
    *route =
        (struct route){.forwarding_domain = recipient->domain, .to = &nobody, .call_out = true};
}

struct refusal judge_call_out(bool call_out)
{
    return call_out ? REFUSE(UNKNOWN_ADDRESS, "NDR-10") : ACCEPT;
}

bool judge_recipients_exhausted(const struct policy *policy, const struct judge_recipients *earlier)
{
    return earlier->asked >= BREAK(LIM_46, RCPT_ATTEMPTS_FACTOR, 3) * policy->limits.recipients;
}

/* Neither the sender nor the client's network gives a right to relay: only the recipient's domain
 * counts, and that of a destination is not served for being one.
 * Clauses: SEND-04, SEND-08, SEND-10, SEND-11 */
struct refusal judge_recipient(const struct judge *judge, struct arena *arena,
                               const struct judge_recipients *earlier,
                               const struct address *recipient, struct route *route)
{
    const struct policy *policy = judge->policy;
    if (judge_recipients_exhausted(policy, earlier) ||
        CLAUSE(LIM_09, earlier->accepted >= BREAK(LIM_08, policy->limits.recipients, 99)))
        return REFUSE(TOO_MANY_RECIPIENTS, "LIM-09");
    enum route_status status = route_find(&policy->routing, recipient, route);
    bool is_postmaster = status == ROUTE_FOUND && CLAUSE(SPAM_07, route->postmaster);
    if (!is_postmaster && CLAUSE(SPAM_01, is_listed(judge)))
        return refuse_listed(judge, arena);
    switch (status) {
    case ROUTE_NOT_SERVED:
        return REFUSE(NOT_SERVED, "SEND-03");
    case ROUTE_UNKNOWN_ADDRESS:
        return REFUSE(UNKNOWN_ADDRESS, "CHAR-07");
    case ROUTE_SRS_ADDRESS:
        if (!CLAUSE(NDR_10, is_call_out(judge, arena, recipient)))
            return REFUSE(UNKNOWN_ADDRESS, "NDR-02");
        route_call_out(route, recipient);
        break;
    case ROUTE_OVERFLOW_ADDRESS:
        if (!CLAUSE(NDR_13, judge->null_sender))
            return REFUSE(UNKNOWN_ADDRESS, "NDR-13");
        route_call_out(route, recipient);
        break;
    case ROUTE_FOUND:
        break;
    }
    return judge_pair(earlier, route);
}

/* ---- DATA ---- */

struct content_limits judge_content_limits(const struct policy *policy)
{
    return (struct content_limits){
        .size = policy->limits.message_size,
        .header = policy->limits.header_size,
        .fields = policy->limits.header_fields,
    };
}

static struct refusal judge_octets(const struct content_reader *content)
{
    if (CLAUSE(SMUG_02, content->bare_lf))
        return REFUSE(MESSAGE_OCTETS, "SMUG-02");
    if (CLAUSE(SMUG_03, content->bare_cr))
        return REFUSE(MESSAGE_OCTETS, "SMUG-03");
    if (CLAUSE(SMUG_04, content->nul))
        return REFUSE(MESSAGE_OCTETS, "SMUG-04");
    return ACCEPT;
}

/* Whether the content can be forwarded at all. */
static struct refusal judge_content(struct arena *arena, const struct policy_limits *limits,
                                    const struct content_reader *content)
{
    struct refusal refusal = judge_octets(content);
    if (refusal.kind != REFUSAL_NONE)
        return refusal;
    if (CLAUSE(LIM_11, content->too_big))
        return REFUSE_WITH(MESSAGE_TOO_BIG, "LIM-11", number_text(arena, limits->message_size));
    if (CLAUSE(LIM_15, content->header_too_big))
        return REFUSE_WITH(HEADER_TOO_BIG, "LIM-15", number_text(arena, limits->header_size));
    if (content->too_many_fields)
        return REFUSE_WITH(TOO_MANY_FIELDS, "LIM-38", number_text(arena, limits->header_fields));
    if (CLAUSE(SMUG_10, content->continues_field))
        return REFUSE(MESSAGE_CONTINUES_FIELD, "SMUG-10");
    return ACCEPT;
}

/* RFC 5321 6.3: a message that has passed so many hosts is in a loop; one fewer is not. */
static struct refusal judge_hops(struct arena *arena, const struct policy_limits *limits,
                                 const struct message *message)
{
    size_t hops = message_count(message, BYTES("Received"));
    if (CLAUSE(LIM_13, hops >= BREAK(LIM_14, limits->received_fields, 98)))
        return REFUSE_WITH(LOOP, "LIM-13", number_text(arena, hops));
    return ACCEPT;
}

bool judge_message(struct arena *arena, const struct content_reader *content,
                   const struct evaluation_request *request, struct message *message,
                   struct judgement *judgement)
{
    const struct policy_limits *limits = &request->policy->limits;
    *judgement = (struct judgement){.refusal = judge_content(arena, limits, content)};
    if (judgement->refusal.kind != REFUSAL_NONE) {
        judgement->reason = BYTES("the content of the message cannot be forwarded");
        return !arena_failed(arena);
    }
    if (content->discard || !message_parse(arena, buffer_bytes(content->message), message))
        return false;
    fiber_yield();
    judgement->refusal = judge_hops(arena, limits, message);
    if (judgement->refusal.kind != REFUSAL_NONE) {
        judgement->reason = BYTES("the message has passed too many hosts");
        return !arena_failed(arena);
    }
    if (!evaluate_message(arena, request, &judgement->evaluation))
        return false;
    judgement->evaluated = true;
    judgement->refusal = judgement->evaluation.refusal;
    judgement->reason = judgement->evaluation.reason;
    return true;
}

/* ---- The upstream ---- */

struct refusal judge_upstream(struct arena *arena, const struct upstream_answer *answer)
{
    const char *clause = answer->clause;
    switch (answer->failure) {
    case UPSTREAM_REPLIED:
        return ACCEPT;
    case UPSTREAM_NO_SUCH_DOMAIN:
        return REFUSE(DESTINATION_DOES_NOT_EXIST, clause);
    case UPSTREAM_NO_HOST:
        return REFUSE(DESTINATION_HAS_NO_HOST, clause);
    case UPSTREAM_NULL_MX:
        return REFUSE(DESTINATION_TAKES_NO_MAIL, clause);
    case UPSTREAM_DNS_FAILED:
        return REFUSE(DESTINATION_DNS_FAILED, clause);
    case UPSTREAM_IS_SELF:
        return REFUSE(LOOP_TO_SELF, clause);
    case UPSTREAM_UNREACHABLE:
        return REFUSE(UPSTREAM_UNREACHABLE, clause);
    case UPSTREAM_LOST:
        return REFUSE(UPSTREAM_LOST, clause);
    case UPSTREAM_BROKE_PROTOCOL:
        return REFUSE(UPSTREAM_GARBAGE, clause);
    case UPSTREAM_NOT_8BIT:
        return REFUSE(UPSTREAM_NOT_8BIT, clause);
    case UPSTREAM_TOO_BIG:
        return REFUSE_WITH(MESSAGE_TOO_BIG, clause, number_text(arena, answer->size_limit));
    case UPSTREAM_NO_MEMORY:
        break;
    }
    return REFUSE(NO_MEMORY, clause);
}
