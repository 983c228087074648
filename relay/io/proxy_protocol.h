/* The PROXY protocol's header, versions 1 and 2, as a receiver reads it (HAProxy's
 * proxy-protocol.txt, sections 2.1 and 2.2): who the client behind a load balancer is.
 *
 * The parser is pure; reading is a thin loop over it. Whether a peer may send the header is the
 * listener's decision: one that expects it must refuse a connection without it. */
#ifndef FAIRLEAD_PROXY_PROTOCOL_H
#define FAIRLEAD_PROXY_PROTOCOL_H

#include "ip.h"
#include "stream.h"

struct proxy_header {
    bool local; /* LOCAL, UNKNOWN or a family other than IP: use the connection's own addresses */
    struct ip source, destination;
    uint16_t source_port, destination_port;
};

enum proxy_status {
    PROXY_OK,
    PROXY_INCOMPLETE, /* the start of a header; more octets are needed */
    PROXY_MALFORMED   /* not a header */
};

/* Parses the header at the start of `input`. PROXY_OK: *header is set, and *length is the header's
 * in octets. PROXY_INCOMPLETE: *length is how many octets to have before calling again,
 * never more than the header has. */
enum proxy_status proxy_parse(struct bytes input, struct proxy_header *header, size_t *length);

/* Reads the header and nothing after it. STREAM_ERROR for a malformed one; stream_failure() has
 * nothing on that. */
enum stream_status proxy_read(struct stream *stream, double deadline, struct proxy_header *header);

#endif
