/* What the rest of the relay sees of DNS: a question, an answer, and something that answers.
 *
 * `struct dns` is an interface. The resolver (dns/resolver.h) implements it over the network;
 * dns_memo() wraps another one so that everything asked for one message is looked up once; tests
 * implement it with a table. */
#ifndef FAIRLEAD_DNS_H
#define FAIRLEAD_DNS_H

#include "arena.h"
#include "ip.h"

/* Questions that one message may cause (specification.md#bounds-dns). */
enum { DNS_QUESTIONS_MAX = 200 };

/* CNAMEs from the name asked to its records. */
enum { DNS_ALIASES_MAX = 8 };

/* What is kept of one answer (specification.md#bounds-dns-answer). A text is cut at one octet more
 * than a policy record may have, so that whoever reads it still sees that it has too many. */
enum { DNS_RECORDS_MAX = 128, DNS_TEXTS_MAX = 16 * 1024, DNS_TEXT_MAX = 8 * 1024 + 1 };

/* The types that mail needs, with their numbers in the registry (RFC 1035 3.2.2, RFC 3596). */
enum dns_type {
    DNS_A = 1,
    DNS_NS = 2,
    DNS_CNAME = 5,
    DNS_SOA = 6,
    DNS_PTR = 12,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_SPF = 99
};

enum dns_status {
    DNS_OK,       /* at least one record of the type */
    DNS_NODATA,   /* the name exists, the type does not */
    DNS_NXDOMAIN, /* the name does not exist (RFC 8020: nor anything below it) */
    DNS_BAD_NAME, /* the question cannot be asked: a label over 63, a name over 253 octets, empty */
    DNS_TEMPFAIL  /* no usable answer: time-out, SERVFAIL, REFUSED, referral, malformed, CNAME loop
                   */
};

/* Octets of text of an SPF, DKIM or DMARC record that is read at all
 * (specification.md#bounds-keys). What people publish has some hundreds; reading more costs time,
 * and the client chooses the domain. */
enum { DNS_POLICY_TEXT_MAX = 8 * 1024 };

struct dns_record {
    struct bytes text;   /* TXT: the strings concatenated; PTR, NS, CNAME, MX: the name,
                            without the final dot, as presented (empty: the root) */
    struct ip address;   /* A, AAAA */
    uint16_t preference; /* MX */
};

struct dns_answer {
    enum dns_status status;
    size_t count;
    const struct dns_record *records; /* in the order received */
    struct bytes canonical_name;      /* where a CNAME chain ended, or the name asked */
    uint32_t ttl;                     /* seconds for which the answer may be cached */
    unsigned aliases;                 /* CNAMEs on the way, each a question of its own */
    const char *problem;              /* DNS_TEMPFAIL: why, in a few words, a literal */
    bool no_memory;                   /* DNS_TEMPFAIL: for want of memory here */
};

struct dns {
    /* Answers (name, type); waits in the calling fiber at most until the monotonic `deadline` (0:
     * the resolver's own). Everything in *answer lives in `arena`. */
    void (*query)(struct dns *self, struct arena *arena, struct bytes name, enum dns_type type,
                  double deadline, struct dns_answer *answer);
};

/* Asks `dns`. `name` is in presentation form, with or without the final dot, octets outside
 * LDH allowed (they are asked as they are); `arena` running out gives DNS_TEMPFAIL. */
void dns_query(struct dns *dns, struct arena *arena, struct bytes name, enum dns_type type,
               double deadline, struct dns_answer *answer);

/* For implementations: makes the answer a DNS_TEMPFAIL with that reason, or for want of memory;
 * copies an answer with all that it points to into another arena. */
void dns_answer_fail(struct dns_answer *answer, const char *problem);
void dns_answer_fail_memory(struct dns_answer *answer);
void dns_answer_copy(struct arena *arena, const struct dns_answer *from, struct dns_answer *to);

/* For implementations too: drops what is beyond the bounds above. Records that begin with "v=",
 * which are those that mail looks for, are dropped last. */
void dns_answer_trim(struct arena *arena, enum dns_type type, struct dns_answer *answer);

/* A `struct dns` in `arena` that remembers every answer of `inner` until the arena is dropped. It
 * never causes more than `questions_max` questions (0: any number), a CNAME counted as one, and
 * what is asked beyond that is a DNS_TEMPFAIL. NULL when memory is short. */
struct dns *dns_memo(struct arena *arena, struct dns *inner, unsigned questions_max);

#endif
