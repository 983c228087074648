/* IP addresses and prefixes. See ip.h. */
#include "ip.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { IPV6_CLIENT_BITS = 64 };

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

void ip_unmap(struct ip *ip)
{
    if (ip->length != 16 || memcmp(ip->octet, mapped_prefix, sizeof mapped_prefix) != 0)
        return;
    ip->length = 4;
    memmove(ip->octet, ip->octet + sizeof mapped_prefix, 4);
    memset(ip->octet + 4, 0, 12);
}

bool ip_parse(struct bytes text, struct ip *ip)
{
    char string[IP_TEXT_SIZE];
    struct ip parsed = {0};
    if (text.n == 0 || text.n >= sizeof string || bytes_find(text, '\0') != BYTES_NOT_FOUND)
        return false;
    memcpy(string, text.p, text.n);
    string[text.n] = '\0';
    bool is_v6 = bytes_find(text, ':') != BYTES_NOT_FOUND;
    if (inet_pton(is_v6 ? AF_INET6 : AF_INET, string, parsed.octet) != 1)
        return false;
    parsed.length = is_v6 ? 16 : 4;
    ip_unmap(&parsed);
    *ip = parsed;
    return true;
}

bool ip_prefix_parse(struct bytes text, struct ip_prefix *prefix)
{
    struct bytes rest = text;
    struct ip_prefix parsed;
    if (!ip_parse(bytes_cut(&rest, '/'), &parsed.address))
        return false;
    uint64_t bits = parsed.address.length * 8u;
    if (rest.p && !bytes_to_number(rest, bits, &bits))
        return false;
    parsed.bits = (uint8_t)bits;
    *prefix = parsed;
    return true;
}

const char *ip_format(const struct ip *ip, char text[IP_TEXT_SIZE])
{
    if (ip->length == 0 ||
        !inet_ntop(ip->length == 4 ? AF_INET : AF_INET6, ip->octet, text, IP_TEXT_SIZE))
        text[0] = '\0';
    return text;
}

bool ip_equal(const struct ip *a, const struct ip *b)
{
    return a->length == b->length && memcmp(a->octet, b->octet, a->length) == 0;
}

bool ip_in_prefix(const struct ip *ip, const struct ip_prefix *prefix)
{
    if (ip->length == 0 || ip->length != prefix->address.length)
        return false;
    size_t whole = prefix->bits / 8;
    unsigned left = prefix->bits % 8;
    if (memcmp(ip->octet, prefix->address.octet, whole) != 0)
        return false;
    if (left == 0)
        return true;
    unsigned mask = (0xff00u >> left) & 0xffu;
    return ((unsigned)(ip->octet[whole] ^ prefix->address.octet[whole]) & mask) == 0;
}

bool ip_is_same_client(const struct ip *a, const struct ip *b)
{
    const struct ip_prefix network = {*b, IPV6_CLIENT_BITS};
    return a->length == 16 ? ip_in_prefix(a, &network) : ip_equal(a, b);
}

const char *ip_reversed(const struct ip *ip, char text[IP_REVERSED_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    if (ip->length == 4) {
        snprintf(text, IP_REVERSED_SIZE, "%u.%u.%u.%u", ip->octet[3], ip->octet[2], ip->octet[1],
                 ip->octet[0]);
        return text;
    }
    char *out = text;
    for (size_t i = ip->length; i > 0; i--) {
        *out++ = hex[ip->octet[i - 1] & 0xf];
        *out++ = '.';
        *out++ = hex[ip->octet[i - 1] >> 4];
        *out++ = '.';
    }
    if (out > text)
        out--;
    *out = '\0';
    return text;
}

bool ip_from_sockaddr(const struct sockaddr *address, struct ip *ip, uint16_t *port)
{
    *ip = (struct ip){0};
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        ip->length = 4;
        memcpy(ip->octet, &in.sin_addr, 4);
        *port = ntohs(in.sin_port);
        return true;
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof in6);
        ip->length = 16;
        memcpy(ip->octet, &in6.sin6_addr, 16);
        *port = ntohs(in6.sin6_port);
        ip_unmap(ip);
        return true;
    }
    return false;
}

socklen_t ip_to_sockaddr(const struct ip *ip, uint16_t port, struct sockaddr_storage *address)
{
    memset(address, 0, sizeof *address);
    if (ip->length == 4) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
        memcpy(&in.sin_addr, ip->octet, 4);
        memcpy(address, &in, sizeof in);
        return sizeof in;
    }
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    memcpy(&in6.sin6_addr, ip->octet, 16);
    memcpy(address, &in6, sizeof in6);
    return sizeof in6;
}
