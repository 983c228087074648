/* Where a domain's mail goes: its hosts and their addresses in the order to try them.
 * RFC 5321 5.1 (MX, implicit MX, preference, loops), RFC 7505 (null MX).
 *
 * Hosts come by preference, equal preferences shuffled; for each host every IPv6 address comes
 * before any IPv4 address. The hosts of a preference are looked up when its turn comes, so a first
 * one that answers costs no further query. Addresses that are never dialled are passed over
 * (specification.md#hosts-never-dialled). */
#ifndef FAIRLEAD_MX_H
#define FAIRLEAD_MX_H

#include "dns.h"

enum mx_status {
    MX_CANDIDATE,      /* here is the next one */
    MX_END,            /* no candidate is left */
    MX_NO_SUCH_DOMAIN, /* the domain does not exist */
    MX_NO_HOST,        /* it exists, and has neither MX nor address records */
    MX_NULL,           /* the domain accepts no mail */
    MX_LOOP,           /* the most preferred host is this relay itself */
    MX_DNS_FAILED      /* no usable answer from DNS; only ever the first status */
};

struct mx_candidate {
    struct bytes host; /* the MX's name, or the address literal */
    struct ip address;
};

/* How the relay knows itself among the hosts of a destination. */
struct mx_self {
    const struct bytes *names;
    size_t name_count;
    const struct ip *addresses; /* where mail that is sent to it arrives here */
    size_t address_count;
};

struct mx_settings {
    struct mx_self self;
    const struct ip_prefix *never; /* not dialled either */
    size_t never_count;
    const struct ip_prefix *allow; /* exceptions from all that is never dialled */
    size_t allow_count;
};

struct mx;

/* An order for `domain` (A-labels, or an address literal with brackets). Queries nothing yet. It
 * and all candidates live in `arena`; `dns` and `settings` must outlive it. NULL when memory is
 * short. */
struct mx *mx_new(struct arena *arena, struct dns *dns, const struct mx_settings *settings,
                  struct bytes domain);

/* The next candidate; every status but MX_CANDIDATE is final. Waits for DNS in the calling fiber,
 * at most until the monotonic `deadline`. */
enum mx_status mx_next(struct mx *mx, double deadline, struct mx_candidate *candidate);

#endif
