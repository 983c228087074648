/* DNS messages octet by octet. See wire.h. */
#include "wire.h"

#include "dns.h"

#include <string.h>

enum {
    POINTER = 0xc0, /* the two bits that distinguish a pointer from a label's length */
    OFFSET_MASK = 0x3fff,
    POINTERS_MAX = DNS_WIRE_NAME_MAX / 2, /* one before every label that fits */
    RECORD_SIZE_MIN = 11,                 /* the root, type, class, TTL, length */
    SOA_NUMBERS_SIZE = 20, /* RFC 1035 3.3.13: serial, refresh, retry, expire, minimum */
};

struct bytes dns_wire_name_bytes(const struct dns_wire_name *name)
{
    return (struct bytes){(const char *)name->octets, name->size};
}

static uint8_t octet_at(struct bytes packet, size_t at)
{
    return (uint8_t)packet.p[at];
}

uint16_t dns_wire_16(struct bytes packet, size_t at)
{
    return (uint16_t)(octet_at(packet, at) << 8 | octet_at(packet, at + 1));
}

uint32_t dns_wire_32(struct bytes packet, size_t at)
{
    return (uint32_t)dns_wire_16(packet, at) << 16 | dns_wire_16(packet, at + 2);
}

/* Follows the pointers at *at, if there are any, to a label; *start is where the labels read last
 * began. A pointer leads to a prior name (RFC 1035 4.1.4), so that no chain of them has an end it
 * does not reach. False if the name is malformed. */
static bool reach_label(struct bytes packet, size_t *at, size_t *start, unsigned *pointers)
{
    while (*at < packet.n && (octet_at(packet, *at) & POINTER) == POINTER) {
        if (*at + 2 > packet.n || ++*pointers > POINTERS_MAX)
            return false;
        size_t target = dns_wire_16(packet, *at) & OFFSET_MASK;
        if (target >= *start)
            return false;
        *at = *start = target;
    }
    return *at < packet.n && octet_at(packet, *at) <= DNS_LABEL_MAX &&
           *at + 1 + octet_at(packet, *at) <= packet.n;
}

size_t dns_wire_name_read(struct bytes packet, size_t at, struct dns_wire_name *name)
{
    size_t start = at, after = 0, size = 0, length;
    unsigned pointers = 0;
    do {
        size_t here = at;
        if (!reach_label(packet, &at, &start, &pointers))
            return 0;
        if (at != here && after == 0)
            after = here + 2;
        length = octet_at(packet, at);
        if (size + 1 + length > DNS_WIRE_NAME_MAX)
            return 0;
        if (name)
            memcpy(name->octets + size, packet.p + at, 1 + length);
        size += 1 + length;
        at += 1 + length;
    } while (length > 0);
    if (name)
        name->size = size;
    return after > 0 ? after : at;
}

bool dns_wire_name_equals(struct bytes packet, size_t at, struct bytes name)
{
    while (name.n > 0) {
        while ((octet_at(packet, at) & POINTER) == POINTER)
            at = dns_wire_16(packet, at) & OFFSET_MASK;
        struct bytes label = bytes_first(bytes_from(packet, at), 1u + octet_at(packet, at));
        if (!bytes_equal_nocase(label, bytes_first(name, label.n)))
            return false;
        name = bytes_from(name, label.n);
        at += label.n;
    }
    return true;
}

/* RFC 1035 3.3.14: the lengths of the strings add up. Without a string the data is empty.
 * Clause: SPF-20 */
static bool are_strings(struct bytes data)
{
    while (data.n > 0) {
        size_t size = 1u + (unsigned char)data.p[0];
        if (size > data.n)
            return false;
        data = bytes_from(data, size);
    }
    return true;
}

/* Whether the data of a type that the relay reads is what its format says. A name in it may be
 * compressed against anything earlier in the packet, but does not leave the data otherwise. */
static bool is_well_formed(struct bytes packet, const struct dns_wire_record *record)
{
    size_t at = record->data, end = at + record->data_size;
    switch ((int)record->type) {
    case DNS_A:
        return record->data_size == 4;
    case DNS_AAAA:
        return record->data_size == 16;
    case DNS_TXT:
    case DNS_SPF:
        return are_strings(bytes_first(bytes_from(packet, at), record->data_size));
    case DNS_MX:
        return record->data_size > 2 &&
               dns_wire_name_read(bytes_first(packet, end), at + 2, NULL) == end;
    case DNS_NS:
    case DNS_CNAME:
    case DNS_PTR:
        return dns_wire_name_read(bytes_first(packet, end), at, NULL) == end;
    case DNS_SOA:
        at = dns_wire_name_read(bytes_first(packet, end), at, NULL);
        at = at ? dns_wire_name_read(bytes_first(packet, end), at, NULL) : 0;
        return at > 0 && at + SOA_NUMBERS_SIZE == end;
    default:
        return true;
    }
}

/* Reads the record at *at and moves *at to what follows it. */
static bool read_record(struct bytes packet, size_t *at, struct dns_wire_record *record)
{
    size_t fixed = dns_wire_name_read(packet, *at, NULL);
    if (fixed == 0 || packet.n - fixed < RECORD_SIZE_MIN - 1)
        return false;
    *record = (struct dns_wire_record){
        .owner = *at,
        .type = dns_wire_16(packet, fixed),
        .class = dns_wire_16(packet, fixed + 2),
        .ttl = dns_wire_32(packet, fixed + 4),
        .data_size = dns_wire_16(packet, fixed + 8),
        .data = fixed + RECORD_SIZE_MIN - 1,
    };
    *at = record->data + record->data_size;
    return *at <= packet.n && (record->class != DNS_CLASS_IN || is_well_formed(packet, record));
}

static bool read_section(struct arena *arena, struct bytes packet, size_t count, size_t *at,
                         struct dns_wire_section *section)
{
    /* The count is the sender's claim: no more than fit are made room for. */
    if (count > (packet.n - *at) / RECORD_SIZE_MIN)
        return false;
    struct dns_wire_record *records = arena_alloc_array(arena, count, sizeof *records);
    for (size_t i = 0; i < count; i++)
        if (!records || !read_record(packet, at, &records[i]))
            return false;
    *section = (struct dns_wire_section){records, count};
    return true;
}

bool dns_wire_sections_read(struct arena *arena, struct bytes packet, size_t at,
                            struct dns_wire_sections *sections)
{
    struct dns_wire_section additional = {0};
    *sections = (struct dns_wire_sections){0};
    if (at > packet.n ||
        !read_section(arena, packet, dns_wire_16(packet, 6), &at, &sections->answer) ||
        !read_section(arena, packet, dns_wire_16(packet, 8), &at, &sections->authority) ||
        !read_section(arena, packet, dns_wire_16(packet, 10), &at, &additional))
        return false;
    for (size_t i = 0; i < additional.count; i++)
        if (additional.records[i].type == DNS_TYPE_OPT)
            sections->extended_code = (uint8_t)(additional.records[i].ttl >> 24);
    return true;
}
