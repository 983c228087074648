/* The PROXY protocol's header. See proxy_protocol.h. Nothing is taken for one yet. */
#include "io/proxy_protocol.h"

enum stream_status proxy_read(struct stream *stream, double deadline, struct proxy_header *header)
{
    (void)stream;
    (void)deadline;
    (void)header;
    return STREAM_ERROR;
}
