/* What the relay changes in a message that it forwards: the fields it puts on top, and the
 * Authentication-Results fields it takes out because they forge its own (RFC 8601 5). Every other
 * octet stays where it is. */
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
 * configured identity, nor sealed where the chain takes no further set (RFC 8617 5.1). The slices
 * live in `arena` and in the message. False when memory is short or the key does not sign. */
bool trace_prepend(struct arena *arena, const struct evaluation_request *request,
                   const struct evaluation *evaluation, const struct received *received,
                   struct forwarded *forwarded);

#endif
