/* DNS messages on the wire: writing a question, reading the reply. Pure.
 *
 * RFC 1035 4.1 (format), RFC 2308 2 and 5 (negative answers), RFC 2181 8 (TTLs), RFC 5452 9.1
 * (matching replies to questions), RFC 6891 6.1 (OPT). */
#ifndef FAIRLEAD_PACKET_H
#define FAIRLEAD_PACKET_H

#include "dns.h"
#include "wire.h"

enum {
    DNS_QUESTION_MAX = DNS_HEADER_SIZE + DNS_WIRE_NAME_MAX + 4 + 11,
    DNS_UDP_PAYLOAD = 1232 /* fits every path unfragmented */
};

struct dns_question {
    uint16_t id;
    enum dns_type type;
    uint8_t name[DNS_WIRE_NAME_MAX]; /* wire form */
    size_t name_size;
    uint8_t flips[DNS_WIRE_NAME_MAX]; /* 0x20 where the packet has a letter in the other case */
};

/* Sets the name from presentation form without the final dot, which dns_query() has checked. */
void dns_question_name(struct dns_question *question, struct bytes name);

/* Makes the case of the name's letters in the packet depend on the random bits, so that whoever
 * forges an answer has to guess it besides id and port (draft-vixie-dnsext-dns0x20-00). */
void dns_question_mix_case(struct dns_question *question, const uint8_t random[DNS_WIRE_NAME_MAX]);

/* Writes the packet, with an OPT record if `edns`, and returns its size. */
size_t dns_question_write(const struct dns_question *question, bool edns,
                          uint8_t packet[DNS_QUESTION_MAX]);

enum dns_reply_kind {
    DNS_REPLY_FOREIGN,    /* not an answer to this question: keep waiting */
    DNS_REPLY_OTHER_CASE, /* an answer to it but for the case of its name: ask again unmixed */
    DNS_REPLY_TRUNCATED,  /* ask again over TCP */
    DNS_REPLY_NO_EDNS,    /* FORMERR, NOTIMP or BADVERS: ask again in plain DNS */
    DNS_REPLY_FAILED,     /* ask another server; answer.problem says why */
    DNS_REPLY_ALIAS,      /* a CNAME without what it points to: ask for `next` */
    DNS_REPLY_FINAL       /* `answer` is DNS_OK, DNS_NODATA or DNS_NXDOMAIN */
};

struct dns_reply {
    enum dns_reply_kind kind;
    struct dns_answer answer; /* ALIAS: canonical_name and ttl of the chain so far */
    unsigned aliases;         /* CNAMEs followed */
    struct bytes next;        /* ALIAS: the name to ask for, in wire form */
};

/* Reads the reply to `question`; everything in *reply lives in `arena`. */
void dns_reply_read(struct arena *arena, struct bytes packet, const struct dns_question *question,
                    struct dns_reply *reply);

#endif
