/* Signatures that a fuzzer can make: with this file and -Wl,--wrap=EVP_DigestVerify and
 * EVP_PKEY_verify, three octets 0 (b=AAAA) are a good signature by any key. No real one is as
 * short, so the rest of verification is as it was. */
#include <openssl/evp.h>
#include <stdbool.h>

enum { LENIENT_SIZE = 3 };

int __wrap_EVP_DigestVerify(EVP_MD_CTX *context, const unsigned char *signature, size_t size,
                            const unsigned char *octets, size_t octets_size);
int __real_EVP_DigestVerify(EVP_MD_CTX *context, const unsigned char *signature, size_t size,
                            const unsigned char *octets, size_t octets_size);
int __wrap_EVP_PKEY_verify(EVP_PKEY_CTX *context, const unsigned char *signature, size_t size,
                           const unsigned char *octets, size_t octets_size);
int __real_EVP_PKEY_verify(EVP_PKEY_CTX *context, const unsigned char *signature, size_t size,
                           const unsigned char *octets, size_t octets_size);

static bool is_lenient(const unsigned char *signature, size_t size)
{
    return size == LENIENT_SIZE && !signature[0] && !signature[1] && !signature[2];
}

int __wrap_EVP_DigestVerify(EVP_MD_CTX *context, const unsigned char *signature, size_t size,
                            const unsigned char *octets, size_t octets_size)
{
    return is_lenient(signature, size)
               ? 1
               : __real_EVP_DigestVerify(context, signature, size, octets, octets_size);
}

int __wrap_EVP_PKEY_verify(EVP_PKEY_CTX *context, const unsigned char *signature, size_t size,
                           const unsigned char *octets, size_t octets_size)
{
    return is_lenient(signature, size)
               ? 1
               : __real_EVP_PKEY_verify(context, signature, size, octets, octets_size);
}
