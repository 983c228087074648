/* Files of the configuration: TLS certificate and key, the signing key, SRS secrets, public
 * suffixes. See config_files.h. */
#include "config_files.h"

#include "fiber.h"
#include "file.h"
#include "pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

enum { FILE_SIZE_MAX = 1024 * 1024, SRS_SECRET_MIN = 16 };

/* The whole file, NUL-terminated after its end. Reports; p == NULL then. */
static struct bytes read_named_file(struct config_draft *draft, const char *path,
                                    struct config_key key)
{
    struct buffer octets = {0};
    struct bytes copy = {NULL, 0};
    const char *problem;
    if (!file_read(path, FILE_SIZE_MAX, &octets, &problem))
        config_error(draft->source, key, "%s: %s", path, problem);
    else
        copy = arena_copy(draft->arena, buffer_bytes(&octets));
    buffer_free(&octets);
    return copy;
}

static void report_openssl(struct config_draft *draft, struct config_key key, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    config_error(draft->source, key, "%s%s%s", what, reason ? ": " : "", reason ? reason : "");
    ERR_clear_error();
}

static EVP_PKEY *parse_key(struct config_draft *draft, struct bytes pem, struct config_key key)
{
    if (!pem.p)
        return NULL;
    const char *problem;
    EVP_PKEY *parsed = pem_read_private_key(pem, &problem);
    if (!parsed)
        report_openssl(draft, key, problem);
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
    /* RFC 8996 4. Clauses: TLS-07, TLS-08 */
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
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
    const struct bytes certificate =
        read_named_file(draft, draft->tls_certificate, config_key("tls.certificate"));
    const struct bytes pem = read_named_file(draft, draft->tls_key, config_key("tls.key"));
    EVP_PKEY *key = parse_key(draft, pem, config_key("tls.key"));
    if (config->tls_server && certificate.p && key &&
        use_certificates(draft, config->tls_server, certificate) &&
        SSL_CTX_use_PrivateKey(config->tls_server, key) != 1)
        report_openssl(draft, config_key("tls.key"), "not the key of tls.certificate");
    EVP_PKEY_free(key);
}

static void read_signing_key(struct config_draft *draft)
{
    struct signing_identity *identity = &draft->config.policy.signing;
    const struct config_key key = config_key("identity.key");
    const char *problem = NULL;
    if (!draft->signing_key)
        return;
    const struct bytes pem = read_named_file(draft, draft->signing_key, key);
    if (!pem.p)
        return;
    identity->signer = signer_from_pem(pem, &problem);
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
    struct bytes lines = {NULL, 0};
    if (draft->secret_file)
        lines = read_named_file(draft, draft->secret_file, key);
    const bool is_readable = lines.p != NULL;
    size_t count = srs->secret_count, most = count;
    for (struct bytes rest = lines; rest.p; most++)
        bytes_cut(&rest, '\n');
    struct bytes *secrets = arena_alloc_array(draft->arena, most, sizeof *secrets);
    if (!secrets)
        return;
    for (size_t i = 0; i < count; i++) {
        secrets[i] = srs->secrets[i];
        check_secret(draft, secrets[i], config_key("srs.secrets[%zu]", i));
    }
    while (lines.p) {
        const struct bytes secret = bytes_trim(bytes_cut(&lines, '\n'));
        if (secret.n == 0)
            continue;
        check_secret(draft, secret, key);
        secrets[count++] = secret;
    }
    srs->secrets = secrets;
    srs->secret_count = count;
    if (count == 0 && (!draft->secret_file || is_readable))
        config_error(draft->source, config_key("srs"),
                     "no secret: give srs.secrets or srs.secret_file");
}

static void read_public_suffixes(struct config_draft *draft)
{
    struct policy *policy = &draft->config.policy;
    if (!draft->public_suffix_list)
        return;
    policy->public_suffixes = psl_load_file(draft->public_suffix_list);
    if (!policy->public_suffixes)
        config_error(draft->source, config_key("dmarc.public_suffix_list"),
                     "%s: not a readable public suffix list", draft->public_suffix_list);
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
