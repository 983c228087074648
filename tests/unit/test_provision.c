/* Unit tests of a zone's records: what is printed, and what is found in a live zone. */
#include "fake_dns.h"
#include "provision.h"
#include "unit.h"

#include "buffer.h"

#define OUR_EXCHANGERS                                                                             \
    "example.com MX 13 mx1.service.example", "example.com MX 86 mx2.service.example",              \
        "example.com MX 24 mx3.service.example"
#define OUR_SPF                                                                                    \
    "example.com TXT v=spf1 include:_spf.service.example ~all",                                    \
        "_spf.service.example TXT v=spf1 ip4:104.30.0.0/20 ~all"

static const struct config_provisioning_host hosts[] = {
    {BYTES_INIT("mx1.service.example"), 13},
    {BYTES_INIT("mx2.service.example"), 86},
    {BYTES_INIT("mx3.service.example"), 24},
};

static const struct config_provisioning service = {.hosts = hosts,
                                                   .host_count = sizeof hosts / sizeof *hosts,
                                                   .spf_include =
                                                       BYTES_INIT("_spf.service.example"),
                                                   .ttl = 60};

static void the_records_have_the_names_of_the_configuration(void **state)
{
    (void)state;
    struct buffer out = {0};
    provision_write(&out, &service, BYTES("example.com"));
    assert_bytes(buffer_bytes(&out),
                 "example.com. 60 IN MX 13 mx1.service.example.\n"
                 "example.com. 60 IN MX 86 mx2.service.example.\n"
                 "example.com. 60 IN MX 24 mx3.service.example.\n"
                 "\n"
                 "example.com. 60 IN TXT \"v=spf1 include:_spf.service.example ~all\"\n");
    buffer_free(&out);
}

static void a_host_is_a_preference_and_a_name(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "13", "13:", ":mx.example", "x:mx.example", "65536:mx.example", "13:mx..example"};
    struct arena *arena = arena_new(0);
    struct config_provisioning_host host;
    assert_true(provision_host_parse(arena, BYTES("65535:MX.example"), &host));
    assert_int_equal(host.preference, 65535);
    assert_bytes(host.name, "mx.example");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(provision_host_parse(arena, bytes_of(bad[i]), &host));
    arena_free(arena);
}

static void a_domain_is_a_zone_a_subdomain_or_a_public_suffix(void **state)
{
    (void)state;
    static const struct {
        const char *domain;
        enum provision_place place;
    } cases[] = {
        {"example.com", PROVISION_ZONE},      {"mail.example.com", PROVISION_SUBDOMAIN},
        {"example.co.uk", PROVISION_ZONE},    {"a.example.co.uk", PROVISION_SUBDOMAIN},
        {"co.uk", PROVISION_PUBLIC_SUFFIX},   {"com", PROVISION_PUBLIC_SUFFIX},
        {"xn--piata-pta.es", PROVISION_ZONE}, {"a.xn--piata-pta.es", PROVISION_SUBDOMAIN},
        {"zone.unlisted", PROVISION_ZONE},    {"unlisted", PROVISION_PUBLIC_SUFFIX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *arena = arena_new(0);
        assert_int_equal(provision_place(arena, NULL, bytes_of(cases[i].domain)), cases[i].place);
        arena_free(arena);
    }
}

enum { ZONE_MAX = 24, EXPECTED_MAX = 4 };

static const struct {
    const char *zone[ZONE_MAX];
    struct {
        enum provision_fault fault;
        const char *text;
    } expected[EXPECTED_MAX];
    unsigned lookups;
} cases[] = {
    {{OUR_EXCHANGERS, OUR_SPF}, {{0}}, 1},
    {{"other.example A 192.0.2.1"},
     {{PROVISION_MISSING, "13 mx1.service.example is missing"},
      {PROVISION_MISSING, "86 mx2.service.example is missing"},
      {PROVISION_MISSING, "24 mx3.service.example is missing"},
      {PROVISION_MISSING, "there is no SPF record"}},
     0},
    {{"example.com MX 13 MX1.service.example", "example.com MX 10 mx2.service.example",
      "example.com MX 5 mail.example.com", OUR_SPF},
     {{PROVISION_WRONG, "mx2.service.example has preference 10 instead of 86"},
      {PROVISION_MISSING, "24 mx3.service.example is missing"},
      {PROVISION_CONFLICT, "5 mail.example.com. is not one of the service's hosts"}},
     1},
    {{OUR_EXCHANGERS, OUR_SPF, "example.com TXT v=spf1 -all"},
     {{PROVISION_CONFLICT, "there are 2 SPF records; only one is allowed"}},
     0},
    {{OUR_EXCHANGERS, "example.com TXT v=spf10 x", "example.com TXT V=SPF1 mx -all"},
     {{PROVISION_WRONG, "the SPF record does not include _spf.service.example with result pass"}},
     1},
    {{OUR_EXCHANGERS, "_spf.service.example TXT v=spf1 -all",
      "example.com TXT v=spf1 ?include:_spf.service.example -all"},
     {{PROVISION_WRONG, "the SPF record does not include _spf.service.example with result pass"}},
     1},
    {{OUR_EXCHANGERS, "_spf.service.example TXT v=spf1 -all",
      "example.com TXT v=spf1 -all include:_spf.service.example"},
     {{PROVISION_WRONG, "the SPF record does not include _spf.service.example with result pass"}},
     0},
    {{OUR_EXCHANGERS, "_spf.service.example TXT v=spf1 -all",
      "example.com TXT v=spf1 redirect=_spf.example.com",
      "_spf.example.com TXT v=spf1 a mx include:_SPF.service.example -all"},
     {{0}},
     4},
    {{OUR_EXCHANGERS, "_spf.service.example TXT v=spf1 -all",
      "example.com TXT v=spf1 redirect=_spf.example.com.",
      "_spf.example.com TXT v=spf1 include:_spf.service.example. -all"},
     {{0}},
     2},
    {{OUR_EXCHANGERS, OUR_SPF, "_spf.service.example TXT v=spf1 -all"},
     {{PROVISION_WRONG,
       "_spf.service.example, to which the SPF record leads, has more than one SPF record"}},
     1},
    {{OUR_EXCHANGERS, "example.com TXT v=spf1 include:_spf.service.example -all"},
     {{PROVISION_WRONG, "_spf.service.example, to which the SPF record leads, has no SPF record"}},
     1},
    {{OUR_EXCHANGERS, OUR_SPF, "_spf.service.example TXT !TEMPFAIL"},
     {{PROVISION_UNKNOWN, "the lookup of _spf.service.example failed: the table says so"}},
     1},
    {{OUR_EXCHANGERS, "example.com TXT v=spf1 include:_spf.service.example ip4:x -all"},
     {{PROVISION_WRONG, NULL}, {PROVISION_WRONG, NULL}},
     0},
    {{OUR_EXCHANGERS, "_spf.service.example TXT v=spf1 -all",
      "example.com TXT v=spf1 include:_spf.service.example include:many.example -all",
      ("many.example TXT v=spf1 a a:b.example a:c.example mx ptr exists:%{i}.x.example "
       "include:%{d}.y.example a:e.example a:f.example a:g.example")},
     {{PROVISION_CONFLICT, "the SPF record may need 12 lookups; 10 are allowed"}},
     12},
    {{OUR_EXCHANGERS, "_spf.service.example TXT v=spf1 -all",
      "example.com TXT v=spf1 include:_spf.service.example include:example.com -all"},
     {{PROVISION_CONFLICT, "the SPF record may need at least 40 lookups; 10 are allowed"}},
     40},
};

static void a_live_zone_is_compared_record_by_record(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *arena = arena_new(0);
        struct fake_dns fake = FAKE_DNS(cases[i].zone);
        struct provision_report report;
        size_t count = 0;
        provision_check(&fake.dns, arena, &service, BYTES("example.com"), &report);
        for (; count < EXPECTED_MAX && (cases[i].expected[count].fault != PROVISION_MISSING ||
                                        cases[i].expected[count].text);
             count++) {
            assert_true(count < report.finding_count);
            assert_int_equal(report.findings[count].fault, cases[i].expected[count].fault);
            if (cases[i].expected[count].text)
                assert_bytes(report.findings[count].text, cases[i].expected[count].text);
        }
        if (count != report.finding_count)
            fail_msg("case %zu: also %.*s", i, BYTES_ARG(report.findings[count].text));
        assert_int_equal(report.spf_lookups, cases[i].lookups);
        arena_free(arena);
    }
}

static void a_dns_failure_is_reported_as_unknown(void **state)
{
    (void)state;
    static const char *const zone[] = {"example.com * !TEMPFAIL", NULL};
    struct arena *arena = arena_new(0);
    struct fake_dns fake = FAKE_DNS(zone);
    struct provision_report report;
    provision_check(&fake.dns, arena, &service, BYTES("example.com"), &report);
    assert_int_equal(report.finding_count, 2);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(report.findings[i].fault, PROVISION_UNKNOWN);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_records_have_the_names_of_the_configuration),
        cmocka_unit_test(a_host_is_a_preference_and_a_name),
        cmocka_unit_test(a_domain_is_a_zone_a_subdomain_or_a_public_suffix),
        cmocka_unit_test(a_live_zone_is_compared_record_by_record),
        cmocka_unit_test(a_dns_failure_is_reported_as_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
