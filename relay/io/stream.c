/* Streams. See stream.h.
 *
 * Every operation tries first and waits only when the socket says so. TLS differs in three places:
 * receive(), transmit() and the handshake; all else is the same for every kind of stream.
 */
#include "stream.h"

#include "fiber.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    INPUT_MIN = 4 * 1024,
    INPUT_MAX = 64 * 1024,
    OUTPUT_KEPT_MAX = 64 * 1024, /* a larger queue is freed once it is empty */
    /* How much a peer may still send after our last reply before we close. */
    DRAIN_MAX = 1024 * 1024,
    /* Reads without a wait between them, after which other fibers get their turn. */
    READS_MAX = 16,
    FAILURE_MAX = 160
};

struct stream {
    int fd; /* -1: memory */
    struct fiber_watch watch;
    SSL *ssl;
    bool tls_established; /* a handshake has succeeded */
    bool tls_broken;      /* no close_notify may follow */

    char *storage; /* what `input` points into; NULL for memory streams */
    size_t capacity;
    const char *input;
    size_t begin, end; /* the unread part of input */
    unsigned reads_in_a_row;
    bool last;  /* nothing will be sent after what is queued */
    bool asked; /* sent something since the last read: the answer cannot be there yet */
    bool ended; /* the peer was seen to have sent its last octet, and nothing is to be waited for */

    struct buffer output;
    struct buffer *memory_output;
    size_t memory_left; /* input that arrives with the first read, not before */

    char failure[FAILURE_MAX];
};

/* Keeps the reason for stream_failure(). */
static enum stream_status fail_with(struct stream *stream, enum stream_status status,
                                    const char *during, const char *reason)
{
    snprintf(stream->failure, sizeof stream->failure, "%s: %s", during, reason);
    return status;
}

static enum stream_status fail_stream(struct stream *stream, const char *during, const char *reason)
{
    return fail_with(stream, STREAM_ERROR, during, reason);
}

static enum stream_status closed_by_peer(struct stream *stream, const char *during)
{
    return fail_with(stream, STREAM_CLOSED, during, "closed by the peer");
}

static enum stream_status wait_for(struct stream *stream, const char *during, int events,
                                   double deadline)
{
    stream->reads_in_a_row = 0;
    switch (fiber_wait_watch(&stream->watch, events, deadline)) {
    case FIBER_READY:
        return STREAM_OK;
    case FIBER_TIMEOUT:
        return fail_with(stream, STREAM_TIMEOUT, during, "timed out");
    default:
        return fail_with(stream, STREAM_CANCELLED, during, "cancelled");
    }
}

struct stream *stream_from_fd(int fd)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (!stream) {
        close(fd);
        return NULL;
    }
    stream->fd = fd;
    fiber_watch_begin(&stream->watch, fd);
    /* Replies are written whole, so there is nothing to wait for. Only TCP knows the option. */
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return stream;
}

struct stream *stream_from_memory(struct bytes input, struct buffer *output)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return NULL;
    stream->fd = -1;
    stream->input = input.p;
    stream->memory_left = input.n;
    stream->memory_output = output;
    return stream;
}

/* close() with input unread sends a reset, which may overtake the last reply. */
static void close_gently(int fd)
{
    char unread[INPUT_MIN];
    bool connected = shutdown(fd, SHUT_WR) == 0;
    for (int i = 0; connected && i < READS_MAX; i++)
        connected = recv(fd, unread, sizeof unread, MSG_DONTWAIT) > 0;
    close(fd);
}

void stream_free(struct stream *stream)
{
    if (!stream)
        return;
    if (stream->ssl) {
        if (!stream->tls_broken)
            SSL_shutdown(stream->ssl);
        SSL_free(stream->ssl);
        ERR_clear_error();
    }
    if (stream->fd >= 0) {
        fiber_watch_end(&stream->watch);
        close_gently(stream->fd);
    }
    free(stream->storage);
    buffer_free(&stream->output);
    free(stream);
}

static bool peer_is_gone(int error)
{
    return error == ECONNRESET || error == EPIPE || error == ENOTCONN || error == ETIMEDOUT ||
           error == EHOSTUNREACH || error == ENETUNREACH;
}

static enum stream_status fail_socket(struct stream *stream, const char *during)
{
    int error = errno;
    return fail_with(stream, peer_is_gone(error) ? STREAM_CLOSED : STREAM_ERROR, during,
                     strerror(error));
}

/* The first of the errors that OpenSSL queued: those after it are only its consequences. */
static const char *openssl_reason(void)
{
    unsigned long code = ERR_get_error();
    const char *reason =
        ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
    return reason ? reason : "TLS failed";
}

/* After an SSL function returned `result`: waits for what it wants. STREAM_OK: call it again. */
static enum stream_status wait_for_tls(struct stream *stream, const char *during, int result,
                                       double deadline)
{
    int saved = errno;
    switch (SSL_get_error(stream->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return wait_for(stream, during, EV_READ, deadline);
    case SSL_ERROR_WANT_WRITE:
        return wait_for(stream, during, EV_WRITE, deadline);
    case SSL_ERROR_ZERO_RETURN:
        return closed_by_peer(stream, during);
    case SSL_ERROR_SYSCALL:
        stream->tls_broken = true;
        errno = saved;
        return errno == 0 ? closed_by_peer(stream, during) : fail_socket(stream, during);
    default:
        stream->tls_broken = true;
        return fail_stream(stream, during, openssl_reason());
    }
}

/* Receives at least one octet into p. */
static enum stream_status receive(struct stream *stream, char *p, size_t size, double deadline,
                                  size_t *received)
{
    enum stream_status status = STREAM_OK;
    bool wait_first = stream->asked || ++stream->reads_in_a_row > READS_MAX;
    if (wait_first && !(stream->ssl && SSL_has_pending(stream->ssl)))
        status = wait_for(stream, "read", EV_READ, deadline);
    stream->asked = false;
    while (status == STREAM_OK && stream->ssl) {
        ERR_clear_error();
        errno = 0;
        int result = SSL_read_ex(stream->ssl, p, size, received);
        if (result > 0)
            return STREAM_OK;
        status = wait_for_tls(stream, "read", result, deadline);
    }
    while (status == STREAM_OK) {
        ssize_t n = recv(stream->fd, p, size, 0);
        if (n > 0) {
            *received = (size_t)n;
            return STREAM_OK;
        }
        if (n == 0)
            return closed_by_peer(stream, "read");
        if (errno == EAGAIN)
            status = wait_for(stream, "read", EV_READ, deadline);
        else if (errno != EINTR)
            return fail_socket(stream, "read");
    }
    return status;
}

/* Makes room after the unread octets: little at first, more once whole buffers keep coming in, and
 * always more for a line that fills the buffer. */
static bool make_room(struct stream *stream)
{
    size_t kept = stream->end - stream->begin;
    bool was_filled = stream->capacity > 0 && stream->end == stream->capacity;
    if (kept > 0 && stream->begin > 0)
        memmove(stream->storage, stream->storage + stream->begin, kept);
    stream->begin = 0;
    stream->end = kept;
    bool grow = kept == stream->capacity || (was_filled && stream->capacity < INPUT_MAX);
    if (!grow)
        return true;
    size_t capacity = stream->capacity < INPUT_MIN ? INPUT_MIN : stream->capacity * 2;
    char *storage = realloc(stream->storage, capacity);
    if (!storage)
        return kept < stream->capacity;
    stream->storage = storage;
    stream->input = storage;
    stream->capacity = capacity;
    return true;
}

/* Adds at least one octet to the unread ones. */
static enum stream_status fill_input(struct stream *stream, double deadline)
{
    size_t received = 0;
    if (stream->fd < 0) {
        if (stream->memory_left == 0)
            return closed_by_peer(stream, "read");
        stream->end += stream->memory_left;
        stream->memory_left = 0;
        return STREAM_OK;
    }
    if (!make_room(stream))
        return fail_stream(stream, "read", "out of memory");
    enum stream_status status = receive(stream, stream->storage + stream->end,
                                        stream->capacity - stream->end, deadline, &received);
    stream->end += received;
    return status;
}

static struct bytes take_input(struct stream *stream, size_t n)
{
    struct bytes taken = {stream->input + stream->begin, n};
    stream->begin += n;
    return taken;
}

static struct bytes unread_input(const struct stream *stream)
{
    if (stream->begin == stream->end)
        return (struct bytes){"", 0};
    return (struct bytes){stream->input + stream->begin, stream->end - stream->begin};
}

static void discard_input(struct stream *stream)
{
    stream->begin = stream->end;
}

static enum stream_status discard_line(struct stream *stream, double deadline)
{
    for (;;) {
        size_t at = bytes_find(unread_input(stream), '\n');
        if (at != BYTES_NOT_FOUND) {
            take_input(stream, at + 1);
            return STREAM_TOO_LONG;
        }
        discard_input(stream);
        enum stream_status status = fill_input(stream, deadline);
        if (status != STREAM_OK)
            return status;
    }
}

enum stream_status stream_await_input(struct stream *stream, double deadline)
{
    if (stream->fd < 0 || stream->ended || (stream->ssl && SSL_has_pending(stream->ssl)))
        return STREAM_OK;
    stream->asked = false;
    return wait_for(stream, "read", EV_READ, deadline);
}

void stream_rest(struct stream *stream)
{
    struct bytes unread = unread_input(stream);
    if (stream->output.n == 0)
        buffer_free(&stream->output);
    if (stream->ssl)
        SSL_free_buffers(stream->ssl);
    if (!stream->storage)
        return;
    char *storage = NULL;
    if (unread.n > 0 && !(storage = malloc(unread.n)))
        return;
    if (unread.n > 0)
        memcpy(storage, unread.p, unread.n);
    free(stream->storage);
    stream->storage = storage;
    stream->input = storage;
    stream->begin = 0;
    stream->end = stream->capacity = unread.n;
}

enum stream_status stream_read_line(struct stream *stream, size_t limit, double deadline,
                                    struct bytes *line)
{
    size_t searched = 0;
    for (;;) {
        struct bytes there = bytes_first(unread_input(stream), limit);
        size_t at = bytes_find(bytes_from(there, searched), '\n');
        if (at != BYTES_NOT_FOUND) {
            *line = take_input(stream, searched + at + 1);
            return STREAM_OK;
        }
        if (there.n == limit)
            return discard_line(stream, deadline);
        searched = there.n;
        enum stream_status status = fill_input(stream, deadline);
        if (status != STREAM_OK)
            return status;
    }
}

enum stream_status stream_read_some(struct stream *stream, size_t limit, double deadline,
                                    struct bytes *octets)
{
    if (stream->begin == stream->end) {
        enum stream_status status = fill_input(stream, deadline);
        if (status != STREAM_OK)
            return status;
    }
    size_t n = unread_input(stream).n;
    *octets = take_input(stream, n < limit ? n : limit);
    return STREAM_OK;
}

void stream_unread(struct stream *stream, size_t n)
{
    stream->begin -= n;
}

size_t stream_buffered(const struct stream *stream)
{
    return stream->end - stream->begin;
}

bool stream_has_line(const struct stream *stream)
{
    return bytes_find(unread_input(stream), '\n') != BYTES_NOT_FOUND;
}

/* STREAM_OK: there is an octet; STREAM_TIMEOUT: not yet. */
static enum stream_status look_into(int fd, bool *ended)
{
    char octet;
    ssize_t n = recv(fd, &octet, sizeof octet, MSG_PEEK | MSG_DONTWAIT);
    *ended = n == 0;
    if (n > 0)
        return STREAM_OK;
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? STREAM_TIMEOUT : STREAM_CLOSED;
}

bool stream_socket_is_gone(int fd)
{
    bool ended;
    return look_into(fd, &ended) == STREAM_CLOSED;
}

/* Peeks at the next octet without waiting. Under TLS only application data counts: a session ticket
 * makes the socket readable too. */
static enum stream_status look_ahead(struct stream *stream)
{
    char octet;
    size_t seen;
    if (stream_buffered(stream) > 0)
        return STREAM_OK;
    if (stream->fd < 0)
        return STREAM_TIMEOUT;
    errno = 0;
    if (stream->ssl) {
        ERR_clear_error();
        int result = SSL_peek_ex(stream->ssl, &octet, sizeof octet, &seen);
        if (result > 0)
            return STREAM_OK;
        int error = SSL_get_error(stream->ssl, result);
        return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? STREAM_TIMEOUT
                                                                             : STREAM_CLOSED;
    }
    bool ended;
    enum stream_status status = look_into(stream->fd, &ended);
    if (status != STREAM_OK)
        stream->ended = ended;
    return status;
}

bool stream_input_waiting(struct stream *stream)
{
    return look_ahead(stream) == STREAM_OK;
}

bool stream_is_quiet(struct stream *stream)
{
    return look_ahead(stream) == STREAM_TIMEOUT;
}

bool stream_peer_is_gone(struct stream *stream)
{
    return look_ahead(stream) == STREAM_CLOSED;
}

struct buffer *stream_output(struct stream *stream)
{
    return stream->memory_output ? stream->memory_output : &stream->output;
}

void stream_write(struct stream *stream, struct bytes octets)
{
    buffer_add(stream_output(stream), octets);
}

void stream_printf(struct stream *stream, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    buffer_vprintf(stream_output(stream), format, arguments);
    va_end(arguments);
}

/* Sends at least one of the octets. */
static enum stream_status transmit(struct stream *stream, struct bytes octets, double deadline,
                                   size_t *sent)
{
    enum stream_status status = STREAM_OK;
    while (status == STREAM_OK && stream->ssl) {
        ERR_clear_error();
        errno = 0;
        int result = SSL_write_ex(stream->ssl, octets.p, octets.n, sent);
        if (result > 0)
            return STREAM_OK;
        status = wait_for_tls(stream, "write", result, deadline);
    }
    while (status == STREAM_OK) {
        ssize_t n =
            send(stream->fd, octets.p, octets.n, MSG_NOSIGNAL | (stream->last ? MSG_MORE : 0));
        if (n >= 0) {
            stream->asked = true;
            *sent = (size_t)n;
            return STREAM_OK;
        }
        if (errno == EAGAIN)
            status = wait_for(stream, "write", EV_WRITE, deadline);
        else if (errno != EINTR)
            return fail_socket(stream, "write");
    }
    return status;
}

enum stream_status stream_flush(struct stream *stream, double deadline)
{
    if (stream_output(stream)->failed)
        return fail_stream(stream, "write", "out of memory");
    struct bytes rest = buffer_bytes(&stream->output);
    while (rest.n > 0) {
        size_t sent = 0;
        enum stream_status status = transmit(stream, rest, deadline, &sent);
        rest = bytes_from(rest, sent);
        if (status != STREAM_OK) {
            buffer_consume(&stream->output, stream->output.n - rest.n);
            return status;
        }
    }
    if (stream->output.capacity > OUTPUT_KEPT_MAX)
        buffer_free(&stream->output);
    buffer_clear(&stream->output);
    return STREAM_OK;
}

enum stream_status stream_flush_last(struct stream *stream, double deadline)
{
    stream->last = true;
    return stream_flush(stream, deadline);
}

static enum stream_status start_tls(struct stream *stream, SSL_CTX *context, bool server,
                                    const char *name, double deadline)
{
    enum stream_status status = stream_flush(stream, deadline);
    if (status != STREAM_OK)
        return status;
    /* What was received in the clear must not be read as if sent under TLS, neither a client's
     * commands (CVE-2011-0411) nor a server's replies (CVE-2021-38371). */
    discard_input(stream);
    if (stream->fd < 0 || stream->ssl)
        return fail_stream(stream, "TLS", "not on this stream");
    ERR_clear_error();
    stream->ssl = SSL_new(context);
    if (!stream->ssl || SSL_set_fd(stream->ssl, stream->fd) != 1 ||
        (name && SSL_set_tlsext_host_name(stream->ssl, name) != 1))
        return fail_stream(stream, "TLS", openssl_reason());
    SSL_set_mode(stream->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    /* SMTP marks the end of everything itself, and many peers close without a close_notify: it is a
     * closed connection like any other. */
    SSL_set_options(stream->ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_set_read_ahead(stream->ssl, 1);
    stream->tls_broken = true;
    for (;;) {
        ERR_clear_error();
        errno = 0;
        int result = server ? SSL_accept(stream->ssl) : SSL_connect(stream->ssl);
        if (result == 1)
            break;
        status = wait_for_tls(stream, "TLS handshake", result, deadline);
        if (status != STREAM_OK)
            return status;
    }
    stream->tls_broken = false;
    stream->tls_established = true;
    return STREAM_OK;
}

enum stream_status stream_start_tls_server(struct stream *stream, SSL_CTX *context, double deadline)
{
    return start_tls(stream, context, true, NULL, deadline);
}

enum stream_status stream_start_tls_client(struct stream *stream, SSL_CTX *context,
                                           struct bytes name, double deadline)
{
    char host[TLSEXT_MAXLEN_host_name + 1];
    snprintf(host, sizeof host, "%.*s", BYTES_ARG(name));
    return start_tls(stream, context, false, host[0] ? host : NULL, deadline);
}

void stream_finish(struct stream *stream, double deadline)
{
    char dropped[4096];
    enum stream_status status = stream_flush(stream, deadline);
    if (status != STREAM_OK || stream->fd < 0)
        return;
    if (stream->ssl && !stream->tls_broken)
        SSL_shutdown(stream->ssl);
    shutdown(stream->fd, SHUT_WR);
    for (size_t total = 0; status == STREAM_OK && total < DRAIN_MAX;) {
        ssize_t n = recv(stream->fd, dropped, sizeof dropped, 0);
        if (n > 0)
            total += (size_t)n;
        else if (n < 0 && errno == EAGAIN)
            status = wait_for(stream, "read", EV_READ, deadline);
        else
            break;
    }
}

const char *stream_tls_version(const struct stream *stream)
{
    return stream->tls_established ? SSL_get_version(stream->ssl) : NULL;
}

const char *stream_failure(const struct stream *stream)
{
    return stream->failure;
}
