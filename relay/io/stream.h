/* Streams: lines and octets over a socket, over TLS on that socket, or over memory.
 *
 * Reads and writes suspend the calling fiber until they are done, their deadline passes or the peer
 * goes away. A memory stream never waits, so the same session runs in unit tests and fuzzers
 * without a loop. Deadlines are monotonic times (clock_monotonic()); 0 means none. */
#ifndef FAIRLEAD_STREAM_H
#define FAIRLEAD_STREAM_H

#include "buffer.h"

#include <openssl/ssl.h>

struct stream;

enum stream_status {
    STREAM_OK,
    STREAM_CLOSED,   /* orderly end, or the peer vanished */
    STREAM_TIMEOUT,  /* the deadline passed */
    STREAM_TOO_LONG, /* no line end within the limit; the line up to its end was discarded */
    STREAM_ERROR,    /* the socket or TLS failed; see stream_failure() */
    STREAM_CANCELLED /* the fiber is being ended (drain) */
};

/* Takes ownership of the connected, non-blocking socket. NULL when memory is short (fd is closed
 * then too). */
struct stream *stream_from_fd(int fd);

/* Reads from `input` (not copied, must outlive the stream), which is there from the first read on,
 * and appends what is written to `output`. */
struct stream *stream_from_memory(struct bytes input, struct buffer *output);

/* Connects to host and port from the source address (NULL: any). NULL on failure, with the reason
 * in *error (an errno value, ETIMEDOUT for the deadline). */
struct ip;
struct stream *stream_connect(const struct ip *host, uint16_t port, const struct ip *source,
                              double deadline, int *error);

/* Closes and frees; anything unflushed is lost. NULL is ignored. */
void stream_free(struct stream *stream);

/* Waits until there is more to read than what is buffered, without reading it. May return STREAM_OK
 * early. */
enum stream_status stream_await_input(struct stream *stream, double deadline);

/* Frees the buffers that hold nothing: to be called before a long wait. */
void stream_rest(struct stream *stream);

/* Reads up to and including the next LF. `line` points into the stream's buffer and is valid until
 * the next read; it includes its line end, whatever that is: bare CR and LF are the caller's to
 * judge. A line longer than `limit` octets (its end included) gives STREAM_TOO_LONG. At the end of
 * input an unfinished line gives STREAM_CLOSED. */
enum stream_status stream_read_line(struct stream *stream, size_t limit, double deadline,
                                    struct bytes *line);

/* Reads whatever is there, at least one octet and at most `limit`; valid until the next read. */
enum stream_status stream_read_some(struct stream *stream, size_t limit, double deadline,
                                    struct bytes *octets);

/* Returns the last `n` octets that stream_read_some() gave to the stream, to be read next. */
void stream_unread(struct stream *stream, size_t n);

/* How many octets are buffered; whether there is anything to read, asking the socket once. Neither
 * waits. */
size_t stream_buffered(const struct stream *stream);
bool stream_input_waiting(struct stream *stream);

/* True when there is nothing to read and the peer is still there. Asks the socket once. */
bool stream_is_quiet(struct stream *stream);

/* True when a whole line, whatever its length, is there to be read without asking the socket. */
bool stream_has_line(const struct stream *stream);

/* True when the peer has closed or reset the connection and has left nothing to read. Does not
 * wait; a memory stream's peer is never gone. */
bool stream_peer_is_gone(struct stream *stream);

/* The same for a socket that has no stream yet. */
bool stream_socket_is_gone(int fd);

/* Queues octets; stream_flush() sends them. Queuing fails only for lack of memory, which the next
 * flush reports. */
void stream_write(struct stream *stream, struct bytes octets);
struct buffer *stream_output(struct stream *stream); /* the queue, to append to */
void stream_printf(struct stream *stream, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
enum stream_status stream_flush(struct stream *stream, double deadline);

/* The same for the last output before stream_free(): it is sent together with the FIN. */
enum stream_status stream_flush_last(struct stream *stream, double deadline);

/* Sends what is queued and shuts the sending side down, then discards input until the peer closes
 * too, so that the last reply is not lost to a reset. Only stream_free() may follow. */
void stream_finish(struct stream *stream, double deadline);

/* TLS on the open stream, as server or as client (`name` for SNI, may be empty). The context stays
 * the caller's. Plain octets received before the handshake are discarded first. */
enum stream_status stream_start_tls_server(struct stream *stream, SSL_CTX *context,
                                           double deadline);
enum stream_status stream_start_tls_client(struct stream *stream, SSL_CTX *context,
                                           struct bytes name, double deadline);

/* "TLSv1.3"; NULL in the clear and as long as the handshake has not succeeded. */
const char *stream_tls_version(const struct stream *stream);

/* Why the last operation that failed did so, for the log: what was being done and the reason,
 * OpenSSL's or the system's if they have one ("TLS handshake: wrong version number", "read:
 * Connection reset by peer", "write: timed out"). "" if nothing has failed; STREAM_TOO_LONG is not
 * a failure of the stream. One line, in the stream's memory: valid until the next operation. */
const char *stream_failure(const struct stream *stream);

#endif
