/* Unit tests of oracle/: what the vectors do not show of libspf2. */
#include "fake_dns.h"
#include "oracle.h"
#include "spf_zone.h"
#include "unit.h"

static void libspf2_agrees_and_evaluates_loopback_clients_too(void **state)
{
    (void)state;
    static const struct {
        const char *ip, *mail_from;
        enum spf_result result;
        const char *explanation;
    } cases[] = {
        {"192.0.2.10", "me@example.com", SPF_PASS, ""},
        {"198.51.100.1", "me@example.com", SPF_PASS, ""},
        {"2001:db8::1", "me@example.com", SPF_PASS, ""},
        {"127.0.0.1", "me@all.example", SPF_FAIL, "not 100% ours"},
        {"::1", "me@all.example", SPF_FAIL, "not 100% ours"},
        {"203.0.113.1", "me@example.com", SPF_FAIL, "203.0.113.1 is not ours, says mx.example.net"},
        {"192.0.2.1", "me@broken.example", SPF_PERMERROR, ""},
        {"192.0.2.1", "me@two.example", SPF_PERMERROR, ""},
        {"192.0.2.1", "me@slow.example", SPF_TEMPERROR, ""},
        {"192.0.2.1", "me@nowhere.example", SPF_NONE, ""},
        {"192.0.2.1", "me@localhost", SPF_NONE, ""},
        {"192.0.2.1", "@all.example", SPF_FAIL, "not 100% ours"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena *arena = arena_new(0);
        struct fake_dns fake = FAKE_DNS(spf_zone);
        struct spf_request asked = {
            .helo = BYTES("client.example.org"),
            .mail_from = bytes_of(cases[i].mail_from),
            .receiver = BYTES("mx.example.net"),
            .default_explanation = BYTES("not 100% ours"),
        };
        struct spf_outcome outcome;
        assert_true(ip_parse(bytes_of(cases[i].ip), &asked.client));
        spf_libspf2(&fake.dns, arena, &asked, &outcome);
        if (outcome.result != cases[i].result)
            fail_msg("%s: %s", cases[i].mail_from, spf_result_name(outcome.result));
        assert_bytes(outcome.explanation, cases[i].explanation);
        arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(libspf2_agrees_and_evaluates_loopback_clients_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
