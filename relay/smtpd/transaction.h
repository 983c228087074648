/* One mail on its way through the relay: MAIL, RCPT and DATA of the client on one side, one
 * upstream transaction on the other (specification.md#transaction-in-session).
 *
 * The relay has no queue, and originates no mail: neither a non-delivery report nor a disposition
 * notification, and nothing after a restart. A 2xx reply to the end of DATA is the upstream's own
 * 2xx reply to that message, and never anything else. A transaction belongs to one session and
 * serves its mails one after the other; the upstream connection stays open between mails for the
 * same destination. Clauses: INV-08, INV-09, INV-23, INV-24, NDR-01, NDR-08, NDR-09 */
#ifndef FAIRLEAD_TRANSACTION_H
#define FAIRLEAD_TRANSACTION_H

#include "budget.h"
#include "client.h"
#include "command.h"
#include "config.h"
#include "dns.h"
#include "progress.h"
#include "refusal.h"
#include "stream.h"

struct transaction;

/* A transaction without a mail. The arguments must outlive it. NULL when memory is short. */
struct transaction *transaction_new(const struct config *config, struct dns *dns,
                                    struct budget *budget, struct progress *progress,
                                    const struct client *client);

/* Frees the transaction and drops the upstream connection; whatever was under way there is not
 * completed. NULL is ignored. */
void transaction_free(struct transaction *transaction);

/* True between an accepted MAIL and the end of that mail. */
bool transaction_is_open(const struct transaction *transaction);

/* True once a recipient of the open mail was accepted. */
bool transaction_has_recipient(const struct transaction *transaction);

/* MAIL. REFUSAL_NONE: the sender is noted and the mail open. Details of a refusal live until the
 * next MAIL. */
struct refusal transaction_mail(struct transaction *transaction,
                                const struct mail_arguments *arguments);

/* RCPT: routes the recipient, and asks the upstream about it. */
void transaction_recipient(struct transaction *transaction, const struct address *recipient,
                           struct answer *answer);

/* Reads the content of DATA from the client to its end, after the 354. STREAM_OK: it was read
 * whole, whether or not it is acceptable. Anything else: the client is lost, or sent far more than
 * the size limit. */
enum stream_status transaction_receive(struct transaction *transaction, struct stream *stream);

/* Judges the message that was received, sends it to the upstream and returns the answer. Before the
 * final dot `client` is checked: if it is gone, nobody waits for the answer. What the answer refers
 * to lives until transaction_end(), which must come next. */
void transaction_deliver(struct transaction *transaction, struct stream *client,
                         struct answer *answer);

/* The client is idle: frees the memory that only a busy session needs. */
void transaction_rest(struct transaction *transaction);

/* The monotonic time from which a kept upstream connection is not worth keeping any longer; 0:
 * there is none, or the open mail uses it. */
double transaction_upstream_unused_until(const struct transaction *transaction);

/* Ends the upstream session that no mail uses. */
void transaction_drop_upstream(struct transaction *transaction);

/* Forgets the mail, if there is one. What has not been delivered never will be: the upstream gets
 * RSET (after the client's RSET, or a new EHLO). */
void transaction_end(struct transaction *transaction);

/* Ends everything, the upstream session included (QUIT, a lost client). */
void transaction_close(struct transaction *transaction);

#endif
