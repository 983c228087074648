/* What the relay changes in a message that it forwards: the fields that it prepends, and the
 * Authentication-Results fields that it removes because they forge its own (RFC 8601 5). No other
 * field is added, removed or rewritten, and every other octet stays as it is: the sender's
 * signature keeps verifying. Clauses: DKIM-03, MSG-07, MSG-10, MSG-11, MSG-12, SEND-05, SRS-12,
 * SRS-19 */
#ifndef FAIRLEAD_TRACE_FIELDS_H
#define FAIRLEAD_TRACE_FIELDS_H

#include "evaluate.h"
#include "received.h"

/* A message to be sent, as consecutive slices; the first is what was prepended. */
struct forwarded {
    struct bytes *slices;
    size_t count;
    size_t size; /* octets in all */
};

/* Prepends, top first: ARC-Seal, ARC-Message-Signature, ARC-Authentication-Results,
 * DKIM-Signature, Authentication-Results, Received-SPF, Received. Nothing is signed without a
 * configured identity, nor sealed where the chain admits no further set (RFC 8617 5.1). The slices
 * live in `arena` and in the message. False when memory is short or signing fails.
 * Clause: MSG-16 */
bool trace_prepend(struct arena *arena, const struct evaluation_request *request,
                   const struct evaluation *evaluation, const struct received *received,
                   struct forwarded *forwarded);

#endif
