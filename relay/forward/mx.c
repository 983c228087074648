/* The order in which a domain's hosts and addresses are tried. See mx.h. */
#include "mx.h"

#include "clause.h"
#include "domain.h"

#include <openssl/rand.h>
#include <stdlib.h>

/* No more are tried: the client is waiting, and a hostile domain could list thousands. */
enum { HOSTS_MAX = 10, HOST_ADDRESSES_MAX = 8 };

struct host {
    struct bytes name;
    uint16_t preference;
    uint32_t shuffle; /* orders equal preferences */
};

struct mx {
    struct arena *arena;
    struct dns *dns;
    const struct mx_self *self;
    struct bytes domain;

    bool asked; /* the hosts are known, or will never be */
    struct host *hosts;
    size_t host_count;
    bool implicit; /* the only host is the domain itself */

    size_t host;        /* whose turn it is */
    bool second_family; /* the host's IPv6 addresses have been tried */
    bool looked_up;     /* `addresses` are those of the host's current family */
    struct dns_answer addresses;
    size_t address; /* the next one */

    bool found;         /* at least one candidate was given */
    bool dns_failed;    /* a host's addresses could not be looked up */
    enum mx_status end; /* the final status; MX_CANDIDATE while there is none */
};

struct mx *mx_new(struct arena *arena, struct dns *dns, const struct mx_self *self,
                  struct bytes domain)
{
    struct mx *mx = arena_alloc(arena, sizeof *mx);
    if (!mx)
        return NULL;
    mx->arena = arena;
    mx->dns = dns;
    mx->self = self;
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
    mx->second_family = true; /* so that nothing is looked up after it */
    mx->addresses = (struct dns_answer){.status = DNS_OK, .count = 1, .records = record};
    mx->looked_up = true;
    return MX_CANDIDATE;
}

static enum mx_status find_hosts(struct mx *mx, double deadline)
{
    struct ip ip;
    if (domain_literal_parse(mx->domain, &ip))
        return set_literal(mx, &ip);
    return ask_for_hosts(mx, deadline);
}

/* Mail sent to our own listener would only come back. */
static bool is_this_relay(const struct mx *mx, struct bytes host, const struct ip *ip)
{
    const struct mx_self *self = mx->self;
    if (bytes_equal_nocase(host, self->name))
        return true;
    for (size_t i = 0; i < self->address_count; i++)
        if (ip_equal(&self->addresses[i], ip))
            return true;
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

/* Advances to the host's other family, or to the next host. Clause: IPV6-07 */
static void next_family_or_host(struct mx *mx)
{
    mx->looked_up = false;
    mx->address = 0;
    mx->second_family = !mx->second_family;
    if (!mx->second_family)
        mx->host++;
}

/* IPv6 first; a host without IPv6 addresses is reached at its IPv4 ones. A host whose lookup fails
 * is passed over. Clauses: IPV6-01, IPV6-05, IPV6-12, MX-14 */
static void look_up_addresses(struct mx *mx, double deadline)
{
    enum dns_type family = CLAUSE(IPV6_06, mx->second_family) ? DNS_A : DNS_AAAA;
    dns_query(mx->dns, mx->arena, mx->hosts[mx->host].name, family, deadline, &mx->addresses);
    mx->looked_up = true;
    if (mx->addresses.status == DNS_TEMPFAIL)
        mx->dns_failed = true;
    if (mx->addresses.status != DNS_OK)
        mx->addresses.count = 0;
}

enum mx_status mx_next(struct mx *mx, double deadline, struct mx_candidate *candidate)
{
    if (!mx->asked)
        mx->end = find_hosts(mx, deadline);
    mx->asked = true;
    while (mx->end == MX_CANDIDATE && mx->host < mx->host_count) {
        if (!mx->looked_up)
            look_up_addresses(mx, deadline);
        if (mx->address == mx->addresses.count || mx->address == HOST_ADDRESSES_MAX) {
            next_family_or_host(mx);
            continue;
        }
        candidate->host = mx->hosts[mx->host].name;
        candidate->address = mx->addresses.records[mx->address++].address;
        if (CLAUSE(MX_20, is_this_relay(mx, candidate->host, &candidate->address))) {
            /* RFC 5321 5.1: nor may any host be tried that is less preferred than ourselves. */
            mx->end = mx->found ? MX_END : MX_LOOP;
            return mx->end;
        }
        mx->found = true;
        return MX_CANDIDATE;
    }
    if (mx->end == MX_CANDIDATE)
        mx->end = status_at_end(mx);
    return mx->end;
}
