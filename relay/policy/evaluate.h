/* The authentication of one message after DATA: DKIM, ARC, the author, DMARC; what is recorded in
 * Authentication-Results; whether it is a reason to refuse the message, and why.
 *
 * SPF is evaluated earlier, at MAIL, and passed in. All DNS queries go through one `struct dns`
 * that remembers answers (dns_memo()), so each is sent once per message. */
#ifndef FAIRLEAD_EVALUATE_H
#define FAIRLEAD_EVALUATE_H

#include "arc.h"
#include "authres.h"
#include "dkim.h"
#include "dmarc.h"
#include "policy.h"
#include "refusal.h"
#include "spf.h"

struct evaluation_request {
    const struct policy *policy;
    struct dns *dns;
    const struct spf_request *envelope; /* client, HELO and reverse-path */
    const struct spf_outcome *spf;      /* of that envelope */
    const struct message *message;
};

struct evaluation {
    struct body_hash *body; /* shared with the signatures that trace_prepend() adds */
    struct dkim_results dkim;
    struct arc_result arc;
    struct bytes author_domain; /* empty unless there is exactly one */
    bool dmarc_evaluated;       /* `dmarc` is set: there is one, or none is needed */
    struct dmarc_outcome dmarc;
    struct authres results; /* what Authentication-Results and the AAR say */
    struct refusal refusal; /* REFUSAL_NONE: forward */
    struct bytes reason;    /* why, in one sentence without a full stop; printable ASCII */
};

/* Evaluates. Waits in the calling fiber. Everything in *evaluation lives in `arena` or in the
 * request. False only when memory is short. */
bool evaluate_message(struct arena *arena, const struct evaluation_request *request,
                      struct evaluation *evaluation);

#endif
