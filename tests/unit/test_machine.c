/* The machine's addresses are the same without netlink. This program is linked with
 * --wrap=getifaddrs. */
#include "machine.h"

#include "ip.h"
#include "unit.h"

#include <errno.h>
#include <ifaddrs.h>
#include <string.h>

static bool netlink_is_forbidden;

int __wrap_getifaddrs(struct ifaddrs **interfaces);
int __real_getifaddrs(struct ifaddrs **interfaces);

int __wrap_getifaddrs(struct ifaddrs **interfaces)
{
    errno = EAFNOSUPPORT;
    return netlink_is_forbidden ? -1 : __real_getifaddrs(interfaces);
}

static size_t count(const struct buffer *list)
{
    return list->n / sizeof(struct ip);
}

static bool has(const struct buffer *list, const char *wanted, size_t size)
{
    for (size_t i = 0; i < count(list); i++)
        if (memcmp(list->p + i * size, wanted, size) == 0)
            return true;
    return false;
}

static void addresses_are_the_same_without_netlink(void **state)
{
    (void)state;
    struct buffer by_netlink = {0}, otherwise = {0};
    netlink_is_forbidden = false;
    assert_true(machine_addresses(&by_netlink));
    netlink_is_forbidden = true;
    assert_true(machine_addresses(&otherwise));
    assert_int_equal(count(&by_netlink), count(&otherwise));
    for (size_t i = 0; i < count(&by_netlink); i++)
        assert_true(has(&otherwise, by_netlink.p + i * sizeof(struct ip), sizeof(struct ip)));
    buffer_free(&by_netlink);
    buffer_free(&otherwise);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_the_same_without_netlink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
