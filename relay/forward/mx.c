/* The order in which a domain's hosts and addresses are tried. See mx.h. */
#include "mx.h"

#include "clause.h"
#include "domain.h"
#include "ip.h"

#include <openssl/rand.h>
#include <stdlib.h>

/* No more are tried: the client is waiting, and a hostile domain could list thousands. */
enum { HOSTS_MAX = 10, HOST_ADDRESSES_MAX = 8 }; /* Clause: MX-34 */

enum { FAMILIES = 2 }; /* IPv6, then IPv4 */

struct host {
    struct bytes name;
    uint16_t preference;
    uint32_t shuffle; /* orders equal preferences */
    struct dns_answer addresses[FAMILIES];
};

#define IPV4_PREFIX(bits, ...)                                                                     \
    {                                                                                              \
        {4, {__VA_ARGS__}}, bits                                                                   \
    }
#define IPV6_PREFIX(bits, ...)                                                                     \
    {                                                                                              \
        {16, {__VA_ARGS__}}, bits                                                                  \
    }

/* Addresses of no host elsewhere: this network, loopback, link-local, multicast and broadcast (RFC
 * 6890 2.2, RFC 5771, RFC 4291 2.4). Clause: MX-39 */
static const struct ip_prefix never_dialled[] = {
    IPV4_PREFIX(8, 0),
    IPV4_PREFIX(8, 127),
    IPV4_PREFIX(16, 169, 254),
    IPV4_PREFIX(4, 224),
    IPV4_PREFIX(32, 255, 255, 255, 255),
    IPV6_PREFIX(128, 0),
    IPV6_PREFIX(128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
    IPV6_PREFIX(10, 0xfe, 0x80),
    IPV6_PREFIX(8, 0xff),
};

struct mx {
    struct arena *arena;
    struct dns *dns;
    const struct mx_settings *settings;
    struct bytes domain;

    bool asked; /* the hosts are known, or will never be */
    struct host *hosts;
    size_t host_count;
    bool implicit; /* the only host is the domain itself */
    bool literal;  /* and its address is known */

    size_t host;     /* whose turn it is */
    size_t prepared; /* so many hosts have been looked up: whole preferences */
    unsigned family; /* of the host: a subscript of its addresses */
    size_t address;  /* the next one of the family */

    bool found;         /* at least one address was given, or passed over */
    bool dns_failed;    /* a host's addresses could not be looked up */
    enum mx_status end; /* the final status; MX_CANDIDATE while there is none */
};

struct mx *mx_new(struct arena *arena, struct dns *dns, const struct mx_settings *settings,
                  struct bytes domain)
{
    struct mx *mx = arena_alloc(arena, sizeof *mx);
    if (!mx)
        return NULL;
    mx->arena = arena;
    mx->dns = dns;
    mx->settings = settings;
    mx->domain = arena_copy(arena, domain);
    return mx->domain.p ? mx : NULL;
}

static int compare_hosts(const void *left, const void *right)
{
    const struct host *a = left, *b = right;
    if (CLAUSE(MX_06, a->preference == b->preference))
        return (a->shuffle > b->shuffle) - (a->shuffle < b->shuffle);
    return CLAUSE(MX_04, a->preference < b->preference) ? -1 : 1;
}

static enum mx_status set_hosts(struct mx *mx, const struct dns_answer *answer)
{
    mx->hosts = arena_alloc_array(mx->arena, answer->count, sizeof *mx->hosts);
    if (!mx->hosts)
        return MX_DNS_FAILED;
    for (size_t i = 0; i < answer->count; i++) {
        const struct dns_record *record = &answer->records[i];
        if (record->text.n == 0) /* "." is not a host, whatever else is listed (RFC 7505 3) */
            continue;
        struct host *host = &mx->hosts[mx->host_count++];
        *host = (struct host){.name = record->text, .preference = record->preference};
        /* Without random octets the order is the answer's, which is no worse than a bad shuffle. */
        (void)RAND_bytes((unsigned char *)&host->shuffle, sizeof host->shuffle);
    }
    if (CLAUSE(MX_08, mx->host_count == 0))
        return MX_NULL;
    qsort(mx->hosts, mx->host_count, sizeof *mx->hosts, compare_hosts);
    if (mx->host_count > HOSTS_MAX)
        mx->host_count = HOSTS_MAX;
    return MX_CANDIDATE;
}

/* RFC 5321 5.1: without any MX the domain itself is the host. Never with one, even if no MX is
 * usable. Clause: MX-12 */
static enum mx_status set_implicit_host(struct mx *mx)
{
    mx->hosts = arena_alloc(mx->arena, sizeof *mx->hosts);
    if (!mx->hosts)
        return MX_DNS_FAILED;
    mx->hosts[0].name = mx->domain;
    mx->host_count = 1;
    mx->implicit = true;
    return MX_CANDIDATE;
}

static enum mx_status ask_for_hosts(struct mx *mx, double deadline)
{
    struct dns_answer answer;
    dns_query(mx->dns, mx->arena, mx->domain, DNS_MX, deadline, &answer);
    if (CLAUSE(MX_10, answer.status == DNS_TEMPFAIL))
        return MX_DNS_FAILED;
    if (CLAUSE(MX_09, answer.status == DNS_NXDOMAIN || answer.status == DNS_BAD_NAME))
        return MX_NO_SUCH_DOMAIN;
    if (CLAUSE(MX_07, answer.status == DNS_NODATA))
        return set_implicit_host(mx);
    return set_hosts(mx, &answer);
}

/* The address literal is the one host, and its address the one candidate. */
static enum mx_status set_literal(struct mx *mx, const struct ip *ip)
{
    struct dns_record *record = arena_alloc(mx->arena, sizeof *record);
    if (!record || set_implicit_host(mx) != MX_CANDIDATE)
        return MX_DNS_FAILED;
    record->address = *ip;
    mx->hosts[0].addresses[0] =
        (struct dns_answer){.status = DNS_OK, .count = 1, .records = record};
    mx->literal = true;
    return MX_CANDIDATE;
}

static enum mx_status find_hosts(struct mx *mx, double deadline)
{
    struct ip ip;
    if (domain_literal_parse(mx->domain, &ip))
        return set_literal(mx, &ip);
    return ask_for_hosts(mx, deadline);
}

/* One address of a host. One of IPv4 that is written as IPv6 is dialled, and known,
 * as what it is. Clause: IPV6-15 */
static struct ip host_address(const struct host *host, unsigned family, size_t i)
{
    struct ip ip = host->addresses[family].records[i].address;
    ip_unmap(&ip);
    return ip;
}

static bool is_in_any(const struct ip *ip, const struct ip_prefix *prefixes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ip_in_prefix(ip, &prefixes[i]))
            return true;
    return false;
}

static bool is_never_dialled(const struct mx *mx, const struct ip *ip)
{
    const struct mx_settings *settings = mx->settings;
    if (is_in_any(ip, settings->allow, settings->allow_count))
        return false;
    return is_in_any(ip, never_dialled, sizeof never_dialled / sizeof *never_dialled) ||
           is_in_any(ip, settings->never, settings->never_count);
}

static bool has_own_name(const struct mx_self *self, struct bytes host)
{
    for (size_t i = 0; i < self->name_count; i++)
        if (bytes_equal_nocase(host, self->names[i]))
            return unless_broken(MX_41);
    return false;
}

/* An address that is never dialled identifies nobody: every machine has a loopback address. */
static bool is_own_address(const struct mx *mx, const struct ip *ip)
{
    const struct mx_self *self = &mx->settings->self;
    for (size_t i = 0; i < self->address_count; i++)
        if (ip_equal(&self->addresses[i], ip))
            return !is_never_dialled(mx, ip);
    return false;
}

/* Mail sent to our own listener would only come back. */
static bool is_this_relay(const struct mx *mx, const struct host *host)
{
    if (has_own_name(&mx->settings->self, host->name))
        return true;
    for (unsigned family = 0; family < FAMILIES; family++)
        for (size_t i = 0; i < host->addresses[family].count; i++) {
            struct ip ip = host_address(host, family, i);
            if (is_own_address(mx, &ip))
                return true;
        }
    return false;
}

/* What it means that no candidate is left. */
static enum mx_status status_at_end(const struct mx *mx)
{
    if (mx->found)
        return MX_END;
    if (mx->dns_failed)
        return MX_DNS_FAILED;
    return CLAUSE(MX_17, mx->implicit) ? MX_NO_HOST : MX_END;
}

/* IPv6 first; a host without IPv6 addresses is reached at its IPv4 ones. A host whose lookup fails
 * is passed over. Clauses: IPV6-05, IPV6-12, IPV6-14, MX-14 */
static void look_up_addresses(struct mx *mx, struct host *host, double deadline)
{
    for (unsigned family = 0; family < FAMILIES; family++) {
        struct dns_answer *answer = &host->addresses[family];
        enum dns_type type = CLAUSE(IPV6_06, family == 1) ? DNS_A : BREAK(IPV6_01, DNS_AAAA, DNS_A);
        dns_query(mx->dns, mx->arena, host->name, type, deadline, answer);
        if (answer->status == DNS_TEMPFAIL)
            mx->dns_failed = unless_broken(MX_29_address);
        if (answer->status != DNS_OK)
            answer->count = 0;
    }
}

/* Looks up the hosts of the next preference, all of them before the first is tried: if one is this
 * relay, none of that preference may be used, nor of any after it (RFC 5321 5.1). Clause: MX-23 */
static void prepare_preference(struct mx *mx, double deadline)
{
    size_t first = mx->prepared, end = first;
    bool is_self = false;
    for (; end < mx->host_count && mx->hosts[end].preference == mx->hosts[first].preference;
         end++) {
        struct host *host = &mx->hosts[end];
        if (!mx->literal && !has_own_name(&mx->settings->self, host->name))
            look_up_addresses(mx, host, deadline);
        is_self = is_self || is_this_relay(mx, host);
    }
    mx->prepared = end;
    if (CLAUSE(MX_20, is_self))
        mx->end = mx->found ? MX_END : MX_LOOP;
}

/* Advances to the host's other family, or to the next host. */
static void next_family_or_host(struct mx *mx)
{
    mx->address = 0;
    mx->family = BREAK(IPV6_07, (mx->family + 1) % FAMILIES, 0);
    if (mx->family == 0)
        mx->host++;
}

enum mx_status mx_next(struct mx *mx, double deadline, struct mx_candidate *candidate)
{
    if (!mx->asked)
        mx->end = find_hosts(mx, deadline);
    mx->asked = true;
    while (mx->end == MX_CANDIDATE && mx->host < mx->host_count) {
        if (mx->host == mx->prepared) {
            prepare_preference(mx, deadline);
            continue;
        }
        const struct host *host = &mx->hosts[mx->host];
        if (mx->address == host->addresses[mx->family].count || mx->address == HOST_ADDRESSES_MAX) {
            next_family_or_host(mx);
            continue;
        }
        candidate->host = host->name;
        candidate->address = host_address(host, mx->family, mx->address++);
        mx->found = true;
        if (CLAUSE(MX_22, is_never_dialled(mx, &candidate->address)))
            continue;
        return MX_CANDIDATE;
    }
    if (mx->end == MX_CANDIDATE)
        mx->end = status_at_end(mx);
    return mx->end;
}
