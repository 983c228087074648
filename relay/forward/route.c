/* Route lookup. See route.h.
 *
 * One open-addressing table holds served domains and exact addresses. Its keys come from the
 * configuration alone, so nobody outside can make it degenerate. */
#include "route.h"

#include "arena.h"
#include "clause.h"
#include "srs.h"

struct route_entry {
    uint64_t hash;
    bool whole_domain;       /* the domain itself, not an address in it */
    struct bytes local_part; /* of an address */
    struct bytes domain;
    const struct zone *zone;        /* of a domain */
    const struct zone_route *route; /* of an address; of a domain: its catch-all, or NULL */
};

struct route_table {
    size_t mask; /* the number of slots, a power of two, less one */
    struct route_entry **slots;
    struct arena *arena; /* of the entries */
};

struct route_table *route_table_new(struct arena *arena, size_t entries)
{
    size_t slots = 16;
    while (slots / 2 <= entries) /* never more than half full */
        slots *= 2;
    struct route_table *table = arena_alloc(arena, sizeof *table);
    struct route_entry **memory = arena_alloc_array(arena, slots, sizeof(struct route_entry *));
    if (!table || !memory)
        return NULL;
    *table = (struct route_table){.mask = slots - 1, .slots = memory, .arena = arena};
    return table;
}

static bool is_same_key(const struct route_entry *entry, const struct route_entry *key)
{
    return entry->hash == key->hash && entry->whole_domain == key->whole_domain &&
           bytes_equal(entry->domain, key->domain) &&
           (entry->whole_domain ||
            CLAUSE(CHAR_04, bytes_equal_nocase(entry->local_part, key->local_part)));
}

/* The slot of the entry that has the key, or the free one (NULL) where it belongs. */
static struct route_entry **find_slot(const struct route_table *table,
                                      const struct route_entry *key)
{
    for (size_t at = key->hash;; at++) {
        struct route_entry **slot = &table->slots[at & table->mask];
        if (!*slot || is_same_key(*slot, key))
            return slot;
    }
}

/* The entry that has the key: one that is there, or else a copy of `key`, added. NULL when memory
 * is short. */
static struct route_entry *obtain_entry(struct route_table *table, const struct route_entry *key)
{
    struct route_entry **slot = find_slot(table, key);
    if (!*slot) {
        *slot = arena_alloc(table->arena, sizeof **slot);
        if (*slot)
            **slot = *key;
    }
    return *slot;
}

static struct route_entry domain_key(struct bytes domain)
{
    return (struct route_entry){
        .hash = bytes_hash_nocase(domain), .whole_domain = true, .domain = domain};
}

static struct route_entry address_key(struct bytes local_part, struct bytes domain)
{
    const uint64_t multiplier = 0x9e3779b97f4a7c15; /* 2^64 / golden ratio: a@b is not b@a */
    return (struct route_entry){.hash = bytes_hash_nocase(local_part) * multiplier ^
                                        bytes_hash_nocase(domain),
                                .local_part = local_part,
                                .domain = domain};
}

static struct route_entry *find_domain(const struct route_table *table, struct bytes domain)
{
    const struct route_entry key = domain_key(domain);
    return *find_slot(table, &key);
}

const struct zone *route_table_add_domain(struct route_table *table, struct bytes domain,
                                          const struct zone *zone)
{
    const struct route_entry key = domain_key(domain);
    struct route_entry *entry = obtain_entry(table, &key);
    if (!entry || entry->zone)
        return entry ? entry->zone : NULL;
    entry->zone = zone;
    return NULL;
}

const struct zone_route *route_table_add(struct route_table *table, const struct zone_route *route)
{
    const struct route_entry key = route->catch_all ? domain_key(route->domain)
                                                    : address_key(route->local_part, route->domain);
    struct route_entry *entry = obtain_entry(table, &key);
    if (!entry || entry->route)
        return entry ? entry->route : NULL;
    entry->route = route;
    return NULL;
}

const struct zone *route_table_zone(const struct route_table *table, struct bytes domain)
{
    const struct route_entry *entry = find_domain(table, domain);
    return entry ? entry->zone : NULL;
}

bool route_serves(const struct routing *routing, struct bytes domain)
{
    return route_table_zone(routing->table, domain) != NULL;
}

static enum route_status to_postmaster(const struct routing *routing, struct route *route)
{
    route->to = &routing->postmaster;
    route->postmaster = true;
    return ROUTE_FOUND;
}

/* RFC 5321 4.5.1: postmaster without a domain, or at the relay's own name or address. */
static bool is_own_postmaster(const struct routing *routing, const struct address *recipient)
{
    if (recipient->kind == ADDRESS_POSTMASTER)
        return unless_broken(CONT_03);
    if (!bytes_equal_nocase(recipient->local, BYTES("postmaster")))
        return false;
    if (!recipient->literal)
        return bytes_equal(recipient->domain, routing->hostname) &&
               !route_serves(routing, recipient->domain) && unless_broken(CONT_06);
    for (size_t i = 0; i < routing->own_address_count; i++)
        if (ip_equal(&recipient->ip, &routing->own_addresses[i]))
            return unless_broken(CONT_06);
    return false;
}

/* What the relay itself has written into reverse-paths at a domain. SRS form is looked for whatever
 * the hash. ROUTE_UNKNOWN_ADDRESS for all other addresses. Clauses: NDR-02, NDR-13 */
static enum route_status find_own_sender(struct bytes local, struct bytes overflow)
{
    if (CLAUSE(NDR_02, srs_is_rewritten(local)))
        return ROUTE_SRS_ADDRESS;
    return bytes_equal_nocase(local, overflow) ? ROUTE_OVERFLOW_ADDRESS : ROUTE_UNKNOWN_ADDRESS;
}

/* The relay's own name is no served domain, but what postmaster gets there is sent on from it. */
static enum route_status find_at_own_name(const struct routing *routing,
                                          const struct address *recipient)
{
    if (recipient->literal || !bytes_equal(recipient->domain, routing->hostname))
        return ROUTE_NOT_SERVED;
    enum route_status own = find_own_sender(recipient->local, BYTES(SRS_OVERFLOW_LOCAL_PART));
    return own == ROUTE_UNKNOWN_ADDRESS ? ROUTE_NOT_SERVED : own;
}

/* A subdomain is served where the table has it, and its addresses do not fall to the zone's
 * catch-all but to its own. SRS form is looked for before any route, the overflow address before a
 * catch-all. Clauses: NDR-04, SUB-01, SUB-02, SUB-03, SUB-05 */
enum route_status route_find(const struct routing *routing, const struct address *recipient,
                             struct route *route)
{
    if (is_own_postmaster(routing, recipient)) {
        *route = (struct route){.forwarding_domain = routing->hostname,
                                .overflow_local_part = BYTES(SRS_OVERFLOW_LOCAL_PART)};
        return to_postmaster(routing, route);
    }
    const struct route_entry *domain =
        recipient->literal ? NULL : find_domain(routing->table, recipient->domain);
    if (!domain)
        return find_at_own_name(routing, recipient);
    *route = (struct route){.forwarding_domain = domain->domain,
                            .overflow_local_part = domain->zone->srs_overflow};
    if (CLAUSE(CONT_04, bytes_equal_nocase(recipient->local, BYTES("postmaster"))))
        return to_postmaster(routing, route);
    enum route_status own_sender = find_own_sender(recipient->local, route->overflow_local_part);
    if (own_sender == ROUTE_SRS_ADDRESS)
        return own_sender;
    const struct route_entry key = address_key(recipient->local, domain->domain);
    const struct route_entry *exact = *find_slot(routing->table, &key);
    const struct zone_route *own = exact ? exact->route : NULL;
    if (!own && own_sender == ROUTE_OVERFLOW_ADDRESS)
        return own_sender;
    const struct zone_route *found = CLAUSE(CHAR_08, own != NULL) ? own : domain->route;
    if (!found)
        return ROUTE_UNKNOWN_ADDRESS;
    route->to = &found->to;
    return ROUTE_FOUND;
}
