/* IP addresses and prefixes as mail uses them: text form, comparison, DNS reverse labels.
 * An IPv4-mapped IPv6 address (::ffff:a.b.c.d) is treated as the IPv4 address it carries. */
#ifndef FAIRLEAD_IP_H
#define FAIRLEAD_IP_H

#include "bytes.h"

#include <sys/socket.h>

enum { IP_TEXT_SIZE = 46, IP_REVERSED_SIZE = 64 };

struct ip {
    uint8_t length; /* 4 or 16 octets; 0: no address */
    uint8_t octet[16];
};

struct ip_prefix {
    struct ip address;
    uint8_t bits; /* 0 to 32, 0 to 128 */
};

/* Parses "192.0.2.1" or "2001:db8::1" (no brackets, no zone). False on anything else. */
bool ip_parse(struct bytes text, struct ip *ip);

/* "192.0.2.0/24", or an address alone for all its bits. */
bool ip_prefix_parse(struct bytes text, struct ip_prefix *prefix);

/* Writes the text form (RFC 5952 for IPv6) and returns `text`. */
const char *ip_format(const struct ip *ip, char text[IP_TEXT_SIZE]);

/* Makes an IPv4-mapped IPv6 address the IPv4 address it carries; others stay. The functions here
 * that read an address have done so. */
void ip_unmap(struct ip *ip);

bool ip_equal(const struct ip *a, const struct ip *b);
bool ip_in_prefix(const struct ip *ip, const struct ip_prefix *prefix);

/* True if both belong to one client for limits per client: an IPv4 address, or an IPv6 /64, which
 * is what one host may choose its addresses from (RFC 4291 2.5.1,
 * specification.md#limits-sessions).
 */
bool ip_is_same_client(const struct ip *a, const struct ip *b);

/* The labels under which reverse zones and DNSBLs list the address (RFC 5782 2.1, 2.4):
 * "1.2.0.192", or 32 nibbles. No trailing dot, no suffix. Returns `text`. */
const char *ip_reversed(const struct ip *ip, char text[IP_REVERSED_SIZE]);

bool ip_from_sockaddr(const struct sockaddr *address, struct ip *ip, uint16_t *port);
socklen_t ip_to_sockaddr(const struct ip *ip, uint16_t port, struct sockaddr_storage *address);

#endif
