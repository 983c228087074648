/* The relay as SMTP client. See upstream.h.
 *
 * Implements RFC 5321 3.3, 4.2, 4.5.2, 4.5.3.2 and 5.1 from the client's side, STARTTLS where it is
 * offered (RFC 3207; certificates are not verified, since without a policy nothing follows from
 * them), SIZE (RFC 1870) and 8BITMIME (RFC 6152). It does not pipeline: which command an answer
 * belongs to is never in doubt, and a reply that arrives before its command breaks the protocol.
 * AUTH, VRFY and EXPN are not used, whatever is offered. Clauses: UPS-08, UPS-15 */
#include "upstream.h"

#include "clause.h"
#include "clock.h"
#include "content.h"
#include "fiber.h"
#include "mx.h"
#include "stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RESET_TIMEOUT = 10,            /* for the answer to RSET; the client is kept waiting for it */
    UPSTREAM_LINE_MAX = 64 * 1024, /* octets of one reply line; a longer one breaks the protocol */
    BLOCK_SIZE = 64 * 1024,        /* octets of the message between two flushes */
    SLICE_SIZE = 16 * 1024,        /* octets between two occasions for other fibers */
    ERROR_SIZE = 128,
    ADDED_FIELDS_ALLOWANCE = 4096, /* an allowance for what is prepended, declared in SIZE= */
};

struct upstream {
    const struct upstream_settings *settings;
    struct dns *dns;
    struct arena *arena; /* lives as long as the upstream */
    struct arena *step;  /* the last reply */
    struct bytes domain;
    struct stream *stream; /* NULL: not connected */
    struct reply_extensions offers;
    struct bytes host;
    struct ip address;
    char error[ERROR_SIZE]; /* for the log */
};

static const struct upstream_answer unreachable = {.failure = UPSTREAM_UNREACHABLE,
                                                   .clause = "MX-11"};

bool upstream_accepted(const struct upstream_answer *answer)
{
    return answer->failure == UPSTREAM_REPLIED && answer->reply.code / 100 == 2;
}

struct upstream *upstream_new(const struct upstream_settings *settings, struct dns *dns,
                              struct bytes domain)
{
    struct upstream *upstream = calloc(1, sizeof *upstream);
    if (!upstream)
        return NULL;
    upstream->settings = settings;
    upstream->dns = dns;
    upstream->arena = arena_new(0);
    upstream->step = arena_new(0);
    if (upstream->arena)
        upstream->domain = arena_copy(upstream->arena, domain);
    if (!upstream->step || !upstream->domain.p) {
        upstream_free(upstream);
        return NULL;
    }
    return upstream;
}

const char *upstream_error(const struct upstream *upstream)
{
    return upstream->error;
}

/* To be called while the stream that failed is still there. */
static void keep_upstream_error(struct upstream *upstream)
{
    if (upstream->stream && *stream_failure(upstream->stream))
        snprintf(upstream->error, sizeof upstream->error, "%s", stream_failure(upstream->stream));
}

static void disconnect(struct upstream *upstream)
{
    stream_free(upstream->stream);
    upstream->stream = NULL;
}

void upstream_free(struct upstream *upstream)
{
    if (!upstream)
        return;
    disconnect(upstream);
    arena_free(upstream->arena);
    arena_free(upstream->step);
    free(upstream);
}

struct bytes upstream_domain(const struct upstream *upstream)
{
    return upstream->domain;
}

bool upstream_is_connected(const struct upstream *upstream)
{
    return upstream->stream != NULL;
}

struct bytes upstream_host(const struct upstream *upstream)
{
    return upstream->host;
}

struct ip upstream_address(const struct upstream *upstream)
{
    return upstream->address;
}

const char *upstream_tls_version(const struct upstream *upstream)
{
    return upstream->stream ? stream_tls_version(upstream->stream) : NULL;
}

/* Drops the connection: there is no reply that could be handed on. */
static void fail_upstream(struct upstream *upstream, enum upstream_failure failure,
                          const char *clause, struct upstream_answer *answer)
{
    keep_upstream_error(upstream);
    disconnect(upstream);
    *answer = (struct upstream_answer){.failure = failure, .clause = clause};
}

/* Reads one whole reply, in however many packets it comes. False: there was none, and the
 * connection is gone: an upstream that hangs up or stalls accepts nothing.
 * Clauses: INV-03, INV-04, UPS-12, UPS-35 */
static bool read_reply(struct upstream *upstream, double deadline, struct upstream_answer *answer)
{
    struct reply_reader reader;
    arena_reset(upstream->step);
    reply_start(&reader, upstream->step);
    for (;;) {
        struct bytes line;
        enum stream_status status =
            stream_read_line(upstream->stream, UPSTREAM_LINE_MAX, deadline, &line);
        if (CLAUSE(ERR_10, status != STREAM_OK)) {
            if (CLAUSE(UPS_13, status == STREAM_TOO_LONG))
                fail_upstream(upstream, UPSTREAM_BROKE_PROTOCOL, "UPS-13", answer);
            else
                fail_upstream(upstream, UPSTREAM_LOST,
                              status == STREAM_TIMEOUT ? "ERR-11" : "ERR-10", answer);
            return false;
        }
        enum reply_progress progress = reply_take_line(&reader, line);
        if (progress == REPLY_MORE)
            continue;
        if (CLAUSE(ERR_12, progress == REPLY_UNPARSABLE)) {
            fail_upstream(upstream, UPSTREAM_BROKE_PROTOCOL, "ERR-12", answer);
            return false;
        }
        *answer = (struct upstream_answer){.reply = reader.reply};
        return true;
    }
}

/* Reads the reply to a command. `positive` is the class of reply with which the dialogue continues;
 * 4yz and 5yz are answers too, everything else is out of place. After a 421 the channel is closing.
 */
static void read_answer(struct upstream *upstream, int positive, double deadline,
                        struct upstream_answer *answer)
{
    if (!read_reply(upstream, deadline, answer))
        return;
    int class = answer->reply.code / 100;
    if (CLAUSE(ERR_13, class != positive && class != 4 && class != 5))
        fail_upstream(upstream, UPSTREAM_BROKE_PROTOCOL, "ERR-13", answer);
    else if (answer->reply.code == 421 && unless_broken(ERR_30))
        disconnect(upstream);
}

/* The upstream spoke or left out of turn. A refusal, most often a 421, is its answer; anything else
 * cannot be one. Either way no more is sent. */
static void read_early_answer(struct upstream *upstream, struct upstream_answer *answer)
{
    double no_wait = clock_monotonic();
    if (!read_reply(upstream, no_wait, answer))
        return;
    if (CLAUSE(INV_01, answer->reply.code / 100 < 4))
        fail_upstream(upstream, UPSTREAM_BROKE_PROTOCOL, "INV-01", answer);
    else
        disconnect(upstream);
}

/* Sends what is queued and reads the answer to it. */
static void flush_and_read_answer(struct upstream *upstream, int positive, double deadline,
                                  struct upstream_answer *answer)
{
    if (stream_flush(upstream->stream, deadline) == STREAM_OK)
        read_answer(upstream, positive, deadline, answer);
    else
        fail_upstream(upstream, UPSTREAM_LOST, "ERR-10", answer);
}

/* The same for a command. A reply that has arrived already answers no question. */
static void send_command(struct upstream *upstream, int positive, double deadline,
                         struct upstream_answer *answer)
{
    if (!upstream->stream)
        fail_upstream(upstream, UPSTREAM_LOST, "ERR-10", answer);
    else if (CLAUSE(INV_05, stream_input_waiting(upstream->stream)))
        read_early_answer(upstream, answer);
    else
        flush_and_read_answer(upstream, positive, deadline, answer);
}

static double sooner(double deadline, double seconds)
{
    double step = clock_monotonic() + seconds;
    return deadline > 0 && deadline < step ? deadline : step;
}

static double command_deadline(const struct upstream *upstream, double deadline)
{
    return BREAK(ERR_27, sooner(deadline, upstream->settings->timeouts.command), 0);
}

/* EHLO, or HELO for a host that does not know it (RFC 5321 3.2), by the same name.
 * Clauses: HOST-01, HOST-02 */
static void say_hello(struct upstream *upstream, double deadline, struct upstream_answer *answer)
{
    struct bytes name = BREAK(HOST_01, upstream->settings->ehlo, upstream->host);
    upstream->offers = (struct reply_extensions){0};
    stream_printf(upstream->stream, "%s %.*s\r\n", BREAK(UPS_31, "EHLO", "HELO"), BYTES_ARG(name));
    send_command(upstream, 2, command_deadline(upstream, deadline), answer);
    if (upstream_accepted(answer)) {
        upstream->offers = reply_read_extensions(&answer->reply);
        return;
    }
    if (!upstream->stream || answer->failure != UPSTREAM_REPLIED ||
        !CLAUSE(UPS_02, answer->reply.code / 100 == 5))
        return;
    stream_printf(upstream->stream, "HELO %.*s\r\n",
                  BYTES_ARG(BREAK(HOST_02, name, upstream->host)));
    send_command(upstream, 2, command_deadline(upstream, deadline), answer);
}

/* Starts TLS where it is offered, discards what came in the clear after the answer, and sends EHLO
 * again. Where STARTTLS is refused the session continues in the clear; false when the attempt cost
 * the connection, and the host should be tried again in the clear.
 * Clauses: TLS-12, TLS-13, TLS-14, TLS-20 */
static bool use_tls(struct upstream *upstream, double deadline, struct upstream_answer *answer)
{
    SSL_CTX *context = upstream->settings->tls;
    if (!CLAUSE(TLS_11, upstream->offers.starttls && context != NULL))
        return true;
    struct upstream_answer offer;
    stream_printf(upstream->stream, "STARTTLS\r\n");
    send_command(upstream, 2, command_deadline(upstream, deadline), &offer);
    if (offer.failure != UPSTREAM_REPLIED)
        return false;
    if (!upstream_accepted(&offer))
        return upstream->stream != NULL;
    if (stream_start_tls_client(upstream->stream, context, upstream->host,
                                command_deadline(upstream, deadline)) != STREAM_OK) {
        keep_upstream_error(upstream);
        disconnect(upstream);
        return false;
    }
    say_hello(upstream, deadline, answer);
    return true;
}

/* Connects to one address, from the source address of its family, waits for the banner and sends
 * EHLO. Clauses: PFX-01, PFX-02, UPS-01 */
static void try_address(struct upstream *upstream, bool with_tls, double deadline,
                        struct upstream_answer *answer)
{
    const struct upstream_settings *settings = upstream->settings;
    const struct ip *source = CLAUSE(PFX_03, upstream->address.length == 4)
                                  ? &settings->source_ipv4
                                  : &settings->source_ipv6;
    int error;
    upstream->stream = stream_connect(
        &upstream->address, settings->port, source->length ? source : NULL,
        BREAK(IPV6_03, sooner(deadline, settings->timeouts.connect), deadline), &error);
    if (!upstream->stream) {
        snprintf(upstream->error, sizeof upstream->error, "connect: %s", strerror(error));
        *answer = unreachable;
        return;
    }
    read_answer(upstream, 2, sooner(deadline, settings->timeouts.banner), answer);
    if (!CLAUSE(UPS_32, upstream_accepted(answer)))
        return;
    say_hello(upstream, deadline, answer);
    if (!upstream_accepted(answer) || !with_tls)
        return;
    if (!use_tls(upstream, deadline, answer))
        try_address(upstream, false, deadline, answer);
}

/* A copy of a refusal that outlives the next host's replies. */
static struct upstream_answer keep_answer(struct arena *arena, const struct upstream_answer *answer)
{
    struct upstream_answer kept = *answer;
    if (answer->failure != UPSTREAM_REPLIED)
        return kept;
    kept.reply.enhanced = arena_copy(arena, answer->reply.enhanced);
    kept.reply.lines = arena_alloc_array(arena, answer->reply.line_count, sizeof *kept.reply.lines);
    for (size_t i = 0; kept.reply.lines && i < answer->reply.line_count; i++)
        kept.reply.lines[i] = arena_copy(arena, answer->reply.lines[i]);
    if (arena_failed(arena))
        return (struct upstream_answer){.failure = UPSTREAM_NO_MEMORY, .clause = "LIM-22"};
    return kept;
}

/* Which of two refusals the client should get: an upstream's own reply over a failure, a host that
 * misbehaved over one that could not be reached, the earlier (more preferred) host otherwise. */
static bool is_better_refusal(const struct upstream_answer *answer,
                              const struct upstream_answer *than)
{
    if (than->failure == UPSTREAM_REPLIED && unless_broken(MX_31_earlier))
        return false;
    if (answer->failure == UPSTREAM_REPLIED)
        return true;
    return CLAUSE(MX_31, than->failure == UPSTREAM_UNREACHABLE);
}

/* What the end of the candidates means when no host was asked. */
static struct upstream_answer no_candidate(enum mx_status status)
{
    switch (status) {
    case MX_NO_SUCH_DOMAIN:
        return (struct upstream_answer){.failure = UPSTREAM_NO_SUCH_DOMAIN, .clause = "MX-09"};
    case MX_NO_HOST:
        return (struct upstream_answer){.failure = UPSTREAM_NO_HOST, .clause = "MX-17"};
    case MX_NULL:
        return (struct upstream_answer){.failure = UPSTREAM_NULL_MX, .clause = "MX-08"};
    case MX_DNS_FAILED:
        return (struct upstream_answer){.failure = UPSTREAM_DNS_FAILED, .clause = "MX-10"};
    case MX_LOOP:
        return (struct upstream_answer){.failure = UPSTREAM_IS_SELF, .clause = "MX-20"};
    default:
        return unreachable;
    }
}

/* Whatever keeps an address from serving (refused, silent, unreachable, a banner or EHLO refused)
 * leads to the next: the host's other addresses, IPv4 after IPv6, then the next host.
 * Clauses: IPV6-02, IPV6-03, IPV6-04, IPV6-11, MX-05 */
void upstream_connect(struct upstream *upstream, double deadline, struct upstream_answer *answer)
{
    struct upstream_answer best = unreachable;
    struct mx *mx =
        mx_new(upstream->arena, upstream->dns, &upstream->settings->mx, upstream->domain);
    struct mx_candidate candidate;
    enum mx_status status;
    if (!mx) {
        fail_upstream(upstream, UPSTREAM_NO_MEMORY, "LIM-22", answer);
        return;
    }
    while ((status = mx_next(mx, deadline, &candidate)) == MX_CANDIDATE &&
           clock_monotonic() < deadline) {
        upstream->host = candidate.host;
        upstream->address = candidate.address;
        upstream->error[0] = '\0';
        try_address(upstream, true, deadline, answer);
        if (CLAUSE(IPV6_10, upstream_accepted(answer)))
            return;
        if (CLAUSE(ERR_03, is_better_refusal(answer, &best)))
            best = keep_answer(upstream->arena, answer);
        upstream_quit(upstream);
    }
    if (status != MX_CANDIDATE && status != MX_END)
        best = no_candidate(status);
    *answer = best;
}

/* By the letter of the grammar, and with parameters only of extensions that are offered.
 * Clause: UPS-04 */
void upstream_mail(struct upstream *upstream, struct bytes reverse_path, size_t size,
                   bool eight_bit, double deadline, struct upstream_answer *answer)
{
    if (upstream->stream) {
        stream_printf(upstream->stream, BREAK(UPS_03, "MAIL FROM:<%.*s>", "MAIL FROM: <%.*s>"),
                      BYTES_ARG(reverse_path));
        if (CLAUSE(UPS_05, upstream->offers.size && size > 0))
            stream_printf(upstream->stream, " SIZE=%zu",
                          BREAK(UPS_38, size + ADDED_FIELDS_ALLOWANCE, size / 2));
        if (CLAUSE(UPS_06, upstream->offers.eight_bit_mime && eight_bit))
            stream_printf(upstream->stream, " BODY=8BITMIME");
        stream_printf(upstream->stream, "\r\n");
    }
    send_command(upstream, 2, command_deadline(upstream, deadline), answer);
}

/* The local part goes out as the route has it, the domain in A-labels.
 * Clauses: CHAR-09, EAI-07, EAI-15 */
void upstream_recipient(struct upstream *upstream, struct bytes forward_path, double deadline,
                        struct upstream_answer *answer)
{
    if (upstream->stream)
        stream_printf(upstream->stream, BREAK(UPS_34, "RCPT TO:<%.*s>\r\n", "RCPT TO: <%.*s>\r\n"),
                      BYTES_ARG(forward_path));
    send_command(upstream, 2, command_deadline(upstream, deadline), answer);
}

bool upstream_is_ready(struct upstream *upstream, struct upstream_answer *answer)
{
    if (!upstream->stream)
        fail_upstream(upstream, UPSTREAM_LOST, "ERR-10", answer);
    else if (stream_is_quiet(upstream->stream))
        return true;
    else
        read_early_answer(upstream, answer);
    return false;
}

bool upstream_has_left(const struct upstream_answer *answer)
{
    return answer->failure == UPSTREAM_LOST ||
           (answer->failure == UPSTREAM_REPLIED && answer->reply.code == 421);
}

/* ---- DATA ---- */

struct data_sender {
    struct upstream *upstream;
    double deadline;
    size_t queued;
    enum stream_status status;
};

static void send_block(struct data_sender *sender)
{
    double block = sooner(sender->deadline, sender->upstream->settings->timeouts.block);
    sender->status = stream_flush(sender->upstream->stream, block);
    sender->queued = 0;
}

static void send_run(void *context, struct bytes run)
{
    struct data_sender *sender = context;
    while (run.n > 0 && sender->status == STREAM_OK) {
        struct bytes part = bytes_first(run, BLOCK_SIZE - sender->queued);
        stream_write(sender->upstream->stream, part);
        run = bytes_from(run, part.n);
        sender->queued += part.n;
        if (sender->queued >= BLOCK_SIZE)
            send_block(sender);
    }
}

/* Sends the message, of any size and with all its octets, up to its last block, which stays queued.
 * Clauses: MSG-09, MSG-13 */
static bool send_pieces(struct upstream *upstream, const struct bytes *pieces, size_t count,
                        double deadline)
{
    struct data_sender sender = {.upstream = upstream, .deadline = deadline};
    bool at_line_start = true;
    for (size_t i = 0; i < count; i++) {
        for (struct bytes rest = pieces[i]; rest.n > 0 && sender.status == STREAM_OK;) {
            content_stuff(bytes_first(rest, SLICE_SIZE), &at_line_start, send_run, &sender);
            rest = bytes_from(rest, SLICE_SIZE);
            fiber_yield(); /* an upstream that reads fast causes no wait */
        }
    }
    return sender.status == STREAM_OK;
}

/* RFC 1870 6.2: what exceeds the declared limit need not be sent to be refused. */
static bool is_over_size_limit(const struct upstream *upstream, const struct bytes *pieces,
                               size_t count)
{
    uint64_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += pieces[i].n;
    return upstream->offers.size_limit > 0 && size > upstream->offers.size_limit;
}

void upstream_data(struct upstream *upstream, const struct bytes *pieces, size_t count,
                   bool eight_bit, double deadline, bool (*abandoned)(void *context), void *context,
                   struct upstream_answer *answer)
{
    const struct upstream_timeouts *timeouts = &upstream->settings->timeouts;
    if (CLAUSE(UPS_07, eight_bit && !upstream->offers.eight_bit_mime)) {
        *answer = (struct upstream_answer){.failure = UPSTREAM_NOT_8BIT, .clause = "UPS-07"};
        return;
    }
    if (CLAUSE(UPS_16, is_over_size_limit(upstream, pieces, count))) {
        *answer = (struct upstream_answer){.failure = UPSTREAM_TOO_BIG,
                                           .clause = "UPS-16",
                                           .size_limit = upstream->offers.size_limit};
        return;
    }
    if (upstream->stream)
        stream_printf(upstream->stream, "DATA\r\n");
    send_command(upstream, 3, sooner(deadline, timeouts->data), answer);
    /* A refusal of DATA itself is the answer to the message. Clauses: ERR-05, UPS-33 */
    if (answer->failure != UPSTREAM_REPLIED || CLAUSE(UPS_17, answer->reply.code / 100 != 3))
        return;
    bool sent = send_pieces(upstream, pieces, count, deadline);
    if (!sent || !stream_is_quiet(upstream->stream)) {
        read_early_answer(upstream, answer);
        return;
    }
    if (CLAUSE(INV_06, abandoned(context))) {
        fail_upstream(upstream, UPSTREAM_LOST, "INV-06", answer);
        return;
    }
    /* The message ended in CRLF, so this is the only end of the data. Clause: UPS-09 */
    stream_printf(upstream->stream, BREAK(UPS_40, ".\r\n", "\r\n.\r\n"));
    flush_and_read_answer(upstream, 2, sooner(deadline, timeouts->final), answer);
}

void upstream_reset(struct upstream *upstream)
{
    struct upstream_answer answer;
    if (!upstream->stream)
        return;
    stream_printf(upstream->stream, "RSET\r\n");
    send_command(upstream, 2, command_deadline(upstream, clock_monotonic() + RESET_TIMEOUT),
                 &answer);
    if (!upstream_accepted(&answer))
        upstream_quit(upstream);
}

void upstream_rest(struct upstream *upstream)
{
    arena_drop(upstream->step);
    if (upstream->stream)
        stream_rest(upstream->stream);
}

void upstream_quit(struct upstream *upstream)
{
    if (upstream->stream && unless_broken(UPS_10)) {
        stream_printf(upstream->stream, "QUIT\r\n");
        stream_flush_last(upstream->stream, clock_monotonic());
    }
    disconnect(upstream);
}
