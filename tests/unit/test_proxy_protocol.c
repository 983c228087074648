/* Unit tests of io/proxy_protocol.c: both versions, whole, in pieces, and wrong in every way. */
#include "proxy_protocol.h"
#include "unit.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define TCP4_ADDRESSES "\xc0\x00\x02\x01\xc6\x33\x64\x01\xdc\x04\x00\x19"
#define TCP6_ADDRESSES                                                                             \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"         \
    "\xdc\x04\x00\x19"
#define MAPPED_ADDRESSES                                                                           \
    "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x33\x64\x01"     \
    "\xdc\x04\x00\x19"

static const struct {
    struct bytes header;
    const char *source; /* NULL: the connection's own */
} good[] = {
    {BYTES_INIT("PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\n"), "192.0.2.1"},
    {BYTES_INIT("PROXY TCP6 2001:db8::1 2001:db8::2 56324 25\r\n"), "2001:db8::1"},
    {BYTES_INIT("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.1 56324 25\r\n"), "192.0.2.1"},
    {BYTES_INIT("PROXY UNKNOWN\r\n"), NULL},
    {BYTES_INIT("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"), NULL},
    {BYTES_INIT(SIGNATURE "\x21\x11\x00\x0c" TCP4_ADDRESSES), "192.0.2.1"},
    {BYTES_INIT(SIGNATURE "\x21\x11\x00\x11" TCP4_ADDRESSES "\x04\x00\x02xy"), "192.0.2.1"},
    {BYTES_INIT(SIGNATURE "\x21\x21\x00\x24" TCP6_ADDRESSES), "2001:db8::1"},
    {BYTES_INIT(SIGNATURE "\x21\x21\x00\x24" MAPPED_ADDRESSES), "192.0.2.1"},
    {BYTES_INIT(SIGNATURE "\x20\x00\x00\x00"), NULL},
    {BYTES_INIT(SIGNATURE "\x20\x11\x00\x0c" TCP4_ADDRESSES), NULL},
    {BYTES_INIT(SIGNATURE "\x21\x00\x00\x03xyz"), NULL},
    {BYTES_INIT(SIGNATURE "\x21\x31\x00\x02xy"), NULL},
};

static void assert_source(const struct proxy_header *header, const char *source)
{
    char text[IP_TEXT_SIZE];
    assert_int_equal(header->local, source == NULL);
    if (!source)
        return;
    assert_string_equal(ip_format(&header->source, text), source);
    assert_int_equal(header->source_port, 56324);
    assert_int_equal(header->destination_port, 25);
}

static void a_header_gives_the_clients_address(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct proxy_header header;
        size_t length;
        assert_int_equal(proxy_parse(good[i].header, &header, &length), PROXY_OK);
        assert_int_equal(length, good[i].header.n);
        assert_source(&header, good[i].source);
    }
}

static void a_partial_header_requests_no_more_than_the_header(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        for (size_t n = 0; n < good[i].header.n; n++) {
            struct proxy_header header;
            size_t length = 0;
            assert_int_equal(proxy_parse(bytes_first(good[i].header, n), &header, &length),
                             PROXY_INCOMPLETE);
            assert_true(length > n && length <= good[i].header.n);
        }
    }
}

static void reading_consumes_the_header_and_nothing_after_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct buffer input = {0}, output = {0};
        struct proxy_header header;
        struct bytes line;
        buffer_add(&input, good[i].header);
        buffer_add(&input, BYTES("EHLO x\r\n"));
        struct stream *stream = stream_from_memory(buffer_bytes(&input), &output);
        assert_int_equal(proxy_read(stream, 0, &header), STREAM_OK);
        assert_source(&header, good[i].source);
        assert_int_equal(stream_read_line(stream, 512, 0, &line), STREAM_OK);
        assert_bytes(line, "EHLO x\r\n");
        stream_free(stream);
        buffer_free(&input);
    }
}

static void anything_but_a_header_is_malformed(void **state)
{
    (void)state;
    static const struct bytes bad[] = {
        BYTES_INIT("EHLO example.com\r\n"),
        BYTES_INIT("PROXY\r\n"),
        BYTES_INIT("PROXY \r\n"),
        BYTES_INIT("proxy TCP4 192.0.2.1 198.51.100.1 56324 25\r\n"),
        BYTES_INIT("PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\n"),
        BYTES_INIT("PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n"),
        BYTES_INIT("PROXY TCP4 192.0.2.1 198.51.100.1 56324 25 \r\n"),
        BYTES_INIT("PROXY TCP4  192.0.2.1 198.51.100.1 56324 25\r\n"),
        BYTES_INIT("PROXY TCP4 192.0.2.1 198.51.100.1 65536 25\r\n"),
        BYTES_INIT("PROXY TCP4 192.0.2.1 198.51.100.1 056324 25\r\n"),
        BYTES_INIT("PROXY TCP4 192.0.2.256 198.51.100.1 56324 25\r\n"),
        BYTES_INIT("PROXY TCP4 2001:db8::1 2001:db8::2 56324 25\r\n"),
        BYTES_INIT("PROXY TCP6 192.0.2.1 198.51.100.1 56324 25\r\n"),
        BYTES_INIT("PROXY UDP4 192.0.2.1 198.51.100.1 56324 25\r\n"),
        BYTES_INIT(
            "PROXY UNKNOWN x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x "
            "x x x x x x x x x x x x x\r\n"),
        BYTES_INIT("\r\n\r\n\0\r\nQUIT\r\x21\x11\x00\x0c" TCP4_ADDRESSES),
        BYTES_INIT(SIGNATURE "\x11\x11\x00\x0c" TCP4_ADDRESSES),
        BYTES_INIT(SIGNATURE "\x22\x11\x00\x0c" TCP4_ADDRESSES),
        BYTES_INIT(SIGNATURE "\x21\x12\x00\x0c" TCP4_ADDRESSES),
        BYTES_INIT(SIGNATURE "\x21\x41\x00\x0c" TCP4_ADDRESSES),
        BYTES_INIT(SIGNATURE "\x21\x11\x00\x0b\xc0\x00\x02\x01\xc6\x33\x64\x01\xdc\x04\x00"),
        BYTES_INIT(SIGNATURE "\x21\x21\x00\x0c" TCP4_ADDRESSES),
        BYTES_INIT(SIGNATURE "\x21\x11\xff\xff" TCP4_ADDRESSES),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct proxy_header header;
        struct buffer output = {0};
        struct stream *stream = stream_from_memory(bad[i], &output);
        assert_int_equal(proxy_read(stream, 0, &header), STREAM_ERROR);
        stream_free(stream);
    }
}

static void a_header_that_never_ends_is_a_lost_connection(void **state)
{
    (void)state;
    struct proxy_header header;
    struct buffer output = {0};
    struct stream *stream = stream_from_memory(BYTES("PROXY TCP4 192.0.2.1"), &output);
    assert_int_equal(proxy_read(stream, 0, &header), STREAM_CLOSED);
    stream_free(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_gives_the_clients_address),
        cmocka_unit_test(a_partial_header_requests_no_more_than_the_header),
        cmocka_unit_test(reading_consumes_the_header_and_nothing_after_it),
        cmocka_unit_test(anything_but_a_header_is_malformed),
        cmocka_unit_test(a_header_that_never_ends_is_a_lost_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
