/* What the relay decides by. The configuration fills it. */
#ifndef FAIRLEAD_POLICY_H
#define FAIRLEAD_POLICY_H

#include "dmarc_record.h"
#include "dnsbl.h"
#include "route.h"
#include "signer.h"

#include <libpsl.h>

struct policy_limits {
    size_t message_size;
    size_t header_size;
    unsigned header_fields;
    unsigned received_fields;
    unsigned recipients;
};

enum quarantine { QUARANTINE_FORWARD, QUARANTINE_REJECT };

struct policy {
    struct bytes hostname;        /* as the receiver, in Received and Received-SPF */
    struct bytes postmaster_page; /* the URL that refusals of policy refer to */
    struct policy_limits limits;
    struct routing routing;
    const struct dnsbl *dnsbls;
    size_t dnsbl_count;
    enum dmarc_edition dmarc_edition;
    enum quarantine quarantine;
    psl_ctx_t *public_suffixes; /* NULL: the list built into libpsl */
    struct bytes authserv_id;
    struct signing_identity signing; /* without a signer nothing is signed */
};

#endif
