/* Who may route what, nothing twice, and no mail that comes back here. See config_zones.h.
 *
 * A value that the reader has refused is empty, and is passed over here. */
#include "config_zones.h"

#include "clause.h"
#include "fiber.h"
#include "srs.h"

/* Called for each zone and each route, of which there may be very many. */
static void yield_now_and_then(struct config_draft *draft)
{
    enum { ENTRIES = 1024 };
    if (++draft->entries_built % ENTRIES == 0)
        fiber_yield();
}

static struct config_key route_key(size_t zone, size_t route, const char *member)
{
    return config_key("zones[%zu].routes[%zu].%s", zone, route, member);
}

/* Whether the zone may have the route. Reports. */
static bool may_route(struct config_draft *draft, struct config_key key,
                      const struct config_zone *zone, const struct zone_route *route)
{
    const struct bytes domain = route->domain;
    const bool is_subdomain = !bytes_equal(domain, zone->zone.domain);
    if (!domain_is_within(domain, zone->zone.domain))
        config_error(draft->source, key, "'%.*s' is outside the zone '%.*s'", BYTES_ARG(domain),
                     BYTES_ARG(zone->zone.domain));
    else if (is_subdomain && zone->plan != CONFIG_PLAN_ENTERPRISE && unless_broken(SUB_04))
        config_error(draft->source, key,
                     "'%.*s' is a subdomain, which only a zone of plan 'enterprise' may route",
                     BYTES_ARG(domain));
    else if (!route->catch_all && bytes_equal_nocase(route->local_part, BYTES("postmaster")))
        config_error(draft->source, key,
                     "mail to postmaster always goes to postmaster.address, never by a route");
    else if (srs_is_rewritten(route->local_part))
        config_error(draft->source, key,
                     "an address in SRS form accepts no mail: this route would never be used");
    else
        return true;
    return false;
}

/* Enters the route, and the subdomain it may be the first of, into the table. Reports. */
static void enter_route(struct config_draft *draft, struct config_key key,
                        struct route_table *table, const struct zone *zone,
                        const struct zone_route *route)
{
    const struct zone *owner = route_table_add_domain(table, route->domain, zone);
    if (owner && owner != zone)
        config_error(draft->source, key, "'%.*s' belongs to zones[%zu]", BYTES_ARG(route->domain),
                     (size_t)(owner - draft->config.policy.routing.zones));
    else if (route_table_add(table, route))
        config_error(draft->source, key, "a second route for this address");
}

static void enter_routes(struct config_draft *draft, struct route_table *table, size_t index)
{
    const struct zone *zone = &draft->config.policy.routing.zones[index];
    for (size_t i = 0; zone->domain.n > 0 && i < zone->route_count; i++) {
        yield_now_and_then(draft);
        const struct zone_route *route = &zone->routes[i];
        const struct config_key key = route_key(index, i, "address");
        if (route->domain.n > 0 && may_route(draft, key, &draft->zones[index], route))
            enter_route(draft, key, table, zone, route);
    }
}

static void enter_zone(struct config_draft *draft, struct route_table *table, size_t index)
{
    const struct zone *zones = draft->config.policy.routing.zones, *zone = &zones[index];
    const struct zone *other =
        zone->domain.n > 0 ? route_table_add_domain(table, zone->domain, zone) : NULL;
    if (other)
        config_error(draft->source, config_key("zones[%zu].domain", index),
                     "'%.*s' is zones[%zu] already", BYTES_ARG(zone->domain),
                     (size_t)(other - zones));
}

static void check_destination(struct config_draft *draft, struct config_key key,
                              const struct mailbox *mailbox)
{
    if (mailbox->domain.n > 0 && route_serves(&draft->config.policy.routing, mailbox->domain))
        config_error(draft->source, key, "'%.*s' is served here, which makes a loop",
                     BYTES_ARG(mailbox->domain));
}

/* Only when all served domains are known can a loop be seen. */
static void check_destinations(struct config_draft *draft)
{
    const struct routing *routing = &draft->config.policy.routing;
    for (size_t i = 0; i < routing->zone_count; i++) {
        const struct zone *zone = &routing->zones[i];
        yield_now_and_then(draft);
        for (size_t j = 0; j < zone->route_count; j++) {
            yield_now_and_then(draft);
            check_destination(draft, route_key(i, j, "to"), &zone->routes[j].to);
        }
    }
    check_destination(draft, config_key("postmaster.address"), &routing->postmaster);
}

void config_build_routing(struct config_draft *draft)
{
    struct routing *routing = &draft->config.policy.routing;
    struct zone *zones = arena_alloc_array(draft->arena, draft->zone_count, sizeof *zones);
    size_t route_count = 0;
    for (size_t i = 0; zones && i < draft->zone_count; i++) {
        yield_now_and_then(draft);
        zones[i] = draft->zones[i].zone;
        route_count += zones[i].route_count;
    }
    /* Each route may bring a subdomain of its own. */
    struct route_table *table = route_table_new(draft->arena, draft->zone_count + 2 * route_count);
    if (!zones || !table)
        return;
    routing->zones = zones;
    routing->zone_count = draft->zone_count;
    routing->table = table;
    for (size_t i = 0; i < routing->zone_count; i++) {
        yield_now_and_then(draft);
        enter_zone(draft, table, i);
    }
    for (size_t i = 0; i < routing->zone_count; i++) {
        yield_now_and_then(draft);
        enter_routes(draft, table, i);
    }
    check_destinations(draft);
}
