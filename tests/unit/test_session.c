/* Unit tests of smtpd/session.c over a stream in memory: what a client's commands cost others. */
#include "clock.h"
#include "fake_dns.h"
#include "fiber.h"
#include "log.h"
#include "session.h"
#include "turns.h"
#include "unit.h"

static const char yaml[] = "hostname: mx.example.net\n"
                           "listen: [{address: 127.0.0.1, port: 25}]\n"
                           "postmaster: {address: p@mail.example}\n"
                           "srs: {secrets: [a secret for unit tests]}\n"
                           "zones:\n"
                           "  - domain: example.com\n"
                           "    routes:\n"
                           "      - {address: info@example.com, to: d@mail.example}\n";

static const char *const zone[] = {
    "one.example TXT v=spf1 a -all", "one.example A 192.0.2.7",    "two.example TXT v=spf1 a -all",
    "two.example A 192.0.2.1",       "slow.example TXT !TEMPFAIL", NULL,
};

/* Runs a session in which the client has sent `input`, and gives what it receives. */
static struct buffer converse(struct bytes input, struct dns *dns)
{
    struct buffer errors = {0}, output = {0};
    struct budget budget = {.limit = 1 << 20};
    const struct ip client = {4, {192, 0, 2, 1}};
    bool draining = false;
    struct progress progress;
    progress_start(&progress);
    log_enable(false);
    struct config *config = config_parse(BYTES(yaml), "/nonexistent/unit.yaml", &errors);
    assert_non_null(config);
    const struct session_setting setting = {config, dns, &budget, &draining, &progress};
    struct stream *stream = stream_from_memory(input, &output);
    struct session *session = session_new(&setting, stream, &client);
    assert_non_null(session);
    session_run(session, ACCEPT);
    session_free(session);
    stream_free(stream);
    config_release(config);
    return output;
}

static size_t count_lines(const struct buffer *output, const char *beginning)
{
    size_t count = 0;
    for (struct bytes rest = buffer_bytes(output); rest.p;)
        count += bytes_starts_with_nocase(bytes_cut(&rest, '\n'), bytes_of(beginning)) ? 1 : 0;
    return count;
}

static unsigned queries_for(const char *commands)
{
    struct fake_dns fake = FAKE_DNS(zone);
    struct buffer output = converse(bytes_of(commands), &fake.dns);
    assert_int_equal(count_lines(&output, "5"), 0);
    buffer_free(&output);
    return fake.queries;
}

static void spf_is_evaluated_once_a_session_for_the_same_sender(void **state)
{
    (void)state;
    static const struct {
        const char *commands;
        unsigned queries;
    } cases[] = {
        {"EHLO c\r\nMAIL FROM:<a@one.example>\r\nQUIT\r\n", 2},
        {"EHLO c\r\nMAIL FROM:<a@one.example>\r\nRSET\r\nMAIL FROM:<a@one.example>\r\nRSET\r\n"
         "MAIL FROM:<a@one.example>\r\nQUIT\r\n",
         2},
        /* Another reverse-path, another HELO */
        {"EHLO c\r\nMAIL FROM:<a@one.example>\r\nRSET\r\nMAIL FROM:<b@one.example>\r\nQUIT\r\n", 4},
        {"EHLO c\r\nMAIL FROM:<a@one.example>\r\nRSET\r\nMAIL FROM:<a@two.example>\r\nQUIT\r\n", 4},
        {"EHLO c\r\nMAIL FROM:<a@one.example>\r\nEHLO d\r\nMAIL FROM:<a@one.example>\r\nQUIT\r\n",
         4},
        /* A failure is not kept. */
        {"EHLO c\r\nMAIL FROM:<a@slow.example>\r\nRSET\r\nMAIL FROM:<a@slow.example>\r\nQUIT\r\n",
         2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(queries_for(cases[i].commands), cases[i].queries);
}

static void the_command_after_1000_idle_ones_is_refused_and_ends_the_session(void **state)
{
    (void)state;
    struct fake_dns fake = FAKE_DNS(zone);
    struct buffer input = {0};
    for (int i = 0; i < 1002; i++)
        buffer_add(&input, BYTES("NOOP\r\n"));
    struct buffer output = converse(buffer_bytes(&input), &fake.dns);
    assert_int_equal(count_lines(&output, "250 "), 1000);
    assert_int_equal(count_lines(&output, "421 4.7.0 "), 1);
    assert_true(bytes_find_slice(buffer_bytes(&output), BYTES("421 4.7.0")) + 100 > output.n);
    buffer_free(&input);
    buffer_free(&output);
}

struct shared {
    struct dns *dns;
    struct bytes input;
    struct turns turns;
};

static void converses(void *argument)
{
    struct shared *shared = argument;
    turns_begin(&shared->turns);
    struct buffer output = converse(shared->input, shared->dns);
    turns_end(&shared->turns);
    assert_int_equal(count_lines(&output, "250 2.1.0"), 400);
    buffer_free(&output);
}

/* An answer at once that costs a millisecond to read. */
static void answer_slowly(struct dns *self, struct arena *arena, struct bytes name,
                          enum dns_type type, double deadline, struct dns_answer *answer)
{
    (void)self, (void)arena, (void)type, (void)deadline;
    for (double end = clock_processor() + 0.001; clock_processor() < end;)
        continue;
    *answer = (struct dns_answer){.status = DNS_NXDOMAIN, .canonical_name = name};
}

static void others_run_while_a_pipeline_is_served(void **state)
{
    (void)state;
    struct buffer input = {0};
    struct dns dns = {.query = answer_slowly};
    buffer_add(&input, BYTES("HELO c\r\n"));
    for (int i = 0; i < 400; i++)
        buffer_printf(&input, "MAIL FROM:<a%d@one.example>\r\nRSET\r\n", i);
    struct shared shared = {.dns = &dns, .input = buffer_bytes(&input)};
    assert_true(fiber_run(converses, &shared));
    assert_true(shared.turns.count >= 40);
    buffer_free(&input);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spf_is_evaluated_once_a_session_for_the_same_sender),
        cmocka_unit_test(the_command_after_1000_idle_ones_is_refused_and_ends_the_session),
        cmocka_unit_test(others_run_while_a_pipeline_is_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
