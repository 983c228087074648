/* What a transaction keeps, and its upstream side (transaction_upstream.c): for transaction.c only.
 */
#ifndef FAIRLEAD_TRANSACTION_STATE_H
#define FAIRLEAD_TRANSACTION_STATE_H

#include "content.h"
#include "judge.h"
#include "pace.h"
#include "transaction.h"
#include "transaction_log.h"
#include "upstream.h"

/* A recipient that the upstream is asked about, or accepted. */
struct forwarded_recipient {
    struct progress_entry progress;
    struct bytes forward_path; /* as it was named to the upstream */
    struct forwarded_recipient *next;
};

/* What belongs to one mail: nothing of it outlives forget_mail(). */
struct mail {
    bool open;
    struct mail_arguments arguments;
    struct dns *memo; /* what was asked for this mail is asked once */
    struct spf_request envelope;
    struct spf_outcome spf;
    struct transaction_record record; /* for the log */

    /* All recipients share a forwarding and a destination domain, and one upstream transaction. */
    struct judge_recipients recipients;
    bool upstream_has_sender;
    bool call_out;           /* its recipients are those of one */
    struct bytes own_origin; /* the relay's own SRS0 that the reverse-path carries; may be empty */
    struct forwarded_recipient *accepted, **accepted_end; /* in their order */
    struct bytes only_recipient; /* wire form; empty when there are several */

    struct buffer message;
    size_t charged; /* octets of it taken from the budget */
    struct pace pace;
    struct content_reader reader;
};

/* The result for the last sender of the session: a client that begins one mail after the other
 * from the same sender causes one evaluation. */
struct spf_memory {
    struct arena *arena; /* lives until the next result */
    bool known;
    struct bytes helo, mail_from;
    struct spf_outcome outcome;
};

struct transaction {
    const struct config *config;
    struct dns *dns;
    struct budget_account account; /* of everything that a mail keeps */
    struct progress *progress;
    const struct client *client;
    struct arena *arena;          /* lives as long as one mail */
    unsigned number;              /* of mails in this session */
    struct dnsbl_listing listing; /* of the client, asked once a session */
    struct spf_memory spf;
    struct upstream *upstream; /* outlives the mail: the next may go the same way */
    double upstream_used;      /* monotonic: when its last mail ended */
    struct mail mail;
};

/* What of the reverse-path that the upstream gets would come back from a loop; may be empty. */
struct bytes transaction_rewritten_origin(struct transaction *transaction,
                                          const struct route *route);

/* Opens the upstream transaction for this route, at RCPT, so that the reply to the recipient is the
 * upstream's. */
void transaction_open_upstream(struct transaction *transaction, const struct route *route,
                               double deadline, struct upstream_answer *answer);

/* Makes sure that the upstream still waits for DATA: it may have lost patience while the client
 * sent its message. One that is lost later than that is asked for nothing again. False with the
 * answer for the client. */
bool transaction_prepare_upstream(struct transaction *transaction, double deadline,
                                  struct upstream_answer *answer);

/* Aborts the upstream transaction, if one is open; its session stays. */
void transaction_reset_upstream(struct transaction *transaction);

#endif
