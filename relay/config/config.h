/* The relay's configuration: one YAML file, read whole, checked whole, never changed afterwards.
 *
 * A configuration is immutable and counted by reference: a reload makes a new one for new sessions
 * while those under way keep theirs. Everything in it lives as long as the reference does. Domains
 * are in lower case and A-label form, local parts are contents (unquoted, case as written), times
 * are seconds, sizes octets. The file's keys and defaults are described in fairlead.yaml(5).
 *
 * Errors name file, line and key, and all that can be found in one pass are reported:
 *     fairlead.yaml:14: zones[0].routes[2].to: 'example.com' is served here, which makes a loop */
#ifndef FAIRLEAD_CONFIG_H
#define FAIRLEAD_CONFIG_H

#include "arena.h"
#include "buffer.h"
#include "dnsbl.h"
#include "ip.h"
#include "resolver.h"
#include "signer.h"

#include <libpsl.h>
#include <openssl/ssl.h>

struct config_listener {
    struct ip address;
    uint16_t port;
    const struct ip_prefix *proxies; /* who must speak the PROXY protocol first; nobody else may
                                        connect then. None: an ordinary listener */
    size_t proxy_count;
};

enum config_starttls { STARTTLS_OPPORTUNISTIC, STARTTLS_NEVER };

struct config_upstream {
    struct bytes ehlo;
    uint16_t port;
    struct ip source_ipv4; /* length 0: the system chooses */
    struct ip source_ipv6;
    enum config_starttls starttls;
};

/* RFC 5321 4.5.3.2, except where our client's own patience (300 s for RCPT, 600 s for the end of
 * DATA) has to cover a whole upstream dialogue. */
struct config_timeouts {
    double client_command;
    double client_data;      /* between two reads of the message */
    double recipient;        /* everything upstream up to its answer to RCPT, all hosts together */
    double delivery;         /* judging and delivering, from the end of the client's message on */
    double upstream_connect; /* one address */
    double upstream_banner;
    double upstream_command; /* EHLO, STARTTLS, MAIL, RCPT, RSET */
    double upstream_data;    /* the answer to DATA */
    double upstream_block;   /* one write of the message */
    double upstream_final;   /* the answer to the final dot */
    double drain;            /* on SIGTERM, for transactions under way */
};

struct config_limits {
    size_t message_size;
    unsigned recipients;
    unsigned received_fields;
    size_t header_size;
    unsigned sessions;
    unsigned sessions_per_client;
    unsigned bad_commands;
    size_t memory; /* of all messages being held at once */
};

enum config_plan { PLAN_FREE, PLAN_PRO, PLAN_BUSINESS, PLAN_ENTERPRISE };

/* A mailbox mail goes to. */
struct config_mailbox {
    struct bytes text;   /* for RCPT TO:<...>: local part in wire form, domain in A-labels */
    struct bytes domain; /* a domain, or an address literal with its brackets */
};

struct config_route {
    bool catch_all;          /* every local part that no other route has */
    struct bytes local_part; /* content */
    struct bytes domain;     /* the zone's, or below it */
    struct config_mailbox to;
};

struct config_zone {
    struct bytes domain;
    enum config_plan plan;
    struct bytes srs_overflow; /* local part (content) for senders too long to rewrite */
    const struct config_route *routes;
    size_t route_count;
};

/* The local part that stands in for senders too long to rewrite, where a zone names no other one.
 */
#define CONFIG_SRS_OVERFLOW BYTES("bounces")

/* How the service signs and names itself in DKIM, ARC and Authentication-Results. */
struct config_identity {
    struct bytes domain; /* empty with p == NULL: no identity configured, nothing is signed */
    struct bytes selector;
    struct bytes authserv_id;
    struct signer *signer; /* RSA */
};

enum config_spf_engine { SPF_ENGINE_NATIVE, SPF_ENGINE_LIBSPF2 };
enum config_dmarc_edition { DMARC_EDITION_RFC9989, DMARC_EDITION_RFC7489 };
enum config_quarantine { QUARANTINE_FORWARD, QUARANTINE_REJECT };

struct route_table;

struct config {
    struct bytes path; /* the file */
    struct bytes hostname;
    struct bytes user; /* empty: keep the one that started us */

    const struct config_listener *listeners;
    size_t listener_count;
    SSL_CTX *tls_server; /* NULL: STARTTLS is not offered */
    SSL_CTX *tls_client; /* NULL: STARTTLS is not used upstream */

    struct resolver_config resolver;
    struct config_upstream upstream;
    struct config_timeouts timeouts;
    struct config_limits limits;

    struct config_mailbox postmaster;
    struct bytes postmaster_page; /* a URL */

    const struct bytes *srs_secrets; /* the first signs, all verify; at least one */
    size_t srs_secret_count;
    unsigned srs_max_age; /* days */

    const struct config_zone *zones;
    size_t zone_count;
    const struct route_table *routes; /* what route_find() (forward/route.h) looks into */

    struct config_identity identity;
    enum config_spf_engine spf_engine;
    enum config_dmarc_edition dmarc_edition;
    enum config_quarantine dmarc_quarantine;
    psl_ctx_t *public_suffixes; /* NULL: the list built into libpsl */
    const struct dnsbl *dnsbls;
    size_t dnsbl_count;
};

/* Reads and checks the file at `path`, and the key and certificate files it names (relative to its
 * own directory). Returns one reference, or NULL with every error found appended to `errors`, one
 * a line. */
struct config *config_load(const char *path, struct buffer *errors);

/* The same for text that has been read already; `path` serves messages and relative names. */
struct config *config_parse(struct bytes yaml, const char *path, struct buffer *errors);

/* Another reference to the same configuration; drops one, and frees after the last. NULL is
 * ignored by config_release(). */
struct config *config_keep(struct config *config);
void config_release(struct config *config);

#endif
