/* What `fairlead verify` finds out about one message, and the report for a reader's eyes. */
#ifndef FAIRLEAD_VERIFY_H
#define FAIRLEAD_VERIFY_H

#include "address.h"
#include "evaluate.h"
#include "route.h"

struct verify_outcome {
    struct spf_request envelope;
    struct spf_verdict spf;
    struct evaluation evaluation;

    bool has_recipient; /* the four below are meaningful */
    struct bytes recipient;
    enum route_status route_status;
    struct route route;
    struct bytes listed_by; /* the DNSBL's name; empty: listed by none */

    const char *stage;    /* where the reply falls: "RCPT" or "DATA" */
    enum verdict verdict; /* VERDICT_NONE: forwarded */
    struct bytes reply;   /* "550 5.7.26 ..."; empty when forwarded */
    const char *clause;   /* of the reply; "" when forwarded */
    struct bytes reason;
    struct bytes field; /* Authentication-Results, folded, without its final CRLF */
};

/* Appends the report, in colour if wanted. Octets that a terminal might act on are replaced. */
void verify_report(struct buffer *out, const struct verify_outcome *outcome, bool colour);

#endif
