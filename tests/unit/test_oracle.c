/* Unit tests of oracle/: what the vectors do not show of libspf2. */
#include "fake_dns.h"
#include "oracle.h"
#include "unit.h"

static const char *const zone[] = {
    "example.com TXT v=spf1 a mx/28 ip6:2001:db8::/32 include:partner.example -all exp=why.%{d}",
    "example.com A 192.0.2.10",
    "example.com MX 10 mail.example.com",
    "mail.example.com A 192.0.2.130",
    "why.example.com TXT %{i} is not ours, says %{r}",
    "partner.example TXT v=spf1 a:partner.example ~all",
    "partner.example A 198.51.100.1",
    "two.example TXT v=spf1 -all",
    "two.example TXT v=spf1 +all",
    "broken.example TXT v=spf1 +all ip4:300.0.0.1",
    "slow.example TXT !TEMPFAIL",
    "all.example TXT v=spf1 -all",
    NULL,
};

static void libspf2_agrees_where_it_can_and_has_no_free_ride_for_loopback(void **state)
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
        struct fake_dns fake = FAKE_DNS(zone);
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
        cmocka_unit_test(libspf2_agrees_where_it_can_and_has_no_free_ride_for_loopback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
