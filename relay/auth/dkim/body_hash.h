/* The SHA-256 hashes of one message's body, each computed at most once: every DKIM signature and
 * every ARC set of the message uses them, and so do the signatures this relay adds
 * (RFC 6376 3.7, hash step 1). */
#ifndef FAIRLEAD_BODY_HASH_H
#define FAIRLEAD_BODY_HASH_H

#include "arena.h"
#include "canon.h"

enum { SHA256_SIZE = 32 };

#define BODY_HASH_WHOLE UINT64_MAX

struct body_hash;

/* Hashes of `body`, which has to outlive it. NULL when memory is short. */
struct body_hash *body_hash_new(struct arena *arena, struct bytes body);

enum body_hash_status {
    BODY_HASH_DONE,
    BODY_HASH_SHORT,    /* the canonical body has fewer octets than the limit (3.5, l=) */
    BODY_HASH_TOO_MANY, /* different values of l=: each costs a pass over the body */
    BODY_HASH_FAILED    /* memory */
};

/* The hash of the first `limit` octets (BODY_HASH_WHOLE: all) of the canonical body. *whole becomes
 * true if those are all there are. Other fibers run meanwhile. */
enum body_hash_status body_hash_get(struct body_hash *hash, enum canon canon, uint64_t limit,
                                    uint8_t digest[SHA256_SIZE], bool *whole);

#endif
