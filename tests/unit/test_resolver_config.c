/* Which servers the resolver asks (relay/dns/resolver_config.c). */
#include "unit.h"

#include "resolver.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void a_server_may_be_given_in_any_of_its_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text, *address;
        unsigned port;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1", 53},
        {"192.0.2.1:5353", "192.0.2.1", 5353},
        {"2001:db8::1", "2001:db8::1", 53},
        {"[2001:db8::1]", "2001:db8::1", 53},
        {"[2001:db8::1]:5353", "2001:db8::1", 5353},
        {"localhost", "127.0.0.1", 53},
        {"localhost:65535", "127.0.0.1", 65535},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct resolver_server server;
        char text[IP_TEXT_SIZE];
        assert_true(resolver_server_parse(bytes_of(cases[i].text), &server));
        assert_string_equal(ip_format(&server.address, text), cases[i].address);
        assert_int_equal(server.port, cases[i].port);
    }
}

static void a_malformed_server_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"",     "example.com",  "192.0.2.1:",   "192.0.2.1:0",
                                        "[::1", "[::1]53",      "[::1]:",       "192.0.2.1:65536",
                                        ":53",  "192.0.2.1:5x", "[192.0.2.1]x", "::1:53:x"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct resolver_server server;
        assert_false(resolver_server_parse(bytes_of(cases[i]), &server));
    }
}

static struct resolver_config read_text(const char *text)
{
    struct resolver_config config = resolver_defaults();
    char path[] = "/tmp/test_resolver_config.XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    resolver_read_resolv_conf(&config, path);
    unlink(path);
    return config;
}

static void resolv_conf_gives_servers_and_options(void **state)
{
    (void)state;
    const struct resolver_config config = read_text("# nameserver 192.0.2.9\n"
                                                    "search example.com\n"
                                                    "nameserver 192.0.2.1 # the first\n"
                                                    "\tnameserver\t2001:db8::1\n"
                                                    "nameserver nonsense\n"
                                                    "options edns0 timeout:2 attempts:4 ndots:1");
    char text[IP_TEXT_SIZE];
    assert_int_equal(config.server_count, 2);
    assert_string_equal(ip_format(&config.servers[0].address, text), "192.0.2.1");
    assert_string_equal(ip_format(&config.servers[1].address, text), "2001:db8::1");
    assert_int_equal(config.servers[1].port, 53);
    assert_true(config.timeout == 2);
    assert_int_equal(config.tries, 4);
}

static void servers_beyond_the_maximum_are_ignored(void **state)
{
    (void)state;
    const struct resolver_config config =
        read_text("nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n"
                  "nameserver 192.0.2.4\nnameserver 192.0.2.5\n");
    assert_int_equal(config.server_count, RESOLVER_SERVERS_MAX);
}

static void without_servers_localhost_is_queried(void **state)
{
    (void)state;
    static const char *const cases[] = {"", "nameserver\n", "options timeout:0 attempts:x"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct resolver_config config = read_text(cases[i]);
        char text[IP_TEXT_SIZE];
        assert_int_equal(config.server_count, 1);
        assert_string_equal(ip_format(&config.servers[0].address, text), "127.0.0.1");
        assert_true(config.timeout == 5);
        assert_int_equal(config.tries, 2);
    }
    struct resolver_config absent = resolver_defaults();
    resolver_read_resolv_conf(&absent, "/nonexistent/resolv.conf");
    assert_int_equal(absent.server_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_may_be_given_in_any_of_its_forms),
        cmocka_unit_test(a_malformed_server_is_refused),
        cmocka_unit_test(resolv_conf_gives_servers_and_options),
        cmocka_unit_test(servers_beyond_the_maximum_are_ignored),
        cmocka_unit_test(without_servers_localhost_is_queried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
