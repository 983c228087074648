/* The resolver's cache: answers by name and type until their TTL expires, positive and negative
 * (RFC 2308 5), within a memory bound: the least recently used is evicted first. */
#ifndef FAIRLEAD_CACHE_H
#define FAIRLEAD_CACHE_H

#include "dns.h"

struct dns_cache;

struct dns_cache_limits {
    size_t octets;                               /* for entries; the bucket table is extra */
    uint32_t ttl_min, ttl_max, negative_ttl_max; /* seconds */
};

/* NULL when memory is short. */
struct dns_cache *dns_cache_new(const struct dns_cache_limits *limits);
void dns_cache_free(struct dns_cache *cache);

/* Looks an answer up at the monotonic time `now` and copies it into `arena` with the TTL that
 * remains. */
bool dns_cache_get(struct dns_cache *cache, struct arena *arena, struct bytes name,
                   enum dns_type type, double now, struct dns_answer *answer);

/* Stores a copy of the answer, replacing an older one. DNS_TEMPFAIL and answers with TTL 0 are not
 * stored, nor is anything when memory is short. */
void dns_cache_put(struct dns_cache *cache, struct bytes name, enum dns_type type, double now,
                   const struct dns_answer *answer);

#endif
