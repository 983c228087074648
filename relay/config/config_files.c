/* Files of the configuration: TLS certificate and key, the signing key, SRS secrets, public
 * suffixes. See config_files.h. */
#include "config_files.h"

#include "clause.h"
#include "config_access.h"
#include "fiber.h"
#include "file.h"
#include "pem.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_SIZE_MAX = 1024 * 1024, SRS_SECRET_MIN = 16 };

/* The whole file, for release_file(). Reports; p == NULL if it could not be read. */
static struct buffer read_named_file(struct config_draft *draft, const char *path,
                                     struct config_key key, enum config_secrecy secrecy)
{
    struct buffer octets = {0};
    const char *problem;
    mode_t mode;
    if (!file_read_with_mode(path, FILE_SIZE_MAX, &octets, &mode, &problem)) {
        config_error(draft->source, key, "%s: %s", path, problem);
        buffer_free(&octets);
    } else {
        config_check_access(draft->source, key, path, mode, secrecy);
    }
    return octets;
}

/* A key does not stay in memory that is free. */
static void release_file(struct buffer *octets)
{
    if (octets->p)
        OPENSSL_cleanse(octets->p, octets->capacity);
    buffer_free(octets);
}

static void report_openssl(struct config_draft *draft, struct config_key key, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    config_error(draft->source, key, "%s%s%s", what, reason ? ": " : "", reason ? reason : "");
    ERR_clear_error();
}

static EVP_PKEY *read_key(struct config_draft *draft, const char *path, struct config_key key)
{
    struct buffer pem = read_named_file(draft, path, key, CONFIG_SECRET);
    const char *problem;
    EVP_PKEY *parsed = pem.p ? pem_read_private_key(buffer_bytes(&pem), &problem) : NULL;
    if (pem.p && !parsed)
        report_openssl(draft, key, problem);
    release_file(&pem);
    return parsed;
}

/* The first certificate is ours, the others are the chain above it. */
static bool use_certificates(struct config_draft *draft, SSL_CTX *context, struct bytes pem)
{
    const struct config_key key = config_key("tls.certificate");
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, pem_no_passphrase, NULL) : NULL;
    const bool used = certificate && SSL_CTX_use_certificate(context, certificate) == 1;
    X509_free(certificate);
    if (!used)
        report_openssl(draft, key, "not a certificate in PEM");
    while (used) {
        X509 *above = PEM_read_bio_X509(bio, NULL, pem_no_passphrase, NULL);
        if (!above || SSL_CTX_add0_chain_cert(context, above) != 1) {
            X509_free(above);
            ERR_clear_error(); /* the end of the file is an error to OpenSSL */
            break;
        }
    }
    BIO_free(bio);
    return used;
}

static SSL_CTX *new_context(struct config_draft *draft, const SSL_METHOD *method)
{
    SSL_CTX *context = SSL_CTX_new(method);
    if (!context) {
        report_openssl(draft, config_key("tls"), "TLS could not be set up");
        return NULL;
    }
    /* RFC 8996 4, 5. Clauses: TLS-07, TLS-16, TLS-17 */
    SSL_CTX_set_min_proto_version(context, BREAK(TLS_08, TLS1_2_VERSION, TLS1_3_VERSION));
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    return context;
}

static void read_tls(struct config_draft *draft)
{
    struct config *config = &draft->config;
    /* Opportunistic TLS does not authenticate: without it the mail would go in the clear. */
    if (draft->starttls == CONFIG_STARTTLS_OPPORTUNISTIC)
        config->upstream.tls = new_context(draft, TLS_client_method());
    if (!draft->tls_certificate || !draft->tls_key)
        return;
    config->tls_server = new_context(draft, TLS_server_method());
    struct buffer certificate = read_named_file(draft, draft->tls_certificate,
                                                config_key("tls.certificate"), CONFIG_PUBLIC);
    EVP_PKEY *key = read_key(draft, draft->tls_key, config_key("tls.key"));
    if (config->tls_server && certificate.p && key &&
        use_certificates(draft, config->tls_server, buffer_bytes(&certificate)) &&
        SSL_CTX_use_PrivateKey(config->tls_server, key) != 1)
        report_openssl(draft, config_key("tls.key"), "not the key of tls.certificate");
    EVP_PKEY_free(key);
    release_file(&certificate);
}

static void read_signing_key(struct config_draft *draft)
{
    struct signing_identity *identity = &draft->config.policy.signing;
    const struct config_key key = config_key("identity.key");
    const char *problem = NULL;
    if (!draft->signing_key)
        return;
    struct buffer pem = read_named_file(draft, draft->signing_key, key, CONFIG_SECRET);
    if (!pem.p)
        return;
    identity->signer = signer_from_pem(buffer_bytes(&pem), &problem);
    release_file(&pem);
    if (problem)
        config_error(draft->source, key, "%s", problem);
    else if (strcmp(signer_algorithm(identity->signer), "rsa-sha256") != 0)
        config_error(draft->source, key, "must be an RSA key (signatures are rsa-sha256)");
}

static void check_secret(struct config_draft *draft, struct bytes secret, struct config_key key)
{
    if (secret.n < SRS_SECRET_MIN)
        config_error(draft->source, key,
                     "a secret of fewer than %d octets; 'openssl rand -hex 32' makes a good one",
                     SRS_SECRET_MIN);
}

/* The secrets of the file come after those that the configuration holds itself. */
static void read_secrets(struct config_draft *draft)
{
    struct srs *srs = &draft->config.srs;
    const struct config_key key = config_key("srs.secret_file");
    struct buffer file = {0};
    if (draft->secret_file)
        file = read_named_file(draft, draft->secret_file, key, CONFIG_SECRET);
    struct bytes lines = buffer_bytes(&file);
    const bool is_readable = lines.p != NULL;
    size_t count = srs->secret_count, most = count;
    for (struct bytes rest = lines; rest.p; most++)
        bytes_cut(&rest, '\n');
    struct bytes *secrets = arena_alloc_array(draft->arena, most, sizeof *secrets);
    for (size_t i = 0; secrets && i < count; i++) {
        secrets[i] = srs->secrets[i];
        check_secret(draft, secrets[i], config_key("srs.secrets[%zu]", i));
    }
    while (secrets && lines.p) {
        const struct bytes secret = bytes_trim(bytes_cut(&lines, '\n'));
        if (secret.n == 0)
            continue;
        check_secret(draft, secret, key);
        secrets[count++] = arena_copy(draft->arena, secret);
    }
    release_file(&file);
    srs->secrets = secrets;
    srs->secret_count = secrets ? count : 0;
    if (secrets && count == 0 && (!draft->secret_file || is_readable))
        config_error(draft->source, config_key("srs"),
                     "no secret: give srs.secrets or srs.secret_file");
}

static void read_public_suffixes(struct config_draft *draft)
{
    struct policy *policy = &draft->config.policy;
    if (!draft->public_suffix_list)
        return;
    const struct config_key key = config_key("dmarc.public_suffix_list");
    FILE *file = fopen(draft->public_suffix_list, "re");
    struct stat status;
    if (file && fstat(fileno(file), &status) == 0) {
        config_check_access(draft->source, key, draft->public_suffix_list, status.st_mode,
                            CONFIG_PUBLIC);
        policy->public_suffixes = psl_load_fp(file);
    }
    if (file)
        fclose(file);
    if (!policy->public_suffixes)
        config_error(draft->source, key, "%s: not a readable public suffix list",
                     draft->public_suffix_list);
}

void config_read_files(struct config_draft *draft)
{
    read_public_suffixes(draft);
    fiber_yield();
    read_tls(draft);
    fiber_yield();
    read_signing_key(draft);
    read_secrets(draft);
}
