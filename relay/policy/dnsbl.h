/* DNS block lists (RFC 5782): is the client's address listed? */
#ifndef FAIRLEAD_DNSBL_H
#define FAIRLEAD_DNSBL_H

#include "dns.h"

struct dnsbl {
    struct bytes zone; /* where it is queried: "dnsbl.example" */
    struct bytes name; /* its name in replies: "abusixip" */
};

enum dnsbl_status {
    DNSBL_NOT_ASKED,
    DNSBL_NOT_LISTED, /* every list has answered, and none lists the address */
    DNSBL_LISTED,
    DNSBL_UNANSWERED /* none lists it, but not every list has answered */
};

struct dnsbl_listing {
    enum dnsbl_status status;
    struct bytes name; /* of the list that lists it, or of the first that did not answer */
};

/* Queries all lists at once, each in a fiber of its own, and waits in the calling fiber, at most
 * until the monotonic `deadline` (0: none). Of several listings the first in the order configured
 * counts; a list that does not answer, or answers with an error code (127.255.255.0/24) or outside
 * 127.0.0.0/8, lists nobody. A fiber may outlive the call while it waits for its answer, so `dns`
 * must outlive the session: the resolver's own, which caches answers anyway, not a memo of it. The
 * name lives as long as `lists`. */
struct dnsbl_listing dnsbl_look_up(struct dns *dns, const struct ip *client,
                                   const struct dnsbl *lists, size_t count, double deadline);

#endif
