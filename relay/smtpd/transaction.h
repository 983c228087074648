/* One mail on its way through the relay: MAIL, RCPT and DATA of the client on one side, one
 * upstream transaction on the other (specification.md#transaction-in-session).
 *
 * The relay has no queue. A 2xx reply to the end of DATA is the upstream's own 2xx reply to that
 * message, and never anything else (INV-01). A transaction belongs to one session and serves its
 * mails one after the other; the upstream connection stays open between mails for the same
 * destination. */
#ifndef FAIRLEAD_TRANSACTION_H
#define FAIRLEAD_TRANSACTION_H

#include "budget.h"
#include "client.h"
#include "command.h"
#include "config.h"
#include "dns.h"
#include "refusal.h"
#include "stream.h"

struct transaction;

/* A transaction without a mail. The arguments must outlive it. NULL when memory is short. */
struct transaction *transaction_new(const struct config *config, struct dns *dns,
                                    struct budget *budget, const struct client *client);

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
 * whole, whether or not it can be taken. Anything else: the client is lost, or sent without end. */
enum stream_status transaction_receive(struct transaction *transaction, struct stream *stream);

/* Judges the message that was received, hands it to the upstream and gives its answer. `client` is
 * asked, before the upstream may take the message, whether somebody still waits for the answer.
 * What the answer refers to lives until transaction_end(), which must come next. */
void transaction_deliver(struct transaction *transaction, struct stream *client,
                         struct answer *answer);

/* Forgets the mail, if there is one. What was not delivered is not going to be: the upstream is
 * told RSET (the client's RSET, a new EHLO). */
void transaction_end(struct transaction *transaction);

/* Ends everything, the upstream session included (QUIT, a lost client). */
void transaction_close(struct transaction *transaction);

#endif
