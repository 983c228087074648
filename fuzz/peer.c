/* An upstream from a script. See peer.h. */
#include "peer.h"

#include "fuzz.h"
#include "ip.h"

#include <errno.h>
#include <string.h>

enum { COMMAND_MAX = 1024 };

static struct peer *current;

/* What the linker calls by these names (ld(1), --wrap). */
struct stream *__wrap_stream_connect(const struct ip *host, uint16_t port, const struct ip *source,
                                     double deadline, int *error);
void __wrap_stream_free(struct stream *stream);
void __real_stream_free(struct stream *stream);
enum stream_status __wrap_stream_read_line(struct stream *stream, size_t limit, double deadline,
                                           struct bytes *line);
enum stream_status __real_stream_read_line(struct stream *stream, size_t limit, double deadline,
                                           struct bytes *line);
bool __wrap_stream_input_waiting(struct stream *stream);
bool __real_stream_input_waiting(struct stream *stream);
bool __wrap_stream_is_quiet(struct stream *stream);
bool __real_stream_is_quiet(struct stream *stream);
enum stream_status __wrap_stream_flush(struct stream *stream, double deadline);
enum stream_status __real_stream_flush(struct stream *stream, double deadline);
enum stream_status __wrap_stream_flush_last(struct stream *stream, double deadline);
enum stream_status __real_stream_flush_last(struct stream *stream, double deadline);
enum stream_status __wrap_stream_start_tls_client(struct stream *stream, SSL_CTX *context,
                                                  struct bytes name, double deadline);

/* ---- The server that watches ---- */

static const char *const verbs[] = {
    [PEER_EHLO] = "EHLO ",       [PEER_HELO] = "HELO ",     [PEER_STARTTLS] = "STARTTLS",
    [PEER_MAIL] = "MAIL FROM:<", [PEER_RCPT] = "RCPT TO:<", [PEER_DATA] = "DATA",
    [PEER_RSET] = "RSET",        [PEER_QUIT] = "QUIT",
};

static enum peer_command read_command(struct bytes command)
{
    for (enum peer_command i = PEER_EHLO; i <= PEER_QUIT; i++) {
        struct bytes verb = bytes_of(verbs[i]);
        bool has_argument = !ascii_is_alpha(verb.p[verb.n - 1]);
        if (bytes_starts_with_nocase(command, verb) && (has_argument || command.n == verb.n))
            return i;
    }
    require_failed("a command is known", __FILE__, __LINE__);
}

/* One whole command, and no other before its answer, but for QUIT, which is said at any time. */
static void take_command(struct peer *peer, struct bytes octets)
{
    require(octets.n >= 2 && octets.n <= COMMAND_MAX);
    struct bytes command = bytes_first(octets, octets.n - 2);
    require(bytes_equal(bytes_from(octets, command.n), BYTES("\r\n")));
    for (size_t i = 0; i < command.n; i++)
        require(ascii_is_printable(command.p[i]));
    peer->command = read_command(command);
    require((peer->state == PEER_READY && peer->turn.n == 0) || peer->command == PEER_QUIT);
    peer->state = PEER_ASKED;
}

/* Where the content ends with its dot; 0 while it does not. Only CRLF ends a line. */
static size_t content_end(struct bytes octets)
{
    size_t line = 0;
    for (size_t i = 0; i < octets.n; i++) {
        bool is_end = octets.p[i] == '\r' && i + 1 < octets.n && octets.p[i + 1] == '\n';
        if (!is_end) {
            require(octets.p[i] != '\n' && octets.p[i] != '\0');
            require(octets.p[i] != '\r' || i + 1 == octets.n);
            continue;
        }
        if (i == line + 1 && octets.p[line] == '.')
            return i + 2;
        line = i + 2;
        i++;
    }
    return 0;
}

static void watch(struct peer *peer)
{
    struct bytes octets = bytes_from(buffer_bytes(&peer->sent), peer->seen);
    if (octets.n == 0)
        return;
    peer->seen = peer->sent.n;
    require(!peer->sent.failed && peer->state != PEER_BROKEN && peer->state != PEER_TLS &&
            peer->state != PEER_FINAL);
    if (peer->state != PEER_CONTENT) {
        take_command(peer, octets);
        return;
    }
    struct bytes content = bytes_from(buffer_bytes(&peer->sent), peer->content);
    size_t end = content_end(content);
    if (end > 0) {
        require(end == content.n && peer->turn.n == 0); /* nothing after the dot */
        peer->state = PEER_FINAL;
    }
}

static void take_message(struct peer *peer)
{
    struct bytes content = bytes_from(buffer_bytes(&peer->sent), peer->content);
    peer->state = PEER_READY;
    if (peer->on_message)
        peer->on_message(peer, content, peer->code / 100 == 2);
    peer->recipients = 0;
}

/* What the answer to a command means. */
static void conclude_command(struct peer *peer)
{
    int class = peer->code / 100;
    bool is_data = peer->command == PEER_DATA;
    peer->state = class == (is_data ? 2 : 3) ? PEER_BROKEN : PEER_READY;
    if (is_data && class == 3) {
        peer->state = PEER_CONTENT;
        peer->content = peer->sent.n;
    } else if (peer->command == PEER_STARTTLS && class == 2) {
        peer->state = PEER_TLS;
    } else if (peer->command == PEER_RCPT) {
        peer->recipients += class == 2;
    } else if (!is_data) {
        peer->recipients = 0;
    }
}

/* The last line of a reply was read. */
static void conclude_reply(struct peer *peer)
{
    if (peer->state == PEER_FINAL)
        take_message(peer);
    else if (peer->state == PEER_ASKED)
        conclude_command(peer);
    else if (peer->state == PEER_BANNER && peer->code / 100 != 3)
        peer->state = PEER_READY;
    else
        peer->state = PEER_BROKEN; /* it spoke out of turn */
}

/* RFC 5321 4.2. */
static void take_reply_line(struct peer *peer, struct bytes line)
{
    while (line.n > 0 && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
        line.n--;
    uint64_t code = 0;
    bool good = line.n >= 3 && bytes_to_number(bytes_first(line, 3), 599, &code) && code >= 200 &&
                (line.n == 3 || line.p[3] == ' ' || line.p[3] == '-') &&
                (!peer->in_reply || (int)code == peer->code);
    peer->code = good ? (int)code : 0;
    peer->in_reply = good && line.n > 3 && line.p[3] == '-';
    if (!good) {
        if (peer->state == PEER_FINAL)
            take_message(peer);
        peer->state = PEER_BROKEN;
    } else if (!peer->in_reply) {
        conclude_reply(peer);
    }
}

/* ---- The stream ---- */

static bool is_peer(const struct stream *stream)
{
    return current && stream == current->stream;
}

static bool next_turn_begins_with(const struct peer *peer, char mark)
{
    return peer->script.n > 0 && peer->script.p[0] == mark;
}

static bool has_left_unasked(const struct peer *peer)
{
    return peer->turn.n == 0 && next_turn_begins_with(peer, '#');
}

static enum stream_status lose(struct peer *peer, enum stream_status status)
{
    peer->code = 0;
    if (peer->state == PEER_FINAL)
        take_message(peer);
    peer->state = PEER_BROKEN;
    return status;
}

struct stream *__wrap_stream_connect(const struct ip *host, uint16_t port, const struct ip *source,
                                     double deadline, int *error)
{
    struct peer *peer = current;
    (void)port, (void)source, (void)deadline;
    require(peer && !peer->stream && (host->length == 4 || host->length == 16));
    *error = ECONNREFUSED;
    if (peer->script.n == 0 || next_turn_begins_with(peer, '-')) {
        bytes_cut(&peer->script, '|');
        return NULL;
    }
    buffer_clear(&peer->sent);
    peer->seen = 0;
    peer->turn = BYTES("");
    peer->in_reply = false;
    peer->recipients = 0;
    peer->state = PEER_BANNER;
    peer->stream = stream_from_memory(BYTES(""), &peer->sent);
    require(peer->stream != NULL);
    return peer->stream;
}

void __wrap_stream_free(struct stream *stream)
{
    if (stream && is_peer(stream)) {
        if (current->state == PEER_FINAL)
            lose(current, STREAM_CLOSED);
        current->stream = NULL;
    }
    __real_stream_free(stream);
}

enum stream_status __wrap_stream_read_line(struct stream *stream, size_t limit, double deadline,
                                           struct bytes *line)
{
    if (!is_peer(stream)) {
        enum stream_status status = __real_stream_read_line(stream, limit, deadline, line);
        if (status == STREAM_OK && current && current->on_line)
            current->on_line(current, *line);
        return status;
    }
    struct peer *peer = current;
    if (peer->turn.n == 0) {
        if (peer->script.n == 0)
            return lose(peer, STREAM_CLOSED);
        peer->turn = bytes_cut(&peer->script, '|');
        if (peer->turn.n > 0 && strchr("!#?", peer->turn.p[0])) {
            bool is_silent = peer->turn.p[0] == '?';
            peer->turn = BYTES("");
            return lose(peer, is_silent ? STREAM_TIMEOUT : STREAM_CLOSED);
        }
    }
    size_t end = bytes_find(peer->turn, '\n');
    if (end == BYTES_NOT_FOUND)
        return lose(peer, STREAM_TIMEOUT);
    *line = bytes_first(peer->turn, end + 1);
    peer->turn = bytes_from(peer->turn, end + 1);
    if (line->n > limit)
        return lose(peer, STREAM_TOO_LONG);
    take_reply_line(peer, *line);
    return STREAM_OK;
}

bool __wrap_stream_input_waiting(struct stream *stream)
{
    return is_peer(stream) ? current->turn.n > 0 : __real_stream_input_waiting(stream);
}

bool __wrap_stream_is_quiet(struct stream *stream)
{
    if (!is_peer(stream))
        return __real_stream_is_quiet(stream);
    return current->turn.n == 0 && !has_left_unasked(current);
}

enum stream_status __wrap_stream_flush(struct stream *stream, double deadline)
{
    if (!is_peer(stream)) {
        enum stream_status status = __real_stream_flush(stream, deadline);
        if (current && current->on_flush)
            current->on_flush(current);
        return status;
    }
    if (has_left_unasked(current))
        return lose(current, STREAM_CLOSED);
    watch(current);
    return STREAM_OK;
}

enum stream_status __wrap_stream_flush_last(struct stream *stream, double deadline)
{
    return is_peer(stream) ? __wrap_stream_flush(stream, deadline)
                           : __real_stream_flush_last(stream, deadline);
}

/* As with a real one, what came in the clear is forgotten (CVE-2021-38371). */
enum stream_status __wrap_stream_start_tls_client(struct stream *stream, SSL_CTX *context,
                                                  struct bytes name, double deadline)
{
    (void)context, (void)name, (void)deadline;
    require(is_peer(stream) && current->state == PEER_TLS);
    current->turn = BYTES("");
    if (current->script.n == 0 || next_turn_begins_with(current, '!')) {
        bytes_cut(&current->script, '|');
        return lose(current, STREAM_ERROR);
    }
    current->state = PEER_READY;
    return STREAM_OK;
}

void peer_start(struct peer *peer, struct bytes script)
{
    *peer = (struct peer){.script = script};
    current = peer;
}

void peer_stop(struct peer *peer)
{
    require(!peer->stream);
    buffer_free(&peer->sent);
    current = NULL;
}
