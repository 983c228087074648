/* Canonicalization of any message: it is idempotent, the body hash is that of the canonical body,
 * and a selection takes every field once. */
#include "fuzz.h"

#include "body_hash.h"
#include "buffer.h"
#include "canon.h"

#include <openssl/sha.h>

static void take(void *context, struct bytes piece)
{
    buffer_add(context, piece);
}

static struct buffer canonical_field(enum canon canon, struct bytes raw)
{
    struct buffer out = {0};
    canon_field(canon, raw, (struct canon_sink){take, &out});
    return out;
}

static struct buffer canonical_body(enum canon canon, struct bytes body)
{
    struct buffer out = {0};
    struct canon_body state;
    canon_body_start(&state, canon, body, (struct canon_sink){take, &out});
    while (canon_body_step(&state, 1 + body.n / 3))
        continue;
    return out;
}

static void check_body(struct arena *arena, struct bytes body, enum canon canon)
{
    struct buffer once = canonical_body(canon, body);
    struct buffer twice = canonical_body(canon, buffer_bytes(&once));
    require(bytes_equal(buffer_bytes(&once), buffer_bytes(&twice)));
    uint8_t digest[SHA256_SIZE], expected[SHA256_SIZE];
    bool whole;
    struct body_hash *hash = body_hash_new(arena, body);
    require(body_hash_get(hash, canon, BODY_HASH_WHOLE, digest, &whole) == BODY_HASH_DONE && whole);
    SHA256((const unsigned char *)once.p, once.n, expected);
    require(bytes_equal((struct bytes){(const char *)digest, sizeof digest},
                        (struct bytes){(const char *)expected, sizeof expected}));
    if (once.n > 0) {
        require(body_hash_get(hash, canon, once.n - 1, digest, &whole) == BODY_HASH_DONE && !whole);
        require(body_hash_get(hash, canon, once.n + 1, digest, &whole) == BODY_HASH_SHORT);
    }
    buffer_free(&once);
    buffer_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(0);
    struct bytes raw = {(const char *)data, size};
    struct message message;
    require(message_parse(arena, raw, &message));
    struct field_index *index = field_index_new(arena, &message);
    for (size_t i = 0; i < message.field_count; i++) {
        const struct header_field *field = &message.fields[i];
        struct buffer once = canonical_field(CANON_RELAXED, field->raw);
        struct buffer twice = canonical_field(CANON_RELAXED, buffer_bytes(&once));
        require(bytes_equal(buffer_bytes(&once), buffer_bytes(&twice)));
        buffer_free(&once);
        buffer_free(&twice);
        require((field_index_take(index, field->name) != NULL) == !field->malformed);
    }
    check_body(arena, message.body, CANON_SIMPLE);
    check_body(arena, message.body, CANON_RELAXED);
    arena_free(arena);
    return 0;
}
