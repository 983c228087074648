/* The hashes of one body. See body_hash.h. */
#include "body_hash.h"

#include "clause.h"
#include "fiber.h"

#include <openssl/evp.h>
#include <string.h>

enum {
    /* Passes over one body for signatures that cover only a part of it. A message with more
     * distinct values of l= is not mail but an attempt to keep the relay busy. */
    PARTIAL_PASSES_MAX = 2,
    SLICE = 16 * 1024 /* octets between two occasions for other fibers */
};

struct body_part {
    enum canon canon;
    uint64_t limit;
    uint8_t digest[SHA256_SIZE];
};

struct body_hash {
    struct bytes body;
    struct {
        bool known;
        uint8_t digest[SHA256_SIZE];
        uint64_t length; /* of the canonical body */
    } whole[2];          /* by enum canon */
    struct body_part parts[PARTIAL_PASSES_MAX];
    unsigned part_count;
};

struct body_hash *body_hash_new(struct arena *arena, struct bytes body)
{
    struct body_hash *hash = arena_alloc(arena, sizeof *hash);
    if (hash)
        hash->body = body;
    return hash;
}

/* One pass: what still has to be hashed, and how long the canonical body is as far as it was read.
 */
struct pass {
    EVP_MD_CTX *digest;
    uint64_t left;
    uint64_t length;
    bool failed;
};

static void hash_body_piece(void *context, struct bytes piece)
{
    struct pass *pass = context;
    pass->length += piece.n;
    struct bytes covered = piece.n > pass->left ? bytes_first(piece, (size_t)pass->left) : piece;
    pass->left -= covered.n;
    if (covered.n > 0 && EVP_DigestUpdate(pass->digest, covered.p, covered.n) != 1)
        pass->failed = true;
}

/* Up to the limit; other fibers run meanwhile. */
static void read_body(struct bytes body, enum canon canon, struct pass *pass)
{
    struct canon_body state;
    canon_body_start(&state, canon, body, (struct canon_sink){hash_body_piece, pass});
    while (canon_body_step(&state, SLICE) && pass->left > 0 && !pass->failed)
        fiber_yield();
}

static bool hash_body(struct bytes body, enum canon canon, uint64_t limit,
                      uint8_t digest[SHA256_SIZE], uint64_t *length)
{
    struct pass pass = {.digest = EVP_MD_CTX_new(), .left = limit};
    bool done = pass.digest && EVP_DigestInit_ex(pass.digest, EVP_sha256(), NULL) == 1;
    if (done) {
        read_body(body, canon, &pass);
        done = !pass.failed && EVP_DigestFinal_ex(pass.digest, digest, NULL) == 1;
    }
    EVP_MD_CTX_free(pass.digest);
    *length = pass.length;
    return done;
}

/* The hash of less than all; signatures with the same l= share it. */
static enum body_hash_status hash_part(struct body_hash *hash, enum canon canon, uint64_t limit,
                                       uint8_t digest[SHA256_SIZE])
{
    uint64_t length;
    struct body_part *part = hash->parts, *end = part + hash->part_count;
    while (part < end && (part->canon != canon || part->limit != limit))
        part++;
    if (part == end) {
        if (CLAUSE(DKIM_19, hash->part_count >= PARTIAL_PASSES_MAX))
            return BODY_HASH_TOO_MANY;
        *part = (struct body_part){.canon = canon, .limit = limit};
        if (!hash_body(hash->body, canon, limit, part->digest, &length))
            return BODY_HASH_FAILED;
        hash->part_count++;
    }
    memcpy(digest, part->digest, SHA256_SIZE);
    return BODY_HASH_DONE;
}

enum body_hash_status body_hash_get(struct body_hash *hash, enum canon canon, uint64_t limit,
                                    uint8_t digest[SHA256_SIZE], bool *whole)
{
    if (!hash->whole[canon].known) {
        if (!hash_body(hash->body, canon, BODY_HASH_WHOLE, hash->whole[canon].digest,
                       &hash->whole[canon].length))
            return BODY_HASH_FAILED;
        hash->whole[canon].known = true;
    }
    uint64_t length = hash->whole[canon].length;
    *whole = limit >= length;
    if (limit == BODY_HASH_WHOLE || limit == length) {
        memcpy(digest, hash->whole[canon].digest, SHA256_SIZE);
        return BODY_HASH_DONE;
    }
    return limit > length ? BODY_HASH_SHORT : hash_part(hash, canon, limit, digest);
}
