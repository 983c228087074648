/* Unit tests of io/stream.c: lines and octets over memory, over a socket pair, and over TLS. */
#include "clock.h"
#include "fiber.h"
#include "ip.h"
#include "stream.h"
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static double soon(void)
{
    return clock_monotonic() + 5;
}

static void lines_are_read_with_their_ends_of_any_kind(void **state)
{
    (void)state;
    struct buffer output = {0};
    struct bytes line;
    struct stream *stream = stream_from_memory(BYTES("EHLO a\r\nbare\nx\ry\r\n\nrest"), &output);
    const char *expected[] = {"EHLO a\r\n", "bare\n", "x\ry\r\n", "\n"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(stream_read_line(stream, 100, 0, &line), STREAM_OK);
        assert_bytes(line, expected[i]);
    }
    assert_int_equal(stream_read_line(stream, 100, 0, &line), STREAM_CLOSED);
    stream_free(stream);
}

static void a_line_over_the_limit_is_discarded_to_its_end(void **state)
{
    (void)state;
    static const struct {
        size_t limit;
        enum stream_status status;
        const char *next;
    } cases[] = {
        {12, STREAM_OK, "next\r\n"},
        {11, STREAM_TOO_LONG, "next\r\n"},
        {6, STREAM_TOO_LONG, "next\r\n"},
    };
    struct buffer output = {0};
    struct bytes line;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stream *stream = stream_from_memory(BYTES("0123456789\r\nnext\r\n"), &output);
        assert_int_equal(stream_read_line(stream, cases[i].limit, 0, &line), cases[i].status);
        assert_int_equal(stream_read_line(stream, 6, 0, &line), STREAM_OK);
        assert_bytes(line, cases[i].next);
        stream_free(stream);
    }
}

static void memory_streams_write_at_once_and_read_in_pieces(void **state)
{
    (void)state;
    struct buffer output = {0};
    struct bytes octets;
    struct stream *stream = stream_from_memory(BYTES("abcdef"), &output);
    stream_write(stream, BYTES("250 "));
    stream_printf(stream, "%s %d\r\n", "ok", 7);
    assert_bytes(buffer_bytes(&output), "250 ok 7\r\n");
    assert_int_equal(stream_flush(stream, 0), STREAM_OK);
    assert_false(stream_input_waiting(stream));
    assert_int_equal(stream_read_some(stream, 4, 0, &octets), STREAM_OK);
    assert_bytes(octets, "abcd");
    assert_int_equal(stream_buffered(stream), 2);
    assert_string_equal(stream_failure(stream), "");
    assert_int_equal(stream_read_some(stream, 4, 0, &octets), STREAM_OK);
    assert_bytes(octets, "ef");
    assert_false(stream_input_waiting(stream));
    assert_int_equal(stream_read_some(stream, 4, 0, &octets), STREAM_CLOSED);
    assert_string_equal(stream_failure(stream), "read: closed by the peer");
    stream_free(stream);
    buffer_free(&output);
}

static void assert_failure(const struct stream *stream, const char *during, const char *reason)
{
    char expected[256];
    snprintf(expected, sizeof expected, "%s: %s", during, reason);
    assert_string_equal(stream_failure(stream), expected);
}

/* Two fibers with a stream each, at the two ends of a socket pair. */
struct ends {
    struct stream *left, *right;
    fiber_function *left_side, *right_side;
    SSL_CTX *server, *client;
    bool left_ended;
};

static void run_left(void *argument)
{
    struct ends *ends = argument;
    ends->left_side(ends);
    ends->left_ended = true;
}

static void run_right(void *argument)
{
    struct ends *ends = argument;
    assert_true(fiber_start(run_left, ends));
    ends->right_side(ends);
    while (!ends->left_ended)
        fiber_sleep_until(clock_monotonic() + 0.001);
}

static void run_both_ends(fiber_function *left, fiber_function *right, struct ends *ends)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    ends->left = stream_from_fd(pair[0]);
    ends->right = stream_from_fd(pair[1]);
    ends->left_side = left;
    ends->right_side = right;
    assert_true(fiber_run(run_right, ends));
    stream_free(ends->left);
    stream_free(ends->right);
}

static void asks(void *argument)
{
    struct ends *ends = argument;
    struct bytes line;
    assert_false(stream_input_waiting(ends->left));
    stream_write(ends->left, BYTES("NOOP\r\nQU"));
    assert_int_equal(stream_flush(ends->left, soon()), STREAM_OK);
    assert_int_equal(stream_read_line(ends->left, 512, soon(), &line), STREAM_OK);
    assert_bytes(line, "250 ok\r\n");
    stream_write(ends->left, BYTES("IT\r\n"));
    assert_int_equal(stream_flush(ends->left, soon()), STREAM_OK);
}

static void answers(void *argument)
{
    struct ends *ends = argument;
    struct bytes line;
    double begin = clock_monotonic();
    assert_true(stream_input_waiting(ends->right));
    assert_int_equal(stream_read_line(ends->right, 512, soon(), &line), STREAM_OK);
    assert_bytes(line, "NOOP\r\n");
    assert_int_equal(stream_buffered(ends->right), 2);
    assert_string_equal(stream_failure(ends->right), "");
    assert_int_equal(stream_read_line(ends->right, 512, begin + 0.01, &line), STREAM_TIMEOUT);
    assert_string_equal(stream_failure(ends->right), "read: timed out");
    stream_write(ends->right, BYTES("250 ok\r\n"));
    assert_int_equal(stream_flush(ends->right, soon()), STREAM_OK);
    assert_int_equal(stream_read_line(ends->right, 512, soon(), &line), STREAM_OK);
    assert_bytes(line, "QUIT\r\n");
    assert_null(stream_tls_version(ends->right));
}

static void a_dialogue_waits_for_its_lines_and_keeps_what_a_deadline_cut(void **state)
{
    (void)state;
    struct ends ends = {0};
    run_both_ends(asks, answers, &ends);
}

enum { BODY_LINES = 200000 };

static void sends_a_body(void *argument)
{
    struct ends *ends = argument;
    for (int i = 0; i < BODY_LINES; i++) {
        stream_printf(ends->left, "line %06d of a body that is large\r\n", i);
        if (i % 1000 == 999)
            assert_int_equal(stream_flush(ends->left, soon()), STREAM_OK);
    }
    stream_free(ends->left);
    ends->left = NULL;
}

static void receives_a_body(void *argument)
{
    struct ends *ends = argument;
    struct bytes line;
    char expected[64];
    for (int i = 0; i < BODY_LINES; i++) {
        assert_int_equal(stream_read_line(ends->right, 1000, soon(), &line), STREAM_OK);
        snprintf(expected, sizeof expected, "line %06d of a body that is large\r\n", i);
        assert_bytes(line, expected);
    }
    assert_int_equal(stream_read_line(ends->right, 1000, soon(), &line), STREAM_CLOSED);
}

static void a_large_body_arrives_whole_and_in_order(void **state)
{
    (void)state;
    struct ends ends = {0};
    run_both_ends(sends_a_body, receives_a_body, &ends);
}

static void sends_one_overlong_line(void *argument)
{
    struct ends *ends = argument;
    static const char block[10000] = {'x'};
    for (int i = 0; i < 100; i++) {
        stream_write(ends->left, (struct bytes){block, sizeof block});
        assert_int_equal(stream_flush(ends->left, soon()), STREAM_OK);
    }
    stream_write(ends->left, BYTES("\r\nQUIT\r\n"));
    assert_int_equal(stream_flush(ends->left, soon()), STREAM_OK);
}

static void reads_past_an_overlong_line(void *argument)
{
    struct ends *ends = argument;
    struct bytes line;
    assert_int_equal(stream_read_line(ends->right, 512, soon(), &line), STREAM_TOO_LONG);
    assert_int_equal(stream_read_line(ends->right, 512, soon(), &line), STREAM_OK);
    assert_bytes(line, "QUIT\r\n");
}

static void a_megabyte_without_a_line_end_is_one_line_too_long(void **state)
{
    (void)state;
    struct ends ends = {0};
    run_both_ends(sends_one_overlong_line, reads_past_an_overlong_line, &ends);
}

static void closes(void *argument)
{
    struct ends *ends = argument;
    stream_free(ends->left);
    ends->left = NULL;
}

static void replies_and_closes(void *argument)
{
    struct ends *ends = argument;
    struct bytes line;
    assert_int_equal(stream_read_line(ends->left, 512, soon(), &line), STREAM_OK);
    stream_write(ends->left, BYTES("221 bye\r\n"));
    assert_int_equal(stream_flush_last(ends->left, soon()), STREAM_OK);
    closes(ends);
}

static void watches_a_quiet_stream(void *argument)
{
    struct ends *ends = argument;
    struct bytes line;
    assert_true(stream_is_quiet(ends->right));
    stream_write(ends->right, BYTES("QUIT\r\n"));
    assert_int_equal(stream_flush(ends->right, soon()), STREAM_OK);
    assert_true(stream_is_quiet(ends->right));
    while (!ends->left_ended)
        fiber_sleep_until(clock_monotonic() + 0.001);
    assert_false(stream_is_quiet(ends->right));
    assert_false(stream_peer_is_gone(ends->right));
    assert_int_equal(stream_read_line(ends->right, 512, soon(), &line), STREAM_OK);
    assert_bytes(line, "221 bye\r\n");
    assert_false(stream_is_quiet(ends->right));
    assert_true(stream_peer_is_gone(ends->right));
}

static void a_stream_is_quiet_until_its_peer_sends_or_closes(void **state)
{
    (void)state;
    struct ends ends = {0};
    run_both_ends(replies_and_closes, watches_a_quiet_stream, &ends);
}

static void writes_to_a_closed_peer(void *argument)
{
    struct ends *ends = argument;
    stream_write(ends->right, BYTES("250 ok\r\n"));
    assert_int_equal(stream_flush(ends->right, soon()), STREAM_CLOSED);
    assert_failure(ends->right, "write", strerror(EPIPE));
}

static void writing_to_a_peer_that_is_gone_is_a_status_not_a_signal(void **state)
{
    (void)state;
    struct ends ends = {0};
    run_both_ends(closes, writes_to_a_closed_peer, &ends);
}

/* A key pair and a certificate signed by itself, made for the test. */
static SSL_CTX *new_server_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    assert_true(context && key && certificate);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)"mx.example", -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    assert_int_equal(SSL_CTX_use_certificate(context, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(context, key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return context;
}

/* `reason` is one of OpenSSL's, in the words of the library in use. */
static void assert_tls_failure(const struct stream *stream, const char *during, int reason)
{
    assert_failure(stream, during, ERR_reason_error_string(ERR_PACK(ERR_LIB_SSL, 0, reason)));
}

static void run_over_tls(fiber_function *client, fiber_function *server)
{
    struct ends ends = {.server = new_server_context(), .client = SSL_CTX_new(TLS_client_method())};
    run_both_ends(client, server, &ends);
    SSL_CTX_free(ends.server);
    SSL_CTX_free(ends.client);
}

static void injects_a_command_before_the_handshake(void *argument)
{
    struct ends *ends = argument;
    struct bytes line;
    stream_write(ends->left, BYTES("STARTTLS\r\nRSET\r\n"));
    assert_int_equal(stream_flush(ends->left, soon()), STREAM_OK);
    assert_int_equal(stream_read_line(ends->left, 512, soon(), &line), STREAM_OK);
    assert_bytes(line, "220 go\r\n");
    assert_int_equal(stream_start_tls_client(ends->left, ends->client, BYTES("mx.example"), soon()),
                     STREAM_OK);
    assert_int_equal(stream_buffered(ends->left), 0);
    stream_write(ends->left, BYTES("NOOP\r\n"));
    assert_int_equal(stream_flush(ends->left, soon()), STREAM_OK);
    assert_int_equal(stream_read_line(ends->left, 512, soon(), &line), STREAM_OK);
    assert_bytes(line, "250 ok\r\n");
    assert_int_equal(stream_read_line(ends->left, 512, soon(), &line), STREAM_CLOSED);
}

static void injects_a_reply_before_the_handshake(void *argument)
{
    struct ends *ends = argument;
    struct bytes line;
    assert_int_equal(stream_read_line(ends->right, 512, soon(), &line), STREAM_OK);
    assert_bytes(line, "STARTTLS\r\n");
    assert_int_equal(stream_buffered(ends->right), 6);
    stream_write(ends->right, BYTES("220 go\r\n250 injected\r\n"));
    assert_int_equal(stream_flush(ends->right, soon()), STREAM_OK);
    assert_int_equal(stream_start_tls_server(ends->right, ends->server, soon()), STREAM_OK);
    assert_string_equal(stream_tls_version(ends->right), "TLSv1.3");
    assert_int_equal(stream_read_line(ends->right, 512, soon(), &line), STREAM_OK);
    assert_bytes(line, "NOOP\r\n");
    stream_write(ends->right, BYTES("250 ok\r\n"));
    assert_int_equal(stream_flush(ends->right, soon()), STREAM_OK);
    stream_free(ends->right);
    ends->right = NULL;
}

static void plaintext_before_the_handshake_is_discarded_in_either_direction(void **state)
{
    (void)state;
    run_over_tls(injects_a_command_before_the_handshake, injects_a_reply_before_the_handshake);
}

static void sends_a_body_under_tls(void *argument)
{
    struct ends *ends = argument;
    assert_int_equal(stream_start_tls_client(ends->left, ends->client, BYTES(""), soon()),
                     STREAM_OK);
    sends_a_body(ends);
}

static void receives_a_body_under_tls(void *argument)
{
    struct ends *ends = argument;
    assert_int_equal(stream_start_tls_server(ends->right, ends->server, soon()), STREAM_OK);
    receives_a_body(ends);
}

static void a_large_body_arrives_whole_under_tls(void **state)
{
    (void)state;
    run_over_tls(sends_a_body_under_tls, receives_a_body_under_tls);
}

static void sends_plaintext(void *argument)
{
    struct ends *ends = argument;
    stream_write(ends->left, BYTES("EHLO plain.example\r\n"));
    assert_int_equal(stream_flush(ends->left, soon()), STREAM_OK);
}

static void expects_tls(void *argument)
{
    struct ends *ends = argument;
    assert_int_equal(stream_start_tls_server(ends->right, ends->server, soon()), STREAM_ERROR);
    assert_tls_failure(ends->right, "TLS handshake", SSL_R_WRONG_VERSION_NUMBER);
    assert_null(stream_tls_version(ends->right));
}

static void plaintext_instead_of_a_handshake_fails_with_openssls_reason(void **state)
{
    (void)state;
    run_over_tls(sends_plaintext, expects_tls);
}

static void wants_a_certificate_it_can_trust(void *argument)
{
    struct ends *ends = argument;
    SSL_CTX_set_verify(ends->client, SSL_VERIFY_PEER, NULL);
    assert_int_equal(stream_start_tls_client(ends->left, ends->client, BYTES("mx.example"), soon()),
                     STREAM_ERROR);
    assert_tls_failure(ends->left, "TLS handshake", SSL_R_CERTIFICATE_VERIFY_FAILED);
}

static void has_a_certificate_nobody_trusts(void *argument)
{
    struct ends *ends = argument;
    assert_int_equal(stream_start_tls_server(ends->right, ends->server, soon()), STREAM_ERROR);
    assert_tls_failure(ends->right, "TLS handshake", SSL_R_TLSV1_ALERT_UNKNOWN_CA);
}

static void both_ends_of_a_failed_handshake_know_why(void **state)
{
    (void)state;
    run_over_tls(wants_a_certificate_it_can_trust, has_a_certificate_nobody_trusts);
}

static void starts_tls_and_closes(void *argument)
{
    struct ends *ends = argument;
    assert_int_equal(stream_start_tls_client(ends->left, ends->client, BYTES(""), soon()),
                     STREAM_OK);
    closes(ends);
}

static void writes_to_a_closed_peer_under_tls(void *argument)
{
    struct ends *ends = argument;
    assert_int_equal(stream_start_tls_server(ends->right, ends->server, soon()), STREAM_OK);
    while (!ends->left_ended)
        fiber_sleep_until(clock_monotonic() + 0.001);
    writes_to_a_closed_peer(ends);
}

static void writing_under_tls_to_a_peer_that_is_gone_is_a_status_not_a_signal(void **state)
{
    (void)state;
    run_over_tls(starts_tls_and_closes, writes_to_a_closed_peer_under_tls);
}

static void is_abandoned_in_the_handshake(void *argument)
{
    struct ends *ends = argument;
    assert_int_equal(stream_start_tls_server(ends->right, ends->server, soon()), STREAM_CLOSED);
    assert_string_equal(stream_failure(ends->right), "TLS handshake: closed by the peer");
}

static void a_peer_that_leaves_in_the_handshake_is_a_closed_stream(void **state)
{
    (void)state;
    run_over_tls(closes, is_abandoned_in_the_handshake);
}

static void waits_for_a_handshake(void *argument)
{
    struct ends *ends = argument;
    double begin = clock_monotonic();
    assert_int_equal(stream_start_tls_server(ends->right, ends->server, begin + 0.02),
                     STREAM_TIMEOUT);
    assert_string_equal(stream_failure(ends->right), "TLS handshake: timed out");
}

static void says_nothing(void *argument)
{
    (void)argument;
}

static void a_handshake_has_a_deadline(void **state)
{
    (void)state;
    run_over_tls(says_nothing, waits_for_a_handshake);
}

static int listen_on_loopback(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static void keeps_sending(void *argument)
{
    struct ends *ends = argument;
    struct bytes line;
    stream_write(ends->left, BYTES("RCPT TO:<a@example.com>\r\nRCPT TO:<b@example.com>\r\n"));
    assert_int_equal(stream_flush(ends->left, soon()), STREAM_OK);
    assert_int_equal(stream_read_line(ends->left, 512, soon(), &line), STREAM_OK);
    assert_bytes(line, "421 bye\r\n");
    assert_int_equal(stream_read_line(ends->left, 512, soon(), &line), STREAM_CLOSED);
    assert_string_equal(stream_failure(ends->left), "read: closed by the peer");
}

static void replies_and_frees(void *argument)
{
    struct ends *ends = argument;
    stream_write(ends->right, BYTES("421 bye\r\n"));
    assert_int_equal(stream_flush(ends->right, soon()), STREAM_OK);
    stream_free(ends->right);
    ends->right = NULL;
}

static void closing_while_the_peer_still_sends_is_not_a_reset(void **state)
{
    (void)state;
    struct ends ends = {0};
    run_both_ends(keeps_sending, replies_and_frees, &ends);
}

static void connects(void *argument)
{
    struct ip host, source, seen;
    uint16_t port, seen_port;
    int error = 0;
    (void)argument;
    int listener = listen_on_loopback(&port);
    assert_true(ip_parse(BYTES("127.0.0.1"), &host));
    assert_true(ip_parse(BYTES("127.0.0.77"), &source));
    struct stream *stream = stream_connect(&host, port, &source, soon(), &error);
    assert_non_null(stream);
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    int accepted = accept(listener, (struct sockaddr *)&peer, &size);
    assert_true(accepted >= 0);
    assert_true(ip_from_sockaddr((struct sockaddr *)&peer, &seen, &seen_port));
    assert_true(ip_equal(&seen, &source));
    close(accepted);
    close(listener);
    stream_free(stream);
    assert_null(stream_connect(&host, port, NULL, soon(), &error));
    assert_int_equal(error, ECONNREFUSED);
}

static void a_connection_has_the_requested_source_or_fails_with_a_reason(void **state)
{
    (void)state;
    assert_true(fiber_run(connects, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_read_with_their_ends_of_any_kind),
        cmocka_unit_test(a_line_over_the_limit_is_discarded_to_its_end),
        cmocka_unit_test(memory_streams_write_at_once_and_read_in_pieces),
        cmocka_unit_test(a_dialogue_waits_for_its_lines_and_keeps_what_a_deadline_cut),
        cmocka_unit_test(a_large_body_arrives_whole_and_in_order),
        cmocka_unit_test(a_megabyte_without_a_line_end_is_one_line_too_long),
        cmocka_unit_test(a_stream_is_quiet_until_its_peer_sends_or_closes),
        cmocka_unit_test(writing_to_a_peer_that_is_gone_is_a_status_not_a_signal),
        cmocka_unit_test(closing_while_the_peer_still_sends_is_not_a_reset),
        cmocka_unit_test(plaintext_before_the_handshake_is_discarded_in_either_direction),
        cmocka_unit_test(a_large_body_arrives_whole_under_tls),
        cmocka_unit_test(plaintext_instead_of_a_handshake_fails_with_openssls_reason),
        cmocka_unit_test(both_ends_of_a_failed_handshake_know_why),
        cmocka_unit_test(writing_under_tls_to_a_peer_that_is_gone_is_a_status_not_a_signal),
        cmocka_unit_test(a_peer_that_leaves_in_the_handshake_is_a_closed_stream),
        cmocka_unit_test(a_handshake_has_a_deadline),
        cmocka_unit_test(a_connection_has_the_requested_source_or_fails_with_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
