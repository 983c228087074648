/* DMARC: is the author domain of a message authenticated, and what does its owner request if it is
 * not? By RFC 9989 or, where the deployment says so, by RFC 7489. */
#ifndef FAIRLEAD_DMARC_H
#define FAIRLEAD_DMARC_H

#include "dmarc_discovery.h"

enum dmarc_authentication {
    DMARC_AUTHENTICATED,  /* SPF or the signature passed: an Authenticated Identifier */
    DMARC_UNDECIDED,      /* temperror: it may pass at the next attempt */
    DMARC_UNAUTHENTICATED /* everything else */
};

/* A domain that SPF checked or that signed. */
struct dmarc_identifier {
    enum dmarc_authentication authentication;
    struct bytes domain; /* in any form; empty: none */
};

enum { DMARC_SAMPLES = 100 };

struct dmarc_request {
    enum dmarc_edition edition;
    const psl_ctx_t *suffixes;  /* RFC 7489; NULL: the list built into libpsl */
    struct bytes author_domain; /* in the form of dmarc_domain() */
    struct dmarc_identifier spf;
    const struct dmarc_identifier *signatures; /* of those that sign less than the body: none may
                                                  be DMARC_AUTHENTICATED */
    size_t signature_count;
    unsigned sample; /* 0 to 99, a property of the message: pct= applies below it (RFC 7489) */
};

enum dmarc_result {
    DMARC_NONE, /* no record applies */
    DMARC_PASS,
    DMARC_FAIL,
    DMARC_TEMPERROR, /* undecided because of a DNS failure */
    DMARC_PERMERROR  /* the record is unusable: no DMARC processing */
};

enum dmarc_alignment { DMARC_NOT_ALIGNED, DMARC_ALIGNED, DMARC_ALIGNMENT_UNKNOWN };

struct dmarc_outcome {
    enum dmarc_result result;
    struct dmarc_found found;           /* the record; domain.p == NULL without one */
    struct bytes organizational_domain; /* the author's; p == NULL where DNS failed */
    enum dmarc_policy requested;        /* by the tag that applies; none without a usable record */
    const char *requested_by;           /* "p", "sp", "np"; "" without a usable record */
    bool lowered;                       /* by t=y or pct=: one step below what is requested */
    enum dmarc_policy disposition;      /* what is to be done: none unless the result is fail */
    enum dmarc_policy at_stake;         /* the severest disposition that is possible once DNS
                                           answers; the disposition itself unless temperror */
    enum dmarc_alignment spf;           /* of the domain SPF checked, whatever the result */
    enum dmarc_alignment *signatures;   /* of each signature's domain */
    bool spf_passes;                    /* authenticated and aligned */
    bool signature_passes;              /* one at least is */
    struct bytes reason;                /* one sentence without a full stop */
};

/* Evaluates. Waits in the calling fiber for DNS, whose answers should be remembered (dns_memo()).
 * Everything in *outcome lives in `arena` or in the request. False only when memory is short. */
bool dmarc_evaluate(struct dns *dns, struct arena *arena, const struct dmarc_request *request,
                    struct dmarc_outcome *outcome);

/* The form in which domains are compared: A-labels in lower case, without a final dot. Text that
 * is not a name stays as it is, and equals no name. */
struct bytes dmarc_domain(struct arena *arena, struct bytes text);

/* "none", "pass", "fail", "temperror", "permerror". */
const char *dmarc_result_name(enum dmarc_result result);

#endif
