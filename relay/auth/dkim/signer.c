/* Signing with one private key. See signer.h.
 *
 * The key is parsed once and the context of an RSA signature is set up once; what remains per
 * signature is the private-key operation itself. */
#include "signer.h"

#include "base64.h"
#include "key_record.h"
#include "pem.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>

enum { SIGNATURE_MAX = 2048 /* octets: RSA of 16384 bits */ };

struct signer {
    EVP_PKEY *pkey;
    EVP_PKEY_CTX *rsa; /* NULL for Ed25519 */
    EVP_MD_CTX *eddsa; /* NULL for RSA */
};

static bool prepare_ed25519(struct signer *signer, const char **problem)
{
    *problem = "out of memory";
    signer->eddsa = EVP_MD_CTX_new();
    return signer->eddsa != NULL;
}

static bool prepare_rsa(struct signer *signer, const char **problem)
{
    *problem = "RSA key is shorter than 1024 bits (RFC 8301 3.2)";
    if (EVP_PKEY_get_bits(signer->pkey) < RSA_BITS_MIN)
        return false;
    *problem = "RSA key is longer than 16384 bits";
    if (EVP_PKEY_get_size(signer->pkey) > SIGNATURE_MAX)
        return false;
    *problem = "RSA key cannot sign with SHA-256";
    signer->rsa = EVP_PKEY_CTX_new_from_pkey(NULL, signer->pkey, NULL);
    return signer->rsa && EVP_PKEY_sign_init(signer->rsa) == 1 &&
           EVP_PKEY_CTX_set_rsa_padding(signer->rsa, RSA_PKCS1_PADDING) == 1 &&
           EVP_PKEY_CTX_set_signature_md(signer->rsa, EVP_sha256()) == 1;
}

static bool prepare_key(struct signer *signer, const char **problem)
{
    if (EVP_PKEY_is_a(signer->pkey, "ED25519"))
        return prepare_ed25519(signer, problem);
    if (EVP_PKEY_is_a(signer->pkey, "RSA"))
        return prepare_rsa(signer, problem);
    *problem = "neither an RSA nor an Ed25519 key";
    return false;
}

struct signer *signer_from_pem(struct bytes pem, const char **problem)
{
    struct signer *signer = calloc(1, sizeof *signer);
    *problem = "out of memory";
    if (signer)
        signer->pkey = pem_read_private_key(pem, problem);
    bool ready = signer && signer->pkey && prepare_key(signer, problem);
    ERR_clear_error();
    if (!ready) {
        signer_free(signer);
        return NULL;
    }
    *problem = NULL;
    return signer;
}

void signer_free(struct signer *signer)
{
    if (!signer)
        return;
    EVP_PKEY_CTX_free(signer->rsa);
    EVP_MD_CTX_free(signer->eddsa);
    EVP_PKEY_free(signer->pkey);
    free(signer);
}

const char *signer_algorithm(const struct signer *signer)
{
    return signer->rsa ? "rsa-sha256" : "ed25519-sha256";
}

struct bytes signer_sign(struct signer *signer, struct arena *arena,
                         const uint8_t digest[SHA256_SIZE])
{
    uint8_t octets[SIGNATURE_MAX];
    size_t n = sizeof octets;
    bool done;
    if (signer->rsa)
        done = EVP_PKEY_sign(signer->rsa, octets, &n, digest, SHA256_SIZE) == 1;
    else /* RFC 8463 3: PureEdDSA over the hash */
        done = EVP_DigestSignInit(signer->eddsa, NULL, NULL, NULL, signer->pkey) == 1 &&
               EVP_DigestSign(signer->eddsa, octets, &n, digest, SHA256_SIZE) == 1;
    return done ? base64_encode(arena, (struct bytes){(const char *)octets, n})
                : (struct bytes){NULL, 0};
}
