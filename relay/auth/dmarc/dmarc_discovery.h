/* Where DMARC records are looked for, and which domain is the organizational domain: by the DNS
 * tree walk of RFC 9989 4.10, or by the public suffix list as RFC 7489 3.2 and 6.6.3 have it. */
#ifndef FAIRLEAD_DMARC_DISCOVERY_H
#define FAIRLEAD_DMARC_DISCOVERY_H

#include "dmarc_record.h"
#include "dns.h"

#include <libpsl.h>

struct dmarc_lookup {
    struct dns *dns; /* expected to remember answers: walks overlap */
    struct arena *arena;
    enum dmarc_edition edition;
    const psl_ctx_t *suffixes; /* RFC 7489 only */
    struct bytes problem;      /* set by a failure of DNS: which question, and why */
};

struct dmarc_found {
    struct bytes domain; /* of the record, without "_dmarc." */
    struct bytes text;
    struct dmarc_record record;
};

enum dmarc_discovery {
    DMARC_FOUND,
    DMARC_ABSENT,     /* no record applies */
    DMARC_SEVERAL,    /* more than one where the search ends, so none applies; RFC 7489 only */
    DMARC_UNAVAILABLE /* DNS did not answer */
};

/* The policy record for the author domain (RFC 9989 4.10.1, RFC 7489 6.6.3). Names are in
 * A-labels and lower case. Waits in the calling fiber. */
enum dmarc_discovery dmarc_discover(struct dmarc_lookup *lookup, struct bytes author_domain,
                                    struct dmarc_found *found);

/* The organizational domain of `domain` (RFC 9989 4.10.2, RFC 7489 3.2). False when DNS did not
 * answer. */
bool dmarc_organization(struct dmarc_lookup *lookup, struct bytes domain,
                        struct bytes *organizational_domain);

enum dmarc_existence { DMARC_EXISTS, DMARC_EXISTS_NOT, DMARC_EXISTENCE_UNKNOWN };

/* Whether the name exists: anything but NXDOMAIN for itself (RFC 9989 3.2.13, A.4). */
enum dmarc_existence dmarc_existence(struct dmarc_lookup *lookup, struct bytes domain);

#endif
