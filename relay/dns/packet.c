/* DNS messages on the wire. See packet.h.
 *
 * Whether a packet answers the question is decided from its header and question, before anything
 * else in it is parsed. Names stay in wire form until they are returned, so that no escape can make
 * one name look like another. */
#include "packet.h"

#include "clause.h"
#include "wire.h"

#include <stdio.h>
#include <string.h>

enum {
    /* The third and fourth octet of the header (RFC 1035 4.1.1). */
    QR_BIT = 0x80,
    OPCODE_MASK = 0x78,
    AA_BIT = 0x04,
    TC_BIT = 0x02,
    RA_BIT = 0x80,
    RCODE_MASK = 0x0f
};

/* RFC 1035 4.1.1. */
enum response_code { NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED };

static uint8_t *write_16(uint8_t *p, unsigned value)
{
    *p++ = (uint8_t)(value >> 8);
    *p++ = (uint8_t)value;
    return p;
}

void dns_question_name(struct dns_question *question, struct bytes name)
{
    uint8_t *p = question->name;
    while (name.p != NULL) {
        struct bytes label = bytes_cut(&name, '.');
        *p++ = (uint8_t)label.n;
        memcpy(p, label.p, label.n);
        p += label.n;
    }
    *p++ = 0;
    question->name_size = (size_t)(p - question->name);
}

void dns_question_mix_case(struct dns_question *question, const uint8_t random[DNS_WIRE_NAME_MAX])
{
    const uint8_t case_bit = 'a' ^ 'A';
    for (size_t i = 0; i < question->name_size; i++)
        question->flips[i] =
            ascii_is_alpha((char)question->name[i]) ? (uint8_t)(random[i] & case_bit) : 0;
}

/* The name as the packet has it. */
static struct dns_wire_name mixed_name(const struct dns_question *question)
{
    struct dns_wire_name mixed = {.size = question->name_size};
    for (size_t i = 0; i < mixed.size; i++)
        mixed.octets[i] = question->name[i] ^ question->flips[i];
    return mixed;
}

size_t dns_question_write(const struct dns_question *question, bool edns,
                          uint8_t packet[DNS_QUESTION_MAX])
{
    uint8_t *p = write_16(packet, question->id);
    p = write_16(p, 0x0100); /* recursion desired. Clause: MX-35 */
    p = write_16(p, 1);      /* one question */
    p = write_16(p, 0);
    p = write_16(p, 0);
    p = write_16(p, edns ? 1 : 0);
    struct dns_wire_name name = mixed_name(question);
    memcpy(p, name.octets, name.size);
    p += name.size;
    p = write_16(p, question->type);
    p = write_16(p, DNS_CLASS_IN);
    if (edns) {
        *p++ = 0; /* the root */
        p = write_16(p, DNS_TYPE_OPT);
        p = write_16(p, DNS_UDP_PAYLOAD);
        p = write_16(p, 0); /* extended rcode 0, version 0 */
        p = write_16(p, 0);
        p = write_16(p, 0); /* no options */
    }
    return (size_t)(p - packet);
}

/* Presentation form without the final dot: a dot or backslash inside a label is escaped by a
 * backslash, an unprintable octet by its decimal code (RFC 1035 5.1). */
static struct bytes present_name(struct arena *arena, struct bytes wire)
{
    char text[4 * DNS_WIRE_NAME_MAX + 1];
    size_t n = 0;
    for (size_t at = 0; at < wire.n && wire.p[at] != 0;) {
        struct bytes label = bytes_first(bytes_from(wire, at + 1), (unsigned char)wire.p[at]);
        at += 1 + label.n;
        if (n > 0)
            text[n++] = '.';
        for (size_t i = 0; i < label.n; i++) {
            char c = label.p[i];
            if (c == ' ' || !ascii_is_printable(c)) {
                n += (size_t)snprintf(text + n, 5, "\\%03u", (unsigned char)c);
                continue;
            }
            if (c == '.' || c == '\\')
                text[n++] = '\\';
            text[n++] = c;
        }
    }
    return arena_copy(arena, (struct bytes){text, n});
}

static uint8_t response_code(struct bytes packet)
{
    return (uint8_t)packet.p[3] & RCODE_MASK;
}

/* But for the case of the name. */
static bool asks_the_same(struct bytes packet, const struct dns_question *question)
{
    struct bytes asked = bytes_from(packet, DNS_HEADER_SIZE);
    struct bytes name = {(const char *)question->name, question->name_size};
    return dns_wire_16(packet, 4) == 1 && asked.n >= name.n + 4 &&
           bytes_equal_nocase(bytes_first(asked, name.n), name) &&
           dns_wire_16(asked, name.n) == question->type &&
           dns_wire_16(asked, name.n + 2) == DNS_CLASS_IN;
}

static bool asks_in_the_same_case(struct bytes packet, const struct dns_question *question)
{
    struct dns_wire_name name = mixed_name(question);
    return bytes_equal(bytes_first(bytes_from(packet, DNS_HEADER_SIZE), name.size),
                       dns_wire_name_bytes(&name));
}

/* What header and question alone decide; DNS_REPLY_FINAL: the sections decide. */
static enum dns_reply_kind judge_header(struct bytes packet, const struct dns_question *question,
                                        const char **problem)
{
    if (packet.n < DNS_HEADER_SIZE ||
        (dns_wire_16(packet, 0) != question->id && unless_broken(MX_16)))
        return DNS_REPLY_FOREIGN;
    uint8_t flags = (uint8_t)packet.p[2];
    uint8_t code = response_code(packet);
    bool is_response = (flags & QR_BIT) != 0 && (flags & OPCODE_MASK) == 0;
    /* A server that could not read the question may not repeat it. */
    bool without_question = dns_wire_16(packet, 4) == 0 && code != NOERROR;
    if ((!is_response && unless_broken(MX_44)) ||
        (!without_question && !asks_the_same(packet, question)))
        return DNS_REPLY_FOREIGN;
    if (!without_question && !asks_in_the_same_case(packet, question))
        return DNS_REPLY_OTHER_CASE;
    switch (code) {
    case FORMERR:
    case NOTIMP:
        *problem = code == FORMERR ? "FORMERR" : "NOTIMP";
        return BREAK(MX_33, DNS_REPLY_NO_EDNS, DNS_REPLY_FAILED);
    case NOERROR:
    case NXDOMAIN:
        if (without_question)
            break;
        return CLAUSE(MX_15, flags & TC_BIT) ? DNS_REPLY_TRUNCATED : DNS_REPLY_FINAL;
    case SERVFAIL:
        *problem = "SERVFAIL";
        return DNS_REPLY_FAILED;
    case REFUSED:
        *problem = "REFUSED";
        return DNS_REPLY_FAILED;
    default:
        break;
    }
    *problem = "unexpected response code";
    return DNS_REPLY_FAILED;
}

/* A reply whose sections have been read. */
struct parsed {
    struct bytes packet;
    struct dns_wire_sections sections;
};

static struct bytes record_data(const struct parsed *parsed, const struct dns_wire_record *record)
{
    return bytes_first(bytes_from(parsed->packet, record->data), record->data_size);
}

static bool is_record(const struct parsed *parsed, const struct dns_wire_record *record,
                      struct bytes owner, enum dns_type type)
{
    return record->type == type && record->class == DNS_CLASS_IN &&
           dns_wire_name_equals(parsed->packet, record->owner, owner);
}

/* RFC 2181 8: a TTL with its highest bit set is 0. Clause: MX-42 */
static void lower_ttl(uint32_t *ttl, uint32_t other)
{
    if (other > INT32_MAX)
        other = BREAK(MX_42, 0, INT32_MAX);
    if (other < *ttl)
        *ttl = other;
}

static bool read_ip_octets(struct bytes data, struct ip *address)
{
    address->length = (uint8_t)data.n;
    memcpy(address->octet, data.p, data.n);
    return true;
}

/* The strings of a TXT record, concatenated (RFC 7208 3.3, RFC 6376 3.6.2.2). */
static bool read_strings(struct arena *arena, struct bytes data, struct bytes *text)
{
    char *joined = arena_alloc(arena, data.n + 1);
    size_t n = 0;
    while (joined && data.n > 0) {
        struct bytes string = bytes_first(bytes_from(data, 1), (unsigned char)data.p[0]);
        memcpy(joined + n, string.p, string.n);
        n += string.n;
        data = bytes_from(data, 1 + string.n);
    }
    *text = (struct bytes){joined, n};
    return joined != NULL;
}

static bool read_name(struct arena *arena, struct bytes packet, size_t at, struct bytes *text)
{
    struct dns_wire_name name;
    dns_wire_name_read(packet, at, &name);
    *text = present_name(arena, dns_wire_name_bytes(&name));
    return text->p != NULL;
}

/* The data is well formed: dns_wire_sections_read() has seen to it. False when memory is short. */
static bool read_resource_record(struct arena *arena, const struct parsed *parsed,
                                 const struct dns_wire_record *from, struct dns_record *to)
{
    struct bytes data = record_data(parsed, from);
    switch ((int)from->type) {
    case DNS_A:
    case DNS_AAAA:
        return read_ip_octets(data, &to->address);
    case DNS_TXT:
    case DNS_SPF:
        return read_strings(arena, data, &to->text);
    case DNS_MX:
        to->preference = dns_wire_16(data, 0);
        return read_name(arena, parsed->packet, from->data + 2, &to->text);
    default:
        return read_name(arena, parsed->packet, from->data, &to->text);
    }
}

/* Reads the records of the type at `owner`. False when memory is short. */
static bool read_resource_records(struct arena *arena, const struct parsed *parsed,
                                  struct bytes owner, enum dns_type type, struct dns_answer *answer)
{
    const struct dns_wire_section *section = &parsed->sections.answer;
    struct dns_record *records = NULL;
    for (size_t i = 0; i < section->count; i++) {
        const struct dns_wire_record *record = &section->records[i];
        if (!is_record(parsed, record, owner, type))
            continue;
        if (!records)
            records = arena_alloc_array(arena, section->count - i, sizeof *records);
        if (!records || !read_resource_record(arena, parsed, record, &records[answer->count]))
            return false;
        answer->count++;
        lower_ttl(&answer->ttl, record->ttl);
    }
    answer->records = records;
    return true;
}

static const struct dns_wire_record *find_alias(const struct parsed *parsed, struct bytes owner)
{
    const struct dns_wire_section *section = &parsed->sections.answer;
    for (size_t i = 0; i < section->count; i++)
        if (is_record(parsed, &section->records[i], owner, DNS_CNAME))
            return &section->records[i];
    return NULL;
}

/* Both in wire form. */
static bool is_at_or_above(struct bytes zone, struct bytes name)
{
    while (name.n > zone.n)
        name = bytes_from(name, 1 + (size_t)(unsigned char)name.p[0]);
    return bytes_equal_nocase(name, zone);
}

/* The SOA of a zone that contains `name`; that of any other zone says nothing about the name. */
static const struct dns_wire_record *find_soa(const struct parsed *parsed, struct bytes name)
{
    const struct dns_wire_section *section = &parsed->sections.authority;
    for (size_t i = 0; i < section->count; i++) {
        const struct dns_wire_record *record = &section->records[i];
        struct dns_wire_name owner;
        if (record->type != DNS_SOA || record->class != DNS_CLASS_IN)
            continue;
        dns_wire_name_read(parsed->packet, record->owner, &owner);
        if (is_at_or_above(dns_wire_name_bytes(&owner), name))
            return record;
    }
    return NULL;
}

/* RFC 2308 5: the lesser of the SOA's own TTL and its minimum, the last of its numbers; without an
 * SOA nothing is kept. */
static void set_negative_ttl(const struct parsed *parsed, const struct dns_wire_record *soa,
                             uint32_t *ttl)
{
    if (!soa) {
        *ttl = BREAK(MX_46, 0, INT32_MAX);
        return;
    }
    uint32_t minimum = dns_wire_32(parsed->packet, soa->data + soa->data_size - sizeof *ttl);
    lower_ttl(ttl, BREAK(MX_45_ttl, soa->ttl, INT32_MAX));
    lower_ttl(ttl, BREAK(MX_45_minimum, minimum, INT32_MAX));
}

static bool every_owner_is(const struct parsed *parsed, struct bytes owner)
{
    const struct dns_wire_section *section = &parsed->sections.answer;
    for (size_t i = 0; i < section->count; i++)
        if (!dns_wire_name_equals(parsed->packet, section->records[i].owner, owner))
            return false;
    return true;
}

/* Why a reply without the records asked for at `owner` is not a negative answer; NULL: it is one.
 * A server's fault mistaken for a negative answer would refuse mail permanently. */
static const char *not_negative(const struct parsed *parsed, struct bytes owner,
                                const struct dns_wire_record *soa)
{
    bool authoritative = parsed->packet.p[2] & AA_BIT, recursive = parsed->packet.p[3] & RA_BIT;
    /* RFC 1035 4.1.1: a server that neither has the zone nor recurses cannot know. */
    if (!authoritative && !recursive)
        return "neither authoritative nor recursive";
    /* RFC 2308 2.1: NXDOMAIN is no referral, whatever the authority section holds; 2.2: NODATA has
     * an SOA there, or no NS. */
    if (soa || response_code(parsed->packet) == NXDOMAIN)
        return NULL;
    if (parsed->sections.authority.count > 0)
        return "referral";
    return every_owner_is(parsed, owner) ? NULL : "answer for other names";
}

/* Nothing of the type was found at `owner`, where the chain of CNAMEs ended. */
static void read_negative(struct arena *arena, const struct parsed *parsed, struct bytes owner,
                          struct dns_reply *reply)
{
    struct dns_answer *answer = &reply->answer;
    bool exists = response_code(parsed->packet) != NXDOMAIN;
    const struct dns_wire_record *soa = find_soa(parsed, owner);
    if (exists && !soa && reply->aliases > 0 && unless_broken(MX_47)) {
        /* RFC 1034 5.3.3, 4c: the alias is valid, and nothing is known of its target yet. */
        reply->kind = DNS_REPLY_ALIAS;
        reply->next = arena_copy(arena, owner);
        return;
    }
    const char *problem = not_negative(parsed, owner, soa);
    if (problem) {
        reply->kind = DNS_REPLY_FAILED;
        dns_answer_fail(answer, problem);
        return;
    }
    answer->status = exists ? DNS_NODATA : DNS_NXDOMAIN;
    set_negative_ttl(parsed, soa, &answer->ttl);
}

/* Follows the CNAMEs from the name asked as far as the packet has them. */
static void read_sections(struct arena *arena, const struct parsed *parsed,
                          const struct dns_question *question, struct dns_reply *reply)
{
    struct dns_answer *answer = &reply->answer;
    struct dns_wire_name target;
    struct bytes owner = {(const char *)question->name, question->name_size};
    *answer = (struct dns_answer){.ttl = UINT32_MAX};
    reply->kind = DNS_REPLY_FAILED;
    for (;;) {
        if (!read_resource_records(arena, parsed, owner, question->type, answer))
            return;
        const struct dns_wire_record *alias = answer->count > 0 ? NULL : find_alias(parsed, owner);
        if (!alias)
            break;
        if (++reply->aliases > DNS_ALIASES_MAX) {
            dns_answer_fail(answer, "CNAME loop or too long a chain");
            return;
        }
        lower_ttl(&answer->ttl, BREAK(MX_48, alias->ttl, INT32_MAX));
        dns_wire_name_read(parsed->packet, alias->data, &target);
        owner = dns_wire_name_bytes(&target);
    }
    answer->canonical_name = present_name(arena, owner);
    if (answer->count > 0 && response_code(parsed->packet) == NXDOMAIN) {
        dns_answer_fail(answer, "NXDOMAIN with records of the name");
        return;
    }
    reply->kind = DNS_REPLY_FINAL;
    answer->status = DNS_OK;
    if (answer->count == 0)
        read_negative(arena, parsed, owner, reply);
}

/* The packet with its question as it was before its case was mixed, so that names compressed
 * against it come out in the case asked for. p == NULL when memory is short. */
static struct bytes unmix(struct arena *arena, struct bytes packet,
                          const struct dns_question *question)
{
    struct bytes name = {(const char *)question->name, question->name_size};
    const struct bytes parts[] = {
        bytes_first(packet, DNS_HEADER_SIZE),
        name,
        bytes_from(packet, DNS_HEADER_SIZE + name.n),
    };
    return arena_join(arena, parts, sizeof parts / sizeof *parts);
}

void dns_reply_read(struct arena *arena, struct bytes packet, const struct dns_question *question,
                    struct dns_reply *reply)
{
    const char *problem = NULL;
    *reply = (struct dns_reply){.kind = judge_header(packet, question, &problem)};
    if (problem)
        dns_answer_fail(&reply->answer, problem);
    if (reply->kind != DNS_REPLY_FINAL)
        return;
    struct parsed parsed = {.packet = unmix(arena, packet, question)};
    size_t sections_at = DNS_HEADER_SIZE + question->name_size + 4;
    if (!dns_wire_sections_read(arena, parsed.packet, sections_at, &parsed.sections)) {
        reply->kind = DNS_REPLY_FAILED;
        dns_answer_fail(&reply->answer, "malformed packet");
    } else if (parsed.sections.extended_code != 0) {
        reply->kind = DNS_REPLY_NO_EDNS;
        dns_answer_fail(&reply->answer, "unexpected response code");
    } else {
        read_sections(arena, &parsed, question, reply);
    }
    if (arena_failed(arena)) {
        reply->kind = DNS_REPLY_FAILED;
        dns_answer_fail_memory(&reply->answer);
    }
}
