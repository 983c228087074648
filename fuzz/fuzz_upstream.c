/* The upstream dialogue alone, against a script. Two parts (parts.h): DNS (dns_input.h); a line of
 * steps and the script of the upstream's turns (peer.h). Steps are letters:
 *
 *     c connect  m MAIL  8 MAIL with BODY=8BITMIME  r RCPT  s RSET  q QUIT
 *     d DATA, e DATA with octets above 127, a DATA of a client that leaves before the dot
 *
 * What must hold beside what peer.c requires: an answer is the reply that the upstream gave last,
 * or a failure after which the connection is gone; a message was accepted if and only if the answer
 * says so, and it is the pieces as they were given. */
#include "dns_input.h"
#include "fuzz.h"
#include "parts.h"
#include "peer.h"

#include "clock.h"
#include "upstream.h"

enum { STEPS_MAX = 64, PATIENCE = 3600 };

static const struct bytes pieces[] = {
    BYTES_INIT("From: a@example.com\r\n."),
    BYTES_INIT("\r\n.\r\n"),
    BYTES_INIT("."),
    BYTES_INIT(""),
    BYTES_INIT("x\r\n..\r\n"),
};

static const struct bytes content = BYTES_INIT("From: a@example.com\r\n"
                                               "..\r\n"
                                               "..\r\n"
                                               "..x\r\n"
                                               "...\r\n"
                                               ".\r\n");

struct run {
    struct dns_input dns;
    struct peer peer;
    struct upstream *upstream;
    unsigned accepted;
};

static void on_message(struct peer *peer, struct bytes message, bool accepted)
{
    struct run *run = peer->context;
    require(bytes_equal(message, content));
    run->accepted += accepted;
}

static bool stays(void *context)
{
    (void)context;
    return false;
}

static bool leaves(void *context)
{
    (void)context;
    return true;
}

static void check_answer(const struct upstream_answer *answer)
{
    bool is_reply = answer->failure == UPSTREAM_REPLIED;
    require(is_reply == (answer->clause == NULL));
    if (!is_reply)
        return;
    require(answer->reply.code >= 200 && answer->reply.code <= 599);
    require(answer->reply.line_count >= 1 && answer->reply.lines != NULL);
}

/* Of a single command: the reply is the last that was read, or there is none and no connection. */
static void check_step(const struct run *run, const struct upstream_answer *answer)
{
    check_answer(answer);
    if (answer->failure == UPSTREAM_REPLIED)
        require(answer->reply.code == run->peer.code);
    else if (answer->failure != UPSTREAM_NOT_8BIT && answer->failure != UPSTREAM_TOO_BIG)
        require(!upstream_is_connected(run->upstream));
}

static void send_message(struct run *run, char step, double deadline)
{
    struct upstream_answer answer;
    unsigned accepted = run->accepted;
    upstream_data(run->upstream, pieces, sizeof pieces / sizeof pieces[0], step == 'e', deadline,
                  step == 'a' ? leaves : stays, NULL, &answer);
    check_step(run, &answer);
    require(upstream_accepted(&answer) == (run->accepted == accepted + 1));
    require(step != 'a' || run->accepted == accepted);
}

static void take_step(struct run *run, char step, double deadline)
{
    struct upstream_answer answer = {.failure = UPSTREAM_REPLIED};
    bool is_connected = upstream_is_connected(run->upstream);
    if (step == 'c' && !is_connected) {
        upstream_connect(run->upstream, deadline, &answer);
        check_answer(&answer);
        require(upstream_accepted(&answer) == upstream_is_connected(run->upstream));
    } else if (step == 'm' || step == '8') {
        upstream_mail(run->upstream, BYTES("a@example.com"), 1000, step == '8', deadline, &answer);
        check_step(run, &answer);
    } else if (step == 'r') {
        upstream_recipient(run->upstream, BYTES("b@mail.example"), deadline, &answer);
        check_step(run, &answer);
    } else if (step == 's') {
        upstream_reset(run->upstream);
    } else if (step == 'q') {
        upstream_quit(run->upstream);
        require(!upstream_is_connected(run->upstream));
    } else if (step == 'd' || step == 'e' || step == 'a') {
        send_message(run, step, deadline);
    }
    require(upstream_is_connected(run->upstream) == (run->peer.stream != NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static SSL_CTX *tls;
    struct bytes input = {(const char *)data, size};
    struct run run = {0};
    double deadline = clock_monotonic() + PATIENCE;
    if (!tls)
        tls = SSL_CTX_new(TLS_client_method());
    dns_input_start(&run.dns, parts_cut(&input));
    struct bytes steps = bytes_first(bytes_cut(&input, '\n'), STEPS_MAX);
    const struct bytes self = BYTES("mx.example.net");
    const struct upstream_settings settings = {
        .ehlo = BYTES("mx.example.net"),
        .port = 25,
        .tls = tls,
        .timeouts = {PATIENCE, PATIENCE, PATIENCE, PATIENCE, PATIENCE, PATIENCE},
        .mx.self = {.names = &self, .name_count = 1},
    };
    peer_start(&run.peer, input.p ? input : BYTES(""));
    run.peer.on_message = on_message;
    run.peer.context = &run;
    run.upstream = upstream_new(&settings, &run.dns.dns, BYTES("mail.example"));
    require(run.upstream && tls);
    for (size_t i = 0; i < steps.n; i++)
        take_step(&run, steps.p[i], deadline);
    upstream_free(run.upstream);
    peer_stop(&run.peer);
    return 0;
}
