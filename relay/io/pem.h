/* Keys and certificates in PEM, as files hold them (RFC 7468). */
#ifndef FAIRLEAD_PEM_H
#define FAIRLEAD_PEM_H

#include "bytes.h"

#include <openssl/evp.h>

/* Reads an unencrypted private key, PKCS#1 or PKCS#8. The caller frees it, EVP_PKEY_free(). NULL on
 * failure: *problem says what is wrong, and OpenSSL's error queue may say more. */
EVP_PKEY *pem_read_private_key(struct bytes pem, const char **problem);

/* For OpenSSL's readers: an encrypted object is an error, never a question on the terminal. */
int pem_no_passphrase(char *buffer, int size, int writing, void *context);

#endif
