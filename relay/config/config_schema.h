/* The configuration file as libcyaml reads it: structures that mirror the YAML, and their schema.
 *
 * Nothing here is checked beyond its YAML type, and nothing has its default yet: an absent number
 * or string is NULL, an absent enumeration its first value. config.c makes a struct config of it.
 */
#ifndef FAIRLEAD_CONFIG_SCHEMA_H
#define FAIRLEAD_CONFIG_SCHEMA_H

#include "config.h"

enum config_starttls { STARTTLS_OPPORTUNISTIC, STARTTLS_NEVER };
enum config_plan { PLAN_FREE, PLAN_PRO, PLAN_BUSINESS, PLAN_ENTERPRISE };
enum config_spf_engine { SPF_ENGINE_NATIVE, SPF_ENGINE_LIBSPF2 };

#include <cyaml/cyaml.h>

struct file_listener {
    char *address;
    uint64_t *port;
    char **proxy_protocol_from;
    unsigned proxy_protocol_from_count;
};

struct file_tls {
    char *certificate;
    char *key;
};

struct file_resolver {
    char **servers;
    unsigned servers_count;
    uint64_t *timeout;
    uint64_t *tries;
    uint64_t *cache_size;
};

struct file_upstream {
    char *ehlo;
    uint64_t *port;
    char **source;
    unsigned source_count;
    enum config_starttls starttls;
};

struct file_timeouts {
    uint64_t *client_command;
    uint64_t *client_data;
    uint64_t *recipient;
    uint64_t *delivery;
    uint64_t *upstream_connect;
    uint64_t *upstream_banner;
    uint64_t *upstream_command;
    uint64_t *upstream_data;
    uint64_t *upstream_block;
    uint64_t *upstream_final;
    uint64_t *drain;
};

struct file_limits {
    uint64_t *message_size;
    uint64_t *recipients;
    uint64_t *received_fields;
    uint64_t *header_size;
    uint64_t *sessions;
    uint64_t *sessions_per_client;
    uint64_t *bad_commands;
    uint64_t *memory;
};

struct file_postmaster {
    char *address;
    char *page;
};

struct file_srs {
    char **secrets;
    unsigned secrets_count;
    char *secret_file;
    uint64_t *max_age_days;
};

struct file_zone_srs {
    char *overflow;
};

struct file_route {
    char *address;
    char *to;
};

struct file_zone {
    char *domain;
    enum config_plan plan;
    struct file_zone_srs srs;
    struct file_route *routes;
    unsigned routes_count;
};

struct file_identity {
    char *domain;
    char *selector;
    char *key;
    char *authserv_id;
};

struct file_spf {
    enum config_spf_engine engine;
};

struct file_dmarc {
    enum dmarc_edition edition;
    enum quarantine quarantine;
    char *public_suffix_list;
};

struct file_dnsbl_list {
    char *zone;
    char *name;
};

struct file_dnsbl {
    struct file_dnsbl_list *lists;
    unsigned lists_count;
};

struct config_file {
    char *hostname;
    struct file_listener *listen;
    unsigned listen_count;
    char *user;
    struct file_tls tls;
    struct file_resolver resolver;
    struct file_upstream upstream;
    struct file_timeouts timeouts;
    struct file_limits limits;
    struct file_postmaster postmaster;
    struct file_srs srs;
    struct file_zone *zones;
    unsigned zones_count;
    struct file_identity identity;
    struct file_spf spf;
    struct file_dmarc dmarc;
    struct file_dnsbl dnsbl;
};

/* The schema of a whole file, a pointer to struct config_file. */
extern const cyaml_schema_value_t config_schema;

#endif
