/* The signature fields that DKIM and ARC have in common: DKIM-Signature (RFC 6376 3.5),
 * ARC-Message-Signature and ARC-Seal (RFC 8617 4.1.2, 4.1.3). Reading them, hashing what they sign,
 * and checking the signature itself.
 *
 * Literals of the grammar fold case (RFC 5234 2.3): where RFC 6376 means one case it spells the
 * octets in hexadecimal, as in v=DKIM1 and in the names of tags. */
#ifndef FAIRLEAD_SIGNATURE_H
#define FAIRLEAD_SIGNATURE_H

#include "body_hash.h"
#include "canon.h"
#include "key_record.h"
#include "message.h"
#include "taglist.h"

enum signature_kind { SIGNATURE_DKIM, SIGNATURE_ARC_MESSAGE, SIGNATURE_ARC_SEAL };

enum signature_status {
    SIGNATURE_GOOD,
    SIGNATURE_BAD,        /* it does not match the message */
    SIGNATURE_MALFORMED,  /* it does not follow the grammar */
    SIGNATURE_UNKNOWN,    /* an algorithm, canonicalisation or query method that is not supported */
    SIGNATURE_REFUSED,    /* it follows the grammar and cannot be accepted */
    SIGNATURE_UNVERIFIED, /* it costs more than one message is worth */
    SIGNATURE_UNAVAILABLE, /* DNS did not answer */
    SIGNATURE_NO_MEMORY
};

/* What a field says. Slices are empty where the field did not get that far. */
struct signature {
    enum signature_kind kind;
    const struct header_field *field;
    struct taglist tags;
    struct bytes domain, selector;         /* d=, s= as written */
    struct bytes dns_domain, dns_selector; /* the same in A-labels (RFC 8616 5) */
    struct bytes identity;                 /* i= without FWS, or "@" and the domain; DKIM */
    struct bytes algorithm;                /* a= */
    struct bytes text;                     /* b= without FWS */
    struct bytes octets;                   /* b= decoded */
    struct bytes body_hash;                /* bh= decoded */
    struct bytes headers;                  /* h= */
    struct bytes cut;                      /* b= with the white space around it, in the field */
    enum key_type key_type;
    enum canon header_canon, body_canon;
    uint64_t body_limit; /* l=, or BODY_HASH_WHOLE */
    bool below_domain;   /* the domain of i= is a subdomain of d= */
};

/* Reads the field whose tag list is `tag_text`: the field's value, or for ARC what follows the
 * instance. `now` is the time of verification, Unix. GOOD, MALFORMED, UNKNOWN, REFUSED or
 * NO_MEMORY, with the reason in *reason. */
enum signature_status signature_read(struct arena *arena, enum signature_kind kind,
                                     const struct header_field *field, struct bytes tag_text,
                                     int64_t now, struct signature *signature, const char **reason);

/* What came of checking one signature. */
struct signature_check {
    enum signature_status status;
    const char *reason; /* never NULL, "" when good */
    unsigned bits;      /* of the key */
    bool testing;       /* the key says t=y */
    bool whole_body;
};

/* Fetches the key and compares body hash and signature of a DKIM-Signature or an AMS that was read
 * well (RFC 6376 6.1.2, 6.1.3). */
void signature_check_message(struct arena *arena, const struct signature *signature,
                             const struct message *message, struct field_index *index,
                             struct body_hash *body, struct dns *dns,
                             struct signature_check *check);

/* The same for an ARC-Seal over the `count` fields in this order (RFC 8617 5.1.1). */
void signature_check_seal(struct arena *arena, const struct signature *signature,
                          const struct bytes *fields, size_t count, struct dns *dns,
                          struct signature_check *check);

/* Hash step 2 of RFC 6376 3.7: the fields that the colon-separated `headers` choose, then the
 * signature field `raw` without the octets of `cut`. `own` is that field in the message when
 * verifying, NULL when signing. */
bool signature_hash_message(struct field_index *index, const struct header_field *own,
                            struct bytes headers, enum canon canon, struct bytes raw,
                            struct bytes cut, uint8_t digest[SHA256_SIZE]);

/* The same for a seal, which has no h= and is always relaxed. */
bool signature_hash_seal(const struct bytes *fields, size_t count, struct bytes raw,
                         struct bytes cut, uint8_t digest[SHA256_SIZE]);

#endif
