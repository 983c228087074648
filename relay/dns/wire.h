/* DNS messages octet by octet: names, compressed or not, and the sections of resource records.
 *
 * RFC 1035 3.3 and 4.1 (formats, compression), RFC 3596 2.2 (AAAA), RFC 3597 3 and 5 (data of a
 * type that is not known here is opaque), RFC 6891 6.1 (OPT). Every octet may be hostile: nothing
 * is read outside the packet, and no name costs more than DNS_WIRE_NAME_MAX steps. Pure. */
#ifndef FAIRLEAD_WIRE_H
#define FAIRLEAD_WIRE_H

#include "arena.h"

enum {
    DNS_WIRE_NAME_MAX = 255, /* RFC 1035 2.3.4 */
    DNS_LABEL_MAX = 63,
    DNS_HEADER_SIZE = 12,
    DNS_CLASS_IN = 1,
    DNS_TYPE_OPT = 41
};

/* A name in wire form, not compressed, with the empty label of the root. */
struct dns_wire_name {
    uint8_t octets[DNS_WIRE_NAME_MAX];
    size_t size;
};

struct bytes dns_wire_name_bytes(const struct dns_wire_name *name);

/* The 16 or 32 bits at an offset that lies inside. */
uint16_t dns_wire_16(struct bytes packet, size_t at);
uint32_t dns_wire_32(struct bytes packet, size_t at);

/* Reads the name at offset `at` and returns the offset of what follows it there; 0 if it is
 * malformed. `name` may be NULL. */
size_t dns_wire_name_read(struct bytes packet, size_t at, struct dns_wire_name *name);

/* Whether the name at `at`, which dns_wire_name_read() has accepted, is `name` but for the case of
 * ASCII letters (RFC 4343). */
bool dns_wire_name_equals(struct bytes packet, size_t at, struct bytes name);

/* One resource record, as offsets into its packet. Data of class IN and of a type in enum dns_type
 * is well formed.
 */
struct dns_wire_record {
    uint16_t type, class;
    uint32_t ttl;
    size_t owner;
    size_t data, data_size;
};

struct dns_wire_section {
    const struct dns_wire_record *records;
    size_t count;
};

struct dns_wire_sections {
    struct dns_wire_section answer, authority;
    uint8_t extended_code; /* the upper eight bits of the response code; 0 without OPT */
};

/* Reads the sections after the question, which ends at `at`, in an arena. What follows the last
 * section is ignored. False if anything in them is malformed, or, see arena_failed(), when memory
 * is short. */
bool dns_wire_sections_read(struct arena *arena, struct bytes packet, size_t at,
                            struct dns_wire_sections *sections);

#endif
