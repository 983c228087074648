/* One question to one server. See exchange.h. */
#include "exchange.h"

#include "fiber.h"
#include "stream.h"

#include <errno.h>
#include <openssl/rand.h>
#include <sys/socket.h>
#include <unistd.h>

enum { UDP_ANSWER_MAX = 4096 };

static void fail_reply(struct dns_reply *reply, const char *problem)
{
    *reply = (struct dns_reply){.kind = DNS_REPLY_FAILED};
    dns_answer_fail(&reply->answer, problem);
}

static const char *const timed_out = "timed out";
static const char *const unreachable = "server unreachable";

/* A socket connected to its server, so that it receives from no one else, with a source port chosen
 * at random by the kernel (RFC 5452 9.2). */
static int open_udp(const struct resolver_server *server)
{
    struct sockaddr_storage address;
    socklen_t size = ip_to_sockaddr(&server->address, server->port, &address);
    int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, size) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Waits for a packet that answers the question; others are dropped (RFC 5452 9.1). */
static void await_answer(struct arena *arena, int fd, const struct dns_question *question,
                         double deadline, struct dns_reply *reply, bool *silent)
{
    char packet[UDP_ANSWER_MAX];
    do {
        enum fiber_event event = fiber_wait_fd(fd, EV_READ, deadline);
        if (event != FIBER_READY) {
            fail_reply(reply, event == FIBER_TIMEOUT ? timed_out : "cancelled");
            return;
        }
        reply->kind = DNS_REPLY_FOREIGN;
        ssize_t n = recv(fd, packet, sizeof packet, 0);
        if (n >= 0)
            dns_reply_read(arena, (struct bytes){packet, (size_t)n}, question, reply);
        else if (errno != EAGAIN && errno != EINTR)
            fail_reply(reply, unreachable);
        *silent = reply->kind == DNS_REPLY_FOREIGN || n < 0;
    } while (reply->kind == DNS_REPLY_FOREIGN);
}

static void ask_udp(struct arena *arena, const struct resolver_server *server,
                    const struct dns_question *question, bool edns, double deadline,
                    struct dns_reply *reply, bool *silent)
{
    uint8_t packet[DNS_QUESTION_MAX];
    size_t size = dns_question_write(question, edns, packet);
    int fd = open_udp(server);
    *silent = true;
    if (fd < 0) {
        fail_reply(reply, unreachable);
        return;
    }
    if (send(fd, packet, size, MSG_NOSIGNAL) == (ssize_t)size)
        await_answer(arena, fd, question, deadline, reply, silent);
    else
        fail_reply(reply, unreachable);
    close(fd);
}

static enum stream_status read_exactly(struct stream *stream, size_t n, double deadline,
                                       struct buffer *into)
{
    enum stream_status status = STREAM_OK;
    buffer_clear(into);
    while (status == STREAM_OK && into->n < n) {
        struct bytes octets = {NULL, 0};
        status = stream_read_some(stream, n - into->n, deadline, &octets);
        buffer_add(into, octets);
        if (into->failed)
            status = STREAM_ERROR;
    }
    return status;
}

/* RFC 1035 4.2.2: over TCP a message is preceded by its length. */
static enum stream_status converse(struct stream *stream, const struct dns_question *question,
                                   bool edns, double deadline, struct buffer *answer)
{
    uint8_t packet[2 + DNS_QUESTION_MAX];
    size_t size = dns_question_write(question, edns, packet + 2);
    packet[0] = (uint8_t)(size >> 8);
    packet[1] = (uint8_t)size;
    stream_write(stream, (struct bytes){(const char *)packet, size + 2});
    enum stream_status status = stream_flush(stream, deadline);
    if (status == STREAM_OK)
        status = read_exactly(stream, 2, deadline, answer);
    if (status != STREAM_OK)
        return status;
    size = (size_t)((uint8_t)answer->p[0] << 8 | (uint8_t)answer->p[1]);
    return read_exactly(stream, size, deadline, answer);
}

static void ask_tcp(struct arena *arena, const struct resolver_server *server,
                    const struct dns_question *question, bool edns, double deadline,
                    struct dns_reply *reply)
{
    int error;
    struct buffer answer = {0};
    struct stream *stream = stream_connect(&server->address, server->port, NULL, deadline, &error);
    fail_reply(reply, "no answer over TCP");
    if (stream && converse(stream, question, edns, deadline, &answer) == STREAM_OK)
        dns_reply_read(arena, buffer_bytes(&answer), question, reply);
    stream_free(stream);
    buffer_free(&answer);
    if (reply->kind == DNS_REPLY_FOREIGN || reply->kind == DNS_REPLY_TRUNCATED)
        fail_reply(reply, "unusable answer over TCP");
}

/* A fresh id, and with `mixed` a fresh case of every letter. Clause: MX-37 */
static bool randomize(struct dns_question *question, bool mixed)
{
    uint8_t bits[DNS_WIRE_NAME_MAX] = {0};
    if (RAND_bytes((unsigned char *)&question->id, sizeof question->id) != 1 ||
        (mixed && RAND_bytes(bits, sizeof bits) != 1))
        return false;
    dns_question_mix_case(question, bits);
    return true;
}

static void ask(struct arena *arena, const struct resolver_server *server,
                struct dns_question *question, bool mixed, double deadline, struct dns_reply *reply,
                bool *silent)
{
    bool edns = true;
    *silent = false;
    if (!randomize(question, mixed)) {
        fail_reply(reply, "no random numbers");
        return;
    }
    ask_udp(arena, server, question, edns, deadline, reply, silent);
    if (reply->kind == DNS_REPLY_NO_EDNS) {
        edns = false;
        ask_udp(arena, server, question, edns, deadline, reply, silent);
    }
    if (reply->kind == DNS_REPLY_TRUNCATED)
        ask_tcp(arena, server, question, edns, deadline, reply);
    if (reply->kind == DNS_REPLY_NO_EDNS)
        reply->kind = DNS_REPLY_FAILED;
}

void dns_exchange(struct arena *arena, const struct resolver_server *server,
                  struct dns_question *question, double deadline, struct dns_reply *reply,
                  bool *silent)
{
    ask(arena, server, question, true, deadline, reply, silent);
    /* A server that does not repeat the name's case, or a forger who guessed id and port: whoever
     * it was must answer another id at another port. Clause: MX-38 */
    if (reply->kind == DNS_REPLY_OTHER_CASE)
        ask(arena, server, question, false, deadline, reply, silent);
    if (reply->kind == DNS_REPLY_OTHER_CASE)
        fail_reply(reply, "answer with the name in another case");
}
