/* DNS packets for unit tests, built octet by octet so that they can be wrong in any way. */
#ifndef FAIRLEAD_TESTS_DNS_WIRE_H
#define FAIRLEAD_TESTS_DNS_WIRE_H

#include "buffer.h"
#include "packet.h"

enum wire_section { WIRE_ANSWER = 6, WIRE_AUTHORITY = 8, WIRE_ADDITIONAL = 10 };

/* Flags, to which the rcode is or-ed. WIRE_RESPONSE is what a recursive server says. */
enum {
    WIRE_RESPONSE = 0x8180,
    WIRE_NO_RECURSION = 0x8100,
    WIRE_AUTHORITATIVE = 0x0400,
    WIRE_TRUNCATED = 0x0200
};

/* Starts a packet with that question ("" leaves it out). Free it with buffer_free(). */
void wire_start(struct buffer *packet, unsigned id, unsigned flags, const char *name,
                unsigned type);

/* Adds a record; `data` is rdata as it stands. */
void wire_record(struct buffer *packet, enum wire_section section, const char *owner, unsigned type,
                 uint32_t ttl, struct bytes data);

/* The same for an A record ("192.0.2.1") or a CNAME in the answer, and for an NS record or an SOA
 * with that minimum in the authority section. */
void wire_a(struct buffer *packet, const char *owner, uint32_t ttl, const char *address);
void wire_cname(struct buffer *packet, const char *owner, uint32_t ttl, const char *target);
void wire_ns(struct buffer *packet, const char *owner, uint32_t ttl, const char *host);
void wire_soa(struct buffer *packet, const char *owner, uint32_t ttl, uint32_t minimum);

/* Appends a name ("" is the root) or a 16-bit number. */
void wire_name(struct buffer *packet, const char *name);
void wire_16(struct buffer *packet, unsigned value);

/* The question for a name with the id WIRE_ID. */
enum { WIRE_ID = 0x1234 };
struct dns_question wire_question(const char *name, enum dns_type type);

/* Reads the packet as the reply to that question, from a block of its exact size, and frees it. */
void wire_read_and_free(struct arena *arena, struct buffer *packet, const char *name,
                        enum dns_type type, struct dns_reply *reply);

#endif
