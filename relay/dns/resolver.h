/* The network resolver: a stub that asks recursive servers, on fibers (RFC 1034 5.3.1).
 *
 * UDP from a random port with a random id and the name in a random case (RFC 5452 9.2), TCP when
 * the answer is truncated (RFC 7766), EDNS0 with fallback (RFC 6891), a cache of positive and
 * negative answers (RFC 2308), CNAME chains of bounded length. No DNSSEC validation: like any stub
 * it trusts its servers and the path to them.
 */
#ifndef FAIRLEAD_RESOLVER_H
#define FAIRLEAD_RESOLVER_H

#include "dns.h"

enum { RESOLVER_SERVERS_MAX = 4, RESOLVER_PORT = 53 };

struct resolver_server {
    struct ip address;
    uint16_t port;
};

struct resolver_config {
    struct resolver_server servers[RESOLVER_SERVERS_MAX];
    size_t server_count;
    double timeout;            /* seconds to wait for a server, per query */
    unsigned tries;            /* rounds over all servers */
    size_t cache_octets;       /* the cache's bound; 0: no cache */
    uint32_t ttl_min;          /* seconds; a TTL of 0 is never raised and never cached */
    uint32_t ttl_max;          /* seconds */
    uint32_t negative_ttl_max; /* seconds, for NODATA and NXDOMAIN */
};

/* No servers; five seconds, two rounds, a cache of 16 MiB, an hour for negative answers. */
struct resolver_config resolver_defaults(void);

/* Adds the servers of a resolv.conf(5) file, and applies its `options timeout:n attempts:n`. Lines
 * that it cannot use are skipped. Without the file, or without a server in it, the server is
 * 127.0.0.1, as resolv.conf(5) has it. */
void resolver_read_resolv_conf(struct resolver_config *config, const char *path);

/* "192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:5353", "localhost[:port]". */
bool resolver_server_parse(struct bytes text, struct resolver_server *server);

/* There may be several resolvers. NULL when memory is short. */
struct resolver;
struct resolver *resolver_new(const struct resolver_config *config);

/* No fiber may be waiting in it. NULL is ignored. */
void resolver_free(struct resolver *resolver);

/* The interface to ask; lives as long as the resolver. To be used inside fibers. */
struct dns *resolver_dns(struct resolver *resolver);

#endif
