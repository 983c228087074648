/* One mail on its way through the relay. See transaction.h.
 *
 * The order of events is that of specification.md#transaction-mail and the steps after it: MAIL
 * only notes the sender; the upstream is connected at the first RCPT, so that its reply can be the
 * reply to that recipient; the message is read whole before DATA goes to the upstream. */
#include "transaction.h"

#include "clause.h"
#include "clock.h"
#include "content.h"
#include "dialogue.h"
#include "fiber.h"
#include "judge.h"
#include "message.h"
#include "received.h"
#include "srs.h"
#include "trace_fields.h"
#include "transaction_state.h"

#include <stdlib.h>
#include <string.h>

enum {
    READ_MAX = 16 * 1024,
    CARRIED_MIN = 64 * 1024,   /* a message of more gives way to those of less */
    OVERSIZE_CUTOFF = 4,       /* a client that sends this many times the size limit is cut off */
    UPSTREAM_KEPT_MAX = 5,     /* seconds without a mail for which its connection is kept */
    MAIL_MEMORY_MAX = 8 << 20, /* octets of everything but the message, charged like it */
    SPF_MEMORY_MAX = 64 * 1024
};

struct transaction *transaction_new(const struct config *config, struct dns *dns,
                                    struct budget *budget, struct progress *progress,
                                    const struct client *client)
{
    struct transaction *transaction = calloc(1, sizeof *transaction);
    if (!transaction)
        return NULL;
    transaction->config = config;
    transaction->dns = dns;
    transaction->progress = progress;
    transaction->client = client;
    transaction->arena = arena_new(MAIL_MEMORY_MAX);
    transaction->spf.arena = arena_new(SPF_MEMORY_MAX);
    if (!transaction->arena || !transaction->spf.arena ||
        !budget_open(budget, &client->address, &transaction->account)) {
        transaction_free(transaction);
        return NULL;
    }
    if (unless_broken(LIM_40))
        arena_charge(transaction->arena, &transaction->account);
    return transaction;
}

/* Its charge is given back before the memory, which takes some turns: others must not be refused
 * for the sake of a message that has been refused already. */
static void drop_message(struct transaction *transaction)
{
    budget_give_back(&transaction->account, transaction->mail.charged);
    transaction->mail.charged = 0;
    buffer_free_in_parts(&transaction->mail.message, fiber_yield);
}

static void forget_recipients(struct transaction *transaction)
{
    for (struct forwarded_recipient *r = transaction->mail.accepted; r; r = r->next)
        progress_remove(&r->progress);
    transaction->mail.accepted = NULL;
}

void transaction_free(struct transaction *transaction)
{
    if (!transaction)
        return;
    upstream_free(transaction->upstream);
    forget_recipients(transaction);
    drop_message(transaction);
    arena_free(transaction->arena);
    arena_free(transaction->spf.arena);
    budget_close(&transaction->account);
    free(transaction);
}

bool transaction_is_open(const struct transaction *transaction)
{
    return transaction->mail.open;
}

bool transaction_has_recipient(const struct transaction *transaction)
{
    return transaction->mail.recipients.accepted > 0;
}

/* Forgets the mail, the count of its recipients included; the upstream connection stays.
 * Clause: LIM-19 */
static void forget_mail(struct transaction *transaction)
{
    forget_recipients(transaction);
    drop_message(transaction);
    transaction->mail = (struct mail){0};
    arena_reset(transaction->arena);
}

static bool came_to_upstream(const struct mail *mail)
{
    return mail->recipients.destination_domain.n > 0;
}

void transaction_rest(struct transaction *transaction)
{
    if (!transaction->mail.open) {
        arena_drop(transaction->arena);
        transaction->spf.known = false;
        arena_drop(transaction->spf.arena);
    }
    if (transaction->upstream)
        upstream_rest(transaction->upstream);
}

double transaction_upstream_unused_until(const struct transaction *transaction)
{
    double kept = transaction->config->timeouts.client_command / 2;
    if (!transaction->upstream || came_to_upstream(&transaction->mail))
        return 0;
    return transaction->upstream_used + (kept < UPSTREAM_KEPT_MAX ? kept : UPSTREAM_KEPT_MAX);
}

void transaction_drop_upstream(struct transaction *transaction)
{
    upstream_quit(transaction->upstream);
    upstream_free(transaction->upstream);
    transaction->upstream = NULL;
}

/* Writes the log's line. The upstream is named only if this mail came to it: the connection may be
 * that of an earlier mail. */
static void record_mail(const struct transaction *transaction, const struct answer *answer)
{
    const struct mail *mail = &transaction->mail;
    transaction_record_write(&mail->record, transaction->arena, transaction->client,
                             came_to_upstream(mail) ? transaction->upstream : NULL, answer);
}

/* For a mail that did not come to the end of DATA. */
static void record_unfinished(const struct transaction *transaction)
{
    if (transaction->mail.open && transaction->mail.record.finished <= 0)
        record_mail(transaction, NULL);
}

void transaction_end(struct transaction *transaction)
{
    record_unfinished(transaction);
    transaction_reset_upstream(transaction);
    if (came_to_upstream(&transaction->mail))
        transaction->upstream_used = clock_monotonic();
    forget_mail(transaction);
    fiber_take_lane(FIBER_SERVES);
}

void transaction_close(struct transaction *transaction)
{
    record_unfinished(transaction);
    if (transaction->upstream)
        upstream_quit(transaction->upstream);
    forget_mail(transaction);
}

/* An upstream's reply is returned to the client as it is, a failure becomes a refusal of ours. This
 * holds for every step: a refused recipient, the DATA command, the end of the message, and the
 * acceptance too. Clauses: ERR-01, ERR-02, ERR-04, ERR-05, ERR-08, ERR-21,
 * ERR-22, ERR-23, ERR-24 */
static struct answer client_answer(struct transaction *transaction,
                                   const struct upstream_answer *answer)
{
    return (struct answer){.refusal = judge_upstream(transaction->arena, answer),
                           .reply = answer->reply};
}

/* ---- MAIL ---- */

static bool recall_spf(struct transaction *transaction)
{
    const struct spf_memory *memory = &transaction->spf;
    struct mail *mail = &transaction->mail;
    if (!memory->known || !bytes_equal(memory->helo, mail->envelope.helo) ||
        !bytes_equal(memory->mail_from, mail->envelope.mail_from))
        return false;
    mail->spf = memory->outcome;
    return true;
}

/* A failure of DNS may be over when the next mail comes. */
static void remember_spf(struct transaction *transaction)
{
    struct spf_memory *memory = &transaction->spf;
    const struct mail *mail = &transaction->mail;
    arena_reset(memory->arena);
    memory->known = false;
    if (mail->spf.result == SPF_TEMPERROR)
        return;
    memory->helo = arena_copy(memory->arena, mail->envelope.helo);
    memory->mail_from = arena_copy(memory->arena, mail->envelope.mail_from);
    memory->known = spf_outcome_copy(memory->arena, &mail->spf, &memory->outcome);
}

/* SPF for the reverse-path, to be used after DATA. */
static void evaluate_spf(struct transaction *transaction)
{
    struct mail *mail = &transaction->mail;
    mail->envelope = (struct spf_request){
        .client = transaction->client->address,
        .helo = transaction->client->helo,
        .mail_from = mail->record.sender,
        .receiver = transaction->config->hostname,
    };
    if (!recall_spf(transaction)) {
        spf_check(mail->memo, transaction->arena, &mail->envelope, &mail->spf);
        remember_spf(transaction);
    }
    mail->record.spf = spf_result_name(mail->spf.result);
}

struct refusal transaction_mail(struct transaction *transaction,
                                const struct mail_arguments *arguments)
{
    struct arena *arena = transaction->arena;
    struct mail *mail = &transaction->mail;
    forget_mail(transaction);
    struct refusal refusal = judge_sender(arena, &transaction->config->policy, arguments);
    if (refusal.kind != REFUSAL_NONE)
        return refusal;
    /* The declared size is believed for this only: room for it now is no promise. */
    const size_t expected = CLAUSE(LIM_45, arguments->size_stated) ? arguments->size : 1;
    if (CLAUSE(LIM_22, !budget_has_room(&transaction->account, expected)))
        return REFUSE(NO_MEMORY, "LIM-22");
    mail->arguments = *arguments;
    mail->arguments.sender.local = arena_copy(arena, arguments->sender.local);
    mail->arguments.sender.domain = arena_copy(arena, arguments->sender.domain);
    mail->record = (struct transaction_record){
        .id = arena_printf(arena, "%.*s.%u", BYTES_ARG(transaction->client->session_id),
                           ++transaction->number),
        .sender = address_write(arena, &mail->arguments.sender),
        .started = clock_monotonic(),
    };
    mail->own_origin = srs_own_origin(&transaction->config->srs, arena, &mail->arguments.sender);
    mail->memo = dns_memo(arena, transaction->dns, DNS_QUESTIONS_MAX);
    if (mail->memo)
        evaluate_spf(transaction);
    if (arena_failed(arena)) {
        forget_mail(transaction);
        return REFUSE(NO_MEMORY, "LIM-22");
    }
    mail->accepted_end = &mail->accepted;
    mail->open = true;
    return ACCEPT;
}

/* ---- RCPT ---- */

/* True if the upstream transaction that is open serves this route too. */
static bool is_same_pair(const struct judge_recipients *recipients, const struct route *route)
{
    return bytes_equal_nocase(recipients->forwarding_domain, route->forwarding_domain) &&
           bytes_equal_nocase(recipients->destination_domain, route->to->domain);
}

/* Asks the upstream about one recipient, within the time that the client waits for the reply. One
 * that is refused leaves those accepted in place, and is not among those who get the message.
 * Clauses: ERR-19, INV-15, INV-20 */
static void forward_recipient(struct transaction *transaction, const struct route *route,
                              struct bytes recipient, struct upstream_answer *answer)
{
    struct mail *mail = &transaction->mail;
    double deadline =
        clock_monotonic() + BREAK(IPV6_13, transaction->config->timeouts.recipient, 3600);
    /* The recipients accepted so far went with the connection: over another one the mail would not
     * reach them. */
    if (mail->recipients.accepted > 0 && !mail->upstream_has_sender && unless_broken(INV_21)) {
        *answer = (struct upstream_answer){.failure = UPSTREAM_LOST, .clause = "INV-21"};
        return;
    }
    if (mail->upstream_has_sender && !is_same_pair(&mail->recipients, route))
        transaction_reset_upstream(transaction);
    if (!mail->upstream_has_sender) {
        mail->recipients.forwarding_domain = route->forwarding_domain;
        mail->recipients.destination_domain = route->to->domain;
        transaction_open_upstream(transaction, route, deadline, answer);
        if (!mail->upstream_has_sender)
            return;
    }
    upstream_recipient(transaction->upstream, route->to->text, deadline, answer);
    if (!upstream_is_connected(transaction->upstream))
        mail->upstream_has_sender = false;
    if (!upstream_accepted(answer))
        return;
    mail->recipients.accepted++;
    mail->only_recipient = CLAUSE(MSG_14, mail->recipients.accepted == 1) ? recipient : BYTES("");
}

/* Asks the upstream about the recipient, where all sessions can see it, unless it is in a loop. */
static struct answer forward_once(struct transaction *transaction, const struct route *route,
                                  struct bytes recipient)
{
    struct mail *mail = &transaction->mail;
    struct upstream_answer reply = {0};
    struct forwarded_recipient *forwarded = arena_alloc(transaction->arena, sizeof *forwarded);
    if (!forwarded)
        return (struct answer){.refusal = REFUSE(NO_MEMORY, "LIM-22")};
    *forwarded = (struct forwarded_recipient){.progress = {.mail = mail,
                                                           .recipient = recipient,
                                                           .origin = mail->own_origin,
                                                           .client = transaction->client->address,
                                                           .waits = true},
                                              .forward_path = route->to->text};
    struct refusal refusal = progress_judge(transaction->progress, &forwarded->progress);
    if (refusal.kind != REFUSAL_NONE)
        return (struct answer){.refusal = refusal};
    forwarded->progress.origin = transaction_rewritten_origin(transaction, route);
    progress_add(transaction->progress, &forwarded->progress);
    forward_recipient(transaction, route, recipient, &reply);
    forwarded->progress.waits = false;
    if (upstream_accepted(&reply)) {
        *mail->accepted_end = forwarded;
        mail->accepted_end = &forwarded->next;
    } else {
        progress_remove(&forwarded->progress);
    }
    return client_answer(transaction, &reply);
}

/* An upstream has no part in it. */
static void accept_call_out(struct mail *mail, const struct route *route)
{
    mail->recipients.forwarding_domain = route->forwarding_domain;
    mail->recipients.destination_domain = route->to->domain;
    mail->recipients.accepted++;
    mail->call_out = true;
}

void transaction_recipient(struct transaction *transaction, const struct address *recipient,
                           struct answer *answer)
{
    struct mail *mail = &transaction->mail;
    const struct judge judge = {
        .policy = &transaction->config->policy,
        .dns = transaction->dns,
        .srs = &transaction->config->srs,
        .null_sender = mail->arguments.sender.kind == ADDRESS_NULL,
        .client = transaction->client->address,
        .listing = &transaction->listing,
    };
    struct route route = {0};
    bool exhausted = judge_recipients_exhausted(judge.policy, &mail->recipients);
    *answer = (struct answer){.refusal = judge_recipient(&judge, transaction->arena,
                                                         &mail->recipients, recipient, &route)};
    if (exhausted)
        return;
    mail->recipients.asked++;
    struct bytes text = address_write(transaction->arena, recipient);
    if (!text.p) {
        answer->refusal = REFUSE(NO_MEMORY, "LIM-22");
    } else if (answer->refusal.kind == REFUSAL_NONE && route.call_out) {
        *answer = dialogue_accept(transaction->arena, BYTES("2.1.5"), BYTES("Address verified"));
        accept_call_out(mail, &route);
    } else if (answer->refusal.kind == REFUSAL_NONE) {
        *answer = forward_once(transaction, &route, text);
    }
    transaction_record_recipient(&mail->record, transaction->arena, text,
                                 route.to ? route.to->text : BYTES(""), answer);
}

/* ---- DATA ---- */

/* Charges what has come of the message; past the budget the rest of it is read and discarded. */
static void charge_budget(struct transaction *transaction)
{
    struct mail *mail = &transaction->mail;
    size_t more = mail->message.n - mail->charged;
    if (!mail->message.failed && CLAUSE(LIM_22, budget_take(&transaction->account, more))) {
        mail->charged += more;
        return;
    }
    mail->reader.discard = true;
    drop_message(transaction);
}

/* Up to the end of the data, whatever is wrong with the content: the next command follows it. A
 * client that is lost before, in the clear or under TLS, has sent no message.
 * Clauses: SMUG-08, TLS-10 */
enum stream_status transaction_receive(struct transaction *transaction, struct stream *stream)
{
    const struct policy *policy = &transaction->config->policy;
    struct mail *mail = &transaction->mail;
    struct content_reader *reader = &mail->reader;
    mail->record.data_started = clock_monotonic();
    pace_start(&mail->pace, transaction->config->timeouts.client_data, mail->record.data_started);
    content_start(reader, &mail->message, judge_content_limits(policy));
    while (!reader->ended) {
        struct bytes octets;
        enum stream_status status = stream_read_some(
            stream, READ_MAX, pace_deadline(&mail->pace, clock_monotonic()), &octets);
        if (status != STREAM_OK)
            return status;
        stream_unread(stream, octets.n - content_feed(reader, octets));
        pace_received(&mail->pace, octets.n, clock_monotonic());
        charge_budget(transaction);
        if (reader->size > CARRIED_MIN)
            fiber_take_lane(FIBER_CARRIES);
        fiber_yield();
        if (reader->size / OVERSIZE_CUTOFF > policy->limits.message_size && unless_broken(LIM_39))
            return STREAM_TOO_LONG;
    }
    mail->record.size = reader->size;
    mail->record.data_received = clock_monotonic();
    return STREAM_OK;
}

static void record_evaluation(struct transaction_record *record, const struct judgement *judgement)
{
    record->reason = judgement->reason;
    if (!judgement->evaluated)
        return;
    record->dmarc = dmarc_result_name(judgement->evaluation.dmarc.result);
    record->arc = arc_status_name(judgement->evaluation.arc.status);
}

/* Prepends the trace fields to a message that is to be forwarded. */
static bool add_trace_fields(struct transaction *transaction,
                             const struct evaluation_request *request,
                             const struct evaluation *evaluation, struct forwarded *forwarded)
{
    const struct client *client = transaction->client;
    const struct received received = {
        .helo = client->helo,
        .client = client->address,
        .host = transaction->config->hostname,
        .esmtp = client->esmtp,
        .tls = client->tls,
        .id = transaction->mail.record.id,
        .recipient = transaction->mail.only_recipient,
        .time = clock_wall(),
    };
    return trace_prepend(transaction->arena, request, evaluation, &received, forwarded);
}

/* Whether the relay itself refuses the message, of which nothing is sent then; if not, what is to
 * be sent. It is signed after it was verified. Clauses: DKIM-17, INV-18 */
static struct refusal judge_mail(struct transaction *transaction, struct forwarded *forwarded)
{
    struct mail *mail = &transaction->mail;
    struct message message;
    struct judgement judgement;
    const struct evaluation_request request = {
        .policy = &transaction->config->policy,
        .dns = mail->memo,
        .envelope = &mail->envelope,
        .spf = &mail->spf,
        .message = &message,
    };
    if (!judge_message(transaction->arena, &mail->reader, &request, &message, &judgement))
        return REFUSE(NO_MEMORY, "LIM-22");
    record_evaluation(&mail->record, &judgement);
    if (judgement.refusal.kind == REFUSAL_NONE &&
        !add_trace_fields(transaction, &request, &judgement.evaluation, forwarded))
        return REFUSE(NO_MEMORY, "LIM-22");
    return judgement.refusal;
}

static bool client_is_gone(void *stream)
{
    return stream_peer_is_gone(stream);
}

/* Sends the prepended fields and the original. */
static struct answer send_upstream(struct transaction *transaction, struct stream *client,
                                   const struct forwarded *forwarded)
{
    struct mail *mail = &transaction->mail;
    struct upstream_answer answer;
    /* Counted from the client's end of data, since when it has been waiting. */
    double deadline = mail->record.data_received + transaction->config->timeouts.delivery;
    if (!transaction_prepare_upstream(transaction, deadline, &answer))
        return client_answer(transaction, &answer);
    upstream_data(transaction->upstream, forwarded->slices, forwarded->count,
                  mail->reader.eight_bit, deadline, client_is_gone, client, &answer);
    if (upstream_accepted(&answer) && unless_broken(UPS_41))
        mail->upstream_has_sender = false;
    return client_answer(transaction, &answer);
}

void transaction_deliver(struct transaction *transaction, struct stream *client,
                         struct answer *answer)
{
    struct forwarded forwarded = {0};
    *answer = (struct answer){.refusal = judge_call_out(transaction->mail.call_out)};
    if (answer->refusal.kind == REFUSAL_NONE)
        *answer = (struct answer){.refusal = judge_mail(transaction, &forwarded)};
    if (answer->refusal.kind == REFUSAL_NONE) {
        progress_set_waiting(transaction->progress, &transaction->mail, true);
        *answer = send_upstream(transaction, client, &forwarded);
        progress_set_waiting(transaction->progress, &transaction->mail, false);
    }
    transaction->mail.record.finished = clock_monotonic();
    record_mail(transaction, answer);
}
