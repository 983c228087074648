/* What the configuration keeps secret or proves itself with: TLS certificate and key, the signing
 * key, SRS secrets. See config_build.h. */
#include "config_build.h"
#include "file.h"
#include "srs.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

enum { SRS_SECRET_LEAST = 16 };

const char *config_resolve_path(struct config_build *build, const char *name)
{
    const struct bytes path = build->config->path;
    const size_t slash = bytes_find_last(path, '/');
    if (*name == '/' || slash == BYTES_NOT_FOUND)
        return config_text(build, name).p;
    return arena_printf(build->arena, "%.*s%s", (int)slash + 1, path.p, name).p;
}

struct bytes config_read_file(struct config_build *build, const char *name, struct config_key key)
{
    struct buffer octets = {0};
    struct bytes copy = {NULL, 0};
    const char *path = config_resolve_path(build, name);
    const char *problem = path ? file_read(path, CONFIG_FILE_LIMIT, &octets) : "out of memory";
    if (problem)
        config_error(build->source, key, "%s: %s", path ? path : name, problem);
    else
        copy = arena_copy(build->arena, buffer_bytes(&octets));
    buffer_free(&octets);
    return copy;
}

static void report_openssl(struct config_build *build, struct config_key key, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    config_error(build->source, key, "%s%s%s", what, reason ? ": " : "", reason ? reason : "");
    ERR_clear_error();
}

/* An encrypted key is an error here, never a question on the terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *context)
{
    (void)buffer, (void)size, (void)writing, (void)context;
    return -1;
}

static EVP_PKEY *parse_key(struct config_build *build, struct bytes pem, struct config_key key)
{
    if (!pem.p)
        return NULL;
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *parsed = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    if (!parsed)
        report_openssl(build, key, "not a private key in PEM without a passphrase");
    return parsed;
}

/* The first certificate is ours, the others are the chain above it. */
static bool use_certificates(struct config_build *build, SSL_CTX *context, struct bytes pem)
{
    const struct config_key key = config_key("tls.certificate");
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, no_passphrase, NULL) : NULL;
    const bool used = certificate && SSL_CTX_use_certificate(context, certificate) == 1;
    X509_free(certificate);
    if (!used)
        report_openssl(build, key, "not a certificate in PEM");
    while (used) {
        X509 *above = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
        if (!above || SSL_CTX_add0_chain_cert(context, above) != 1) {
            X509_free(above);
            ERR_clear_error(); /* the end of the file is an error to OpenSSL */
            break;
        }
    }
    BIO_free(bio);
    return used;
}

static SSL_CTX *new_context(struct config_build *build, const SSL_METHOD *method)
{
    SSL_CTX *context = SSL_CTX_new(method);
    if (!context) {
        report_openssl(build, config_key("tls"), "TLS could not be set up");
        return NULL;
    }
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    return context;
}

void config_build_tls(struct config_build *build)
{
    struct config *config = build->config;
    const struct file_tls *file = &build->file->tls;
    /* Opportunistic TLS does not authenticate: without it the mail would go in the clear. */
    if (build->file->upstream.starttls == STARTTLS_OPPORTUNISTIC)
        config->upstream.tls = new_context(build, TLS_client_method());
    if (!file->certificate)
        return;
    config->tls_server = new_context(build, TLS_server_method());
    const struct bytes certificate =
        config_read_file(build, file->certificate, config_key("tls.certificate"));
    const struct bytes pem = config_read_file(build, file->key, config_key("tls.key"));
    EVP_PKEY *key = parse_key(build, pem, config_key("tls.key"));
    if (config->tls_server && certificate.p && key &&
        use_certificates(build, config->tls_server, certificate) &&
        SSL_CTX_use_PrivateKey(config->tls_server, key) != 1)
        report_openssl(build, config_key("tls.key"), "not the key of tls.certificate");
    EVP_PKEY_free(key);
}

void config_build_identity(struct config_build *build)
{
    const struct file_identity *file = &build->file->identity;
    struct policy *policy = &build->config->policy;
    struct signing_identity *identity = &policy->signing;
    policy->authserv_id = file->authserv_id ? config_domain(build, file->authserv_id,
                                                            config_key("identity.authserv_id"))
                                            : build->config->hostname;
    if (!file->domain)
        return;
    identity->domain = config_domain(build, file->domain, config_key("identity.domain"));
    identity->selector = config_domain(build, file->selector, config_key("identity.selector"));
    const struct config_key key = config_key("identity.key");
    const struct bytes pem = config_read_file(build, file->key, key);
    const char *problem = NULL;
    if (!pem.p)
        return;
    identity->signer = signer_from_pem(pem, &problem);
    if (problem)
        config_error(build->source, key, "%s", problem);
    else if (strcmp(signer_algorithm(identity->signer), "rsa-sha256") != 0)
        config_error(build->source, key, "must be an RSA key (signatures are rsa-sha256)");
}

static void add_secret(struct config_build *build, struct bytes *secrets, struct bytes secret,
                       struct config_key key)
{
    if (secret.n < SRS_SECRET_LEAST)
        config_error(build->source, key,
                     "a secret of fewer than %d octets; 'openssl rand -hex 32' makes a good one",
                     SRS_SECRET_LEAST);
    secrets[build->config->srs.secret_count++] = secret;
}

void config_build_secrets(struct config_build *build)
{
    const struct file_srs *file = &build->file->srs;
    struct config *config = build->config;
    config->srs.max_age_days = (unsigned)config_number(
        build, "srs.max_age_days", file->max_age_days, SRS_MAX_AGE_DAYS, 1, SRS_DAYS - 1);

    struct bytes lines = {NULL, 0};
    if (file->secret_file)
        lines = config_read_file(build, file->secret_file, config_key("srs.secret_file"));
    const bool readable = lines.p != NULL;
    size_t most = file->secrets_count;
    for (struct bytes rest = lines; rest.p; most++)
        bytes_cut(&rest, '\n');
    struct bytes *secrets = arena_alloc_array(build->arena, most, sizeof(*secrets));
    if (!secrets)
        return;
    for (size_t i = 0; i < file->secrets_count; i++)
        add_secret(build, secrets, config_text(build, file->secrets[i]),
                   config_key("srs.secrets[%zu]", i));
    while (lines.p) {
        const struct bytes secret = bytes_trim(bytes_cut(&lines, '\n'));
        if (secret.n > 0)
            add_secret(build, secrets, secret, config_key("srs.secret_file"));
    }
    config->srs.secrets = secrets;
    if (config->srs.secret_count == 0 && (!file->secret_file || readable))
        config_error(build->source, config_key("srs"),
                     "no secret: give srs.secrets or srs.secret_file");
}
