/* The PROXY protocol's header, versions 1 and 2, as a receiver reads it (HAProxy's
 * proxy-protocol.txt, sections 2.1 and 2.2): who the client behind a load balancer is.
 *
 * The parser is pure; reading is a thin loop over it. Whether the peer may send the header at all
 * is the listener's to know: one that expects it must refuse a connection without it. */
#ifndef FAIRLEAD_PROXY_PROTOCOL_H
#define FAIRLEAD_PROXY_PROTOCOL_H

#include "ip.h"
#include "stream.h"

struct proxy_header {
    bool local; /* LOCAL, UNKNOWN or a family that is no IP: use the connection's own addresses */
    struct ip source, destination;
    uint16_t source_port, destination_port;
};

enum proxy_status {
    PROXY_OK,
    PROXY_INCOMPLETE, /* a header so far; more octets are needed */
    PROXY_MALFORMED   /* no header */
};

/* Parses the header at the start of `input`. PROXY_OK: *header is set, and *length is the header's
 * in octets. PROXY_INCOMPLETE: *length is how many octets to come back with, never more than the
 * header has. */
enum proxy_status proxy_parse(struct bytes input, struct proxy_header *header, size_t *length);

/* Reads exactly the header and nothing after it. STREAM_ERROR for octets that are none. */
enum stream_status proxy_read(struct stream *stream, double deadline, struct proxy_header *header);

#endif
