/* Unit tests of domain names and address literals. */
#include "domain.h"
#include "unit.h"

static const struct {
    struct bytes text;
    const char *normal; /* NULL: refused */
} normalised_names[] = {
    {BYTES_INIT("Example.COM"), "example.com"},
    {BYTES_INIT("localhost"), "localhost"},
    {BYTES_INIT("1.2.3.4"), "1.2.3.4"},
    {BYTES_INIT("3com.a-b.example"), "3com.a-b.example"},
    {BYTES_INIT("r3---sn-x.example"), "r3---sn-x.example"},
    {BYTES_INIT("pi\xc3\xb1"
                "ata.es"),
     "xn--piata-pta.es"},
    {BYTES_INIT("PI\xc3\x91"
                "ATA.ES"),
     "xn--piata-pta.es"},
    /* n and a combining tilde: the same name in another normal form */
    {BYTES_INIT("pin\xcc\x83"
                "ata.es"),
     "xn--piata-pta.es"},
    {BYTES_INIT("xn--piata-pta.es"), "xn--piata-pta.es"},
    {BYTES_INIT("XN--PIATA-PTA.es"), "xn--piata-pta.es"},
    /* sharp s is a letter of its own without the transitional mapping */
    {BYTES_INIT("stra\xc3\x9f"
                "e.example"),
     "xn--strae-oqa.example"},
    {BYTES_INIT("\xe4\xbe\x8b.\xe6\xb5\x8b\xe8\xaf\x95"), "xn--fsq.xn--0zwm56d"},
    {BYTES_INIT("pi\xc3\xb1"
                "ata.xn--fsq"),
     "xn--piata-pta.xn--fsq"},
    {BYTES_INIT(""), NULL},
    {BYTES_INIT("."), NULL},
    {BYTES_INIT("example.com."), NULL},
    {BYTES_INIT(".example.com"), NULL},
    {BYTES_INIT("a..b"), NULL},
    {BYTES_INIT("-a.example"), NULL},
    {BYTES_INIT("a-.example"), NULL},
    {BYTES_INIT("a_b.example"), NULL},
    {BYTES_INIT("a b.example"), NULL},
    {BYTES_INIT("a\0b.example"), NULL},
    {BYTES_INIT("a\r\nb.example"), NULL},
    {BYTES_INIT("a@b.example"), NULL},
    {BYTES_INIT("*.example"), NULL},
    {BYTES_INIT("[192.0.2.1]"), NULL},
    {BYTES_INIT("\xff.example"), NULL},
    {BYTES_INIT("pi\xc3.example"), NULL},
    {BYTES_INIT("pi\xc3\xb1\0ata.es"), NULL},
    {BYTES_INIT("pi\xc3\xb1\nata.es"), NULL},
    {BYTES_INIT("pi\xc3\xb1_ata.es"), NULL},
    /* symbols: valid in UTS 46 alone */
    {BYTES_INIT("\xf0\x9f\x92\xa9.es"), NULL},
    {BYTES_INIT("xn--ls8h.es"), NULL},
    {BYTES_INIT("a\xe2\x89\xa0.es"), NULL},
    {BYTES_INIT("-\xc3\xb1.es"), NULL},
    {BYTES_INIT("\xc3\xb1..es"), NULL},
    {BYTES_INIT("\xc3\xb1.es."), NULL},
    {BYTES_INIT("xn--.es"), NULL},
    {BYTES_INIT("xn--a.es"), NULL},
    /* decodes to plain ASCII: a second spelling of another name */
    {BYTES_INIT("xn--abc-.es"), NULL},
    {BYTES_INIT("xn--99999999.es"), NULL},
    /* a right-to-left override, and a zero-width space */
    {BYTES_INIT("a\xe2\x80\xae"
                "b.es"),
     NULL},
    {BYTES_INIT("\xc2\xa0.es"), NULL},
    /* overlong encoding of '/' and a surrogate */
    {BYTES_INIT("a\xc0\xaf.es"), NULL},
    {BYTES_INIT("a\xed\xa0\x80.es"), NULL},
};

static void a_name_has_one_normal_form_or_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof normalised_names / sizeof *normalised_names; i++) {
        struct arena *arena = arena_new(0);
        struct bytes name = domain_normalise(arena, normalised_names[i].text);
        if (normalised_names[i].normal)
            assert_bytes(name, normalised_names[i].normal);
        else if (name.p != NULL)
            fail_msg("accepted case %zu: %.*s", i, BYTES_ARG(name));
        arena_free(arena);
    }
}

static void names_to_look_up_may_have_labels_that_hosts_may_not(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"My_Host.Example", "my_host.example"},
        {"-a-.example", "-a-.example"},
        {"XN--ls8h.es", "xn--ls8h.es"},
        {"pi\xc3\xb1"
         "ata.es",
         "xn--piata-pta.es"},
        {"a..b", NULL},
        {"a.", NULL},
        {"", NULL},
        {"a b", NULL},
        {"a/b", NULL},
        {"a\xff", NULL},
        {"[192.0.2.1]", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *arena = arena_new(0);
        struct bytes name = domain_for_lookup(arena, bytes_of(cases[i][0]));
        assert_int_equal(name.p != NULL, cases[i][1] != NULL);
        if (name.p)
            assert_bytes(name, cases[i][1]);
        arena_free(arena);
    }
}

static void labels_and_names_are_limited_in_their_ascii_form(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    char octets[DOMAIN_MAX + 1];
    memset(octets, 'a', sizeof octets);
    assert_non_null(domain_normalise(arena, (struct bytes){octets, 63}).p);
    assert_null(domain_normalise(arena, (struct bytes){octets, 64}).p);
    octets[63] = octets[127] = octets[191] = '.';
    assert_non_null(domain_normalise(arena, (struct bytes){octets, 255}).p);
    octets[253] = '.';
    assert_null(domain_normalise(arena, (struct bytes){octets, 256}).p);
    /* One letter, two octets, makes a label of seven and a dot: 31 of them fit, 32 do not. */
    char international[32 * 3];
    for (size_t i = 0; i < 32; i++)
        memcpy(international + 3 * i, "\xc3\xb1.", 3);
    assert_int_equal(domain_normalise(arena, (struct bytes){international, 31 * 3 - 1}).n, 247);
    assert_null(domain_normalise(arena, (struct bytes){international, 32 * 3 - 1}).p);
    assert_false(arena_failed(arena));
    arena_free(arena);
}

static void labels_hold_what_their_grammar_allows(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        bool ldh, underscore, loose;
    } cases[] = {
        {"a1-b", true, true, true}, {"0", true, true, true},           {"a_b", false, true, true},
        {"_a", false, true, true},  {"-a", false, false, true},        {"a-", false, false, true},
        {"", false, false, false},  {"a.b", false, false, false},      {"a b", false, false, false},
        {"[", false, false, false}, {"\xc3\xb1", false, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bytes label = bytes_of(cases[i].label);
        assert_int_equal(domain_is_label(label, DOMAIN_LDH), cases[i].ldh);
        assert_int_equal(domain_is_label(label, DOMAIN_UNDERSCORE), cases[i].underscore);
        assert_int_equal(domain_is_label(label, DOMAIN_LOOSE), cases[i].loose);
    }
    assert_true(domain_is_name(BYTES("s_1.a"), DOMAIN_UNDERSCORE));
    assert_false(domain_is_name(BYTES("s_1.a"), DOMAIN_LDH));
    assert_false(domain_is_name(BYTES("a."), DOMAIN_LOOSE));
    assert_false(domain_is_name((struct bytes){NULL, 0}, DOMAIN_LOOSE));
    assert_int_equal(domain_count_labels(BYTES("a.b.c")), 3);
    assert_int_equal(domain_count_labels(BYTES("a")), 1);
    assert_int_equal(domain_count_labels((struct bytes){NULL, 0}), 0);
}

static void literals_state_their_family(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"[192.0.2.1]", "[192.0.2.1]"},
        {"[IPv6:2001:DB8::1]", "[IPv6:2001:db8::1]"},
        {"[ipv6:::1]", "[IPv6:::1]"},
        {"[IPv6:::ffff:192.0.2.1]", "[192.0.2.1]"},
        {"[2001:db8::1]", NULL},
        {"[IPv6:192.0.2.1]", NULL},
        {"[IPv6:]", NULL},
        {"[]", NULL},
        {"[", NULL},
        {"]", NULL},
        {"[192.0.2.1", NULL},
        {"[192.0.2.256]", NULL},
        {"[192.0.2]", NULL},
        {"[ 192.0.2.1]", NULL},
        {"[IPv6:fe80::1%lo]", NULL},
        {"[tag:content]", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *arena = arena_new(0);
        struct ip ip;
        bool valid = domain_literal_parse(bytes_of(cases[i][0]), &ip);
        assert_int_equal(valid, cases[i][1] != NULL);
        if (valid)
            assert_bytes(domain_literal_format(arena, &ip), cases[i][1]);
        arena_free(arena);
    }
}

static void within_means_at_a_label_boundary(void **state)
{
    (void)state;
    assert_true(domain_is_within(BYTES("example.com"), BYTES("example.com")));
    assert_true(domain_is_within(BYTES("a.example.com"), BYTES("example.com")));
    assert_false(domain_is_within(BYTES("notexample.com"), BYTES("example.com")));
    assert_false(domain_is_within(BYTES("com"), BYTES("example.com")));
    assert_false(domain_is_within(BYTES(""), BYTES("com")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_has_one_normal_form_or_is_refused),
        cmocka_unit_test(names_to_look_up_may_have_labels_that_hosts_may_not),
        cmocka_unit_test(labels_and_names_are_limited_in_their_ascii_form),
        cmocka_unit_test(labels_hold_what_their_grammar_allows),
        cmocka_unit_test(literals_state_their_family),
        cmocka_unit_test(within_means_at_a_label_boundary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
