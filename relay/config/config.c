/* Configuration: loading, defaults, and checks of everything but zones (config_zones.c) and keys
 * (config_keys.c). See config.h. */
#include "config.h"

#include "address.h"
#include "config_build.h"
#include "file.h"
#include "received.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONFIGURATION_SIZE_LIMIT = 256 * 1024 * 1024,
    CONFIG_MESSAGE_SIZE = 256,
    LIST_NAME_LIMIT = 64,
    PAGE_LIMIT = 200
};

static const char default_page[] = "https://developers.cloudflare.com/email-routing/postmaster/";

/* The configuration and what it lives in. */
struct owner {
    struct config config; /* first, so that one pointer serves for both */
    struct arena *arena;
    unsigned references;
};

struct bytes config_text(struct config_build *build, const char *text)
{
    return arena_copy(build->arena, bytes_of(text));
}

struct bytes config_domain(struct config_build *build, const char *text, struct config_key key)
{
    const struct bytes domain = domain_normalise(build->arena, bytes_of(text));
    if (domain.n == 0)
        config_error(build->source, key, "'%s' is not a domain name", text);
    return domain;
}

uint64_t config_number(struct config_build *build, const char *key, const uint64_t *value,
                       uint64_t otherwise, uint64_t least, uint64_t most)
{
    if (!value)
        return otherwise;
    if (*value >= least && *value <= most)
        return *value;
    config_error(build->source, config_key("%s", key), "must be between %ju and %ju",
                 (uintmax_t)least, (uintmax_t)most);
    return otherwise;
}

static double seconds(struct config_build *build, const char *key, const uint64_t *value,
                      uint64_t otherwise, uint64_t most)
{
    return (double)config_number(build, key, value, otherwise, 1, most);
}

static bool is_printable_word(struct bytes text, size_t limit)
{
    for (size_t i = 0; i < text.n; i++)
        if (!ascii_is_printable(text.p[i]) || text.p[i] == ' ')
            return false;
    return text.n > 0 && text.n <= limit;
}

static void build_proxies(struct config_build *build, size_t index,
                          struct config_listener *listener)
{
    const struct file_listener *file = &build->file->listen[index];
    const size_t count = file->proxy_protocol_from_count;
    struct ip_prefix *proxies = arena_alloc_array(build->arena, count, sizeof(*proxies));
    for (size_t i = 0; proxies && i < count; i++)
        if (!ip_prefix_parse(bytes_of(file->proxy_protocol_from[i]), &proxies[i]))
            config_error(build->source,
                         config_key("listen[%zu].proxy_protocol_from[%zu]", index, i),
                         "'%s' is not an address or prefix", file->proxy_protocol_from[i]);
    listener->proxies = proxies;
    listener->proxy_count = proxies ? count : 0;
}

static void build_listeners(struct config_build *build)
{
    const size_t count = build->file->listen_count;
    struct config_listener *listeners = arena_alloc_array(build->arena, count, sizeof(*listeners));
    if (count == 0)
        config_error(build->source, config_key("listen"), "no listener: nothing could connect");
    for (size_t i = 0; listeners && i < count; i++) {
        const struct file_listener *file = &build->file->listen[i];
        struct config_listener *listener = &listeners[i];
        if (!ip_parse(bytes_of(file->address), &listener->address))
            config_error(build->source, config_key("listen[%zu].address", i),
                         "'%s' is not an IP address", file->address);
        listener->port = (uint16_t)config_number(build, config_key("listen[%zu].port", i).text,
                                                 file->port, 25, 1, UINT16_MAX);
        for (size_t j = 0; listener->address.length != 0 && j < i; j++)
            if (ip_equal(&listener->address, &listeners[j].address) &&
                listener->port == listeners[j].port)
                config_error(build->source, config_key("listen[%zu]", i),
                             "the same address and port as listen[%zu]", j);
        build_proxies(build, i, listener);
    }
    build->config->listeners = listeners;
    build->config->listener_count = listeners ? count : 0;
}

static void build_resolver(struct config_build *build)
{
    const struct file_resolver *file = &build->file->resolver;
    struct resolver_config *resolver = &build->config->resolver;
    *resolver = resolver_defaults();
    if (file->servers_count > RESOLVER_SERVERS_MAX)
        config_error(build->source, config_key("resolver.servers"), "more than %d servers",
                     RESOLVER_SERVERS_MAX);
    for (size_t i = 0; i < file->servers_count && i < RESOLVER_SERVERS_MAX; i++)
        if (!resolver_server_parse(bytes_of(file->servers[i]),
                                   &resolver->servers[resolver->server_count++]))
            config_error(build->source, config_key("resolver.servers[%zu]", i),
                         "'%s' is not an address, nor [address]:port", file->servers[i]);
    if (file->servers_count == 0)
        resolver_read_resolv_conf(resolver, "/etc/resolv.conf");
    resolver->timeout =
        seconds(build, "resolver.timeout", file->timeout, (uint64_t)resolver->timeout, 60);
    resolver->tries =
        (unsigned)config_number(build, "resolver.tries", file->tries, resolver->tries, 1, 10);
    resolver->cache_octets = (size_t)config_number(build, "resolver.cache_size", file->cache_size,
                                                   resolver->cache_octets, 0, UINT32_MAX);
}

static void build_upstream(struct config_build *build)
{
    const struct file_upstream *file = &build->file->upstream;
    struct upstream_settings *upstream = &build->config->upstream;
    upstream->ehlo = file->ehlo ? config_domain(build, file->ehlo, config_key("upstream.ehlo"))
                                : build->config->hostname;
    upstream->port = (uint16_t)config_number(build, "upstream.port", file->port, 25, 1, UINT16_MAX);
    for (size_t i = 0; i < file->source_count; i++) {
        const struct config_key key = config_key("upstream.source[%zu]", i);
        struct ip ip;
        if (!ip_parse(bytes_of(file->source[i]), &ip)) {
            config_error(build->source, key, "'%s' is not an IP address", file->source[i]);
            continue;
        }
        struct ip *source = ip.length == 4 ? &upstream->source_ipv4 : &upstream->source_ipv6;
        if (source->length != 0)
            config_error(build->source, key, "a second %s source address",
                         ip.length == 4 ? "IPv4" : "IPv6");
        *source = ip;
    }
}

/* Mail sent to our own listener would only come round again. */
static void build_self(struct config_build *build)
{
    const struct config *config = build->config;
    struct mx_self *self = &build->config->upstream.self;
    struct ip *addresses =
        arena_alloc_array(build->arena, config->listener_count, sizeof(*addresses));
    self->name = config->hostname;
    self->addresses = addresses;
    for (size_t i = 0; addresses && i < config->listener_count; i++)
        if (config->listeners[i].port == config->upstream.port)
            addresses[self->address_count++] = config->listeners[i].address;
}

static void build_timeouts(struct config_build *build)
{
    /* No client should wait longer than an hour; of RCPT and the final dot it is the client's own
     * patience (RFC 5321 4.5.3.2.3, 4.5.3.2.6) that bounds what may be spent upstream. */
    enum { HOUR = 3600, CLIENT_RCPT = 300, CLIENT_FINAL = 600 };
    const struct file_timeouts *file = &build->file->timeouts;
    struct config_timeouts *t = &build->config->timeouts;
    struct upstream_timeouts *u = &build->config->upstream.timeouts;
    t->client_command = seconds(build, "timeouts.client_command", file->client_command, 300, HOUR);
    t->client_data = seconds(build, "timeouts.client_data", file->client_data, 180, HOUR);
    t->recipient = seconds(build, "timeouts.recipient", file->recipient, 270, CLIENT_RCPT);
    t->delivery = seconds(build, "timeouts.delivery", file->delivery, 570, CLIENT_FINAL);
    u->connect =
        seconds(build, "timeouts.upstream_connect", file->upstream_connect, 30, CLIENT_RCPT);
    u->banner = seconds(build, "timeouts.upstream_banner", file->upstream_banner, 90, CLIENT_RCPT);
    u->command =
        seconds(build, "timeouts.upstream_command", file->upstream_command, 120, CLIENT_RCPT);
    u->data = seconds(build, "timeouts.upstream_data", file->upstream_data, 120, CLIENT_FINAL);
    u->block = seconds(build, "timeouts.upstream_block", file->upstream_block, 180, CLIENT_FINAL);
    u->final = seconds(build, "timeouts.upstream_final", file->upstream_final, 570, CLIENT_FINAL);
    t->drain = seconds(build, "timeouts.drain", file->drain, 30, HOUR);
}

static void build_limits(struct config_build *build)
{
    const struct file_limits *file = &build->file->limits;
    struct config_limits *l = &build->config->limits;
    struct policy_limits *m = &build->config->policy.limits;
    const uint64_t kibi = 1024, mebi = 1024 * kibi, gibi = 1024 * mebi;
    m->message_size = (size_t)config_number(build, "limits.message_size", file->message_size,
                                            25 * mebi, 64 * kibi, gibi);
    m->recipients =
        (unsigned)config_number(build, "limits.recipients", file->recipients, 100, 1, 10000);
    m->received_fields = (unsigned)config_number(build, "limits.received_fields",
                                                 file->received_fields, RECEIVED_LIMIT, 1, 10000);
    m->header_size = (size_t)config_number(build, "limits.header_size", file->header_size,
                                           256 * kibi, kibi, gibi);
    l->sessions =
        (unsigned)config_number(build, "limits.sessions", file->sessions, 1000, 1, 100000);
    l->sessions_per_client = (unsigned)config_number(build, "limits.sessions_per_client",
                                                     file->sessions_per_client, 50, 1, 100000);
    l->bad_commands =
        (unsigned)config_number(build, "limits.bad_commands", file->bad_commands, 20, 1, 10000);
    l->memory =
        (size_t)config_number(build, "limits.memory", file->memory, 256 * mebi, mebi, 1024 * gibi);
    if (l->memory < m->message_size)
        config_error(build->source, config_key("limits.memory"),
                     "less than one message of limits.message_size");
}

static void build_authentication(struct config_build *build)
{
    struct policy *policy = &build->config->policy;
    const struct config_file *file = build->file;
    policy->dmarc_edition = file->dmarc.edition;
    policy->quarantine = file->dmarc.quarantine;
    if (file->dmarc.public_suffix_list) {
        const char *path = config_resolve_path(build, file->dmarc.public_suffix_list);
        policy->public_suffixes = path ? psl_load_file(path) : NULL;
        if (!policy->public_suffixes)
            config_error(build->source, config_key("dmarc.public_suffix_list"),
                         "%s: not a readable public suffix list", path ? path : "");
    }

    const size_t count = file->dnsbl.lists_count;
    struct dnsbl *dnsbls = arena_alloc_array(build->arena, count, sizeof(*dnsbls));
    for (size_t i = 0; dnsbls && i < count; i++) {
        const struct file_dnsbl_list *list = &file->dnsbl.lists[i];
        dnsbls[i].zone = config_domain(build, list->zone, config_key("dnsbl.lists[%zu].zone", i));
        dnsbls[i].name = list->name ? config_text(build, list->name) : dnsbls[i].zone;
        if (list->name && !is_printable_word(dnsbls[i].name, LIST_NAME_LIMIT))
            config_error(build->source, config_key("dnsbl.lists[%zu].name", i),
                         "must be one word of ASCII, at most %d octets", LIST_NAME_LIMIT);
    }
    policy->dnsbls = dnsbls;
    policy->dnsbl_count = dnsbls ? count : 0;
}

static void build_config(struct config_build *build)
{
    struct config *config = build->config;
    const struct config_file *file = build->file;
    config->hostname = config_domain(build, file->hostname, config_key("hostname"));
    config->policy.hostname = config->hostname;
    config->policy.routing.hostname = config->hostname;
    config->user = config_text(build, file->user);
    build_listeners(build);
    build_resolver(build);
    build_upstream(build);
    build_self(build);
    build_timeouts(build);
    build_limits(build);
    config->policy.postmaster_page =
        config_text(build, file->postmaster.page ? file->postmaster.page : default_page);
    if (!is_printable_word(config->policy.postmaster_page, PAGE_LIMIT))
        config_error(build->source, config_key("postmaster.page"),
                     "must be a URL of at most %d octets", PAGE_LIMIT);
    config_build_zones(build);
    config_mailbox(build, file->postmaster.address, config_key("postmaster.address"),
                   &config->policy.routing.postmaster);
    build_authentication(build);
    config_build_tls(build);
    config_build_identity(build);
    config_build_secrets(build);
}

/* libcyaml's own words, kept for an error that the first pass did not foresee. */
static void keep_first_message(cyaml_log_t level, void *context, const char *format,
                               va_list arguments)
{
    char *message = context;
    (void)level;
    if (!*message)
        vsnprintf(message, CONFIG_MESSAGE_SIZE, format, arguments);
}

static struct config_file *load_file(struct config_source *source, const cyaml_config_t *cyaml,
                                     struct bytes yaml)
{
    void *file = NULL;
    const cyaml_err_t status =
        cyaml_load_data((const uint8_t *)yaml.p, yaml.n, cyaml, &config_schema, &file, NULL);
    if (status != CYAML_OK) {
        const char *message = cyaml->log_ctx;
        config_error_at(source, 1, "", "%s", *message ? message : cyaml_strerror(status));
        return NULL;
    }
    return file;
}

static void free_owner(struct owner *owner)
{
    SSL_CTX_free(owner->config.tls_server);
    SSL_CTX_free(owner->config.upstream.tls);
    signer_free(owner->config.policy.signing.signer);
    psl_free(owner->config.policy.public_suffixes);
    arena_free(owner->arena);
    free(owner);
}

static struct owner *new_owner(const char *path)
{
    struct owner *owner = calloc(1, sizeof(*owner));
    if (!owner)
        return NULL;
    owner->references = 1;
    owner->arena = arena_new(0);
    if (!owner->arena) {
        free(owner);
        return NULL;
    }
    owner->config.path = arena_copy(owner->arena, bytes_of(path));
    return owner;
}

/* Both passes. The configuration is sound if nothing was reported. */
static void read_config(struct owner *owner, struct config_source *source, struct bytes yaml)
{
    char message[CONFIG_MESSAGE_SIZE] = "";
    const cyaml_config_t cyaml = {.log_fn = keep_first_message,
                                  .log_ctx = message,
                                  .mem_fn = cyaml_mem,
                                  .log_level = CYAML_LOG_ERROR,
                                  .flags = CYAML_CFG_NO_ALIAS};
    if (!config_check(source, yaml))
        return;
    struct config_file *file = load_file(source, &cyaml, yaml);
    if (!file)
        return;
    struct config_build build = {&owner->config, owner->arena, file, source};
    build_config(&build);
    cyaml_free(&cyaml, &config_schema, file, 0);
    if (arena_failed(owner->arena))
        config_error_at(source, 1, "", "out of memory");
}

struct config *config_parse(struct bytes yaml, const char *path, struct buffer *errors)
{
    struct config_source source = {.path = path, .errors = errors};
    struct owner *owner = new_owner(path);
    if (owner)
        read_config(owner, &source, yaml);
    else
        config_error_at(&source, 1, "", "out of memory");
    config_source_free(&source);
    if (source.error_count == 0)
        return &owner->config;
    if (source.error_count > CONFIG_ERRORS_SHOWN)
        buffer_printf(errors, "%s: and %zu more\n", path, source.error_count - CONFIG_ERRORS_SHOWN);
    if (owner)
        free_owner(owner);
    return NULL;
}

struct config *config_load(const char *path, struct buffer *errors)
{
    struct buffer yaml = {0};
    struct config *config = NULL;
    const char *problem = file_read(path, CONFIGURATION_SIZE_LIMIT, &yaml);
    if (problem)
        buffer_printf(errors, "%s: %s\n", path, problem);
    else
        config = config_parse(buffer_bytes(&yaml), path, errors);
    buffer_free(&yaml);
    return config;
}

struct config *config_keep(struct config *config)
{
    ((struct owner *)config)->references++;
    return config;
}

void config_release(struct config *config)
{
    struct owner *owner = (struct owner *)config;
    if (owner && --owner->references == 0)
        free_owner(owner);
}
