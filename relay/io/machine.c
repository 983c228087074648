/* The machine's addresses. See machine.h.
 *
 * getifaddrs(3) asks over netlink, which a service manager may forbid (systemd's
 * RestrictAddressFamilies=); then they are asked for as before there was netlink: IPv4 by an ioctl
 * (netdevice(7)), IPv6 in a file of proc(5). */
#include "machine.h"

#include "file.h"
#include "ip.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { INTERFACES_MAX = 1024, FILE_MAX = 1024 * 1024 };

static void add_ip(struct buffer *addresses, const struct ip *ip)
{
    buffer_add(addresses, (struct bytes){(const char *)ip, sizeof *ip});
}

static void add_sockaddr(struct buffer *addresses, const struct sockaddr *address)
{
    struct ip ip;
    uint16_t port;
    if (address && ip_from_sockaddr(address, &ip, &port))
        add_ip(addresses, &ip);
}

static bool ask_netlink(struct buffer *addresses)
{
    struct ifaddrs *interfaces;
    if (getifaddrs(&interfaces) != 0)
        return false;
    for (const struct ifaddrs *i = interfaces; i; i = i->ifa_next)
        add_sockaddr(addresses, i->ifa_addr);
    freeifaddrs(interfaces);
    return true;
}

static bool ask_ioctl(struct buffer *addresses)
{
    struct ifreq requests[INTERFACES_MAX];
    struct ifconf list = {.ifc_len = sizeof requests, .ifc_req = requests};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool done = fd >= 0 && ioctl(fd, SIOCGIFCONF, &list) == 0;
    int error = errno;
    if (done && list.ifc_len == sizeof requests) { /* there may be more */
        done = false;
        error = ENOBUFS;
    }
    if (fd >= 0)
        close(fd);
    for (size_t i = 0; done && i < (size_t)list.ifc_len / sizeof *requests; i++)
        add_sockaddr(addresses, &requests[i].ifr_addr);
    errno = error;
    return done;
}

/* "fe80000000000000 ... 02 40 20 80 eth0": 32 hexadecimal digits begin each line. */
static bool read_digits(struct bytes line, struct ip *ip)
{
    *ip = (struct ip){.length = 16};
    for (size_t i = 0; i < 32; i++) {
        size_t digit = i < line.n ? bytes_find(BYTES("0123456789abcdef"), line.p[i]) : 16;
        if (digit > 15)
            return false;
        ip->octet[i / 2] = (uint8_t)((size_t)ip->octet[i / 2] << 4 | digit);
    }
    return true;
}

/* A kernel without IPv6 has no such file. */
static bool read_proc(struct buffer *addresses)
{
    struct buffer text = {0};
    struct ip ip;
    const char *problem;
    if (file_read("/proc/self/net/if_inet6", FILE_MAX, &text, &problem)) {
        struct bytes rest = buffer_bytes(&text);
        while (rest.n > 0)
            if (read_digits(bytes_cut(&rest, '\n'), &ip))
                add_ip(addresses, &ip);
    }
    buffer_free(&text);
    return access("/proc/self/net", F_OK) == 0;
}

bool machine_addresses(struct buffer *addresses)
{
    return ask_netlink(addresses) || (ask_ioctl(addresses) && read_proc(addresses));
}
