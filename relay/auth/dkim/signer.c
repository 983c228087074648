/* Signing with one private key. See signer.h.
 *
 * The key is parsed once and the context of an RSA signature is set up once; what remains per
 * signature is the private-key operation itself. */
#include "signer.h"

#include "base64.h"
#include "key_record.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>

enum { SIGNATURE_MOST = 2048 /* octets: RSA of 16384 bits */ };

struct signer {
    EVP_PKEY *pkey;
    EVP_PKEY_CTX *rsa; /* NULL for Ed25519 */
    EVP_MD_CTX *eddsa; /* NULL for RSA */
};

/* Keys of a configuration have no passphrase: without this, OpenSSL would ask the terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *user)
{
    (void)buffer, (void)size, (void)writing, (void)user;
    return -1;
}

static const char *prepare(struct signer *signer)
{
    if (EVP_PKEY_is_a(signer->pkey, "ED25519")) {
        signer->eddsa = EVP_MD_CTX_new();
        return signer->eddsa ? NULL : "out of memory";
    }
    if (!EVP_PKEY_is_a(signer->pkey, "RSA"))
        return "neither an RSA nor an Ed25519 key";
    if (EVP_PKEY_get_bits(signer->pkey) < RSA_BITS_LEAST)
        return "an RSA key of fewer than 1024 bits (RFC 8301 3.2)";
    if (EVP_PKEY_get_size(signer->pkey) > SIGNATURE_MOST)
        return "an RSA key of more than 16384 bits";
    signer->rsa = EVP_PKEY_CTX_new_from_pkey(NULL, signer->pkey, NULL);
    if (!signer->rsa || EVP_PKEY_sign_init(signer->rsa) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(signer->rsa, RSA_PKCS1_PADDING) != 1 ||
        EVP_PKEY_CTX_set_signature_md(signer->rsa, EVP_sha256()) != 1)
        return "an RSA key that cannot sign with SHA-256";
    return NULL;
}

struct signer *signer_from_pem(struct bytes pem, const char **problem)
{
    struct signer *signer = calloc(1, sizeof *signer);
    BIO *bio = pem.n <= INT_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
    *problem = "out of memory";
    if (signer && bio) {
        signer->pkey = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
        *problem = signer->pkey ? prepare(signer) : "not an unencrypted private key in PEM";
    }
    BIO_free(bio);
    ERR_clear_error();
    if (*problem) {
        signer_free(signer);
        return NULL;
    }
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
    uint8_t octets[SIGNATURE_MOST];
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
