/* The resolver's cache: answers by name and type until their TTL is over, within a bound of memory;
 * what was not asked for longest goes first. Negative answers too (RFC 2308 5). */
#ifndef FAIRLEAD_CACHE_H
#define FAIRLEAD_CACHE_H

#include "dns.h"

struct dns_cache;

struct dns_cache_limits {
    size_t octets;                               /* of entries; the table of buckets comes on top */
    uint32_t ttl_least, ttl_most, negative_most; /* seconds */
};

/* NULL when memory is short. */
struct dns_cache *dns_cache_new(const struct dns_cache_limits *limits);
void dns_cache_free(struct dns_cache *cache);

/* Looks an answer up at the monotonic time `now` and copies it into `arena`, its TTL being what is
 * left. */
bool dns_cache_get(struct dns_cache *cache, struct arena *arena, struct bytes name,
                   enum dns_type type, double now, struct dns_answer *answer);

/* Keeps a copy of the answer, in place of an older one. DNS_TEMPFAIL and answers with TTL 0 are not
 * kept; nor is anything when memory is short. */
void dns_cache_put(struct dns_cache *cache, struct bytes name, enum dns_type type, double now,
                   const struct dns_answer *answer);

#endif
