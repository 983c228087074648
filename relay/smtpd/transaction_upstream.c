/* The upstream side of a transaction: opened, opened again, reset. See transaction_state.h. */
#include "transaction_state.h"

#include "clause.h"
#include "clock.h"
#include "srs.h"

void transaction_reset_upstream(struct transaction *transaction)
{
    if (transaction->mail.upstream_has_sender)
        upstream_reset(transaction->upstream);
    transaction->mail.upstream_has_sender = false;
}

/* The reverse-path that the upstream gets: at the domain of the address being forwarded. False when
 * memory is short. Clause: SRS-01 */
static bool rewrite_sender(struct transaction *transaction, const struct route *route,
                           struct address *rewritten)
{
    struct srs srs = transaction->config->srs;
    srs.overflow = route->overflow_local_part;
    return srs_forward(&srs, transaction->arena, &transaction->mail.arguments.sender,
                       BREAK(SRS_05, route->forwarding_domain, transaction->config->hostname),
                       clock_wall(), rewritten);
}

/* The same in wire form, without brackets. p == NULL when memory is short. */
static struct bytes rewritten_sender(struct transaction *transaction, const struct route *route)
{
    struct address rewritten;
    if (!rewrite_sender(transaction, route, &rewritten))
        return (struct bytes){NULL, 0};
    return address_write(transaction->arena, &rewritten);
}

struct bytes transaction_rewritten_origin(struct transaction *transaction,
                                          const struct route *route)
{
    struct address rewritten;
    if (!rewrite_sender(transaction, route, &rewritten))
        return BYTES("");
    return srs_own_origin(&transaction->config->srs, transaction->arena, &rewritten);
}

/* Makes `upstream` a connected session with the destination's domain. True if that session was open
 * already, from an earlier mail. Clause: UPS-11 */
static bool connect_upstream(struct transaction *transaction, struct bytes domain, double deadline,
                             struct upstream_answer *answer)
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
        *answer = (struct upstream_answer){.failure = UPSTREAM_NO_MEMORY, .clause = "LIM-22"};
    else
        upstream_connect(transaction->upstream, deadline, answer);
    return false;
}

static void send_sender(struct transaction *transaction, struct bytes reverse_path, double deadline,
                        struct upstream_answer *answer)
{
    struct mail *mail = &transaction->mail;
    const struct mail_arguments *arguments = &mail->arguments;
    upstream_mail(transaction->upstream, reverse_path, arguments->size_stated ? arguments->size : 0,
                  arguments->body == BODY_8BITMIME, deadline, answer);
    mail->upstream_has_sender = upstream_accepted(answer);
    mail->record.rewritten_sender = reverse_path;
}

/* Opens the upstream transaction for this route, at RCPT, so that the reply to the recipient is the
 * upstream's. A session kept from an earlier mail may have been closed by the upstream: then a new
 * one is opened, once. A refusal of MAIL is an answer, and no other host is tried.
 * Clauses: INV-13, IPV6-09 */
void transaction_open_upstream(struct transaction *transaction, const struct route *route,
                               double deadline, struct upstream_answer *answer)
{
    struct bytes reverse_path = rewritten_sender(transaction, route);
    if (!reverse_path.p) {
        *answer = (struct upstream_answer){.failure = UPSTREAM_NO_MEMORY, .clause = "LIM-22"};
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

/* Opens the upstream transaction again, with everything that it had accepted. The client was
 * promised all of its recipients, and has only one answer left for them: any refusal means that
 * nothing is sent. */
static void reopen_upstream(struct transaction *transaction, double deadline,
                            struct upstream_answer *answer)
{
    struct mail *mail = &transaction->mail;
    mail->upstream_has_sender = false;
    connect_upstream(transaction, mail->recipients.destination_domain, deadline, answer);
    if (upstream_accepted(answer))
        send_sender(transaction, mail->record.rewritten_sender, deadline, answer);
    for (const struct forwarded_recipient *r = mail->accepted; r && upstream_accepted(answer);
         r = r->next)
        upstream_recipient(transaction->upstream, r->forward_path, deadline, answer);
    if (CLAUSE(UPS_20, upstream_accepted(answer)))
        return;
    transaction_reset_upstream(transaction);
    *answer = (struct upstream_answer){.failure = UPSTREAM_LOST, .clause = "UPS-20"};
}

bool transaction_prepare_upstream(struct transaction *transaction, double deadline,
                                  struct upstream_answer *answer)
{
    bool was_open = transaction->mail.upstream_has_sender;
    if (upstream_is_ready(transaction->upstream, answer))
        return true;
    if (!CLAUSE(UPS_19, was_open && upstream_has_left(answer)))
        return false;
    reopen_upstream(transaction, deadline, answer);
    return upstream_accepted(answer);
}
