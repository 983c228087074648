/* DKIM: verifying the signatures of a message (RFC 6376 6, RFC 8301, RFC 8463) and signing it as
 * the forwarding service (RFC 6376 5). */
#ifndef FAIRLEAD_DKIM_H
#define FAIRLEAD_DKIM_H

#include "body_hash.h"
#include "dns.h"
#include "message.h"
#include "signer.h"

enum { DKIM_SIGNATURES_MAX = 8 }; /* verified per message, the rest get `policy` */

/* The results of RFC 8601 2.7.1, and what they stand for here. */
enum dkim_result {
    DKIM_PASS,
    DKIM_FAIL,      /* the body hash or the signature does not match */
    DKIM_POLICY,    /* past the number of signatures, or of values of l=, that are verified */
    DKIM_NEUTRAL,   /* malformed, of an unknown kind, or of a domain that is testing (t=y) */
    DKIM_TEMPERROR, /* DNS did not answer */
    DKIM_PERMERROR  /* permanently refused: no key, revoked, rsa-sha1, short key, expired, ... */
};

struct dkim_signature {
    struct bytes domain;    /* d=, as written; empty where it could not be read */
    struct bytes selector;  /* s= */
    struct bytes identity;  /* i=, or "@" and the domain */
    struct bytes algorithm; /* a= */
    struct bytes signature; /* b= without FWS, for header.b */
    unsigned bits;          /* of the key; 0 where none was fetched */
    enum dkim_result result;
    const char *reason;     /* why it is not a pass, or only of a part of the body; never NULL */
    bool covers_whole_body; /* false: l= leaves a part unsigned; must not count for DMARC */
};

struct dkim_results {
    struct dkim_signature *signatures; /* in the order of the message, top down */
    size_t count;                      /* 0: not signed, the result is `none` */
};

/* Verifies all signatures of the message. Waits in the calling fiber for DNS. False only when
 * memory is short. */
bool dkim_verify_message(struct arena *arena, const struct message *message, struct body_hash *body,
                         struct dns *dns, struct dkim_results *results);

/* "pass", "fail", ... */
const char *dkim_result_name(enum dkim_result result);

enum { DKIM_LIFETIME = 7 * 24 * 3600 }; /* seconds from t= to x= */

/* A DKIM-Signature field with its final CRLF, to be put on top of the message: relaxed/relaxed,
 * From signed once more than it occurs, t= `now` and x= seven days later, no l=. p == NULL on
 * failure. */
struct bytes dkim_sign_message(struct arena *arena, const struct message *message,
                               struct body_hash *body, const struct signing_identity *identity,
                               int64_t now);

#endif
