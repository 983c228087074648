/* Which addresses take mail, and where it goes (relay/forward/route.c). */
#include "unit.h"

#include "config.h"
#include "route.h"

static const char yaml[] = "hostname: mx.example\n"
                           "listen: [{address: 192.0.2.25}]\n"
                           "postmaster: {address: contact@elsewhere.example}\n"
                           "srs: {secrets: [0123456789abcdef]}\n"
                           "zones:\n"
                           "  - domain: example.com\n"
                           "    srs: {overflow: too-long}\n"
                           "    routes:\n"
                           "      - {address: info@example.com, to: Info@up.example}\n"
                           "      - {address: in.fo@example.com, to: dot@up.example}\n"
                           "      - {address: info+tag@example.com, to: plus@up.example}\n"
                           "      - {address: '\"two words\"@example.com', to: words@up.example}\n"
                           "      - {address: '\"*\"@example.com', to: star@up.example}\n"
                           "  - domain: catch.example\n"
                           "    routes:\n"
                           "      - {address: '*@catch.example', to: all@up.example}\n"
                           "      - {address: own@catch.example, to: own@up.example}\n"
                           "  - domain: routed.example\n"
                           "    routes: [{address: bounces@routed.example, to: b@up.example}]\n"
                           "  - domain: big.example\n"
                           "    plan: enterprise\n"
                           "    routes:\n"
                           "      - {address: '*@big.example', to: big@up.example}\n"
                           "      - {address: info@sub.big.example, to: sub@up.example}\n"
                           "      - {address: '*@all.big.example', to: suball@up.example}\n"
                           "  - domain: empty.example\n"
                           "  - domain: piñata.es\n"
                           "    routes: [{address: info@piñata.es, to: info@señor.example}]\n";

static int load(void **state)
{
    struct buffer errors = {0};
    *state = config_parse(bytes_of(yaml), "test.yaml", &errors);
    return *state ? 0 : -1;
}

static int release(void **state)
{
    config_release(*state);
    return 0;
}

static const struct routing *routing_of(const struct config *config)
{
    return &config->policy.routing;
}

struct lookup {
    const char *path;     /* forward-path as the client sends it */
    const char *expected; /* the destination, or the status */
};

static void assert_lookups(const struct routing *routing, const struct lookup *lookups,
                           size_t count)
{
    struct arena *arena = arena_new(0);
    for (size_t i = 0; i < count; i++) {
        struct address address;
        struct bytes rest;
        struct route route;
        assert_int_equal(
            address_read_path(arena, PATH_FORWARD, bytes_of(lookups[i].path), &address, &rest),
            ADDRESS_OK);
        const enum route_status status = route_find(routing, &address, &route);
        const struct bytes shown = status == ROUTE_FOUND              ? route.to->text
                                   : status == ROUTE_UNKNOWN_ADDRESS  ? BYTES("unknown")
                                   : status == ROUTE_SRS_ADDRESS      ? BYTES("SRS")
                                   : status == ROUTE_OVERFLOW_ADDRESS ? BYTES("overflow")
                                                                      : BYTES("not served");
        if (!bytes_equal(shown, bytes_of(lookups[i].expected)))
            print_error("%s\n", lookups[i].path);
        assert_bytes(shown, lookups[i].expected);
    }
    arena_free(arena);
}

#define ASSERT_LOOKUPS(state, lookups)                                                             \
    assert_lookups(routing_of(*(state)), lookups, sizeof(lookups) / sizeof(*(lookups)))

static void local_parts_are_compared_whole_by_content_without_case(void **state)
{
    static const struct lookup lookups[] = {
        {"<info@example.com>", "Info@up.example"},
        {"<INFO@EXAMPLE.COM>", "Info@up.example"},
        {"<\"info\"@example.com>", "Info@up.example"},
        {"<\"\\i\\nfo\"@example.com>", "Info@up.example"},
        {"<in.fo@example.com>", "dot@up.example"},
        {"<i.nfo@example.com>", "unknown"},
        {"<info+tag@example.com>", "plus@up.example"},
        {"<info+other@example.com>", "unknown"},
        {"<info-tag@example.com>", "unknown"},
        {"<\"two words\"@example.com>", "words@up.example"},
        {"<twowords@example.com>", "unknown"},
        {"<\"\"@example.com>", "unknown"},
    };
    ASSERT_LOOKUPS(state, lookups);
}

static void a_catch_all_accepts_what_has_no_route_of_its_own(void **state)
{
    static const struct lookup lookups[] = {
        {"<anybody@catch.example>", "all@up.example"}, {"<\"\"@catch.example>", "all@up.example"},
        {"<own@catch.example>", "own@up.example"},     {"<nobody@empty.example>", "unknown"},
        {"<*@example.com>", "star@up.example"},        {"<x@example.com>", "unknown"},
    };
    ASSERT_LOOKUPS(state, lookups);
}

static void only_routed_subdomains_of_enterprise_zones_are_served(void **state)
{
    static const struct lookup lookups[] = {
        {"<info@sub.example.com>", "not served"},
        {"<info@sub.catch.example>", "not served"},
        {"<info@sub.big.example>", "sub@up.example"},
        {"<other@sub.big.example>", "unknown"},
        {"<other@all.big.example>", "suball@up.example"},
        {"<info@deep.sub.big.example>", "not served"},
        {"<info@other.big.example>", "not served"},
    };
    ASSERT_LOOKUPS(state, lookups);
    assert_true(route_serves(routing_of(*state), BYTES("sub.big.example")));
    assert_false(route_serves(routing_of(*state), BYTES("other.big.example")));
    assert_false(route_serves(routing_of(*state), BYTES("")));
}

static void domains_that_are_not_served_are_distinguished(void **state)
{
    static const struct lookup lookups[] = {
        {"<info@up.example>", "not served"},         {"<info@example.net>", "not served"},
        {"<info@notexample.com>", "not served"},     {"<info@com>", "not served"},
        {"<info@mx.example>", "not served"},         {"<info@[192.0.2.25]>", "not served"},
        {"<postmaster@[192.0.2.26]>", "not served"}, {"<info%up.example@example.com>", "unknown"},
    };
    ASSERT_LOOKUPS(state, lookups);
}

static void domains_match_in_every_form(void **state)
{
    static const struct lookup lookups[] = {
        {"<info@piñata.es>", "info@xn--seor-hqa.example"},
        {"<info@xn--piata-pta.es>", "info@xn--seor-hqa.example"},
        {"<info@XN--PIATA-PTA.ES>", "info@xn--seor-hqa.example"},
    };
    ASSERT_LOOKUPS(state, lookups);
}

static void postmaster_goes_to_the_contact(void **state)
{
    static const struct lookup lookups[] = {
        {"<postmaster>", "contact@elsewhere.example"},
        {"<PostMaster>", "contact@elsewhere.example"},
        {"<postmaster@example.com>", "contact@elsewhere.example"},
        {"<POSTMASTER@catch.example>", "contact@elsewhere.example"},
        {"<postmaster@empty.example>", "contact@elsewhere.example"},
        {"<postmaster@sub.big.example>", "contact@elsewhere.example"},
        {"<Postmaster@MX.example>", "contact@elsewhere.example"},
        {"<postmaster@[192.0.2.25]>", "contact@elsewhere.example"},
        {"<info@mx.example>", "not served"},
        {"<info@[192.0.2.25]>", "not served"},
        {"<postmaster@sub.mx.example>", "not served"},
        {"<postmaster@example.net>", "not served"},
    };
    ASSERT_LOOKUPS(state, lookups);
}

static void an_address_in_srs_form_accepts_no_mail(void **state)
{
    static const struct lookup lookups[] = {
        {"<SRS0=abcd=xy=example.net=alice@example.com>", "SRS"},
        {"<SRS0=abcd=xy=example.net=alice@catch.example>", "SRS"},
        {"<srs0+abcd=xy=example.net=alice@catch.example>", "SRS"},
        {"<SRS1=abcd=first.example==efgh=xy=example.net=alice@catch.example>", "SRS"},
        {"<\"SRS0=abcd=xy=example.net=alice\"@catch.example>", "SRS"},
        {"<srs@catch.example>", "all@up.example"},
        {"<SRS0=abcd=xy=example.net=alice@example.net>", "not served"},
    };
    ASSERT_LOOKUPS(state, lookups);
}

static void an_overflow_address_is_known_unless_it_has_a_route_of_its_own(void **state)
{
    static const struct lookup lookups[] = {
        {"<too-long@example.com>", "overflow"},       {"<bounces@example.com>", "unknown"},
        {"<BOUNCES@catch.example>", "overflow"},      {"<bounces@sub.big.example>", "overflow"},
        {"<bounces@routed.example>", "b@up.example"}, {"<bounces@example.net>", "not served"},
    };
    ASSERT_LOOKUPS(state, lookups);
}

static void what_the_relay_sends_with_its_own_name_is_known_there(void **state)
{
    static const struct lookup lookups[] = {
        {"<bounces@mx.example>", "overflow"},
        {"<SRS0=abcd=xy=example.net=alice@mx.example>", "SRS"},
        {"<bounces@[192.0.2.25]>", "not served"},
        {"<too-long@mx.example>", "not served"},
    };
    ASSERT_LOOKUPS(state, lookups);
}

static void a_route_has_the_forwarding_domain_and_its_overflow(void **state)
{
    struct arena *arena = arena_new(0);
    struct address address;
    struct route route;
    assert_int_equal(address_parse(arena, BYTES("info@EXAMPLE.com"), &address), ADDRESS_OK);
    assert_int_equal(route_find(routing_of(*state), &address, &route), ROUTE_FOUND);
    assert_bytes(route.forwarding_domain, "example.com");
    assert_bytes(route.overflow_local_part, "too-long");
    assert_false(route.postmaster);

    assert_int_equal(address_parse(arena, BYTES("info@sub.big.example"), &address), ADDRESS_OK);
    assert_int_equal(route_find(routing_of(*state), &address, &route), ROUTE_FOUND);
    assert_bytes(route.forwarding_domain, "sub.big.example");
    assert_bytes(route.overflow_local_part, "bounces");

    const struct address postmaster = {.kind = ADDRESS_POSTMASTER};
    assert_int_equal(route_find(routing_of(*state), &postmaster, &route), ROUTE_FOUND);
    assert_bytes(route.forwarding_domain, "mx.example");
    assert_true(route.postmaster);
    arena_free(arena);
}

static void a_hundred_thousand_routes_are_all_found(void **state)
{
    (void)state;
    enum { ROUTES = 100000 };
    struct arena *arena = arena_new(0);
    struct route_table *table = route_table_new(arena, ROUTES + 1);
    struct zone_route *routes = arena_alloc_array(arena, ROUTES, sizeof(*routes));
    const struct zone zone = {.domain = BYTES("example.com")};
    const struct routing routing = {.table = table};
    assert_null(route_table_add_domain(table, zone.domain, &zone));
    for (size_t i = 0; i < ROUTES; i++) {
        routes[i] = (struct zone_route){.local_part = arena_printf(arena, "user%zu", i),
                                        .domain = zone.domain};
        assert_null(route_table_add(table, &routes[i]));
    }
    for (size_t i = 0; i < ROUTES; i++) {
        struct route route;
        const struct address address = {
            .kind = ADDRESS_MAILBOX, .local = routes[i].local_part, .domain = zone.domain};
        assert_int_equal(route_find(&routing, &address, &route), ROUTE_FOUND);
        assert_ptr_equal(route.to, &routes[i].to);
        assert_ptr_equal(route_table_add(table, &routes[i]), &routes[i]);
    }
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(local_parts_are_compared_whole_by_content_without_case),
        cmocka_unit_test(a_catch_all_accepts_what_has_no_route_of_its_own),
        cmocka_unit_test(only_routed_subdomains_of_enterprise_zones_are_served),
        cmocka_unit_test(domains_that_are_not_served_are_distinguished),
        cmocka_unit_test(domains_match_in_every_form),
        cmocka_unit_test(postmaster_goes_to_the_contact),
        cmocka_unit_test(an_address_in_srs_form_accepts_no_mail),
        cmocka_unit_test(an_overflow_address_is_known_unless_it_has_a_route_of_its_own),
        cmocka_unit_test(what_the_relay_sends_with_its_own_name_is_known_there),
        cmocka_unit_test(a_route_has_the_forwarding_domain_and_its_overflow),
        cmocka_unit_test(a_hundred_thousand_routes_are_all_found),
    };
    return cmocka_run_group_tests(tests, load, release);
}
