/* DNS messages on the wire. See packet.h.
 *
 * Whether a packet answers the question is decided from its header and question, before anything
 * else in it is parsed; the sections are then read by ldns. Names stay in wire form until they are
 * returned, so that no escape can make one name look like another. */
#include "packet.h"

#include "clause.h"

#include <ldns/ldns.h>
#include <stdio.h>
#include <string.h>

enum { HEADER_SIZE = 12, CLASS_IN = 1, TYPE_OPT = 41, OPCODE_MASK = 0x78, TC_BIT = 0x02 };

static uint16_t read_16(struct bytes packet, size_t at)
{
    const uint8_t *p = (const uint8_t *)packet.p + at;
    return (uint16_t)(p[0] << 8 | p[1]);
}

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

size_t dns_question_write(const struct dns_question *question, bool edns,
                          uint8_t packet[DNS_QUESTION_MAX])
{
    uint8_t *p = write_16(packet, question->id);
    p = write_16(p, 0x0100); /* recursion desired */
    p = write_16(p, 1);      /* one question */
    p = write_16(p, 0);
    p = write_16(p, 0);
    p = write_16(p, edns ? 1 : 0);
    memcpy(p, question->name, question->name_size);
    p += question->name_size;
    p = write_16(p, question->type);
    p = write_16(p, CLASS_IN);
    if (edns) {
        *p++ = 0; /* the root */
        p = write_16(p, TYPE_OPT);
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

static bool asks_the_same(struct bytes packet, const struct dns_question *question)
{
    struct bytes asked = bytes_from(packet, HEADER_SIZE);
    struct bytes name = {(const char *)question->name, question->name_size};
    return read_16(packet, 4) == 1 && asked.n >= name.n + 4 &&
           bytes_equal_nocase(bytes_first(asked, name.n), name) &&
           read_16(asked, name.n) == question->type && read_16(asked, name.n + 2) == CLASS_IN;
}

/* What header and question alone decide; DNS_REPLY_FINAL: the sections decide. */
static enum dns_reply_kind judge_header(struct bytes packet, const struct dns_question *question,
                                        const char **problem)
{
    if (packet.n < HEADER_SIZE || (read_16(packet, 0) != question->id && CLAUSE(MX_16, true)))
        return DNS_REPLY_FOREIGN;
    uint8_t flags = (uint8_t)packet.p[2];
    uint8_t code = (uint8_t)packet.p[3] & 0xf;
    bool is_response = (flags & 0x80) != 0 && (flags & OPCODE_MASK) == 0;
    /* A server that could not read the question may not repeat it. */
    bool without_question = read_16(packet, 4) == 0 && code != LDNS_RCODE_NOERROR;
    if (!is_response || (!without_question && !asks_the_same(packet, question)))
        return DNS_REPLY_FOREIGN;
    switch (code) {
    case LDNS_RCODE_FORMERR:
    case LDNS_RCODE_NOTIMPL:
        *problem = code == LDNS_RCODE_FORMERR ? "FORMERR" : "NOTIMP";
        return DNS_REPLY_NO_EDNS;
    case LDNS_RCODE_NOERROR:
    case LDNS_RCODE_NXDOMAIN:
        if (without_question)
            break;
        return CLAUSE(MX_15, flags & TC_BIT) ? DNS_REPLY_TRUNCATED : DNS_REPLY_FINAL;
    case LDNS_RCODE_SERVFAIL:
        *problem = "SERVFAIL";
        return DNS_REPLY_FAILED;
    case LDNS_RCODE_REFUSED:
        *problem = "REFUSED";
        return DNS_REPLY_FAILED;
    default:
        break;
    }
    *problem = "unexpected response code";
    return DNS_REPLY_FAILED;
}

static struct bytes rdf_bytes(const ldns_rdf *rdf)
{
    if (!rdf)
        return (struct bytes){NULL, 0};
    return (struct bytes){(const char *)ldns_rdf_data(rdf), ldns_rdf_size(rdf)};
}

static bool is_record(const ldns_rr *rr, struct bytes owner, unsigned type)
{
    return ldns_rr_get_type(rr) == (ldns_rr_type)type &&
           ldns_rr_get_class(rr) == LDNS_RR_CLASS_IN &&
           bytes_equal_nocase(rdf_bytes(ldns_rr_owner(rr)), owner);
}

/* RFC 2181 8: a TTL with its highest bit set is 0. */
static void lower_ttl(uint32_t *ttl, uint32_t other)
{
    if (other > INT32_MAX)
        other = 0;
    if (other < *ttl)
        *ttl = other;
}

static bool read_ip_octets(struct bytes data, uint8_t length, struct ip *address)
{
    if (data.n != length)
        return false;
    address->length = length;
    memcpy(address->octet, data.p, length);
    return true;
}

/* The strings of a TXT record, concatenated (RFC 7208 3.3, RFC 6376 3.6.2.2). */
static bool read_strings(struct arena *arena, const ldns_rr *rr, struct bytes *text)
{
    size_t total = 0;
    for (size_t i = 0; i < ldns_rr_rd_count(rr); i++)
        total += rdf_bytes(ldns_rr_rdf(rr, i)).n;
    char *joined = arena_alloc(arena, total + 1);
    size_t n = 0;
    for (size_t i = 0; joined && i < ldns_rr_rd_count(rr); i++) {
        struct bytes string = rdf_bytes(ldns_rr_rdf(rr, i));
        if (string.n == 0)
            continue;
        string = bytes_first(bytes_from(string, 1), (unsigned char)string.p[0]);
        memcpy(joined + n, string.p, string.n);
        n += string.n;
    }
    *text = (struct bytes){joined, n};
    return joined != NULL;
}

static bool read_name(struct arena *arena, const ldns_rdf *rdf, struct bytes *text)
{
    if (!rdf || ldns_rdf_get_type(rdf) != LDNS_RDF_TYPE_DNAME)
        return false;
    *text = present_name(arena, rdf_bytes(rdf));
    return text->p != NULL;
}

static bool read_resource_record(struct arena *arena, const ldns_rr *rr, struct dns_record *record)
{
    const ldns_rdf *first = ldns_rr_rdf(rr, 0);
    switch ((int)ldns_rr_get_type(rr)) {
    case DNS_A:
        return read_ip_octets(rdf_bytes(first), 4, &record->address);
    case DNS_AAAA:
        return read_ip_octets(rdf_bytes(first), 16, &record->address);
    case DNS_TXT:
    case DNS_SPF:
        return read_strings(arena, rr, &record->text);
    case DNS_MX:
        if (rdf_bytes(first).n != 2)
            return false;
        record->preference = read_16(rdf_bytes(first), 0);
        return read_name(arena, ldns_rr_rdf(rr, 1), &record->text);
    default:
        return read_name(arena, first, &record->text);
    }
}

/* Reads the records of the type at `owner`. False when one is malformed. */
static bool read_resource_records(struct arena *arena, const ldns_rr_list *section,
                                  struct bytes owner, enum dns_type type, struct dns_answer *answer)
{
    size_t most = ldns_rr_list_rr_count(section);
    struct dns_record *records = NULL;
    for (size_t i = 0; i < most; i++) {
        const ldns_rr *rr = ldns_rr_list_rr(section, i);
        if (!is_record(rr, owner, type))
            continue;
        if (!records)
            records = arena_alloc_array(arena, most - i, sizeof *records);
        if (!records || !read_resource_record(arena, rr, &records[answer->count]))
            return false;
        answer->count++;
        lower_ttl(&answer->ttl, ldns_rr_ttl(rr));
    }
    answer->records = records;
    return true;
}

static const ldns_rr *find_alias(const ldns_rr_list *section, struct bytes owner)
{
    for (size_t i = 0; i < ldns_rr_list_rr_count(section); i++) {
        const ldns_rr *rr = ldns_rr_list_rr(section, i);
        if (is_record(rr, owner, DNS_CNAME) && ldns_rr_rd_count(rr) == 1)
            return rr;
    }
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
static const ldns_rr *find_soa(const ldns_rr_list *authority, struct bytes name)
{
    for (size_t i = 0; i < ldns_rr_list_rr_count(authority); i++) {
        const ldns_rr *rr = ldns_rr_list_rr(authority, i);
        struct bytes owner = rdf_bytes(ldns_rr_owner(rr));
        if (is_record(rr, owner, DNS_SOA) && is_at_or_above(owner, name) &&
            rdf_bytes(ldns_rr_rdf(rr, 6)).n == 4)
            return rr;
    }
    return NULL;
}

/* RFC 2308 5: the lesser of the SOA's own TTL and its minimum; without an SOA nothing is kept. */
static void set_negative_ttl(const ldns_rr *soa, uint32_t *ttl)
{
    if (!soa) {
        *ttl = 0;
        return;
    }
    lower_ttl(ttl, ldns_rr_ttl(soa));
    lower_ttl(ttl, ldns_rdf2native_int32(ldns_rr_rdf(soa, 6)));
}

static bool every_owner_is(const ldns_rr_list *section, struct bytes owner)
{
    for (size_t i = 0; i < ldns_rr_list_rr_count(section); i++)
        if (!bytes_equal_nocase(rdf_bytes(ldns_rr_owner(ldns_rr_list_rr(section, i))), owner))
            return false;
    return true;
}

/* Why a reply without the records asked for at `owner` is not a negative answer; NULL: it is one.
 * A server's fault mistaken for a negative answer would refuse mail permanently. */
static const char *not_negative(const ldns_pkt *packet, struct bytes owner, const ldns_rr *soa)
{
    /* RFC 1035 4.1.1: a server that neither has the zone nor recurses cannot know. */
    if (!ldns_pkt_aa(packet) && !ldns_pkt_ra(packet))
        return "neither authoritative nor recursive";
    /* RFC 2308 2.1: NXDOMAIN is no referral, whatever the authority section holds; 2.2: NODATA has
     * an SOA there, or no NS. */
    if (soa || ldns_pkt_get_rcode(packet) == LDNS_RCODE_NXDOMAIN)
        return NULL;
    if (ldns_rr_list_rr_count(ldns_pkt_authority(packet)) > 0)
        return "referral";
    return every_owner_is(ldns_pkt_answer(packet), owner) ? NULL : "answer for other names";
}

/* Nothing of the type was found at `owner`, where the chain of CNAMEs ended. */
static void read_negative(struct arena *arena, const ldns_pkt *packet, struct bytes owner,
                          struct dns_reply *reply)
{
    struct dns_answer *answer = &reply->answer;
    bool exists = ldns_pkt_get_rcode(packet) != LDNS_RCODE_NXDOMAIN;
    const ldns_rr *soa = find_soa(ldns_pkt_authority(packet), owner);
    if (exists && !soa && reply->aliases > 0) {
        /* RFC 1034 5.3.3, 4c: the alias is valid, and nothing is known of its target yet. */
        reply->kind = DNS_REPLY_ALIAS;
        reply->next = arena_copy(arena, owner);
        return;
    }
    const char *problem = not_negative(packet, owner, soa);
    if (problem) {
        reply->kind = DNS_REPLY_FAILED;
        dns_answer_fail(answer, problem);
        return;
    }
    answer->status = exists ? DNS_NODATA : DNS_NXDOMAIN;
    set_negative_ttl(soa, &answer->ttl);
}

/* Follows the CNAMEs from the name asked as far as the packet has them. */
static void read_sections(struct arena *arena, const ldns_pkt *packet,
                          const struct dns_question *question, struct dns_reply *reply)
{
    const ldns_rr_list *section = ldns_pkt_answer(packet);
    struct dns_answer *answer = &reply->answer;
    struct bytes owner = {(const char *)question->name, question->name_size};
    *answer = (struct dns_answer){.ttl = UINT32_MAX};
    reply->kind = DNS_REPLY_FAILED;
    for (;;) {
        if (!read_resource_records(arena, section, owner, question->type, answer)) {
            dns_answer_fail(answer, "malformed record");
            return;
        }
        const ldns_rr *alias = answer->count > 0 ? NULL : find_alias(section, owner);
        if (!alias)
            break;
        if (++reply->aliases > DNS_ALIASES_MAX) {
            dns_answer_fail(answer, "CNAME loop or too long a chain");
            return;
        }
        lower_ttl(&answer->ttl, ldns_rr_ttl(alias));
        owner = rdf_bytes(ldns_rr_rdf(alias, 0));
    }
    answer->canonical_name = present_name(arena, owner);
    if (answer->count > 0 && ldns_pkt_get_rcode(packet) == LDNS_RCODE_NXDOMAIN) {
        dns_answer_fail(answer, "NXDOMAIN with records of the name");
        return;
    }
    reply->kind = DNS_REPLY_FINAL;
    answer->status = DNS_OK;
    if (answer->count == 0)
        read_negative(arena, packet, owner, reply);
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
    ldns_pkt *parsed = NULL;
    if (ldns_wire2pkt(&parsed, (const uint8_t *)packet.p, packet.n) != LDNS_STATUS_OK) {
        reply->kind = DNS_REPLY_FAILED;
        dns_answer_fail(&reply->answer, "malformed packet");
        return;
    }
    if (ldns_pkt_edns_extended_rcode(parsed) != 0) {
        reply->kind = DNS_REPLY_NO_EDNS;
        dns_answer_fail(&reply->answer, "unexpected response code");
    } else {
        read_sections(arena, parsed, question, reply);
    }
    ldns_pkt_free(parsed);
    if (arena_failed(arena)) {
        reply->kind = DNS_REPLY_FAILED;
        dns_answer_fail(&reply->answer, "out of memory");
    }
}
