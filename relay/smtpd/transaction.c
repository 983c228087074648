/* One mail on its way through the relay. See transaction.h.
 *
 * The order of events is that of DECISIONS "The shape of a transaction": the sender is only noted
 * at MAIL; the upstream is connected at the first RCPT, so that its answer can be the recipient's;
 * the message is taken whole before DATA goes to the upstream. */
#include "transaction.h"

#include "clause.h"
#include "clock.h"
#include "content.h"
#include "evaluate.h"
#include "message.h"
#include "prepend.h"
#include "received.h"
#include "route.h"
#include "srs.h"
#include "transaction_log.h"
#include "upstream.h"

#include <stdlib.h>
#include <string.h>

enum {
    READ_BLOCK = 64 * 1024,
    TEXT_LINE = 1000, /* octets with CRLF: RFC 5321 4.5.3.1.6 */
    ENDLESS = 4,      /* a client that sends this many times the size limit is cut off */
    SLOWEST = 500,    /* octets a second in DATA, all in all; a slower client is given up */
    TRANSACTION_LIMIT = 64 << 20, /* octets of everything but the message */
    ASKED_FOR_ONE = 2, /* recipients that may be asked for, for each that may be accepted */
    DNSBL_SECONDS = 10
};

struct transaction {
    const struct config *config;
    struct dns *dns;
    struct budget *budget;
    const struct client *client;
    struct arena *arena; /* lives as long as one mail */
    unsigned number;     /* of mails in this session */

    struct bytes listed_by; /* the DNSBL that lists the client; p == NULL: not asked yet */

    bool open;
    struct mail_arguments mail;
    struct dns *memo; /* what was asked for this mail is asked once */
    struct spf_request envelope;
    struct spf_verdict spf;
    struct transaction_record record; /* for the log */

    /* The pair that all recipients share, and the upstream transaction that serves it. */
    struct bytes forwarding_domain;
    struct upstream *upstream; /* outlives the mail: the next may go the same way */
    bool upstream_has_sender;
    unsigned asked;
    unsigned accepted;
    struct bytes only_recipient; /* wire form; empty when there are several */

    struct buffer message;
    size_t held; /* octets taken from the budget */
    struct content_reader reader;
    bool out_of_memory;
};

struct transaction *transaction_new(const struct config *config, struct dns *dns,
                                    struct budget *budget, const struct client *client)
{
    struct transaction *transaction = calloc(1, sizeof *transaction);
    if (!transaction)
        return NULL;
    transaction->config = config;
    transaction->dns = dns;
    transaction->budget = budget;
    transaction->client = client;
    transaction->arena = arena_new(TRANSACTION_LIMIT);
    if (transaction->arena)
        return transaction;
    free(transaction);
    return NULL;
}

static void drop_message(struct transaction *transaction)
{
    buffer_free(&transaction->message);
    budget_release(transaction->budget, &transaction->held);
}

void transaction_free(struct transaction *transaction)
{
    if (!transaction)
        return;
    upstream_free(transaction->upstream);
    drop_message(transaction);
    arena_free(transaction->arena);
    free(transaction);
}

bool transaction_is_open(const struct transaction *transaction)
{
    return transaction->open;
}

bool transaction_has_recipient(const struct transaction *transaction)
{
    return transaction->accepted > 0;
}

static void refuse(struct answer *answer, enum verdict verdict)
{
    *answer = (struct answer){.verdict = verdict};
}

/* Forgets the mail; the upstream connection stays. */
static void finish(struct transaction *transaction)
{
    drop_message(transaction);
    arena_reset(transaction->arena);
    transaction->open = false;
    transaction->upstream_has_sender = false;
    transaction->forwarding_domain = (struct bytes){NULL, 0};
    transaction->asked = 0;
    transaction->accepted = 0;
    transaction->out_of_memory = false;
}

static void reset_upstream(struct transaction *transaction)
{
    if (transaction->upstream_has_sender)
        upstream_reset(transaction->upstream);
    transaction->upstream_has_sender = false;
}

/* The log's line for a mail that did not come to the end of DATA. */
static void record_unfinished(const struct transaction *transaction)
{
    if (transaction->open && transaction->record.finished <= 0)
        transaction_record_write(&transaction->record, transaction->client, transaction->upstream,
                                 NULL);
}

void transaction_end(struct transaction *transaction)
{
    record_unfinished(transaction);
    reset_upstream(transaction);
    finish(transaction);
}

void transaction_close(struct transaction *transaction)
{
    record_unfinished(transaction);
    if (transaction->upstream)
        upstream_quit(transaction->upstream);
    finish(transaction);
}

/* ---- MAIL ---- */

/* SPF for the reverse-path, to be used after DATA. */
static void evaluate_spf(struct transaction *transaction)
{
    const struct config *config = transaction->config;
    transaction->envelope = (struct spf_request){
        .client = transaction->client->address,
        .helo = transaction->client->helo,
        .mail_from = transaction->record.sender,
        .receiver = config->hostname,
    };
    evaluate_envelope(transaction->arena, transaction->memo, &transaction->envelope,
                      &transaction->spf);
    transaction->record.spf = spf_result_name(transaction->spf.result);
}

enum verdict transaction_mail(struct transaction *transaction, const struct mail_arguments *mail)
{
    const struct config *config = transaction->config;
    if (CLAUSE(LIM_10, mail->size_stated && mail->size > config->policy.limits.message_size))
        return VERDICT_MESSAGE_TOO_BIG;
    if (CLAUSE(LIM_22, budget_is_exhausted(transaction->budget)))
        return VERDICT_NO_MEMORY;
    struct arena *arena = transaction->arena;
    transaction->mail = *mail;
    transaction->mail.sender.local = arena_copy(arena, mail->sender.local);
    transaction->mail.sender.domain = arena_copy(arena, mail->sender.domain);
    transaction->record = (struct transaction_record){
        .id = arena_printf(arena, "%.*s.%u", BYTES_ARG(transaction->client->session_id),
                           ++transaction->number),
        .sender = address_write(arena, &transaction->mail.sender),
        .started = clock_monotonic(),
    };
    transaction->memo = dns_memo(arena, transaction->dns);
    if (transaction->memo)
        evaluate_spf(transaction);
    if (arena_failed(arena)) {
        finish(transaction);
        return VERDICT_NO_MEMORY;
    }
    transaction->open = true;
    return VERDICT_NONE;
}

/* ---- RCPT ---- */

/* The reverse path that the upstream gets, in wire form without brackets. p == NULL when memory is
 * short. */
static struct bytes rewritten_sender(struct transaction *transaction, const struct route *route)
{
    const struct config *config = transaction->config;
    struct srs srs = config->srs;
    srs.overflow = route->overflow_local_part;
    struct address rewritten;
    if (!srs_forward(&srs, transaction->arena, &transaction->mail.sender, route->forwarding_domain,
                     clock_wall(), &rewritten))
        return (struct bytes){NULL, 0};
    return address_write(transaction->arena, &rewritten);
}

/* One client transaction has one upstream transaction: every recipient goes from the same
 * forwarding domain to the same destination domain. */
static bool is_same_pair(const struct transaction *transaction, const struct route *route)
{
    if (CLAUSE(INV_17,
               !bytes_equal_nocase(transaction->forwarding_domain, route->forwarding_domain)))
        return false;
    return CLAUSE(INV_16,
                  bytes_equal_nocase(upstream_domain(transaction->upstream), route->to->domain));
}

/* Makes `upstream` a connected session with the destination's domain. True if that session had been
 * open before. */
static bool connect_upstream(struct transaction *transaction, struct bytes domain, double deadline,
                             struct answer *answer)
{
    struct upstream *upstream = transaction->upstream;
    if (upstream && upstream_is_connected(upstream) &&
        bytes_equal_nocase(upstream_domain(upstream), domain))
        return true;
    if (upstream) {
        upstream_quit(upstream);
        upstream_free(upstream);
    }
    transaction->upstream = upstream_new(&transaction->config->upstream, transaction->dns, domain);
    if (!transaction->upstream)
        refuse(answer, VERDICT_NO_MEMORY);
    else
        upstream_connect(transaction->upstream, deadline, answer);
    return false;
}

static void send_sender(struct transaction *transaction, struct bytes reverse_path, double deadline,
                        struct answer *answer)
{
    const struct mail_arguments *mail = &transaction->mail;
    upstream_mail(transaction->upstream, reverse_path, mail->size_stated ? mail->size : 0,
                  mail->body == BODY_8BITMIME, deadline, answer);
    transaction->upstream_has_sender = upstream_accepted(answer);
    transaction->record.rewritten_sender = reverse_path;
}

/* Opens the upstream transaction for this route. A session kept from the mail before may have been
 * closed from the other side: then a new one is opened, once. */
static void open_upstream(struct transaction *transaction, const struct route *route,
                          double deadline, struct answer *answer)
{
    struct bytes reverse_path = rewritten_sender(transaction, route);
    if (!reverse_path.p) {
        refuse(answer, VERDICT_NO_MEMORY);
        return;
    }
    bool kept = connect_upstream(transaction, route->to->domain, deadline, answer);
    if (!kept && !upstream_accepted(answer))
        return;
    send_sender(transaction, reverse_path, deadline, answer);
    if (!CLAUSE(UPS_18, kept && !upstream_is_connected(transaction->upstream)))
        return;
    connect_upstream(transaction, route->to->domain, deadline, answer);
    if (upstream_accepted(answer))
        send_sender(transaction, reverse_path, deadline, answer);
}

static void forward_recipient(struct transaction *transaction, const struct route *route,
                              struct bytes recipient, struct answer *answer)
{
    double deadline = clock_monotonic() + transaction->config->timeouts.recipient;
    /* Who was accepted went with the connection: over another one the mail would not reach them. */
    if (transaction->accepted > 0 && !transaction->upstream_has_sender && CLAUSE(INV_21, true)) {
        refuse(answer, VERDICT_UPSTREAM_LOST);
        return;
    }
    if (transaction->upstream_has_sender && !is_same_pair(transaction, route))
        reset_upstream(transaction);
    if (!transaction->upstream_has_sender) {
        transaction->forwarding_domain = route->forwarding_domain;
        open_upstream(transaction, route, deadline, answer);
        if (!transaction->upstream_has_sender)
            return;
    }
    upstream_recipient(transaction->upstream, route->to->text, deadline, answer);
    if (!upstream_is_connected(transaction->upstream))
        transaction->upstream_has_sender = false;
    if (!upstream_accepted(answer))
        return;
    transaction->accepted++;
    transaction->only_recipient =
        CLAUSE(MSG_14, transaction->accepted == 1) ? recipient : BYTES("");
}

/* Whether a DNSBL lists the client; asked at its first recipient, remembered for the session. */
static bool is_listed(struct transaction *transaction)
{
    const struct config *config = transaction->config;
    if (!transaction->listed_by.p) {
        double deadline = clock_monotonic() + DNSBL_SECONDS;
        transaction->listed_by =
            dnsbl_listed(transaction->dns, &transaction->client->address, config->policy.dnsbls,
                         config->policy.dnsbl_count, deadline);
        if (!transaction->listed_by.p)
            transaction->listed_by = BYTES("");
    }
    return transaction->listed_by.n > 0;
}

/* Whether the relay itself has a reason to refuse the recipient, before any upstream is asked. */
static enum verdict judge_recipient(struct transaction *transaction,
                                    const struct address *recipient, struct route *route)
{
    if (CLAUSE(LIM_09, transaction->accepted >= transaction->config->policy.limits.recipients))
        return VERDICT_TOO_MANY_RECIPIENTS;
    enum route_status status = route_find(&transaction->config->policy.routing, recipient, route);
    bool hears_listed = status == ROUTE_FOUND && CLAUSE(SPAM_07, route->postmaster);
    if (!hears_listed && CLAUSE(SPAM_01, is_listed(transaction)))
        return VERDICT_DNSBL;
    if (status == ROUTE_NOT_SERVED)
        return VERDICT_NOT_SERVED;
    if (status == ROUTE_UNKNOWN_ADDRESS)
        return VERDICT_UNKNOWN_ADDRESS;
    if (transaction->accepted > 0 && !is_same_pair(transaction, route))
        return VERDICT_OTHER_DESTINATION;
    return VERDICT_NONE;
}

static void word_listing(struct transaction *transaction, struct answer *answer)
{
    char address[IP_TEXT_SIZE];
    ip_format(&transaction->client->address, address);
    answer->details[0] = arena_copy(transaction->arena, bytes_of(address));
    answer->details[1] = transaction->listed_by;
}

void transaction_recipient(struct transaction *transaction, const struct address *recipient,
                           struct answer *answer)
{
    struct route route = {0};
    /* One that is refused takes memory too. */
    if (transaction->asked >= ASKED_FOR_ONE * transaction->config->policy.limits.recipients) {
        refuse(answer, VERDICT_TOO_MANY_RECIPIENTS);
        return;
    }
    transaction->asked++;
    struct bytes text = address_write(transaction->arena, recipient);
    if (!text.p) {
        refuse(answer, VERDICT_NO_MEMORY);
        return;
    }
    refuse(answer, judge_recipient(transaction, recipient, &route));
    if (answer->verdict == VERDICT_NONE && route.to)
        forward_recipient(transaction, &route, text, answer);
    else if (answer->verdict == VERDICT_DNSBL)
        word_listing(transaction, answer);
    transaction_record_recipient(&transaction->record, transaction->arena, text,
                                 route.to ? route.to->text : BYTES(""), answer);
}

/* ---- DATA ---- */

static struct content_limits content_limits(const struct config *config)
{
    return (struct content_limits){
        .size = config->policy.limits.message_size,
        .header = config->policy.limits.header_size,
        .line = TEXT_LINE,
    };
}

/* Charges what the message holds; past the budget the rest of it is read and dropped. */
static void charge(struct transaction *transaction)
{
    if (!transaction->message.failed &&
        CLAUSE(LIM_22, budget_raise(transaction->budget, &transaction->held,
                                    transaction->message.capacity)))
        return;
    transaction->out_of_memory = true;
    transaction->reader.discard = true;
    drop_message(transaction);
}

/* Until when more of the message must be there. */
static double receive_deadline(const struct transaction *transaction)
{
    double patience = transaction->config->timeouts.client_data;
    double now = clock_monotonic();
    double earned = (double)transaction->reader.size / SLOWEST;
    double in_all = transaction->record.data_started + patience + earned;
    return in_all < now + patience ? in_all : now + patience;
}

enum stream_status transaction_receive(struct transaction *transaction, struct stream *stream)
{
    const struct config *config = transaction->config;
    struct content_reader *reader = &transaction->reader;
    transaction->record.data_started = clock_monotonic();
    content_start(reader, &transaction->message, content_limits(config));
    while (!reader->ended) {
        struct bytes octets;
        enum stream_status status =
            stream_read_some(stream, READ_BLOCK, receive_deadline(transaction), &octets);
        if (status != STREAM_OK)
            return status;
        stream_unread(stream, octets.n - content_feed(reader, octets));
        charge(transaction);
        if (reader->size / ENDLESS > config->policy.limits.message_size)
            return STREAM_TOO_LONG;
    }
    transaction->record.size = reader->size;
    transaction->record.data_received = clock_monotonic();
    return STREAM_OK;
}

static struct bytes number_text(struct arena *arena, size_t number)
{
    return arena_printf(arena, "%zu", number);
}

/* Whether the message as such can be taken. */
static void judge_content(struct transaction *transaction, struct answer *answer)
{
    const struct content_reader *reader = &transaction->reader;
    const struct policy_limits *limits = &transaction->config->policy.limits;
    *answer = (struct answer){.verdict = VERDICT_NONE};
    if (CLAUSE(SMUG_02, reader->bad_octets)) {
        answer->verdict = VERDICT_MESSAGE_OCTETS;
    } else if (CLAUSE(LIM_11, reader->too_big)) {
        answer->verdict = VERDICT_MESSAGE_TOO_BIG;
        answer->details[0] = number_text(transaction->arena, limits->message_size);
    } else if (CLAUSE(LIM_15, reader->header_too_big)) {
        answer->verdict = VERDICT_HEADER_TOO_BIG;
        answer->details[0] = number_text(transaction->arena, limits->header_size);
    } else if (CLAUSE(LIM_04, reader->line_too_long)) {
        answer->verdict = VERDICT_MESSAGE_LINE_TOO_LONG;
    } else if (transaction->out_of_memory) {
        answer->verdict = VERDICT_NO_MEMORY;
    }
}

static void judge_hops(struct transaction *transaction, const struct message *message,
                       struct answer *answer)
{
    size_t hops = message_count(message, BYTES("Received"));
    if (CLAUSE(LIM_13, hops >= transaction->config->policy.limits.received_fields)) {
        answer->verdict = VERDICT_LOOP;
        answer->details[0] = number_text(transaction->arena, hops);
    }
}

/* SPF, DKIM, ARC and DMARC together: may the message go, and what goes on top of it. */
static bool judge_authentication(struct transaction *transaction, const struct message *message,
                                 struct forwarded *forwarded, struct answer *answer)
{
    const struct client *client = transaction->client;
    struct arena *arena = transaction->arena;
    struct evaluation evaluation;
    const struct evaluation_request request = {
        .policy = &transaction->config->policy,
        .dns = transaction->memo,
        .envelope = &transaction->envelope,
        .spf = &transaction->spf,
        .message = message,
    };
    const struct received received = {
        .helo = client->helo,
        .client = client->address,
        .host = transaction->config->hostname,
        .esmtp = client->esmtp,
        .tls = client->tls,
        .id = transaction->record.id,
        .recipient = transaction->only_recipient,
        .time = clock_wall(),
    };
    if (!evaluate_message(arena, &request, &evaluation))
        return false;
    *answer = (struct answer){.verdict = evaluation.verdict, .details = {evaluation.detail}};
    transaction->record.dmarc = dmarc_result_name(evaluation.dmarc.result);
    transaction->record.arc = arc_status_name(evaluation.arc.status);
    transaction->record.reason = evaluation.reason;
    if (evaluation.verdict != VERDICT_NONE)
        return true;
    return prepend_trace(arena, &request, &evaluation, &received, forwarded);
}

static bool client_is_gone(void *stream)
{
    return stream_peer_is_gone(stream);
}

/* Judges the message and, if it may go, sends it: the fields prepended on top, then the original.
 */
static void judge_and_send(struct transaction *transaction, struct stream *client,
                           struct answer *answer)
{
    struct message message;
    struct forwarded forwarded = {0};
    judge_content(transaction, answer);
    if (answer->verdict != VERDICT_NONE)
        return;
    if (!message_parse(transaction->arena, buffer_bytes(&transaction->message), &message)) {
        refuse(answer, VERDICT_NO_MEMORY);
        return;
    }
    judge_hops(transaction, &message, answer);
    if (answer->verdict != VERDICT_NONE)
        return;
    if (!judge_authentication(transaction, &message, &forwarded, answer))
        refuse(answer, VERDICT_NO_MEMORY);
    if (answer->verdict != VERDICT_NONE)
        return;
    /* From the client's end of data on, which is when its patience began. */
    double deadline = transaction->record.data_received + transaction->config->timeouts.delivery;
    upstream_data(transaction->upstream, forwarded.slices, forwarded.count,
                  transaction->reader.eight_bit, deadline, client_is_gone, client, answer);
    if (upstream_accepted(answer))
        transaction->upstream_has_sender = false;
}

void transaction_deliver(struct transaction *transaction, struct stream *client,
                         struct answer *answer)
{
    judge_and_send(transaction, client, answer);
    transaction->record.finished = clock_monotonic();
    transaction_record_write(&transaction->record, transaction->client, transaction->upstream,
                             answer);
}
