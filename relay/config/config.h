/* The relay's configuration: one YAML file, read and checked as a whole, never changed afterwards.
 *
 * A configuration is immutable and reference-counted: a reload makes a new one for new sessions,
 * while those in progress keep theirs. Everything in it lives as long as the reference. Domains
 * are in lower case and A-label form, local parts are unquoted and keep their case, times
 * are seconds, sizes octets. The file's keys and defaults are described in fairlead.yaml(5).
 *
 * Errors name file, line and key, and one pass reports all that it finds:
 *     fairlead.yaml:14: zones[0].routes[2].to: 'example.com' is served here, which makes a loop */
#ifndef FAIRLEAD_CONFIG_H
#define FAIRLEAD_CONFIG_H

#include "buffer.h"
#include "policy.h"
#include "resolver.h"
#include "srs.h"
#include "upstream.h"

struct config_listener {
    struct ip address;
    uint16_t port;
    const struct ip_prefix *proxies; /* which clients must send a PROXY header; no others may
                                        connect. Empty: an ordinary listener */
    size_t proxy_count;
};

/* RFC 5321 4.5.3.2, except where the client's timeout (300 s for RCPT, 600 s for the end of DATA)
 * must cover a whole upstream dialogue. */
struct config_timeouts {
    double client_command;
    double client_data; /* between two reads of the message */
    double recipient;   /* everything upstream up to the reply to RCPT, for all hosts together */
    double delivery;    /* judging and delivering, from the end of the client's message */
    double drain;       /* on SIGTERM, for transactions in progress */
};

struct config_limits {
    unsigned sessions;
    unsigned sessions_per_client;
    unsigned bad_commands;
    size_t memory; /* of all messages held at once */
};

/* The DNS records of a zone that uses the service. Names that the file does not give are empty. */
struct config_provisioning_host {
    struct bytes name;
    uint16_t preference;
};

struct config_provisioning {
    const struct config_provisioning_host *hosts; /* of the MX records, in the order of the file */
    size_t host_count;
    struct bytes spf_include; /* where the service's own SPF record is */
    uint32_t ttl;             /* seconds */
};

enum { CONFIG_PROVISIONING_TTL = 300 }; /* the default */

struct config {
    struct bytes path; /* the file */
    struct bytes hostname;
    struct bytes user;  /* empty: do not change the user */
    const char *chroot; /* the directory to be confined to; NULL: none */
    bool sandbox;       /* allow the process only the system calls that serving needs */

    const struct config_listener *listeners;
    size_t listener_count;
    SSL_CTX *tls_server; /* NULL: STARTTLS is not offered */

    struct resolver_config resolver;
    struct config_timeouts timeouts;
    struct config_limits limits;

    struct policy policy;
    struct srs srs; /* its overflow comes with the route */
    struct upstream_settings upstream;
    struct config_provisioning provisioning;
};

/* Reads and checks the file at `path`, and the key and certificate files it names (relative to its
 * own directory), none of which may be open to others. Returns one reference, or NULL with every
 * error found appended to `errors`, one a line. */
struct config *config_load(const char *path, struct buffer *errors);

/* The same without the key, certificate and secret files, for a tool that does not need them and
 * may not be allowed to read them. */
struct config *config_load_without_files(const char *path, struct buffer *errors);

/* config_load() for text that has been read, whatever the permissions of its file; `path` is for
 * messages and relative file names. */
struct config *config_parse(struct bytes yaml, const char *path, struct buffer *errors);

/* Another reference to the same configuration; drops one, and frees after the last. NULL is
 * ignored by config_release(). */
struct config *config_keep(struct config *config);
void config_release(struct config *config);

#endif
