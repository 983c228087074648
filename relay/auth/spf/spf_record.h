/* The text of an SPF record (RFC 7208 4.5, 4.6.1, 5, 6, 12): selecting and parsing it.
 *
 * A record is validated whole, then read term by term; nothing is stored but slices of its text. */
#ifndef FAIRLEAD_SPF_RECORD_H
#define FAIRLEAD_SPF_RECORD_H

#include "spf.h"

enum spf_term_kind {
    SPF_ALL,
    SPF_INCLUDE,
    SPF_A,
    SPF_MX,
    SPF_PTR,
    SPF_IP4,
    SPF_IP6,
    SPF_EXISTS,
    SPF_REDIRECT,
    SPF_EXPLANATION,
    SPF_UNKNOWN_MODIFIER
};

struct spf_term {
    enum spf_term_kind kind;
    struct bytes text;        /* as written */
    enum spf_result result;   /* mechanisms: what the qualifier says of a match */
    struct bytes domain_spec; /* unexpanded; empty where it is not given */
    struct ip network;        /* ip4, ip6 */
    uint8_t bits4, bits6;     /* prefix lengths that apply to IPv4 and IPv6 addresses */
    const char *problem;      /* what is wrong with it; NULL in a valid record */
};

struct spf_record {
    struct bytes terms;    /* for spf_next_term() */
    struct bytes redirect; /* unexpanded domain-specs; empty where there is no such modifier */
    struct bytes explanation;
    const char *problem;   /* why the record is not valid; NULL if it is */
    struct bytes bad_term; /* the term that the problem is about */
};

/* True if the TXT record's text begins with the version section: "v=spf1" and SP or the end. */
bool spf_is_record(struct bytes text);

/* Validates the text of a record. False if it is not valid. */
bool spf_record_parse(struct bytes text, struct spf_record *record);

bool spf_is_mechanism(const struct spf_term *term);

/* Takes the next term off the `terms` of a valid record; false at the end. */
bool spf_next_term(struct bytes *terms, struct spf_term *term);

#endif
