/* The resolver and its exchange of packets, against servers from the input. The first octet chooses
 * the type that is asked for, the second what else: bit 0 a cache, bit 1 a second server. Then come
 * the packets, in the order in which the resolver wants one: an octet for the kind, two for the
 * length, and as many octets.
 *
 *     kind 0  an answer: the flags of the header (two octets), the numbers of records in the three
 *             sections (one each), and the sections. Id and question are those that were asked, so
 *             that C0 0C is the name asked for
 *     kind 1  the same without a question
 *     kind 2  a packet as it is
 *     kind 3  silence until the time is up; for TCP, a connection refused
 *     kind 4  an error of the socket
 *
 * Linked with -Wl,--wrap for the socket calls. What must hold: the answer is consistent, its
 * records are those of the type, whoever asks a question again gets the same answer from the cache,
 * and the questions sent are well-formed and bounded in number. */
#include "fuzz.h"

#include "fiber.h"
#include "packet.h"
#include "resolver.h"
#include "stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum {
    SOCKET = 1 << 20, /* no descriptor that is open */
    SERVERS = 2,
    TRIES = 2,
    /* UDP, UDP without EDNS, TCP; for each name of a chain, and in each round from each server. */
    SENT_MAX = 3 * (DNS_ALIASES_MAX + 1) * SERVERS * TRIES,
    HEADER = 12,
    PACKET_MAX = 65535
};

enum kind { KIND_ANSWER, KIND_NO_QUESTION, KIND_RAW, KIND_SILENCE, KIND_ERROR };

static struct servers {
    struct bytes packets;  /* what is left */
    struct buffer asked;   /* the last question, as sent */
    struct buffer written; /* over TCP */
    struct buffer packet;
    unsigned sent;
    bool open;
} servers;

int __wrap_socket(int family, int type, int protocol);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size);
ssize_t __wrap_send(int fd, const void *octets, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *octets, size_t size, int flags);
int __real_close(int fd);
int __wrap_close(int fd);
enum fiber_event __wrap_fiber_wait_fd(int fd, int events, double deadline);
struct stream *__wrap_stream_connect(const struct ip *host, uint16_t port, const struct ip *source,
                                     double deadline, int *error);

static enum kind next_kind(void)
{
    if (servers.packets.n < 3)
        return KIND_SILENCE;
    enum kind kind = (enum kind)((uint8_t)servers.packets.p[0] % (KIND_ERROR + 1));
    return kind;
}

static void take_packet(void)
{
    struct bytes rest = servers.packets;
    enum kind kind = next_kind();
    buffer_clear(&servers.packet);
    if (rest.n < 3)
        return;
    size_t size = (size_t)((uint8_t)rest.p[1] << 8 | (uint8_t)rest.p[2]);
    struct bytes octets = bytes_first(bytes_from(rest, 3), size);
    servers.packets = bytes_from(rest, 3 + size);
    struct bytes asked = buffer_bytes(&servers.asked);
    if (kind == KIND_RAW || octets.n < 5 || asked.n < HEADER) {
        buffer_add(&servers.packet, octets);
        return;
    }
    size_t name = bytes_find(bytes_from(asked, HEADER), '\0');
    bool with_question = kind == KIND_ANSWER;
    const char counts[] = {0, with_question, 0, octets.p[2], 0, octets.p[3], 0, octets.p[4]};
    buffer_add(&servers.packet, bytes_first(asked, 2));
    buffer_add(&servers.packet, bytes_first(octets, 2));
    buffer_add(&servers.packet, (struct bytes){counts, sizeof counts});
    if (with_question)
        buffer_add(&servers.packet, bytes_first(bytes_from(asked, HEADER), name + 5));
    buffer_add(&servers.packet, bytes_from(octets, 5));
}

/* One question, with an OPT record or without anything. */
static void check_question(struct bytes asked)
{
    static const char one_question[] = {1, 0, 0, 1, 0, 0, 0, 0, 0};
    require(asked.n >= HEADER + 5 && asked.n <= DNS_QUESTION_MAX);
    require(bytes_equal((struct bytes){asked.p + 2, sizeof one_question},
                        (struct bytes){one_question, sizeof one_question}));
    size_t at = HEADER;
    while (asked.p[at] != 0) {
        require((uint8_t)asked.p[at] < 64);
        at += 1 + (size_t)asked.p[at];
        require(at < asked.n);
    }
    require(at - HEADER < DNS_WIRE_NAME_MAX);
    require(asked.n - at == 5 + (asked.p[HEADER - 1] ? 11 : 0));
    require(++servers.sent <= SENT_MAX);
}

int __wrap_socket(int family, int type, int protocol)
{
    (void)family, (void)type, (void)protocol;
    require(!servers.open);
    servers.open = true;
    return SOCKET;
}

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    (void)address, (void)size;
    require(fd == SOCKET);
    return 0;
}

ssize_t __wrap_send(int fd, const void *octets, size_t size, int flags)
{
    (void)flags;
    require(fd == SOCKET);
    buffer_clear(&servers.asked);
    buffer_add(&servers.asked, (struct bytes){octets, size});
    check_question(buffer_bytes(&servers.asked));
    return (ssize_t)size;
}

ssize_t __wrap_recv(int fd, void *octets, size_t size, int flags)
{
    bool fails = next_kind() == KIND_ERROR;
    (void)flags;
    require(fd == SOCKET);
    take_packet();
    if (fails) {
        errno = ECONNREFUSED;
        return -1;
    }
    struct bytes packet = bytes_first(buffer_bytes(&servers.packet), size);
    if (packet.n > 0)
        memcpy(octets, packet.p, packet.n);
    return (ssize_t)packet.n;
}

int __wrap_close(int fd)
{
    if (fd != SOCKET)
        return __real_close(fd);
    require(servers.open);
    servers.open = false;
    return 0;
}

enum fiber_event __wrap_fiber_wait_fd(int fd, int events, double deadline)
{
    (void)events, (void)deadline;
    require(fd == SOCKET);
    if (next_kind() != KIND_SILENCE)
        return FIBER_READY;
    take_packet();
    return FIBER_TIMEOUT;
}

/* Its packet goes before it, with the length. */
struct stream *__wrap_stream_connect(const struct ip *host, uint16_t port, const struct ip *source,
                                     double deadline, int *error)
{
    enum kind kind = next_kind();
    (void)host, (void)port, (void)source, (void)deadline;
    *error = ECONNREFUSED;
    take_packet();
    if (kind == KIND_SILENCE || kind == KIND_ERROR)
        return NULL;
    struct bytes packet = bytes_first(buffer_bytes(&servers.packet), PACKET_MAX);
    const char length[] = {(char)(packet.n >> 8), (char)packet.n};
    struct buffer whole = {0};
    buffer_add(&whole, (struct bytes){length, sizeof length});
    buffer_add(&whole, packet);
    buffer_free(&servers.packet);
    servers.packet = whole;
    require(++servers.sent <= SENT_MAX);
    return stream_from_memory(buffer_bytes(&servers.packet), &servers.written);
}

static void check_answer(const struct dns_answer *answer, enum dns_type type)
{
    require((answer->status == DNS_OK) == (answer->count > 0));
    require((answer->status == DNS_TEMPFAIL) == (answer->problem != NULL));
    require(answer->status != DNS_BAD_NAME && answer->canonical_name.p);
    for (size_t i = 0; i < answer->count; i++) {
        const struct dns_record *record = &answer->records[i];
        bool is_address = type == DNS_A || type == DNS_AAAA;
        require(record->address.length == (type == DNS_A ? 4 : type == DNS_AAAA ? 16 : 0));
        require(!is_address || record->text.n == 0);
    }
}

static void check_same(const struct dns_answer *first, const struct dns_answer *second)
{
    require(first->status == second->status && first->count == second->count);
    require(bytes_equal(first->canonical_name, second->canonical_name));
    for (size_t i = 0; i < first->count; i++) {
        require(bytes_equal(first->records[i].text, second->records[i].text));
        require(ip_equal(&first->records[i].address, &second->records[i].address));
        require(first->records[i].preference == second->records[i].preference);
    }
}

/* The same question twice, the second time to a cache, if there is one. */
static void ask(struct arena *arena, struct resolver *resolver, enum dns_type type, bool cached)
{
    struct dns_answer first, second;
    struct bytes name = BYTES("www.example");
    dns_query(resolver_dns(resolver), arena, name, type, 0, &first);
    check_answer(&first, type);
    unsigned sent = servers.sent;
    servers.sent = 0;
    dns_query(resolver_dns(resolver), arena, name, type, 0, &second);
    check_answer(&second, type);
    if (!cached || first.status == DNS_TEMPFAIL || first.ttl == 0)
        return;
    require(sent > 0 && servers.sent == 0);
    check_same(&first, &second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum dns_type types[] = {DNS_A,   DNS_AAAA, DNS_TXT, DNS_MX,
                                          DNS_PTR, DNS_NS,   DNS_SPF, DNS_CNAME};
    if (size < 2)
        return 0;
    bool cached = data[1] & 1;
    struct resolver_config config = resolver_defaults();
    config.server_count = data[1] & 2 ? SERVERS : 1;
    config.tries = TRIES;
    config.cache_octets = cached ? 1 << 20 : 0;
    for (size_t i = 0; i < config.server_count; i++)
        require(resolver_server_parse(BYTES("192.0.2.53"), &config.servers[i]));
    servers = (struct servers){.packets = {(const char *)data + 2, size - 2}};
    struct arena *arena = arena_new(0);
    struct resolver *resolver = resolver_new(&config);
    require(arena && resolver);
    ask(arena, resolver, types[data[0] % (sizeof types / sizeof types[0])], cached);
    require(!servers.open);
    resolver_free(resolver);
    arena_free(arena);
    buffer_free(&servers.asked);
    buffer_free(&servers.written);
    buffer_free(&servers.packet);
    return 0;
}
