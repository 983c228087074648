/* A client that sends any octets: the session ends, and all its output is SMTP replies. DNS has no
 * names, so no upstream is ever reached and no message ever accepted. */
#include "fuzz.h"

#include "log.h"
#include "session.h"

static const char yaml[] = "hostname: mx.example.net\n"
                           "listen: [{address: 127.0.0.1, port: 25}]\n"
                           "postmaster: {address: p@mail.example}\n"
                           "srs: {secrets: [a secret for fuzzing]}\n"
                           "zones:\n"
                           "  - domain: example.com\n"
                           "    routes:\n"
                           "      - {address: info@example.com, to: d@mail.example}\n"
                           "      - {address: \"*@example.com\", to: e@mail.example}\n";

static void know_nothing(struct dns *self, struct arena *arena, struct bytes name,
                         enum dns_type type, double deadline, struct dns_answer *answer)
{
    (void)self;
    (void)arena;
    (void)type;
    (void)deadline;
    *answer = (struct dns_answer){.status = DNS_NXDOMAIN, .canonical_name = name};
}

/* Every line is a code, a separator and printable text; a mail was never accepted. */
static void check_replies(struct bytes output)
{
    while (output.n > 0) {
        size_t end = bytes_find_slice(output, BYTES("\r\n"));
        require(end != BYTES_NOT_FOUND && end >= 3 && end <= 510);
        for (size_t i = 0; i < 3; i++)
            require(ascii_is_digit(output.p[i]));
        require(end == 3 || output.p[3] == ' ' || output.p[3] == '-');
        for (size_t i = 3; i < end; i++)
            require(ascii_is_printable(output.p[i]));
        require(!bytes_starts_with_nocase(output, BYTES("354")));
        output = bytes_from(output, end + 2);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config *config;
    struct dns dns = {.query = know_nothing};
    struct budget budget = {.limit = 1 << 20};
    struct progress progress;
    struct buffer output = {0}, errors = {0};
    const struct ip client = {4, {192, 0, 2, 1}};
    bool draining = false;
    log_enable(false);
    progress_start(&progress);
    if (!config)
        config = config_parse(BYTES(yaml), "/nonexistent/fuzz.yaml", &errors);
    require(config != NULL);
    const struct session_setting setting = {config, &dns, &budget, &draining, &progress};
    struct stream *stream = stream_from_memory((struct bytes){(const char *)data, size}, &output);
    struct session *session = stream ? session_new(&setting, stream, &client) : NULL;
    require(session != NULL);
    session_run(session, ACCEPT);
    check_replies(buffer_bytes(&output));
    session_free(session);
    stream_free(stream);
    require(budget.used == 0);
    buffer_free(&output);
    return 0;
}
