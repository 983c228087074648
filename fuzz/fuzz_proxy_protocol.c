/* PROXY headers of any octets: never more than the header is consumed. */
#include "fuzz.h"
#include "proxy_protocol.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = {(const char *)data, size};
    struct proxy_header header;
    struct buffer output = {0};
    size_t length = 0;
    enum proxy_status parsed = proxy_parse(input, &header, &length);
    if ((parsed == PROXY_OK && length > size) || (parsed == PROXY_INCOMPLETE && length <= size))
        abort();
    struct stream *stream = stream_from_memory(input, &output);
    if (!stream)
        return 0;
    if (proxy_read(stream, 0, &header) == STREAM_OK && stream_buffered(stream) != size - length)
        abort();
    stream_free(stream);
    return 0;
}
