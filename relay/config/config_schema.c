/* The schema tables of the configuration file. See config_schema.h. */
#include "config_schema.h"

#define OPTIONAL CYAML_FLAG_OPTIONAL
#define REQUIRED CYAML_FLAG_DEFAULT

/* The key is the member's own name. */
#define STRING(flags, structure, member)                                                           \
    CYAML_FIELD_STRING_PTR(#member, flags, structure, member, 0, CYAML_UNLIMITED)
#define NUMBER(structure, member) CYAML_FIELD_UINT_PTR(#member, OPTIONAL, structure, member)
#define CHOICE(structure, member, strings)                                                         \
    CYAML_FIELD_ENUM(#member, OPTIONAL | CYAML_FLAG_STRICT, structure, member, strings,            \
                     CYAML_ARRAY_LEN(strings))
#define LIST(flags, structure, member, entry)                                                      \
    CYAML_FIELD_SEQUENCE(#member, (flags) | CYAML_FLAG_POINTER, structure, member, &(entry), 0,    \
                         CYAML_UNLIMITED)
#define SECTION(flags, structure, member, fields)                                                  \
    CYAML_FIELD_MAPPING(#member, flags, structure, member, fields)

static const cyaml_schema_value_t string_entry = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED)};

static const cyaml_schema_field_t listener_fields[] = {
    STRING(REQUIRED, struct file_listener, address), NUMBER(struct file_listener, port),
    LIST(OPTIONAL, struct file_listener, proxy_protocol_from, string_entry), CYAML_FIELD_END};

static const cyaml_schema_value_t listener_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_listener, listener_fields)};

static const cyaml_schema_field_t tls_fields[] = {STRING(REQUIRED, struct file_tls, certificate),
                                                  STRING(REQUIRED, struct file_tls, key),
                                                  CYAML_FIELD_END};

static const cyaml_schema_field_t resolver_fields[] = {
    LIST(OPTIONAL, struct file_resolver, servers, string_entry),
    NUMBER(struct file_resolver, timeout), NUMBER(struct file_resolver, tries),
    NUMBER(struct file_resolver, cache_size), CYAML_FIELD_END};

static const cyaml_strval_t starttls_names[] = {{"opportunistic", STARTTLS_OPPORTUNISTIC},
                                                {"never", STARTTLS_NEVER}};

static const cyaml_schema_field_t upstream_fields[] = {
    STRING(OPTIONAL, struct file_upstream, ehlo), NUMBER(struct file_upstream, port),
    LIST(OPTIONAL, struct file_upstream, source, string_entry),
    CHOICE(struct file_upstream, starttls, starttls_names), CYAML_FIELD_END};

static const cyaml_schema_field_t timeouts_fields[] = {
    NUMBER(struct file_timeouts, client_command),
    NUMBER(struct file_timeouts, client_data),
    NUMBER(struct file_timeouts, recipient),
    NUMBER(struct file_timeouts, delivery),
    NUMBER(struct file_timeouts, upstream_connect),
    NUMBER(struct file_timeouts, upstream_banner),
    NUMBER(struct file_timeouts, upstream_command),
    NUMBER(struct file_timeouts, upstream_data),
    NUMBER(struct file_timeouts, upstream_block),
    NUMBER(struct file_timeouts, upstream_final),
    NUMBER(struct file_timeouts, drain),
    CYAML_FIELD_END};

static const cyaml_schema_field_t limits_fields[] = {
    NUMBER(struct file_limits, message_size),
    NUMBER(struct file_limits, recipients),
    NUMBER(struct file_limits, received_fields),
    NUMBER(struct file_limits, header_size),
    NUMBER(struct file_limits, sessions),
    NUMBER(struct file_limits, sessions_per_client),
    NUMBER(struct file_limits, bad_commands),
    NUMBER(struct file_limits, memory),
    CYAML_FIELD_END};

static const cyaml_schema_field_t postmaster_fields[] = {
    STRING(REQUIRED, struct file_postmaster, address),
    STRING(OPTIONAL, struct file_postmaster, page), CYAML_FIELD_END};

static const cyaml_schema_field_t srs_fields[] = {
    LIST(OPTIONAL, struct file_srs, secrets, string_entry),
    STRING(OPTIONAL, struct file_srs, secret_file), NUMBER(struct file_srs, max_age_days),
    CYAML_FIELD_END};

static const cyaml_schema_field_t zone_srs_fields[] = {
    STRING(OPTIONAL, struct file_zone_srs, overflow), CYAML_FIELD_END};

static const cyaml_schema_field_t route_fields[] = {STRING(REQUIRED, struct file_route, address),
                                                    STRING(REQUIRED, struct file_route, to),
                                                    CYAML_FIELD_END};

static const cyaml_schema_value_t route_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_route, route_fields)};

static const cyaml_strval_t plan_names[] = {{"free", PLAN_FREE},
                                            {"pro", PLAN_PRO},
                                            {"business", PLAN_BUSINESS},
                                            {"enterprise", PLAN_ENTERPRISE}};

static const cyaml_schema_field_t zone_fields[] = {
    STRING(REQUIRED, struct file_zone, domain), CHOICE(struct file_zone, plan, plan_names),
    SECTION(OPTIONAL, struct file_zone, srs, zone_srs_fields),
    LIST(OPTIONAL, struct file_zone, routes, route_entry), CYAML_FIELD_END};

static const cyaml_schema_value_t zone_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_zone, zone_fields)};

static const cyaml_schema_field_t identity_fields[] = {
    STRING(REQUIRED, struct file_identity, domain),
    STRING(REQUIRED, struct file_identity, selector), STRING(REQUIRED, struct file_identity, key),
    STRING(OPTIONAL, struct file_identity, authserv_id), CYAML_FIELD_END};

static const cyaml_strval_t spf_engine_names[] = {{"native", SPF_ENGINE_NATIVE},
                                                  {"libspf2", SPF_ENGINE_LIBSPF2}};

static const cyaml_schema_field_t spf_fields[] = {CHOICE(struct file_spf, engine, spf_engine_names),
                                                  CYAML_FIELD_END};

static const cyaml_strval_t dmarc_edition_names[] = {{"rfc9989", DMARC_RFC9989},
                                                     {"rfc7489", DMARC_RFC7489}};

static const cyaml_strval_t quarantine_names[] = {{"forward", QUARANTINE_FORWARD},
                                                  {"reject", QUARANTINE_REJECT}};

static const cyaml_schema_field_t dmarc_fields[] = {
    CHOICE(struct file_dmarc, edition, dmarc_edition_names),
    CHOICE(struct file_dmarc, quarantine, quarantine_names),
    STRING(OPTIONAL, struct file_dmarc, public_suffix_list), CYAML_FIELD_END};

static const cyaml_schema_field_t dnsbl_list_fields[] = {
    STRING(REQUIRED, struct file_dnsbl_list, zone), STRING(OPTIONAL, struct file_dnsbl_list, name),
    CYAML_FIELD_END};

static const cyaml_schema_value_t dnsbl_list_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_dnsbl_list, dnsbl_list_fields)};

static const cyaml_schema_field_t dnsbl_fields[] = {
    LIST(REQUIRED, struct file_dnsbl, lists, dnsbl_list_entry), CYAML_FIELD_END};

static const cyaml_schema_field_t file_fields[] = {
    STRING(REQUIRED, struct config_file, hostname),
    LIST(REQUIRED, struct config_file, listen, listener_entry),
    STRING(OPTIONAL, struct config_file, user),
    SECTION(OPTIONAL, struct config_file, tls, tls_fields),
    SECTION(OPTIONAL, struct config_file, resolver, resolver_fields),
    SECTION(OPTIONAL, struct config_file, upstream, upstream_fields),
    SECTION(OPTIONAL, struct config_file, timeouts, timeouts_fields),
    SECTION(OPTIONAL, struct config_file, limits, limits_fields),
    SECTION(REQUIRED, struct config_file, postmaster, postmaster_fields),
    SECTION(REQUIRED, struct config_file, srs, srs_fields),
    LIST(REQUIRED, struct config_file, zones, zone_entry),
    SECTION(OPTIONAL, struct config_file, identity, identity_fields),
    SECTION(OPTIONAL, struct config_file, spf, spf_fields),
    SECTION(OPTIONAL, struct config_file, dmarc, dmarc_fields),
    SECTION(OPTIONAL, struct config_file, dnsbl, dnsbl_fields),
    CYAML_FIELD_END};

const cyaml_schema_value_t config_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct config_file, file_fields)};
