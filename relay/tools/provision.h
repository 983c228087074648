/* The DNS records that the service requires in a zone, and how a live zone compares with them: the
 * MX records, and the SPF record with its include (RFC 5321 5.1, RFC 7208). */
#ifndef FAIRLEAD_PROVISION_H
#define FAIRLEAD_PROVISION_H

#include "config.h"

/* "13:mx.example.net"; the name lives in `arena`. False for anything else. */
bool provision_host_parse(struct arena *arena, struct bytes text,
                          struct config_provisioning_host *host);

/* Appends the records for `domain` (in the one form of mail/domain.h) in master-file form. */
void provision_write(struct buffer *out, const struct config_provisioning *provisioning,
                     struct bytes domain);

enum provision_place {
    PROVISION_ZONE,          /* a domain that is registered as such */
    PROVISION_SUBDOMAIN,     /* below one */
    PROVISION_PUBLIC_SUFFIX, /* above all of them */
};

/* Where the domain stands by the Public Suffix List; `suffixes` NULL: the list built into libpsl.
 */
enum provision_place provision_place(struct arena *arena, const psl_ctx_t *suffixes,
                                     struct bytes domain);

enum provision_fault {
    PROVISION_MISSING,  /* a required record is absent */
    PROVISION_WRONG,    /* it has another value */
    PROVISION_CONFLICT, /* a record is present that must not be */
    PROVISION_UNKNOWN,  /* the DNS lookup failed */
};

struct provision_finding {
    enum provision_fault fault;
    const char *record; /* "MX" or "TXT" */
    struct bytes text;  /* what is wrong, for a person */
};

enum { PROVISION_FINDINGS_MAX = 64 };

struct provision_report {
    struct provision_finding findings[PROVISION_FINDINGS_MAX]; /* empty: the zone is in order */
    size_t finding_count;
    unsigned spf_lookups; /* terms of the SPF record that cause lookups, those of its includes too;
                             counted up to a bound above the limit of 10 */
};

/* Looks the domain up and compares. Waits in the calling fiber. Texts live in `arena`. */
void provision_check(struct dns *dns, struct arena *arena,
                     const struct config_provisioning *provisioning, struct bytes domain,
                     struct provision_report *report);

/* "missing", "wrong", "conflict", "unknown". */
const char *provision_fault_name(enum provision_fault fault);

#endif
