/* DNS packets for unit tests. See dns_wire.h. */
#include "dns_wire.h"

#include "ip.h"

#include <stdlib.h>
#include <string.h>

void wire_16(struct buffer *packet, unsigned value)
{
    buffer_add_char(packet, (char)(value >> 8));
    buffer_add_char(packet, (char)value);
}

static void wire_32(struct buffer *packet, uint32_t value)
{
    wire_16(packet, value >> 16);
    wire_16(packet, value & 0xffff);
}

void wire_name(struct buffer *packet, const char *name)
{
    struct bytes rest = bytes_of(name);
    while (rest.n > 0) {
        struct bytes label = bytes_cut(&rest, '.');
        buffer_add_char(packet, (char)label.n);
        buffer_add(packet, label);
    }
    buffer_add_char(packet, 0);
}

void wire_start(struct buffer *packet, unsigned id, unsigned flags, const char *name, unsigned type)
{
    *packet = (struct buffer){0};
    wire_16(packet, id);
    wire_16(packet, flags);
    wire_16(packet, name[0] ? 1 : 0);
    for (int i = 0; i < 3; i++)
        wire_16(packet, 0);
    if (!name[0])
        return;
    wire_name(packet, name);
    wire_16(packet, type);
    wire_16(packet, 1);
}

void wire_record(struct buffer *packet, enum wire_section section, const char *owner, unsigned type,
                 uint32_t ttl, struct bytes data)
{
    packet->p[section + 1]++;
    wire_name(packet, owner);
    wire_16(packet, type);
    wire_16(packet, 1);
    wire_32(packet, ttl);
    wire_16(packet, (unsigned)data.n);
    buffer_add(packet, data);
}

void wire_a(struct buffer *packet, const char *owner, uint32_t ttl, const char *address)
{
    struct ip ip;
    if (!ip_parse(bytes_of(address), &ip))
        abort();
    wire_record(packet, WIRE_ANSWER, owner, 1, ttl, (struct bytes){(char *)ip.octet, ip.length});
}

static void add_pointer(struct buffer *packet, enum wire_section section, const char *owner,
                        unsigned type, uint32_t ttl, const char *target)
{
    struct buffer data = {0};
    wire_name(&data, target);
    wire_record(packet, section, owner, type, ttl, buffer_bytes(&data));
    buffer_free(&data);
}

void wire_cname(struct buffer *packet, const char *owner, uint32_t ttl, const char *target)
{
    add_pointer(packet, WIRE_ANSWER, owner, 5, ttl, target);
}

void wire_ns(struct buffer *packet, const char *owner, uint32_t ttl, const char *host)
{
    add_pointer(packet, WIRE_AUTHORITY, owner, 2, ttl, host);
}

void wire_soa(struct buffer *packet, const char *owner, uint32_t ttl, uint32_t minimum)
{
    struct buffer data = {0};
    wire_name(&data, "ns.example");
    wire_name(&data, "hostmaster.example");
    for (uint32_t i = 1; i <= 4; i++)
        wire_32(&data, i);
    wire_32(&data, minimum);
    wire_record(packet, WIRE_AUTHORITY, owner, 6, ttl, buffer_bytes(&data));
    buffer_free(&data);
}

struct dns_question wire_question(const char *name, enum dns_type type)
{
    struct dns_question question = {.id = WIRE_ID, .type = type};
    dns_question_name(&question, bytes_of(name));
    return question;
}

void wire_read_and_free(struct arena *arena, struct buffer *packet, const char *name,
                        enum dns_type type, struct dns_reply *reply)
{
    struct dns_question question = wire_question(name, type);
    char *exact = malloc(packet->n);
    memcpy(exact, packet->p, packet->n);
    dns_reply_read(arena, (struct bytes){exact, packet->n}, &question, reply);
    free(exact);
    buffer_free(packet);
}
