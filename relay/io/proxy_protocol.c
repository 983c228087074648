/* The PROXY protocol's header. See proxy_protocol.h. */
#include "proxy_protocol.h"

#include <string.h>

enum {
    HEADER_MIN = 15,         /* "PROXY UNKNOWN\r\n" */
    TEXT_MAX = 107,          /* version 1, line end included */
    BINARY_FIXED = 16,       /* version 2 before its addresses */
    BINARY_MAX = 4096,       /* our bound: TLVs in use have a few hundred octets */
    BINARY_TCP4 = 4 + 4 + 4, /* two addresses, two ports */
    BINARY_TCP6 = 16 + 16 + 4
};

/* How the two versions begin. */
static const struct bytes text_start = BYTES_INIT("PROXY ");
static const struct bytes binary_start = BYTES_INIT("\r\n\r\n\0\r\nQUIT\n");

static bool starts_alike(struct bytes input, struct bytes start)
{
    size_t n = input.n < start.n ? input.n : start.n;
    return memcmp(input.p, start.p, n) == 0;
}

static enum proxy_status incomplete(size_t needed, size_t *length)
{
    *length = needed;
    return PROXY_INCOMPLETE;
}

static bool read_port(struct bytes text, uint16_t *port)
{
    uint64_t number;
    if (!bytes_to_number(text, UINT16_MAX, &number) || (text.n > 1 && text.p[0] == '0'))
        return false;
    *port = (uint16_t)number;
    return true;
}

static bool read_proxy_address(struct bytes text, bool is_v6, struct ip *address)
{
    return (bytes_find(text, ':') != BYTES_NOT_FOUND) == is_v6 && ip_parse(text, address);
}

/* "TCP4 192.0.2.1 198.51.100.1 56324 25", the line without its beginning and end. */
static enum proxy_status parse_text_line(struct bytes line, struct proxy_header *header)
{
    struct bytes family = bytes_cut(&line, ' ');
    if (bytes_equal(family, BYTES("UNKNOWN"))) {
        header->local = true;
        return PROXY_OK;
    }
    bool is_v6 = bytes_equal(family, BYTES("TCP6"));
    if (!is_v6 && !bytes_equal(family, BYTES("TCP4")))
        return PROXY_MALFORMED;
    bool good = read_proxy_address(bytes_cut(&line, ' '), is_v6, &header->source) &&
                read_proxy_address(bytes_cut(&line, ' '), is_v6, &header->destination) &&
                read_port(bytes_cut(&line, ' '), &header->source_port) &&
                read_port(line, &header->destination_port);
    return good ? PROXY_OK : PROXY_MALFORMED;
}

static enum proxy_status parse_text(struct bytes input, struct proxy_header *header, size_t *length)
{
    struct bytes line = bytes_first(input, TEXT_MAX);
    size_t end = bytes_find(line, '\n');
    if (end == BYTES_NOT_FOUND) {
        if (line.n == TEXT_MAX)
            return PROXY_MALFORMED;
        return incomplete(line.n < HEADER_MIN ? HEADER_MIN : line.n + 1, length);
    }
    if (end <= text_start.n || line.p[end - 1] != '\r')
        return PROXY_MALFORMED;
    *length = end + 1;
    return parse_text_line(bytes_from(bytes_first(line, end - 1), text_start.n), header);
}

static void take_address(struct bytes *rest, uint8_t size, struct ip *address)
{
    struct ip taken = {.length = size};
    memcpy(taken.octet, rest->p, size);
    ip_unmap(&taken);
    *address = taken;
    *rest = bytes_from(*rest, size);
}

static uint16_t take_port(struct bytes *rest)
{
    uint16_t port = (uint16_t)((uint8_t)rest->p[0] << 8 | (uint8_t)rest->p[1]);
    *rest = bytes_from(*rest, 2);
    return port;
}

static enum proxy_status parse_addresses(uint8_t family, struct bytes rest,
                                         struct proxy_header *header)
{
    enum { UNSPEC = 0x00, TCP4 = 0x11, TCP6 = 0x21, UNIX_STREAM = 0x31 };
    uint8_t size = family == TCP4 ? 4 : 16;
    switch (family) {
    case UNSPEC:
    case UNIX_STREAM:
        header->local = true;
        return PROXY_OK;
    case TCP4:
    case TCP6:
        break;
    default: /* section 2.2: drop the connection on an unexpected value */
        return PROXY_MALFORMED;
    }
    if (rest.n < (family == TCP4 ? BINARY_TCP4 : BINARY_TCP6))
        return PROXY_MALFORMED;
    take_address(&rest, size, &header->source);
    take_address(&rest, size, &header->destination);
    header->source_port = take_port(&rest);
    header->destination_port = take_port(&rest);
    return PROXY_OK;
}

static enum proxy_status parse_binary(struct bytes input, struct proxy_header *header,
                                      size_t *length)
{
    enum { LOCAL = 0x20, PROXY = 0x21 };
    if (input.n < BINARY_FIXED)
        return incomplete(input.n < HEADER_MIN ? HEADER_MIN : BINARY_FIXED, length);
    uint8_t command = (uint8_t)input.p[12], family = (uint8_t)input.p[13];
    struct bytes size = bytes_from(input, 14);
    *length = BINARY_FIXED + (size_t)take_port(&size);
    if (*length > BINARY_MAX || (command != LOCAL && command != PROXY))
        return PROXY_MALFORMED;
    if (input.n < *length)
        return PROXY_INCOMPLETE;
    header->local = command == LOCAL;
    if (header->local)
        return PROXY_OK;
    return parse_addresses(family, bytes_from(bytes_first(input, *length), BINARY_FIXED), header);
}

enum proxy_status proxy_parse(struct bytes input, struct proxy_header *header, size_t *length)
{
    *header = (struct proxy_header){0};
    if (input.n == 0)
        return incomplete(HEADER_MIN, length);
    if (starts_alike(input, text_start))
        return parse_text(input, header, length);
    return starts_alike(input, binary_start) ? parse_binary(input, header, length)
                                             : PROXY_MALFORMED;
}

enum stream_status proxy_read(struct stream *stream, double deadline, struct proxy_header *header)
{
    char input[BINARY_MAX];
    size_t n = 0, needed = 0;
    enum proxy_status parsed;
    while ((parsed = proxy_parse((struct bytes){input, n}, header, &needed)) == PROXY_INCOMPLETE) {
        struct bytes octets;
        enum stream_status status = stream_read_some(stream, needed - n, deadline, &octets);
        if (status != STREAM_OK)
            return status;
        memcpy(input + n, octets.p, octets.n);
        n += octets.n;
    }
    return parsed == PROXY_OK ? STREAM_OK : STREAM_ERROR;
}
