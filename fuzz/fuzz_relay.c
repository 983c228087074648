/* The whole relay between a client, an upstream and DNS, all of them from the input. Its parts have
 * a line "%%" between them (parts.h):
 *
 *     DNS            records (dns_input.h)
 *     upstream       the script of its turns (peer.h)
 *     client         the octets that it sends, commands and messages, as they are
 *
 * What must hold: a 2xx to the end of DATA if and only if the upstream took that message with a
 * 2xx, for as many recipients as were accepted; what the upstream gets is one command at a time,
 * and messages whose lines end in CRLF, each with one end of data (peer.c); each message is the
 * client's with the relay's own fields on top (sent.h); every reply is well-formed; the number of
 * DNS questions for a mail is bounded. */
#include "dns_input.h"
#include "fuzz.h"
#include "parts.h"
#include "peer.h"
#include "rfc8463.h"
#include "sent.h"

#include "clock.h"
#include "log.h"
#include "session.h"

enum {
    ACCEPTED_MAX = 64,
    QUESTIONS_MAX = 300,  /* different ones for a mail; the most that was seen is 263 */
    CLIENT_LINE_MAX = 512 /* octets with CRLF: RFC 5321 4.5.3.1.5 */
};

static const char yaml[] =
    "hostname: mx.example.net\n"
    "listen: [{address: 127.0.0.1, port: 25}]\n"
    "postmaster: {address: p@mail.example, page: \"https://mail.example/\"}\n"
    "dnsbl:\n"
    "  lists: [{zone: bl.example, name: one}, {zone: bl2.example, name: two}]\n"
    "srs: {secrets: [a secret for fuzzing]}\n"
    "zones:\n"
    "  - domain: example.com\n"
    "    routes:\n"
    "      - {address: info@example.com, to: d@mail.example}\n"
    "      - {address: other@example.com, to: d@other.example}\n"
    "      - {address: literal@example.com, to: \"d@[192.0.2.26]\"}\n"
    "      - {address: \"*@example.com\", to: e@mail.example}\n";

static const int64_t NOW = 1700000000;

/* One session, from outside. */
struct run {
    struct dns_input dns;
    struct peer peer;
    struct bytes script; /* the client's */
    struct stream *client;
    struct buffer replies;            /* to the client */
    struct bytes command;             /* that the relay read last */
    size_t reply_at;                  /* where its reply begins */
    unsigned recipients;              /* accepted for the mail that is open */
    size_t data_start;                /* in the script */
    size_t accepted_at[ACCEPTED_MAX]; /* where in the replies the client was when the upstream
                                         took a message */
    size_t accepted;
};

static size_t consumed(const struct run *run)
{
    return run->script.n - stream_buffered(run->client);
}

/* What became of the command before: its reply is there before anything else happens. */
static void conclude_command(struct run *run)
{
    bool accepted = run->replies.n > run->reply_at && run->replies.p[run->reply_at] == '2';
    if (accepted && bytes_starts_with_nocase(run->command, BYTES("MAIL")))
        run->recipients = 0;
    else if (accepted && bytes_starts_with_nocase(run->command, BYTES("RCPT")))
        run->recipients++;
    require(run->dns.question_count <= QUESTIONS_MAX);
}

static void on_line(struct peer *peer, struct bytes line)
{
    struct run *run = peer->context;
    conclude_command(run);
    run->command = line;
    run->reply_at = run->replies.n;
    if (bytes_starts_with_nocase(line, BYTES("MAIL")))
        run->dns.question_count = 0;
}

/* At the 354 everything before the message has been read. */
static void on_flush(struct peer *peer)
{
    struct run *run = peer->context;
    struct bytes line = buffer_bytes(&run->replies);
    if (!bytes_ends_with_nocase(line, BYTES("\r\n")))
        return;
    line.n -= 2;
    size_t before = bytes_find_last(line, '\n');
    if (before != BYTES_NOT_FOUND)
        line = bytes_from(line, before + 1);
    if (bytes_starts_with_nocase(line, BYTES("354 ")))
        run->data_start = consumed(run);
}

/* The content of DATA without its transparency dots and its end. */
static struct buffer read_content(struct bytes content)
{
    struct buffer message = {0};
    while (!bytes_equal(content, BYTES(".\r\n"))) {
        size_t end = bytes_find_slice(content, BYTES("\r\n"));
        require(end != BYTES_NOT_FOUND);
        struct bytes line = bytes_first(content, end + 2);
        content = bytes_from(content, line.n);
        require(!bytes_equal(line, BYTES(".\r\n")));
        buffer_add(&message, line.p[0] == '.' ? bytes_from(line, 1) : line);
    }
    return message;
}

static void on_message(struct peer *peer, struct bytes content, bool accepted)
{
    struct run *run = peer->context;
    struct bytes raw = bytes_from(bytes_first(run->script, consumed(run)), run->data_start);
    struct buffer original = read_content(raw), sent = read_content(content);
    require(run->recipients > 0 && run->recipients == peer->recipients);
    sent_check(buffer_bytes(&sent), buffer_bytes(&original));
    buffer_free(&original);
    buffer_free(&sent);
    require(run->accepted < ACCEPTED_MAX);
    if (accepted)
        run->accepted_at[run->accepted++] = run->replies.n;
}

/* A reply of one line or several; returns its code. */
static unsigned take_reply(struct bytes *output)
{
    unsigned code = 0;
    for (bool more = true; more;) {
        size_t end = bytes_find_slice(*output, BYTES("\r\n"));
        require(end != BYTES_NOT_FOUND && end >= 3 && end + 2 <= CLIENT_LINE_MAX);
        struct bytes line = bytes_first(*output, end);
        uint64_t number = 0;
        require(bytes_to_number(bytes_first(line, 3), 599, &number) && number >= 200);
        require(code == 0 || code == number);
        require(end == 3 || line.p[3] == ' ' || line.p[3] == '-');
        for (size_t i = 3; i < end; i++)
            require(ascii_is_printable(line.p[i]) || line.p[i] == '\t'); /* RFC 5321 4.2 */
        code = (unsigned)number;
        more = end > 3 && line.p[3] == '-';
        *output = bytes_from(*output, end + 2);
    }
    return code;
}

/* Each message that the upstream took is one of which the client is told so, and the reverse. */
static void check_replies(const struct run *run)
{
    size_t told = 0;
    bool in_data = false;
    for (struct bytes rest = buffer_bytes(&run->replies); rest.n > 0;) {
        size_t at = run->replies.n - rest.n;
        unsigned code = take_reply(&rest);
        bool taken = told < run->accepted && run->accepted_at[told] == at;
        require(!in_data || (code / 100 == 2) == taken);
        told += in_data && taken;
        in_data = code == 354;
    }
    require(told == run->accepted);
}

static struct config *new_config(void)
{
    const char *problem;
    struct buffer errors = {0};
    struct config *config = config_parse(BYTES(yaml), "/nonexistent/fuzz.yaml", &errors);
    require(config != NULL);
    config->policy.signing = (struct signing_identity){
        signer_from_pem(bytes_of(rfc8463_eddsa_pem), &problem), BYTES("example.net"), BYTES("s")};
    require(config->policy.signing.signer != NULL);
    return config;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config *config;
    struct bytes input = {(const char *)data, size};
    struct run run = {0};
    struct budget budget = {.limit = 1 << 20};
    const struct ip address = {4, {192, 0, 2, 1}};
    bool draining = false;
    log_enable(false);
    clock_fix(NOW);
    if (!config)
        config = new_config();
    dns_input_start(&run.dns, parts_cut(&input));
    peer_start(&run.peer, parts_cut(&input));
    run.peer.on_line = on_line;
    run.peer.on_flush = on_flush;
    run.peer.on_message = on_message;
    run.peer.context = &run;
    run.script = input;
    run.client = stream_from_memory(run.script, &run.replies);
    struct progress progress;
    progress_start(&progress);
    const struct session_setting setting = {config, &run.dns.dns, &budget, &draining, &progress};
    struct session *session = run.client ? session_new(&setting, run.client, &address) : NULL;
    require(session != NULL);
    session_run(session, ACCEPT);
    require(run.dns.question_count <= QUESTIONS_MAX);
    check_replies(&run);
    session_free(session);
    stream_free(run.client);
    peer_stop(&run.peer);
    require(budget.used == 0);
    buffer_free(&run.replies);
    return 0;
}
