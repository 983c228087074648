/* Hashing and checking signatures: RFC 6376 3.7 and 6.1.3, RFC 8617 5.1.1. See signature.h. */
#include "signature.h"

#include "clause.h"
#include "crypto_memory.h"
#include "fiber.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

struct hashing {
    EVP_MD_CTX *digest;
    bool failed;
};

static bool hashing_start(struct hashing *hashing)
{
    hashing->digest = EVP_MD_CTX_new();
    hashing->failed =
        !hashing->digest || EVP_DigestInit_ex(hashing->digest, EVP_sha256(), NULL) != 1;
    return !hashing->failed;
}

static void hash_header_piece(void *context, struct bytes piece)
{
    struct hashing *hashing = context;
    if (EVP_DigestUpdate(hashing->digest, piece.p, piece.n) != 1)
        hashing->failed = true;
}

static bool hashing_end(struct hashing *hashing, uint8_t digest[SHA256_SIZE])
{
    bool done = !hashing->failed && EVP_DigestFinal_ex(hashing->digest, digest, NULL) == 1;
    EVP_MD_CTX_free(hashing->digest);
    return done;
}

bool signature_hash_message(struct field_index *index, const struct header_field *own,
                            struct bytes headers, enum canon canon, struct bytes raw,
                            struct bytes cut, uint8_t digest[SHA256_SIZE])
{
    struct hashing hashing;
    struct canon_sink sink = {hash_header_piece, &hashing};
    if (hashing_start(&hashing)) {
        field_index_restart(index, own);
        for (struct bytes rest = headers; rest.p;) {
            const struct header_field *field = field_index_take(index, taglist_cut_element(&rest));
            if (field)
                canon_field(canon, field->raw, sink);
        }
        canon_signature_field(canon, raw, cut, sink);
    }
    return hashing_end(&hashing, digest);
}

bool signature_hash_seal(const struct bytes *fields, size_t count, struct bytes raw,
                         struct bytes cut, uint8_t digest[SHA256_SIZE])
{
    struct hashing hashing;
    struct canon_sink sink = {hash_header_piece, &hashing};
    if (hashing_start(&hashing)) {
        for (size_t i = 0; i < count; i++)
            canon_field(CANON_RELAXED, fields[i], sink);
        canon_signature_field(CANON_RELAXED, raw, cut, sink);
    }
    return hashing_end(&hashing, digest);
}

/* RSASSA-PKCS1-v1_5 (RFC 6376 3.3.2), or PureEdDSA over the hash (RFC 8463 3). */
static bool signature_matches(const struct public_key *key, struct bytes signature,
                              const uint8_t digest[SHA256_SIZE], bool *no_memory)
{
    unsigned failures = crypto_memory_failures();
    const unsigned char *octets = (const unsigned char *)signature.p;
    bool good = false;
    if (key->type == KEY_ED25519) {
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        good = context && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key->pkey) == 1 &&
               EVP_DigestVerify(context, octets, signature.n, digest, SHA256_SIZE) == 1;
        EVP_MD_CTX_free(context);
    } else {
        EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
        good = context && EVP_PKEY_verify_init(context) == 1 &&
               EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 &&
               EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1 &&
               EVP_PKEY_verify(context, octets, signature.n, digest, SHA256_SIZE) == 1;
        EVP_PKEY_CTX_free(context);
    }
    ERR_clear_error(); /* of a signature that does not match */
    *no_memory = !good && crypto_memory_failures() != failures;
    return good;
}

static void set_outcome(struct signature_check *check, enum signature_status status,
                        const char *reason)
{
    check->status = status;
    check->reason = reason;
}

static void check_signature(const struct public_key *key, struct bytes signature,
                            const uint8_t digest[SHA256_SIZE], struct signature_check *check)
{
    bool no_memory;
    fiber_yield(); /* the costliest step of all */
    if (signature_matches(key, signature, digest, &no_memory))
        return;
    if (no_memory)
        set_outcome(check, SIGNATURE_NO_MEMORY, "");
    else
        set_outcome(check, SIGNATURE_BAD, "signature did not verify");
}

/* Step 1 to 8 of 6.1.2. False when it decided the outcome. */
static bool get_key(struct arena *arena, const struct signature *signature, struct dns *dns,
                    struct public_key *key, struct signature_check *check)
{
    fiber_yield(); /* between signatures: a key from the cache is there without a wait */
    enum key_status status = key_fetch(arena, dns, signature->dns_selector, signature->dns_domain,
                                       signature->key_type, key);
    check->bits = key->bits;
    check->testing = key->testing;
    fiber_yield();
    if (status == KEY_FOUND)
        return true;
    set_outcome(check,
                status == KEY_UNAVAILABLE ? SIGNATURE_UNAVAILABLE
                : status == KEY_NO_MEMORY ? SIGNATURE_NO_MEMORY
                                          : SIGNATURE_REFUSED,
                key->reason);
    return false;
}

static bool body_matches(const struct signature *signature, struct body_hash *body,
                         struct signature_check *check)
{
    uint8_t digest[SHA256_SIZE];
    switch (body_hash_get(body, signature->body_canon, signature->body_limit, digest,
                          &check->whole_body)) {
    case BODY_HASH_DONE:
        if (CLAUSE(DKIM_14, !bytes_equal(signature->body_hash,
                                         (struct bytes){(const char *)digest, sizeof digest}))) {
            set_outcome(check, SIGNATURE_BAD, "body hash did not verify");
            return false;
        }
        return true;
    case BODY_HASH_SHORT:
        set_outcome(check, SIGNATURE_REFUSED, "l= exceeds the length of the body");
        return false;
    case BODY_HASH_TOO_MANY:
        set_outcome(check, SIGNATURE_UNVERIFIED, "too many different values of l=");
        return false;
    case BODY_HASH_FAILED:
        break;
    }
    set_outcome(check, SIGNATURE_NO_MEMORY, "");
    return false;
}

void signature_check_message(struct arena *arena, const struct signature *signature,
                             const struct message *message, struct field_index *index,
                             struct body_hash *body, struct dns *dns, struct signature_check *check)
{
    *check = (struct signature_check){.status = SIGNATURE_GOOD, .reason = ""};
    struct public_key key;
    uint8_t digest[SHA256_SIZE];
    /* A second From is shown to a reader while the signature vouches for the first (RFC 6376 8.15,
     * RFC 5322 3.6). */
    if (message_count(message, BYTES("From")) != 1) {
        set_outcome(check, SIGNATURE_REFUSED, "message does not have exactly one From field");
        return;
    }
    if (!get_key(arena, signature, dns, &key, check))
        return;
    if (!signature_hash_message(index, signature->field, signature->headers,
                                signature->header_canon, signature->field->raw, signature->cut,
                                digest))
        set_outcome(check, SIGNATURE_NO_MEMORY, "");
    else if (key.no_subdomains && signature->below_domain)
        set_outcome(check, SIGNATURE_REFUSED, "key does not allow subdomains in i= (t=s)");
    else if (body_matches(signature, body, check))
        check_signature(&key, signature->octets, digest, check);
    EVP_PKEY_free(key.pkey);
}

void signature_check_seal(struct arena *arena, const struct signature *signature,
                          const struct bytes *fields, size_t count, struct dns *dns,
                          struct signature_check *check)
{
    *check = (struct signature_check){.status = SIGNATURE_GOOD, .reason = ""};
    struct public_key key;
    uint8_t digest[SHA256_SIZE];
    if (!get_key(arena, signature, dns, &key, check))
        return;
    if (!signature_hash_seal(fields, count, signature->field->raw, signature->cut, digest))
        set_outcome(check, SIGNATURE_NO_MEMORY, "");
    else
        check_signature(&key, signature->octets, digest, check);
    EVP_PKEY_free(key.pkey);
}
