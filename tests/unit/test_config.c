/* The configuration file: what its values mean, and what is reported about bad ones (relay/config).
 * Its YAML is the subject of test_config_reader.c. */
#include "config_cases.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Keys are made for each run, in a directory of their own; files of a configuration are relative to
 * it. */
static char directory[] = "/tmp/test_config.XXXXXX";
static char config_path[64];

static const char *const files[] = {"key.pem",    "small.pem",       "ed25519.pem",
                                    "locked.pem", "certificate.pem", "secrets",
                                    "empty",      "suffixes",        "f.yaml"};

static FILE *create(const char *name)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    return file;
}

static void write_key(const char *name, EVP_PKEY *key, const char *passphrase)
{
    FILE *file = create(name);
    const EVP_CIPHER *cipher = passphrase ? EVP_aes_256_cbc() : NULL;
    assert_non_null(key);
    assert_int_equal(PEM_write_PrivateKey(file, key, cipher, NULL, 0, NULL, (void *)passphrase), 1);
    fclose(file);
}

static void write_certificate(const char *name, EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    assert_non_null(certificate);
    X509_set_version(certificate, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    assert_int_not_equal(X509_sign(certificate, key, EVP_sha256()), 0);
    FILE *file = create(name);
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    fclose(file);
    X509_free(certificate);
}

static void write_text(const char *name, const char *text)
{
    FILE *file = create(name);
    fputs(text, file);
    fclose(file);
}

static int make_files(void **state)
{
    (void)state;
    umask(S_IRWXG | S_IRWXO); /* keys and secrets that others can read are refused */
    assert_non_null(mkdtemp(directory));
    snprintf(config_path, sizeof(config_path), "%s/f.yaml", directory);
    EVP_PKEY *key = EVP_RSA_gen(2048), *small = EVP_RSA_gen(512);
    EVP_PKEY *ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    write_key("key.pem", key, NULL);
    write_key("small.pem", small, NULL);
    write_key("ed25519.pem", ed25519, NULL);
    write_key("locked.pem", key, "passphrase");
    write_certificate("certificate.pem", key);
    write_text("secrets", "the first of two secrets\n\n  the second of two secrets  \n");
    write_text("empty", "");
    write_text("suffixes", "example\n");
    EVP_PKEY_free(key);
    EVP_PKEY_free(small);
    EVP_PKEY_free(ed25519);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        char path[64];
        snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
        unlink(path);
    }
    rmdir(directory);
    return 0;
}

static struct config *parse(const char *yaml, struct buffer *errors)
{
    return config_parse(bytes_of(yaml), config_path, errors);
}

static struct config *parse_good(const char *yaml)
{
    struct buffer errors = {0};
    struct config *config = parse(yaml, &errors);
    if (!config)
        print_error("%.*s", BYTES_ARG(buffer_bytes(&errors)));
    assert_non_null(config);
    assert_int_equal(errors.n, 0);
    return config;
}

static void a_short_file_has_the_documented_defaults(void **state)
{
    (void)state;
    struct config *config = parse_good(ONE_ZONE);
    assert_bytes(config->hostname, "mx.example");
    assert_int_equal(config->listener_count, 1);
    assert_int_equal(config->listeners[0].port, 25);
    assert_int_equal(config->listeners[0].proxy_count, 0);
    assert_int_equal(config->user.n, 0);
    assert_null(config->tls_server);
    assert_non_null(config->upstream.tls);
    assert_true(config->resolver.server_count >= 1);
    assert_bytes(config->upstream.ehlo, "mx.example");
    assert_int_equal(config->upstream.port, 25);
    assert_int_equal(config->upstream.source_ipv4.length, 0);
    assert_true(config->timeouts.client_command == 300);
    assert_true(config->upstream.timeouts.final == 570);
    assert_int_equal(config->policy.limits.message_size, 26214400);
    assert_int_equal(config->policy.limits.recipients, 100);
    assert_int_equal(config->policy.limits.header_size, 262144);
    assert_int_equal(config->policy.limits.header_fields, 10000);
    assert_bytes(config->policy.routing.postmaster.text, "postmaster@elsewhere.example");
    assert_bytes(config->policy.routing.postmaster.domain, "elsewhere.example");
    assert_int_equal(config->policy.postmaster_page.n, 0);
    assert_int_equal(config->provisioning.host_count, 0);
    assert_int_equal(config->provisioning.spf_include.n, 0);
    assert_int_equal(config->provisioning.ttl, 300);
    assert_int_equal(config->srs.secret_count, 1);
    assert_int_equal(config->srs.max_age_days, 21);
    assert_bytes(config->policy.routing.zones[0].srs_overflow, "bounces");
    assert_null(config->policy.signing.domain.p);
    assert_true(config->sandbox);
    assert_null(config->chroot);
    assert_null(config->policy.signing.signer);
    assert_bytes(config->policy.authserv_id, "mx.example");
    assert_int_equal(config->policy.dmarc_edition, DMARC_RFC9989);
    assert_int_equal(config->policy.quarantine, QUARANTINE_FORWARD);
    assert_int_equal(config->policy.dnsbl_count, 0);
    config_release(config);
}

static const char every_key[] =
    "hostname: MX.Example\n"
    "listen:\n"
    "  - {address: 192.0.2.25, port: 2525}\n"
    "  - {address: '2001:db8::25', proxy_protocol_from: [127.0.0.1/32, '::1']}\n"
    "user: nobody\n"
    "chroot: empty-directory\n"
    "sandbox: false\n"
    "tls: {certificate: certificate.pem, key: key.pem}\n"
    "resolver: {servers: ['127.0.0.1:53', '::1'], timeout: 2, tries: 4, cache_size: 0}\n"
    "upstream: {ehlo: out.example, port: 26, source: ['2001:db8::7', 192.0.2.7], starttls: "
    "never}\n"
    "timeouts: {client_command: 1, client_data: 2, recipient: 3, upstream_connect: 4,\n"
    "  upstream_banner: 5, upstream_command: 6, upstream_data: 7, upstream_block: 8,\n"
    "  upstream_final: 9, drain: 10, delivery: 11}\n"
    "postmaster: {address: '\"a b\"@[192.0.2.1]', page: 'https://pm.example/'}\n"
    "limits: {message_size: 65536, recipients: 5, received_fields: 6, header_size: 2048,\n"
    "  header_fields: 3000,\n"
    "  sessions: 7, sessions_per_client: 8, bad_commands: 9, memory: 1048576}\n"
    "srs: {secrets: [0123456789abcdef], secret_file: secrets, max_age_days: 7}\n"
    "zones:\n"
    "  - {domain: example.com, plan: enterprise, srs: {overflow: too-long},\n"
    "     routes: [{address: 'Info@EXAMPLE.com', to: d@up.example},\n"
    "              {address: '*@sub.example.com', to: e@up.example}]}\n"
    "  - {domain: piñata.es, plan: pro}\n"
    "identity: {domain: id.example, selector: '2022', key: key.pem, authserv_id: as.example}\n"
    "provisioning: {mx: [{host: MX1.example, preference: 13},\n"
    "  {host: mx2.example, preference: 65535}], spf_include: _spf.example, ttl: 60}\n"
    "dmarc: {edition: rfc7489, quarantine: reject, public_suffix_list: suffixes}\n"
    "dnsbl: {lists: [{zone: bl.example, name: abusixip}, {zone: two.example}]}\n";

static void the_keys_about_connections_have_their_effect(void **state)
{
    (void)state;
    struct config *config = parse_good(every_key);
    assert_bytes(config->hostname, "mx.example");
    assert_int_equal(config->listeners[0].port, 2525);
    assert_int_equal(config->listeners[1].proxy_count, 2);
    assert_int_equal(config->listeners[1].proxies[1].bits, 128);
    assert_bytes(config->user, "nobody");
    assert_non_null(strstr(config->chroot, "/empty-directory"));
    assert_false(config->sandbox);
    assert_non_null(config->tls_server);
    assert_null(config->upstream.tls);
    assert_int_equal(config->resolver.server_count, 2);
    assert_true(config->resolver.timeout == 2);
    assert_int_equal(config->resolver.tries, 4);
    assert_int_equal(config->resolver.cache_octets, 0);
    assert_int_equal(config->upstream.source_ipv4.length, 4);
    assert_int_equal(config->upstream.source_ipv6.length, 16);
    config_release(config);
}

static void the_keys_about_times_and_limits_have_their_effect(void **state)
{
    (void)state;
    struct config *config = parse_good(every_key);
    const struct config_timeouts *t = &config->timeouts;
    const struct upstream_timeouts *u = &config->upstream.timeouts;
    const double times[] = {t->client_command, t->client_data, t->recipient, u->connect,
                            u->banner,         u->command,     u->data,      u->block,
                            u->final,          t->drain,       t->delivery};
    for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++)
        assert_true(times[i] == (double)(i + 1));
    const struct config_limits *l = &config->limits;
    const struct policy_limits *p = &config->policy.limits;
    assert_int_equal(p->message_size, 65536);
    assert_int_equal(p->recipients, 5);
    assert_int_equal(p->received_fields, 6);
    assert_int_equal(p->header_size, 2048);
    assert_int_equal(p->header_fields, 3000);
    assert_int_equal(l->sessions, 7);
    assert_int_equal(l->sessions_per_client, 8);
    assert_int_equal(l->bad_commands, 9);
    assert_int_equal(l->memory, 1048576);
    config_release(config);
}

static void the_keys_about_zones_and_senders_have_their_effect(void **state)
{
    (void)state;
    struct config *config = parse_good(every_key);
    assert_bytes(config->policy.routing.postmaster.text, "\"a b\"@[192.0.2.1]");
    assert_bytes(config->policy.routing.postmaster.domain, "[192.0.2.1]");
    assert_bytes(config->policy.postmaster_page, "https://pm.example/");
    const struct zone *zone = &config->policy.routing.zones[0];
    assert_bytes(zone->srs_overflow, "too-long");
    assert_bytes(zone->routes[0].local_part, "Info");
    assert_bytes(zone->routes[0].domain, "example.com");
    assert_bytes(zone->routes[0].to.text, "d@up.example");
    assert_true(zone->routes[1].catch_all);
    assert_bytes(zone->routes[1].domain, "sub.example.com");
    assert_bytes(config->policy.routing.zones[1].domain, "xn--piata-pta.es");
    assert_int_equal(config->srs.secret_count, 3);
    assert_bytes(config->srs.secrets[0], "0123456789abcdef");
    assert_bytes(config->srs.secrets[2], "the second of two secrets");
    assert_int_equal(config->srs.max_age_days, 7);
    config_release(config);
}

static void the_keys_about_identity_and_policy_have_their_effect(void **state)
{
    (void)state;
    struct config *config = parse_good(every_key);
    assert_bytes(config->policy.signing.domain, "id.example");
    assert_bytes(config->policy.signing.selector, "2022");
    assert_bytes(config->policy.authserv_id, "as.example");
    assert_string_equal(signer_algorithm(config->policy.signing.signer), "rsa-sha256");
    assert_int_equal(config->policy.dmarc_edition, DMARC_RFC7489);
    assert_int_equal(config->policy.quarantine, QUARANTINE_REJECT);
    assert_non_null(config->policy.public_suffixes);
    assert_bytes(config->policy.dnsbls[0].name, "abusixip");
    assert_bytes(config->policy.dnsbls[1].name, "two.example");
    assert_int_equal(config->provisioning.host_count, 2);
    assert_bytes(config->provisioning.hosts[0].name, "mx1.example");
    assert_int_equal(config->provisioning.hosts[0].preference, 13);
    assert_int_equal(config->provisioning.hosts[1].preference, 65535);
    assert_bytes(config->provisioning.spf_include, "_spf.example");
    assert_int_equal(config->provisioning.ttl, 60);
    config_release(config);
}

static const struct bad_file bad_values[] = {
    {ONE_ZONE "chroot: /var/empty\n",
     "f.yaml:6: chroot: needs 'user': root would not be held by it\n"},
    {ONE_ZONE "sandbox: off\n", "f.yaml:6: sandbox: must be one of true, false\n"},
    {ONE_ZONE "upstream:\n  ehlo: -x\n", "f.yaml:7: upstream.ehlo: '-x' is not a domain name\n"},
    {ONE_ZONE "upstream: {source: [192.0.2.1, 192.0.2.2, x]}\n",
     "f.yaml:6: upstream.source[2]: 'x' is not an IP address\n"
     "f.yaml:6: upstream.source: must have at most 2 entries\n"
     "f.yaml:6: upstream.source[1]: a second IPv4 source address\n"},
    {ONE_ZONE "resolver:\n  servers:\n  - 127.0.0.1\n  - localhost:99999\n",
     "f.yaml:9: resolver.servers[1]: 'localhost:99999' is neither an IP address nor "
     "[address]:port\n"},
    {ONE_ZONE "resolver: {servers: ['::1', '::1', '::1', '::1', '::1']}\n",
     "f.yaml:6: resolver.servers: must have at most 4 entries\n"},
    {ONE_ZONE "timeouts: {drain: 0, recipient: 301, upstream_final: 601}\n",
     "f.yaml:6: timeouts.drain: must be between 1 and 3600\n"
     "f.yaml:6: timeouts.recipient: must be between 1 and 300\n"
     "f.yaml:6: timeouts.upstream_final: must be between 1 and 600\n"},
    {ONE_ZONE "limits: {memory: 1048576}\n",
     "f.yaml:6: limits.memory: less than two messages of limits.message_size\n"},
    {ONE_ZONE "dnsbl:\n  lists:\n  - {zone: bl.example, name: two words}\n",
     "f.yaml:8: dnsbl.lists[0].name: must be a word of printable ASCII without blanks, at most "
     "64 octets\n"
     "f.yaml:3: postmaster.page: is missing: the refusal of a client on one of dnsbl.lists "
     "refers to it\n"},
    {ONE_ZONE "identity: {domain: a b, selector: '', key: key.pem, authserv_id: ';'}\n",
     "f.yaml:6: identity.domain: 'a b' is not a domain name\n"
     "f.yaml:6: identity.selector: '' is not a domain name\n"
     "f.yaml:6: identity.authserv_id: ';' is not a domain name\n"},
    {ONE_ZONE "provisioning:\n"
              "  mx:\n"
              "  - {host: mx.example, preference: 65536}\n"
              "  - {host: _mx.example, preference: 1}\n"
              "  spf_include: a b\n"
              "  ttl: 2147483648\n",
     "f.yaml:8: provisioning.mx[0].preference: must be between 0 and 65535\n"
     "f.yaml:9: provisioning.mx[1].host: '_mx.example' is not a domain name\n"
     "f.yaml:10: provisioning.spf_include: 'a b' is not a domain name\n"
     "f.yaml:11: provisioning.ttl: must be between 0 and 2147483647\n"},
    {ONE_ZONE "tls: {certificate: '', key: key.pem}\n",
     "f.yaml:6: tls.certificate: must be the name of a file\n"},
    {ONE_ZONE "dmarc: {public_suffix_list: \"a\\tb\"}\n",
     "f.yaml:6: dmarc.public_suffix_list: a?b: not a readable public suffix list\n"},
    {"hostname: mx.example\n"
     "listen: []\n"
     "postmaster: {address: p@example.com, page: 'a b'}\n"
     "srs: {}\n"
     "zones: []\n",
     "f.yaml:2: listen: must have at least 1 entry\n"
     "f.yaml:3: postmaster.page: must be a URL of printable ASCII without blanks, at most 200 "
     "octets\n"
     "f.yaml:5: zones: must have at least 1 entry\n"
     "f.yaml:4: srs: no secret: give srs.secrets or srs.secret_file\n"},
    {"hostname: mx.example\n"
     "listen:\n"
     "- {address: 192.0.2.1}\n"
     "- {address: '::ffff:192.0.2.1', port: 25}\n"
     "- {address: mx.example, port: 0, proxy_protocol_from: [127.0.0.1/33]}\n"
     "postmaster: {address: postmaster@example.com}\n"
     "srs: {secrets: [short], max_age_days: 0}\n"
     "zones: [{domain: example.com, srs: {overflow: a@b}}]\n",
     "f.yaml:5: listen[2].address: 'mx.example' is not an IP address\n"
     "f.yaml:5: listen[2].port: must be between 1 and 65535\n"
     "f.yaml:5: listen[2].proxy_protocol_from[0]: '127.0.0.1/33' is not an IP address or "
     "prefix\n"
     "f.yaml:7: srs.max_age_days: must be between 1 and 1023\n"
     "f.yaml:8: zones[0].srs.overflow: 'a@b' is not a local part (what stands before the @)\n"
     "f.yaml:4: listen[1]: the same address and port as listen[0]\n"
     "f.yaml:6: postmaster.address: 'example.com' is served here, which makes a loop\n"
     "f.yaml:7: srs.secrets[0]: a secret of fewer than 16 octets; 'openssl rand -hex 32' makes "
     "a good one\n"},
};

static void a_bad_value_is_refused_by_line_and_key(void **state)
{
    (void)state;
    ASSERT_BAD_FILES(config_path, bad_values);
}

static const struct bad_file bad_zones[] = {
    {MINIMUM "zones:\n"
             "- domain: example.com\n"
             "- domain: Example.COM\n"
             "- domain: exa mple\n",
     "f.yaml:8: zones[2].domain: 'exa mple' is not a domain name\n"
     "f.yaml:7: zones[1].domain: 'example.com' is zones[0] already\n"},
    {MINIMUM "zones:\n"
             "- domain: example.com\n"
             "  plan: business\n"
             "  routes:\n"
             "  - address: info@sub.example.com\n"
             "    to: d@up.example\n",
     "f.yaml:9: zones[0].routes[0].address: 'sub.example.com' is a subdomain, which only a "
     "zone "
     "of plan 'enterprise' may route\n"},
    {MINIMUM "zones:\n"
             "- domain: example.com\n"
             "  plan: enterprise\n"
             "  routes: [{address: info@sub.example.com, to: d@up.example}]\n"
             "- domain: sub.example.com\n",
     "f.yaml:8: zones[0].routes[0].address: 'sub.example.com' belongs to zones[1]\n"},
    {MINIMUM "zones:\n"
             "- domain: example.com\n"
             "  routes:\n"
             "  - {address: a@example.com, to: d@up.example}\n"
             "  - {address: A@example.com, to: d@up.example}\n"
             "  - {address: '\"\\a\"@example.com', to: d@up.example}\n"
             "  - {address: '*@example.com', to: d@up.example}\n"
             "  - {address: '*@example.com', to: d@up.example}\n"
             "  - {address: '\"*\"@example.com', to: d@up.example}\n",
     "f.yaml:9: zones[0].routes[1].address: a second route for this address\n"
     "f.yaml:10: zones[0].routes[2].address: a second route for this address\n"
     "f.yaml:12: zones[0].routes[4].address: a second route for this address\n"},
    {MINIMUM "zones:\n"
             "- domain: example.com\n"
             "  routes:\n"
             "  - {address: a@notexample.com, to: d@up.example}\n"
             "  - {address: a@com, to: d@up.example}\n"
             "  - {address: Postmaster@example.com, to: d@up.example}\n"
             "  - {address: '<b@example.com>', to: d@up.example}\n"
             "  - {address: 'b@exa-.mple.com', to: d@up.example}\n"
             "  - {address: 'é@example.com', to: d@up.example}\n"
             "  - {address: b@example.com, to: d}\n"
             "  - {address: c@example.com, to: d@exam ple}\n"
             "  - {address: 'SRS0=hash=tt=a.example=b@example.com', to: d@up.example}\n",
     "f.yaml:11: zones[0].routes[3].address: '<b@example.com>' is not an address "
     "(local-part@domain)\n"
     "f.yaml:12: zones[0].routes[4].address: 'b@exa-.mple.com' does not have a valid domain\n"
     "f.yaml:13: zones[0].routes[5].address: 'é@example.com' has a local part outside ASCII, "
     "which is not supported\n"
     "f.yaml:14: zones[0].routes[6].to: 'd' is not an address (local-part@domain)\n"
     "f.yaml:15: zones[0].routes[7].to: 'd@exam ple' is not an address (local-part@domain)\n"
     "f.yaml:8: zones[0].routes[0].address: 'notexample.com' is outside the zone "
     "'example.com'\n"
     "f.yaml:9: zones[0].routes[1].address: 'com' is outside the zone 'example.com'\n"
     "f.yaml:10: zones[0].routes[2].address: mail to postmaster always goes to "
     "postmaster.address, never by a route\n"
     "f.yaml:16: zones[0].routes[8].address: an address in SRS form accepts no mail: this "
     "route "
     "would never be used\n"},
    {MINIMUM "zones:\n"
             "- domain: example.com\n"
             "  routes: [{address: a@example.com, to: b@EXAMPLE.NET}]\n"
             "- domain: example.net\n",
     "f.yaml:7: zones[0].routes[0].to: 'example.net' is served here, which makes a loop\n"},
};

static void a_bad_zone_or_route_is_refused_by_line_and_key(void **state)
{
    (void)state;
    ASSERT_BAD_FILES(config_path, bad_zones);
}

static void a_bad_key_or_certificate_is_refused_by_line_and_key(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *error; /* the error's beginning: OpenSSL has the rest */
    } cases[] = {
        {"tls: {certificate: absent.pem, key: key.pem}\n",
         "f.yaml:6: tls.certificate: DIR/absent.pem: No such file or directory\n"},
        {"tls: {certificate: certificate.pem, key: /absent.pem}\n",
         "f.yaml:6: tls.key: /absent.pem: No such file or directory\n"},
        {"tls: {certificate: key.pem, key: key.pem}\n",
         "f.yaml:6: tls.certificate: not a certificate in PEM"},
        {"tls: {certificate: certificate.pem, key: secrets}\n",
         "f.yaml:6: tls.key: not an unencrypted private key in PEM"},
        {"tls: {certificate: certificate.pem, key: locked.pem}\n",
         "f.yaml:6: tls.key: not an unencrypted private key in PEM"},
        {"identity: {domain: d.example, selector: s, key: locked.pem}\n",
         "f.yaml:6: identity.key: not an unencrypted private key in PEM"},
        {"tls: {certificate: certificate.pem, key: small.pem}\n",
         "f.yaml:6: tls.key: not the key of tls.certificate"},
        {"identity: {domain: d.example, selector: s, key: empty}\n",
         "f.yaml:6: identity.key: not an unencrypted private key in PEM"},
        {"identity: {domain: d.example, selector: s, key: ed25519.pem}\n",
         "f.yaml:6: identity.key: must be an RSA key (signatures are rsa-sha256)\n"},
        {"identity: {domain: d.example, selector: s, key: small.pem}\n",
         "f.yaml:6: identity.key: RSA key is shorter than 1024 bits (RFC 8301 3.2)\n"},
        {"dmarc: {public_suffix_list: absent.dat}\n",
         "f.yaml:6: dmarc.public_suffix_list: DIR/absent.dat: not a readable public suffix list\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char yaml[512], expected[256], path[sizeof(config_path) + 8];
        const char *error = cases[i].error, *in_directory = strstr(error, "DIR/");
        snprintf(yaml, sizeof(yaml), "%s%s", ONE_ZONE, cases[i].yaml);
        snprintf(path, sizeof(path), "%s/", directory);
        snprintf(expected, sizeof(expected), "%s%.*s%s%s", path,
                 (int)(in_directory ? in_directory - error : (ptrdiff_t)strlen(error)), error,
                 in_directory ? path : "", in_directory ? in_directory + strlen("DIR/") : "");
        struct buffer errors = {0};
        assert_null(parse(yaml, &errors));
        assert_bytes(bytes_first(buffer_bytes(&errors), strlen(expected)), expected);
        buffer_free(&errors);
    }
}

static void an_empty_secret_file_has_no_secret(void **state)
{
    (void)state;
    assert_config_errors(config_path,
                         "hostname: mx.example\n"
                         "listen: [{address: 192.0.2.25}]\n"
                         "postmaster: {address: postmaster@elsewhere.example}\n"
                         "srs: {secret_file: empty}\n"
                         "zones: [{domain: example.com}]\n",
                         "f.yaml:4: srs: no secret: give srs.secrets or srs.secret_file\n");
}

static void a_missing_file_is_an_error(void **state)
{
    (void)state;
    struct buffer errors = {0};
    assert_null(config_load("/nonexistent/f.yaml", &errors));
    assert_bytes(buffer_bytes(&errors), "/nonexistent/f.yaml: No such file or directory\n");
    buffer_free(&errors);
}

static void a_tool_can_load_it_without_the_files_that_it_names(void **state)
{
    (void)state;
    struct buffer errors = {0};
    write_text("f.yaml", ONE_ZONE "tls: {certificate: absent, key: absent}\n"
                                  "identity: {domain: d.example, selector: s, key: absent}\n"
                                  "provisioning: {spf_include: _spf.example}\n");
    assert_null(config_load(config_path, &errors));
    struct config *config = config_load_without_files(config_path, &errors);
    assert_non_null(config);
    assert_bytes(config->provisioning.spf_include, "_spf.example");
    config_release(config);
    write_text("f.yaml", ONE_ZONE "limits: {memory: 1}\n");
    assert_null(config_load_without_files(config_path, &errors));
    buffer_free(&errors);
}

static void a_configuration_lives_until_its_last_reference(void **state)
{
    (void)state;
    struct config *config = parse_good(ONE_ZONE);
    assert_ptr_equal(config_keep(config), config);
    config_release(config);
    assert_bytes(config->hostname, "mx.example");
    config_release(config);
    config_release(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_file_has_the_documented_defaults),
        cmocka_unit_test(the_keys_about_connections_have_their_effect),
        cmocka_unit_test(the_keys_about_times_and_limits_have_their_effect),
        cmocka_unit_test(the_keys_about_zones_and_senders_have_their_effect),
        cmocka_unit_test(the_keys_about_identity_and_policy_have_their_effect),
        cmocka_unit_test(a_bad_value_is_refused_by_line_and_key),
        cmocka_unit_test(a_bad_zone_or_route_is_refused_by_line_and_key),
        cmocka_unit_test(a_bad_key_or_certificate_is_refused_by_line_and_key),
        cmocka_unit_test(an_empty_secret_file_has_no_secret),
        cmocka_unit_test(a_missing_file_is_an_error),
        cmocka_unit_test(a_tool_can_load_it_without_the_files_that_it_names),
        cmocka_unit_test(a_configuration_lives_until_its_last_reference),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
