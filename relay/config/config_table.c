/* The keys of the configuration file. See config_table.h; fairlead.yaml(5) explains them to an
 * operator, and `fairlead check-config --explain` prints this table. */
#include "config_table.h"

#include "config_values.h"
#include "content.h"
#include "received.h"

#include <assert.h>

#define KIBI UINT64_C(1024)
#define MEBI (1024 * KIBI)
#define GIBI (1024 * MEBI)

enum {
    LIST_NAME_MAX = 64,
    PAGE_MAX = 200,
    HOUR = 3600, /* no client should wait longer */
    /* It is the client's own patience (RFC 5321 4.5.3.2.3, 4.5.3.2.6) that bounds what may be spent
     * upstream before RCPT and the end of the message are answered. */
    RCPT_PATIENCE = 300,
    FINAL_PATIENCE = 600
};

/* Where a value goes: in the draft, or in an entry of the list that the key belongs to. */
#define MEMBER(structure, member)                                                                  \
    .offset = offsetof(structure, member), .size = sizeof(((structure *)NULL)->member)
#define DRAFT(member) MEMBER(struct config_draft, member)

#define LIST(structure, pointer, number)                                                           \
    .type = &config_list, .offset = offsetof(structure, pointer),                                  \
    .size = sizeof *((structure *)NULL)->pointer, .count_offset = offsetof(structure, number)
#define DRAFT_LIST(pointer, number) LIST(struct config_draft, pointer, number)

/* A default that is also the reading of what is wrong, and the bounds. */
#define NUMBER(standard, least, most) .number = (standard), .min = (least), .max = (most)
#define SECONDS(standard, most) .type = &config_seconds, NUMBER(standard, 1, most)

#define REQUIRED .need = CONFIG_REQUIRED
#define REQUIRED_IN_SECTION .need = CONFIG_REQUIRED_IN_SECTION

static const struct config_choice starttls_choices[] = {
    {"opportunistic", CONFIG_STARTTLS_OPPORTUNISTIC}, {"never", CONFIG_STARTTLS_NEVER}, {0}};

static const struct config_choice switch_choices[] = {
    {"true", CONFIG_TRUE}, {"false", CONFIG_FALSE}, {0}};

static const struct config_choice plan_choices[] = {{"free", CONFIG_PLAN_FREE},
                                                    {"pro", CONFIG_PLAN_PRO},
                                                    {"business", CONFIG_PLAN_BUSINESS},
                                                    {"enterprise", CONFIG_PLAN_ENTERPRISE},
                                                    {0}};

static const struct config_choice edition_choices[] = {
    {"rfc9989", DMARC_RFC9989}, {"rfc7489", DMARC_RFC7489}, {0}};

static const struct config_choice quarantine_choices[] = {
    {"forward", QUARANTINE_FORWARD}, {"reject", QUARANTINE_REJECT}, {0}};

/* clang-format off: one a key */
static const struct config_setting table[] = {
    {"hostname", &config_domain, REQUIRED, DRAFT(config.hostname)},
    {"user", &config_text, DRAFT(config.user)},
    {"chroot", &config_directory, DRAFT(config.chroot)},
    {"sandbox", &config_choice, DRAFT(sandbox), .choices = switch_choices, .number = CONFIG_TRUE},

    {"listen", DRAFT_LIST(config.listeners, config.listener_count), REQUIRED, .min = 1, .max = 256},
    {"listen[].address", &config_ip, REQUIRED, MEMBER(struct config_listener, address)},
    {"listen[].port", &config_number, MEMBER(struct config_listener, port),
     NUMBER(25, 1, UINT16_MAX)},
    {"listen[].proxy_protocol_from", LIST(struct config_listener, proxies, proxy_count)},
    {"listen[].proxy_protocol_from[]", .type = &config_prefix},

    {"tls.certificate", &config_file, REQUIRED_IN_SECTION, DRAFT(tls_certificate)},
    {"tls.key", &config_file, REQUIRED_IN_SECTION, DRAFT(tls_key)},

    {"resolver.servers", DRAFT_LIST(servers, server_count), .max = RESOLVER_SERVERS_MAX,
     .note = "those of resolv.conf(5)"},
    {"resolver.servers[]", .type = &config_server},
    {"resolver.timeout", SECONDS(0, 60), DRAFT(config.resolver.timeout), .preset = true,
     .note = "or that of resolv.conf(5)"},
    {"resolver.tries", &config_number, DRAFT(config.resolver.tries), NUMBER(0, 1, 10),
     .preset = true, .note = "or that of resolv.conf(5)"},
    {"resolver.cache_size", &config_octets, DRAFT(config.resolver.cache_octets),
     NUMBER(0, 0, UINT32_MAX), .preset = true},

    {"upstream.ehlo", &config_domain, DRAFT(config.upstream.ehlo), .same_as = "hostname"},
    {"upstream.port", &config_number, DRAFT(config.upstream.port), NUMBER(25, 1, UINT16_MAX)},
    {"upstream.source", DRAFT_LIST(sources, source_count), .max = 2, .note = "the system's choice"},
    {"upstream.source[]", .type = &config_ip},
    {"upstream.starttls", &config_choice, DRAFT(starttls), .choices = starttls_choices,
     .number = CONFIG_STARTTLS_OPPORTUNISTIC},
    {"upstream.never", DRAFT_LIST(config.upstream.mx.never, config.upstream.mx.never_count)},
    {"upstream.never[]", .type = &config_prefix},
    {"upstream.allow", DRAFT_LIST(config.upstream.mx.allow, config.upstream.mx.allow_count)},
    {"upstream.allow[]", .type = &config_prefix},

    {"self.addresses", DRAFT_LIST(self_addresses, self_address_count)},
    {"self.addresses[]", .type = &config_ip},

    {"timeouts.client_command", SECONDS(300, HOUR), DRAFT(config.timeouts.client_command)},
    {"timeouts.client_data", SECONDS(180, HOUR), DRAFT(config.timeouts.client_data)},
    {"timeouts.recipient", SECONDS(270, RCPT_PATIENCE), DRAFT(config.timeouts.recipient)},
    {"timeouts.delivery", SECONDS(570, FINAL_PATIENCE), DRAFT(config.timeouts.delivery)},
    {"timeouts.upstream_connect", SECONDS(30, RCPT_PATIENCE),
     DRAFT(config.upstream.timeouts.connect)},
    {"timeouts.upstream_banner", SECONDS(90, RCPT_PATIENCE),
     DRAFT(config.upstream.timeouts.banner)},
    {"timeouts.upstream_command", SECONDS(120, RCPT_PATIENCE),
     DRAFT(config.upstream.timeouts.command)},
    {"timeouts.upstream_data", SECONDS(120, FINAL_PATIENCE), DRAFT(config.upstream.timeouts.data)},
    {"timeouts.upstream_block", SECONDS(180, FINAL_PATIENCE),
     DRAFT(config.upstream.timeouts.block)},
    {"timeouts.upstream_final", SECONDS(570, FINAL_PATIENCE),
     DRAFT(config.upstream.timeouts.final)},
    {"timeouts.drain", SECONDS(30, HOUR), DRAFT(config.timeouts.drain)},

    {"limits.message_size", &config_octets, DRAFT(config.policy.limits.message_size),
     NUMBER(25 * MEBI, 64 * KIBI, GIBI)},
    {"limits.recipients", &config_number, DRAFT(config.policy.limits.recipients),
     NUMBER(100, 1, 10000)},
    {"limits.received_fields", &config_number, DRAFT(config.policy.limits.received_fields),
     NUMBER(RECEIVED_MAX, 1, 10000)},
    {"limits.header_size", &config_octets, DRAFT(config.policy.limits.header_size),
     NUMBER(256 * KIBI, KIBI, GIBI)},
    {"limits.header_fields", &config_number, DRAFT(config.policy.limits.header_fields),
     NUMBER(HEADER_FIELDS_MAX, 100, 15000)},
    {"limits.sessions", &config_number, DRAFT(config.limits.sessions), NUMBER(1000, 1, 100000)},
    {"limits.sessions_per_client", &config_number, DRAFT(config.limits.sessions_per_client),
     NUMBER(50, 1, 100000)},
    {"limits.bad_commands", &config_number, DRAFT(config.limits.bad_commands),
     NUMBER(20, 1, 10000)},
    {"limits.memory", &config_octets, DRAFT(config.limits.memory),
     NUMBER(256 * MEBI, MEBI, 1024 * GIBI)},

    {"postmaster.address", &config_mailbox, REQUIRED, DRAFT(config.policy.routing.postmaster)},
    {"postmaster.page", &config_url, DRAFT(config.policy.postmaster_page), .max = PAGE_MAX},

    {"srs.secrets", DRAFT_LIST(config.srs.secrets, config.srs.secret_count)},
    {"srs.secrets[]", .type = &config_text},
    {"srs.secret_file", &config_file, DRAFT(secret_file)},
    {"srs.max_age_days", &config_number, DRAFT(config.srs.max_age_days),
     NUMBER(SRS_MAX_AGE_DAYS, 1, SRS_DAYS - 1)},

    {"zones", DRAFT_LIST(zones, zone_count), REQUIRED, .min = 1},
    {"zones[].domain", &config_domain, REQUIRED, MEMBER(struct config_zone, zone.domain)},
    {"zones[].plan", &config_choice, MEMBER(struct config_zone, plan), .choices = plan_choices,
     .number = CONFIG_PLAN_FREE},
    {"zones[].srs.overflow", &config_local_part, MEMBER(struct config_zone, zone.srs_overflow),
     .text = SRS_OVERFLOW_LOCAL_PART},
    {"zones[].routes", LIST(struct config_zone, zone.routes, zone.route_count)},
    {"zones[].routes[].address", &config_route_address, REQUIRED},
    {"zones[].routes[].to", &config_mailbox, REQUIRED, MEMBER(struct zone_route, to)},

    {"identity.domain", &config_domain, REQUIRED_IN_SECTION, DRAFT(config.policy.signing.domain)},
    {"identity.selector", &config_domain, REQUIRED_IN_SECTION,
     DRAFT(config.policy.signing.selector)},
    {"identity.key", &config_file, REQUIRED_IN_SECTION, DRAFT(signing_key)},
    {"identity.authserv_id", &config_domain, DRAFT(config.policy.authserv_id),
     .same_as = "hostname"},

    {"provisioning.mx", DRAFT_LIST(config.provisioning.hosts, config.provisioning.host_count)},
    {"provisioning.mx[].host", &config_domain, REQUIRED,
     MEMBER(struct config_provisioning_host, name)},
    {"provisioning.mx[].preference", &config_number, REQUIRED,
     MEMBER(struct config_provisioning_host, preference), NUMBER(0, 0, UINT16_MAX)},
    {"provisioning.spf_include", &config_dns_name, DRAFT(config.provisioning.spf_include)},
    {"provisioning.ttl", &config_number, DRAFT(config.provisioning.ttl),
     NUMBER(CONFIG_PROVISIONING_TTL, 0, INT32_MAX)}, /* RFC 2181 8 */

    {"spf.engine", &config_removed,
     .note = "the relay always evaluates SPF itself; delete this key"},

    {"dmarc.edition", &config_choice, DRAFT(config.policy.dmarc_edition),
     .choices = edition_choices, .number = DMARC_RFC9989},
    {"dmarc.quarantine", &config_choice, DRAFT(config.policy.quarantine),
     .choices = quarantine_choices, .number = QUARANTINE_FORWARD},
    {"dmarc.public_suffix_list", &config_file, DRAFT(public_suffix_list),
     .note = "the one built into libpsl"},

    {"dnsbl.lists", DRAFT_LIST(config.policy.dnsbls, config.policy.dnsbl_count),
     REQUIRED_IN_SECTION},
    {"dnsbl.lists[].zone", &config_domain, REQUIRED, MEMBER(struct dnsbl, zone)},
    {"dnsbl.lists[].name", &config_word, MEMBER(struct dnsbl, name), .max = LIST_NAME_MAX,
     .same_as = "dnsbl.lists[].zone"},
};
/* clang-format on */

static_assert(sizeof table / sizeof *table <= CONFIG_SETTINGS_MAX, "the reader has no more room");

const struct config_setting *config_table(size_t *count)
{
    *count = sizeof table / sizeof *table;
    return table;
}
