/* DNS block lists (RFC 5782): is the client's address listed? */
#ifndef FAIRLEAD_DNSBL_H
#define FAIRLEAD_DNSBL_H

#include "dns.h"

struct dnsbl {
    struct bytes zone; /* where it is asked: "dnsbl.example" */
    struct bytes name; /* how it is called in replies: "abusixip" */
};

/* The display name of the first list, in the order configured, that lists the address; empty when
 * none does, or memory is short. All lists are asked at once, in fibers of their own; a list that
 * does not answer until the monotonic `deadline`, answers with an error code (127.255.255.0/24) or
 * outside 127.0.0.0/8 lists nobody. A fiber may outlive the call to wait for its answer, so `dns`
 * must outlive the session: the resolver's own, which remembers answers anyway, not a memo of it.
 * To be called inside a fiber where `dns` waits. */
struct bytes dnsbl_listed(struct dns *dns, const struct ip *client, const struct dnsbl *lists,
                          size_t count, double deadline);

#endif
