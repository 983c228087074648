/* Keys and certificates in PEM. See pem.h. */
#include "pem.h"

#include <limits.h>
#include <openssl/pem.h>

int pem_no_passphrase(char *buffer, int size, int writing, void *context)
{
    (void)buffer, (void)size, (void)writing, (void)context;
    return -1;
}

EVP_PKEY *pem_read_private_key(struct bytes pem, const char **problem)
{
    BIO *bio = pem.n <= INT_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, pem_no_passphrase, NULL) : NULL;
    if (!key)
        *problem = bio ? "not an unencrypted private key in PEM" : "out of memory";
    BIO_free(bio);
    return key;
}
