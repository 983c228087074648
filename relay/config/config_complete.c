/* The rest of the configuration, when the file has been read. See config_complete.h. */
#include "config_complete.h"

#include "config_self.h"

static void check_listeners(struct config_draft *draft)
{
    const struct config_listener *listeners = draft->config.listeners;
    for (size_t i = 0; i < draft->config.listener_count; i++)
        for (size_t j = 0; listeners[i].address.length > 0 && j < i; j++)
            if (ip_equal(&listeners[i].address, &listeners[j].address) &&
                listeners[i].port == listeners[j].port)
                config_error(draft->source, config_key("listen[%zu]", i),
                             "the same address and port as listen[%zu]", j);
}

/* resolv.conf(5) stands in for what the file does not say, if the file names no servers. */
static void complete_resolver(struct config_draft *draft)
{
    struct resolver_config *resolver = &draft->config.resolver;
    if (draft->server_count > 0) {
        for (size_t i = 0; i < draft->server_count && i < RESOLVER_SERVERS_MAX; i++)
            resolver->servers[resolver->server_count++] = draft->servers[i];
        return;
    }
    const double timeout = resolver->timeout;
    const unsigned tries = resolver->tries;
    resolver_read_resolv_conf(resolver, "/etc/resolv.conf");
    if (config_source_has(draft->source, config_key("resolver.timeout")))
        resolver->timeout = timeout;
    if (config_source_has(draft->source, config_key("resolver.tries")))
        resolver->tries = tries;
}

static void complete_sources(struct config_draft *draft)
{
    struct upstream_settings *upstream = &draft->config.upstream;
    for (size_t i = 0; i < draft->source_count; i++) {
        const struct ip *ip = &draft->sources[i];
        struct ip *source = ip->length == 4 ? &upstream->source_ipv4 : &upstream->source_ipv6;
        if (ip->length > 0 && source->length > 0)
            config_error(draft->source, config_key("upstream.source[%zu]", i),
                         "a second %s source address", ip->length == 4 ? "IPv4" : "IPv6");
        if (ip->length > 0)
            *source = *ip;
    }
}

/* Root leaves a chroot at will. */
static void complete_confinement(struct config_draft *draft)
{
    struct config *config = &draft->config;
    config->sandbox = draft->sandbox == CONFIG_TRUE;
    if (config->chroot && config->user.n == 0)
        config_error(draft->source, config_key("chroot"),
                     "needs 'user': root would not be held by it");
}

void config_complete(struct config_draft *draft)
{
    struct config *config = &draft->config;
    config->policy.hostname = config->hostname;
    config->policy.routing.hostname = config->hostname;
    check_listeners(draft);
    complete_confinement(draft);
    complete_resolver(draft);
    complete_sources(draft);
    config_complete_self(draft);
    config->policy.routing.own_addresses = config->upstream.mx.self.addresses;
    config->policy.routing.own_address_count = config->upstream.mx.self.address_count;
    /* One client may hold half of it (base/budget.h). */
    if (config->limits.memory / 2 < config->policy.limits.message_size)
        config_error(draft->source, config_key("limits.memory"),
                     "less than two messages of limits.message_size");
    if (config->policy.dnsbl_count > 0 && config->policy.postmaster_page.n == 0 &&
        !config_source_has(draft->source, config_key("postmaster.page")))
        config_error(draft->source, config_key("postmaster.page"),
                     "is missing: the refusal of a client on one of dnsbl.lists refers to it");
}
