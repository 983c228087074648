/* The log of one mail: one JSON line with ids, addresses, route, upstream, replies and timings.
 * Never any of its content. */
#ifndef FAIRLEAD_TRANSACTION_LOG_H
#define FAIRLEAD_TRANSACTION_LOG_H

#include "arena.h"
#include "client.h"
#include "refusal.h"

struct upstream;
struct recipient_record;

struct transaction_record {
    struct bytes id;
    struct bytes sender;
    struct bytes rewritten_sender;
    struct recipient_record *recipients; /* the last first */
    const char *spf, *dmarc, *arc;       /* results; NULL: not evaluated */
    struct bytes reason;                 /* of the decision that follows from them; may be empty */
    uint64_t size;                       /* octets of the message */
    double started;                      /* monotonic times; 0: not reached */
    double data_started;
    double data_received;
    double finished;
};

/* Notes a recipient, its destination (wire form; empty: none) and the answer to it, in `arena`. */
void transaction_record_recipient(struct transaction_record *record, struct arena *arena,
                                  struct bytes recipient, struct bytes destination,
                                  const struct answer *answer);

/* Writes the line. `upstream` is NULL if the mail came to none; `answer` is the one to the end of
 * DATA, NULL if it did not come to that. */
void transaction_record_write(const struct transaction_record *record, struct arena *arena,
                              const struct client *client, const struct upstream *upstream,
                              const struct answer *answer);

#endif
