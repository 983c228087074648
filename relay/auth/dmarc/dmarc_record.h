/* DMARC policy records: RFC 9989 4.7, 4.8 and RFC 7489 6.3, 6.4.
 *
 * Tag names and values are compared without case, as ABNF strings are; only "DMARC1" is exact. A
 * tag that is unknown, malformed or repeated is ignored, so that the default applies. */
#ifndef FAIRLEAD_DMARC_RECORD_H
#define FAIRLEAD_DMARC_RECORD_H

#include "bytes.h"

enum dmarc_edition { DMARC_RFC9989, DMARC_RFC7489 };

/* In ascending order of severity. */
enum dmarc_policy { DMARC_POLICY_NONE, DMARC_POLICY_QUARANTINE, DMARC_POLICY_REJECT };

enum dmarc_psd { DMARC_PSD_UNSTATED, DMARC_PSD_YES, DMARC_PSD_NO };

struct dmarc_record {
    /* False: p=, sp= or np= is not valid, and there is no valid rua= which would make it a record
     * of p=none: no DMARC processing (RFC 9989 4.10.1, RFC 7489 6.6.3 step 6). A missing p= is not
     * valid in RFC 7489; in RFC 9989 4.7 it stands for p=none. */
    bool usable;
    enum dmarc_policy policy;             /* p= */
    enum dmarc_policy subdomain_policy;   /* sp=, or else p= */
    enum dmarc_policy nonexistent_policy; /* np=, or else sp=, or else p= */
    bool has_subdomain_policy;            /* sp= */
    bool has_nonexistent_policy;          /* np=, RFC 9989 only */
    bool strict_dkim;                     /* adkim=s */
    bool strict_spf;                      /* aspf=s */
    enum dmarc_psd psd;                   /* RFC 9989 only */
    bool testing;                         /* t=y, RFC 9989 only */
    unsigned percent;                     /* pct=, RFC 7489 only; 100 otherwise */
};

/* Reads the text of one TXT record, its strings joined. False when it is not a DMARC record: it
 * does not start with "v=DMARC1". */
bool dmarc_record_parse(struct bytes text, enum dmarc_edition edition, struct dmarc_record *record);

/* "none", "quarantine", "reject". */
const char *dmarc_policy_name(enum dmarc_policy policy);

#endif
