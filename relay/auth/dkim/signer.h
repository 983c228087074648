/* The private key with which this relay signs: parsed once, used for every DKIM-Signature,
 * ARC-Message-Signature and ARC-Seal (RFC 6376 3.3, RFC 8301, RFC 8463). */
#ifndef FAIRLEAD_SIGNER_H
#define FAIRLEAD_SIGNER_H

#include "arena.h"
#include "body_hash.h"

struct signer;

/* Reads a private key in PEM (PKCS#1 or PKCS#8, unencrypted): RSA of at least 1024 bits
 * (RFC 8301 3.2), or Ed25519. NULL on failure, with the reason in *problem, which is NULL
 * otherwise. */
struct signer *signer_from_pem(struct bytes pem, const char **problem);
void signer_free(struct signer *signer);

/* "rsa-sha256" or "ed25519-sha256", for a=. */
const char *signer_algorithm(const struct signer *signer);

/* The signature over a SHA-256 hash, in base64. p == NULL on failure. */
struct bytes signer_sign(struct signer *signer, struct arena *arena,
                         const uint8_t digest[SHA256_SIZE]);

/* Who signs: the key and the place where its public half is published. */
struct signing_identity {
    struct signer *signer;
    struct bytes domain;   /* d= */
    struct bytes selector; /* s= */
};

#endif
