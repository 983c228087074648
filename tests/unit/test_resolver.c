/* Integration tests of dns/resolver.c against servers on the loopback, each in fibers of its own.
 *
 * A server's behaviour is chosen by the first label of the name asked. */
#include "clock.h"
#include "dns_wire.h"
#include "exchange.h"
#include "fiber.h"
#include "resolver.h"
#include "unit.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PACKET_MAX = 512 };

struct server {
    int udp, tcp;
    uint16_t port;
    struct fiber *udp_fiber, *tcp_fiber;
    unsigned over_udp, over_tcp;
    char last[256];     /* the name in the last question, as it was written */
    const char *always; /* behaves so, whatever is asked; NULL: as the name says */
};

struct query {
    char name[256];
    unsigned id, type;
    bool edns;
};

static struct query read_query(struct bytes packet)
{
    const unsigned char *p = (const unsigned char *)packet.p;
    struct query query = {.id = (unsigned)(p[0] << 8 | p[1]), .edns = p[11] == 1};
    size_t at = 12, n = 0;
    while (p[at] != 0) {
        n += (size_t)snprintf(query.name + n, sizeof query.name - n, "%s%.*s", n ? "." : "", p[at],
                              packet.p + at + 1);
        at += 1u + p[at];
    }
    query.type = (unsigned)(p[at + 1] << 8 | p[at + 2]);
    return query;
}

static bool behaves(const struct server *server, const struct query *query, const char *as)
{
    const char *behaviour = server->always ? server->always : query->name;
    size_t n = strlen(as);
    return strncasecmp(behaviour, as, n) == 0 && !isalpha((unsigned char)behaviour[n]);
}

/* `to` is NULL on a connection. */
static void send_and_free(int fd, const struct sockaddr_in *to, struct buffer *packet)
{
    ssize_t n = sendto(fd, packet->p, packet->n, 0, (const void *)to, to ? sizeof *to : 0);
    assert_int_equal(n, packet->n);
    buffer_free(packet);
}

static void send_forgeries(int fd, const struct sockaddr_in *to, const struct query *query)
{
    struct buffer packet;
    wire_start(&packet, query->id ^ 1, WIRE_RESPONSE, query->name, query->type);
    wire_a(&packet, query->name, 300, "192.0.2.66");
    send_and_free(fd, to, &packet);
    wire_start(&packet, query->id, WIRE_RESPONSE, "other.example", query->type);
    wire_a(&packet, query->name, 300, "192.0.2.66");
    send_and_free(fd, to, &packet);
    packet = (struct buffer){0};
    buffer_add(&packet, BYTES("short"));
    send_and_free(fd, to, &packet);
}

/* Builds the answer. False when there is to be none. */
static bool build_answer(const struct server *server, struct query *query, bool tcp,
                         struct buffer *packet)
{
    unsigned flags = WIRE_RESPONSE;
    if (behaves(server, query, "silent") || behaves(server, query, "forgeries-only"))
        return false;
    if (behaves(server, query, "tc") && !tcp)
        flags |= WIRE_TRUNCATED;
    if (behaves(server, query, "nx"))
        flags |= 3;
    if (behaves(server, query, "servfail"))
        flags |= 2;
    if (behaves(server, query, "formerr") && query->edns)
        flags |= 1;
    if (behaves(server, query, "lowercase"))
        for (char *c = query->name; *c; c++)
            *c = ascii_lower(*c);
    if (behaves(server, query, "other-case"))
        query->name[0] ^= 'a' ^ 'A';
    wire_start(packet, query->id, flags, flags & 1 && !(flags & 2) ? "" : query->name, query->type);
    if (flags != WIRE_RESPONSE)
        wire_soa(packet, "example", 300, 60);
    else if (behaves(server, query, "badvers") && query->edns)
        wire_record(packet, WIRE_ADDITIONAL, "", 41, 0x01000000, BYTES(""));
    else if (behaves(server, query, "referral"))
        wire_ns(packet, "example", 300, "ns.example");
    else if (behaves(server, query, "garbage"))
        wire_record(packet, WIRE_ANSWER, "x", 1, 300, BYTES("x"));
    else if (behaves(server, query, "loop"))
        wire_cname(packet, query->name, 300,
                   ascii_lower(query->name[5]) == 'a' ? "loop.b" : "loop-a.b");
    else if (behaves(server, query, "alias-to-referral"))
        wire_cname(packet, query->name, 20, "referral.example");
    else if (behaves(server, query, "alias"))
        wire_cname(packet, query->name, 20, "ok.example");
    else if (behaves(server, query, "fleeting"))
        wire_a(packet, query->name, 0, "192.0.2.1");
    else
        wire_a(packet, query->name, 300, tcp ? "192.0.2.2" : "192.0.2.1");
    return true;
}

static void serve_udp(void *argument)
{
    struct server *server = argument;
    char octets[PACKET_MAX];
    server->udp_fiber = fiber_self();
    while (fiber_wait_fd(server->udp, EV_READ, 0) == FIBER_READY) {
        struct sockaddr_in peer;
        socklen_t size = sizeof peer;
        struct buffer packet;
        ssize_t n = recvfrom(server->udp, octets, sizeof octets, 0, (void *)&peer, &size);
        assert_true(n > 12);
        server->over_udp++;
        struct query query = read_query((struct bytes){octets, (size_t)n});
        memcpy(server->last, query.name, sizeof server->last);
        if (behaves(server, &query, "forged") || behaves(server, &query, "forgeries-only"))
            send_forgeries(server->udp, &peer, &query);
        if (behaves(server, &query, "slow"))
            fiber_sleep_until(clock_monotonic() + 0.03);
        if (build_answer(server, &query, false, &packet))
            send_and_free(server->udp, &peer, &packet);
    }
    server->udp_fiber = NULL;
}

static void serve_tcp(void *argument)
{
    struct server *server = argument;
    server->tcp_fiber = fiber_self();
    while (fiber_wait_fd(server->tcp, EV_READ, 0) == FIBER_READY) {
        char octets[PACKET_MAX];
        struct buffer packet = {0}, framed = {0};
        int fd = accept(server->tcp, NULL, NULL);
        assert_true(fd >= 0);
        assert_int_equal(fiber_wait_fd(fd, EV_READ, clock_monotonic() + 5), FIBER_READY);
        ssize_t n = recv(fd, octets, sizeof octets, 0);
        assert_true(n > 14);
        server->over_tcp++;
        struct query query = read_query((struct bytes){octets + 2, (size_t)n - 2});
        assert_true(build_answer(server, &query, true, &packet));
        wire_16(&framed, (unsigned)packet.n);
        buffer_add(&framed, buffer_bytes(&packet));
        buffer_free(&packet);
        send_and_free(fd, NULL, &framed);
        close(fd);
    }
    server->tcp_fiber = NULL;
}

static void start_server(struct server *server, const char *always)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    *server = (struct server){.always = always};
    server->tcp = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    server->udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(server->tcp, (void *)&address, size), 0);
    assert_int_equal(listen(server->tcp, 5), 0);
    assert_int_equal(getsockname(server->tcp, (void *)&address, &size), 0);
    assert_int_equal(bind(server->udp, (void *)&address, size), 0);
    server->port = ntohs(address.sin_port);
    assert_true(fiber_start(serve_udp, server));
    assert_true(fiber_start(serve_tcp, server));
}

static void stop_server(struct server *server)
{
    fiber_cancel(server->udp_fiber);
    fiber_cancel(server->tcp_fiber);
    while (server->udp_fiber || server->tcp_fiber)
        fiber_sleep_until(clock_monotonic() + 0.001);
    close(server->udp);
    close(server->tcp);
}

/* What every test runs in: two servers, and a resolver that asks the first, then the second. */
struct world {
    struct server first, second;
    struct resolver *resolver;
    struct dns *dns;
    struct arena *arena;
    struct dns_answer answer;
    void (*act)(struct world *world);
    const char *first_always, *second_always;
    unsigned asked;
};

static void run_world(void *argument)
{
    struct world *world = argument;
    struct resolver_config config = resolver_defaults();
    struct ip loopback;
    start_server(&world->first, world->first_always);
    start_server(&world->second, world->second_always);
    assert_true(ip_parse(BYTES("127.0.0.1"), &loopback));
    config.servers[0] = (struct resolver_server){loopback, world->first.port};
    config.servers[1] = (struct resolver_server){loopback, world->second.port};
    config.server_count = 2;
    config.timeout = 0.25;
    world->resolver = resolver_new(&config);
    world->dns = resolver_dns(world->resolver);
    world->arena = arena_new(0);
    world->act(world);
    resolver_free(world->resolver);
    arena_free(world->arena);
    stop_server(&world->first);
    stop_server(&world->second);
}

static void in_world(void (*act)(struct world *world), const char *first, const char *second)
{
    struct world world = {.act = act, .first_always = first, .second_always = second};
    assert_true(fiber_run(run_world, &world));
}

static void ask(struct world *world, const char *name)
{
    dns_query(world->dns, world->arena, bytes_of(name), DNS_A, 0, &world->answer);
}

static void assert_answer(struct world *world, const char *name, const char *address)
{
    char text[IP_TEXT_SIZE];
    ask(world, name);
    assert_int_equal(world->answer.status, DNS_OK);
    assert_int_equal(world->answer.count, 1);
    assert_string_equal(ip_format(&world->answer.records[0].address, text), address);
}

static void act_plain(struct world *world)
{
    assert_answer(world, "ok.example", "192.0.2.1");
    assert_int_equal(world->first.over_udp, 1);
    assert_int_equal(world->second.over_udp, 0);
}

static void a_question_goes_to_the_first_server(void **state)
{
    (void)state;
    in_world(act_plain, NULL, NULL);
}

static void act_truncated(struct world *world)
{
    assert_answer(world, "tc.example", "192.0.2.2");
    assert_int_equal(world->first.over_udp, 1);
    assert_int_equal(world->first.over_tcp, 1);
}

static void a_truncated_answer_is_fetched_over_tcp(void **state)
{
    (void)state;
    in_world(act_truncated, NULL, NULL);
}

static void act_forged(struct world *world)
{
    assert_answer(world, "forged.example", "192.0.2.1");
    assert_int_equal(world->first.over_udp, 1);
}

static void answers_with_a_wrong_id_or_question_are_ignored(void **state)
{
    (void)state;
    in_world(act_forged, NULL, NULL);
}

static void act_mixed_case(struct world *world)
{
    static const char name[] = "fleeting.example-of-a-name-with-many-letters.example";
    char first[sizeof name];
    assert_answer(world, name, "192.0.2.1");
    assert_bytes(world->answer.canonical_name, name);
    memcpy(first, world->first.last, sizeof first);
    assert_string_not_equal(first, name);
    assert_int_equal(strcasecmp(first, name), 0);
    /* By chance they are the same once in 2^44 times. */
    assert_answer(world, name, "192.0.2.1");
    assert_string_not_equal(world->first.last, first);
    assert_int_equal(world->first.over_udp, 2);
}

static void every_question_has_its_name_in_a_case_of_its_own(void **state)
{
    (void)state;
    in_world(act_mixed_case, NULL, NULL);
}

static void act_case_not_kept(struct world *world)
{
    static const char name[] = "ok.a-name-with-more-than-enough-letters.example";
    assert_answer(world, name, "192.0.2.1");
    assert_string_equal(world->first.last, name);
    assert_int_equal(world->first.over_udp, 2);
    assert_int_equal(world->second.over_udp, 0);
}

static void a_server_that_does_not_keep_the_case_is_asked_again_without_mixing_it(void **state)
{
    (void)state;
    in_world(act_case_not_kept, "lowercase", NULL);
}

static void act_other_case(struct world *world)
{
    ask(world, "ok.example");
    assert_int_equal(world->answer.status, DNS_TEMPFAIL);
    assert_int_equal(world->first.over_udp, 2);
    assert_int_equal(world->second.over_udp, 2);
}

static void an_answer_in_another_case_is_never_used(void **state)
{
    (void)state;
    in_world(act_other_case, "other-case", "other-case");
}

static void act_second(struct world *world)
{
    assert_answer(world, "ok.example", "192.0.2.1");
    assert_int_equal(world->first.over_udp, 1);
    assert_int_equal(world->second.over_udp, 1);
}

static void a_server_that_is_silent_failing_lame_or_malformed_is_skipped(void **state)
{
    (void)state;
    in_world(act_second, "silent", NULL);
    in_world(act_second, "servfail", NULL);
    in_world(act_second, "garbage", NULL);
    in_world(act_second, "referral", NULL);
}

static void act_servfail(struct world *world)
{
    ask(world, "ok.example");
    assert_int_equal(world->answer.status, DNS_TEMPFAIL);
    assert_string_equal(world->answer.problem, "SERVFAIL");
    assert_bytes(world->answer.canonical_name, "ok.example");
    assert_int_equal(world->first.over_udp, 1);
    assert_int_equal(world->second.over_udp, 1);
}

static void a_failure_of_every_server_is_temporary_and_none_is_queried_twice(void **state)
{
    (void)state;
    in_world(act_servfail, "servfail", "servfail");
}

static void act_lame(struct world *world)
{
    ask(world, "ok.example");
    assert_int_equal(world->answer.status, DNS_TEMPFAIL);
    assert_string_equal(world->answer.problem, "referral");
    assert_int_equal(world->first.over_udp, 1);
    assert_int_equal(world->second.over_udp, 1);
}

static void act_lame_at_the_end_of_an_alias(struct world *world)
{
    ask(world, "alias-to-referral.example");
    assert_int_equal(world->answer.status, DNS_TEMPFAIL);
    assert_string_equal(world->answer.problem, "referral");
}

static void referrals_from_every_server_are_a_temporary_failure(void **state)
{
    (void)state;
    in_world(act_lame, "referral", "referral");
    in_world(act_lame_at_the_end_of_an_alias, NULL, NULL);
}

static void act_forged_then_silent(struct world *world)
{
    ask(world, "ok.example");
    assert_int_equal(world->answer.status, DNS_TEMPFAIL);
    assert_int_equal(world->first.over_udp, 2);
}

static void a_server_seen_only_in_forgeries_is_queried_again(void **state)
{
    (void)state;
    in_world(act_forged_then_silent, "forgeries-only", "servfail");
}

static void act_silence(struct world *world)
{
    ask(world, "ok.example");
    assert_int_equal(world->answer.status, DNS_TEMPFAIL);
    assert_int_equal(world->first.over_udp, 2);
    assert_int_equal(world->second.over_udp, 2);
}

static void silent_servers_are_queried_again_and_then_given_up(void **state)
{
    (void)state;
    in_world(act_silence, "silent", "silent");
}

static void act_without_edns(struct world *world)
{
    assert_answer(world, "formerr.example", "192.0.2.1");
    assert_int_equal(world->first.over_udp, 2);
    assert_answer(world, "badvers.example", "192.0.2.1");
    assert_int_equal(world->first.over_udp, 4);
    assert_int_equal(world->second.over_udp, 0);
}

static void a_server_without_edns_is_queried_without_it(void **state)
{
    (void)state;
    in_world(act_without_edns, NULL, NULL);
}

static void act_alias(struct world *world)
{
    assert_answer(world, "alias.example", "192.0.2.1");
    assert_bytes(world->answer.canonical_name, "ok.example");
    assert_true(world->answer.ttl <= 20);
    ask(world, "loop-a.b");
    assert_int_equal(world->answer.status, DNS_TEMPFAIL);
    assert_true(world->first.over_udp <= 3 + DNS_ALIASES_MAX);
}

static void aliases_are_followed_and_loops_are_a_failure(void **state)
{
    (void)state;
    in_world(act_alias, NULL, NULL);
}

static void act_cache(struct world *world)
{
    for (int i = 0; i < 3; i++) {
        ask(world, i == 1 ? "NX.example." : "nx.example");
        assert_int_equal(world->answer.status, DNS_NXDOMAIN);
        assert_true(world->answer.ttl <= 60);
        assert_answer(world, "ok.example", "192.0.2.1");
    }
    assert_int_equal(world->first.over_udp, 2);
    assert_answer(world, "fleeting.example", "192.0.2.1");
    assert_answer(world, "fleeting.example", "192.0.2.1");
    assert_int_equal(world->first.over_udp, 4);
}

static void positive_and_negative_answers_are_cached_but_not_those_with_ttl_zero(void **state)
{
    (void)state;
    in_world(act_cache, NULL, NULL);
}

static void ask_the_same(void *argument)
{
    struct world *world = argument;
    struct dns_answer answer;
    dns_query(world->dns, world->arena, BYTES("slow.example"), DNS_A, 0, &answer);
    assert_int_equal(answer.status, DNS_OK);
    world->asked++;
}

static void act_together(struct world *world)
{
    for (int i = 0; i < 5; i++)
        assert_true(fiber_start(ask_the_same, world));
    ask_the_same(world);
    while (world->asked < 6)
        fiber_sleep_until(clock_monotonic() + 0.001);
    assert_int_equal(world->first.over_udp, 1);
}

static void concurrent_identical_questions_are_sent_once(void **state)
{
    (void)state;
    in_world(act_together, NULL, NULL);
}

static void act_impatient(struct world *world)
{
    double begin = clock_monotonic();
    dns_query(world->dns, world->arena, BYTES("slow.example"), DNS_A, begin + 0.01, &world->answer);
    assert_int_equal(world->answer.status, DNS_TEMPFAIL);
    assert_true(clock_monotonic() >= begin + 0.01);
    fiber_sleep_until(begin + 0.08);
    assert_answer(world, "slow.example", "192.0.2.1");
    assert_int_equal(world->first.over_udp, 1);
}

static void a_caller_whose_deadline_passes_gets_a_failure_and_a_later_one_the_answer(void **state)
{
    (void)state;
    in_world(act_impatient, NULL, NULL);
}

static void act_abandoned(struct world *world)
{
    dns_query(world->dns, world->arena, BYTES("silent.example"), DNS_A, clock_monotonic() + 0.01,
              &world->answer);
    assert_int_equal(world->answer.status, DNS_TEMPFAIL);
}

static unsigned open_descriptors(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) != -1;
    return count;
}

static void a_resolver_freed_during_a_lookup_ends_it_and_closes_its_socket(void **state)
{
    (void)state;
    /* libev opens its own with the first loop. */
    assert_non_null(fiber_loop());
    unsigned before = open_descriptors();
    in_world(act_abandoned, NULL, NULL);
    assert_int_equal(open_descriptors(), before);
}

static void ask_nobody(void *argument)
{
    struct resolver_config config = resolver_defaults();
    struct resolver *resolver = resolver_new(&config);
    struct arena *arena = arena_new(0);
    struct dns_answer answer;
    (void)argument;
    dns_query(resolver_dns(resolver), arena, BYTES("ok.example"), DNS_A, 0, &answer);
    assert_int_equal(answer.status, DNS_TEMPFAIL);
    arena_free(arena);
    resolver_free(resolver);
}

static void without_servers_every_question_fails(void **state)
{
    (void)state;
    assert_true(fiber_run(ask_nobody, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_goes_to_the_first_server),
        cmocka_unit_test(a_truncated_answer_is_fetched_over_tcp),
        cmocka_unit_test(answers_with_a_wrong_id_or_question_are_ignored),
        cmocka_unit_test(every_question_has_its_name_in_a_case_of_its_own),
        cmocka_unit_test(a_server_that_does_not_keep_the_case_is_asked_again_without_mixing_it),
        cmocka_unit_test(an_answer_in_another_case_is_never_used),
        cmocka_unit_test(a_server_that_is_silent_failing_lame_or_malformed_is_skipped),
        cmocka_unit_test(a_failure_of_every_server_is_temporary_and_none_is_queried_twice),
        cmocka_unit_test(referrals_from_every_server_are_a_temporary_failure),
        cmocka_unit_test(a_server_seen_only_in_forgeries_is_queried_again),
        cmocka_unit_test(silent_servers_are_queried_again_and_then_given_up),
        cmocka_unit_test(a_server_without_edns_is_queried_without_it),
        cmocka_unit_test(aliases_are_followed_and_loops_are_a_failure),
        cmocka_unit_test(positive_and_negative_answers_are_cached_but_not_those_with_ttl_zero),
        cmocka_unit_test(concurrent_identical_questions_are_sent_once),
        cmocka_unit_test(a_caller_whose_deadline_passes_gets_a_failure_and_a_later_one_the_answer),
        cmocka_unit_test(a_resolver_freed_during_a_lookup_ends_it_and_closes_its_socket),
        cmocka_unit_test(without_servers_every_question_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
