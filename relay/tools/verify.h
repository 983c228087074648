/* What `fairlead verify` finds out about one message, and its report on a terminal. */
#ifndef FAIRLEAD_VERIFY_H
#define FAIRLEAD_VERIFY_H

#include "judge.h"

struct verify_outcome {
    bool has_envelope; /* client name and sender are valid: SPF and all that follows were evaluated
                        */
    struct spf_request envelope;
    struct spf_outcome spf;
    struct evaluation evaluation;
    struct bytes field; /* Authentication-Results, folded, without its final CRLF */

    bool has_recipient; /* the three below are meaningful */
    struct bytes recipient;
    struct route route; /* to is NULL if there is no route */
    struct dnsbl_listing listing;

    const char *stage;      /* the stage of the reply: "EHLO", "MAIL", "RCPT" or "DATA" */
    struct refusal refusal; /* REFUSAL_NONE: forwarded */
    struct bytes reply;     /* "550 5.7.26 ..."; empty when forwarded */
    struct bytes reason;
};

/* Appends the report, in colour if wanted. Control and 8-bit characters are replaced by '?'. */
void verify_report(struct buffer *out, const struct verify_outcome *outcome, bool colour);

#endif
