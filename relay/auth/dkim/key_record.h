/* DKIM public keys in DNS: RFC 6376 3.6 (errata included), RFC 8301 3.2, RFC 8463 4.2. */
#ifndef FAIRLEAD_KEY_RECORD_H
#define FAIRLEAD_KEY_RECORD_H

#include "dns.h"

#include <openssl/evp.h>

enum {
    RSA_BITS_MIN = 1024, /* RFC 8301 3.2, for verifying and for signing */
    ED25519_BITS = 256
};

enum key_type { KEY_RSA, KEY_ED25519, KEY_OTHER };

enum key_status {
    KEY_FOUND,
    KEY_UNAVAILABLE, /* DNS did not answer: a later attempt may succeed (6.1.2 step 2) */
    KEY_UNUSABLE,    /* no record, or none that fits: permanent */
    KEY_NO_MEMORY
};

struct public_key {
    EVP_PKEY *pkey; /* the caller's, EVP_PKEY_free() */
    enum key_type type;
    unsigned bits; /* also set where a key was refused for its size */
    bool testing;
    bool no_subdomains;
    const char *reason; /* why there is no key; never NULL then */
};

/* Fetches the key for a sha256 signature of `type` at selector._domainkey.domain (3.6.2.1), both in
 * A-labels. Of several records the first that fits is taken (6.1.2 step 4). */
enum key_status key_fetch(struct arena *arena, struct dns *dns, struct bytes selector,
                          struct bytes domain, enum key_type type, struct public_key *key);

#endif
