/* Zones and routes of the configuration: their addresses, who may route what, nothing twice, and no
 * mail that comes back here. See config_build.h. */
#include "address.h"
#include "clause.h"
#include "config_build.h"
#include "route.h"
#include "srs.h"

#include <string.h>

static const char *explain(enum address_error error)
{
    switch (error) {
    case ADDRESS_OK:
        return NULL;
    case ADDRESS_SYNTAX:
        return "is not an address (local-part@domain)";
    case ADDRESS_BAD_DOMAIN:
        return "does not have a valid domain";
    case ADDRESS_TOO_LONG:
        return "is too long for an address";
    case ADDRESS_NON_ASCII_LOCAL:
        return "has a local part outside ASCII, which is not supported";
    case ADDRESS_NO_MEMORY:
        return "could not be kept: out of memory";
    }
    return NULL;
}

static bool read_address(struct config_build *build, const char *text, struct config_key key,
                         struct address *address)
{
    const char *problem = explain(address_parse(build->arena, bytes_of(text), address));
    if (problem)
        config_error(build->source, key, "'%s' %s", text, problem);
    return !problem;
}

void config_mailbox(struct config_build *build, const char *text, struct config_key key,
                    struct mailbox *mailbox)
{
    struct address address;
    if (!read_address(build, text, key, &address))
        return;
    mailbox->text = address_write(build->arena, &address);
    mailbox->domain = address.domain;
    if (build->config->policy.routing.table &&
        route_serves(&build->config->policy.routing, address.domain))
        config_error(build->source, key, "'%.*s' is served here, which makes a loop",
                     BYTES_ARG(address.domain));
}

static struct bytes read_overflow(struct config_build *build, const char *text,
                                  struct config_key key)
{
    const struct bytes written = text ? bytes_of(text) : SRS_OVERFLOW_LOCAL_PART;
    const struct bytes whole = arena_printf(build->arena, "%.*s@example.com", BYTES_ARG(written));
    struct address address;
    if (bytes_find(written, '@') != BYTES_NOT_FOUND ||
        address_parse(build->arena, whole, &address) != ADDRESS_OK) {
        config_error(build->source, key, "'%.*s' is not a local part (what stands before the @)",
                     BYTES_ARG(written));
        return (struct bytes){NULL, 0};
    }
    return address.local;
}

/* Where a route stands, for messages. */
struct place {
    size_t zone, route;
};

static struct config_key key_of(struct place place, const char *member)
{
    return config_key("zones[%zu].routes[%zu].%s", place.zone, place.route, member);
}

/* The route's address: its parts, and that the zone may have it. Reports. */
static bool read_route_address(struct config_build *build, struct place place,
                               const struct zone *zone, const char *text, struct zone_route *route)
{
    const struct config_key key = key_of(place, "address");
    route->catch_all = strncmp(text, "*@", 2) == 0;
    struct address address;
    if (!read_address(build, text, key, &address))
        return false;
    route->local_part = address.local;
    route->domain = address.domain;
    const bool subdomain = !bytes_equal(route->domain, zone->domain);
    if (!domain_is_within(route->domain, zone->domain))
        config_error(build->source, key, "'%s' is outside the zone '%.*s'", text,
                     BYTES_ARG(zone->domain));
    else if (subdomain && build->file->zones[place.zone].plan != PLAN_ENTERPRISE &&
             CLAUSE(SUB_04, true))
        config_error(build->source, key,
                     "'%.*s' is a subdomain, which only a zone of plan 'enterprise' may route",
                     BYTES_ARG(route->domain));
    else if (!route->catch_all && bytes_equal_nocase(route->local_part, BYTES("postmaster")))
        config_error(build->source, key,
                     "mail to postmaster always goes to postmaster.address, never by a route");
    else if (srs_is_rewritten(route->local_part))
        config_error(build->source, key,
                     "an address in SRS form takes no mail, so this route would never be used");
    else
        return true;
    return false;
}

/* Enters the route, and the subdomain it may be the first of, into the table. Reports. */
static void enter_route(struct config_build *build, struct route_table *table, struct place place,
                        const struct zone *zone, const struct zone_route *route)
{
    const struct config_key key = key_of(place, "address");
    const struct zone *owner = route_table_add_domain(table, route->domain, zone);
    if (owner && owner != zone)
        config_error(build->source, key, "'%.*s' belongs to zones[%zu]", BYTES_ARG(route->domain),
                     (size_t)(owner - build->config->policy.routing.zones));
    else if (route_table_add(table, route))
        config_error(build->source, key, "a second route for this address");
}

static void build_routes(struct config_build *build, struct route_table *table, size_t index,
                         struct zone *zone)
{
    const struct file_zone *file = &build->file->zones[index];
    struct zone_route *routes =
        arena_alloc_array(build->arena, file->routes_count, sizeof(*routes));
    zone->routes = routes;
    zone->route_count = routes ? file->routes_count : 0;
    for (size_t i = 0; i < zone->route_count; i++) {
        const struct place place = {index, i};
        if (read_route_address(build, place, zone, file->routes[i].address, &routes[i]))
            enter_route(build, table, place, zone, &routes[i]);
    }
}

/* Only when all served domains are known can a loop be seen. */
static void build_destinations(struct config_build *build, size_t index, struct zone *zone)
{
    struct zone_route *routes = (struct zone_route *)zone->routes;
    for (size_t i = 0; i < zone->route_count; i++)
        config_mailbox(build, build->file->zones[index].routes[i].to,
                       key_of((struct place){index, i}, "to"), &routes[i].to);
}

static void build_zone(struct config_build *build, struct route_table *table, size_t index,
                       struct zone *zone)
{
    const struct file_zone *file = &build->file->zones[index];
    const struct config_key key = config_key("zones[%zu].domain", index);
    zone->domain = config_domain(build, file->domain, key);
    zone->srs_overflow =
        read_overflow(build, file->srs.overflow, config_key("zones[%zu].srs.overflow", index));
    if (zone->domain.n == 0)
        return;
    const struct zone *other = route_table_add_domain(table, zone->domain, zone);
    if (other)
        config_error(build->source, key, "'%.*s' is zones[%zu] already", BYTES_ARG(zone->domain),
                     (size_t)(other - build->config->policy.routing.zones));
}

void config_build_zones(struct config_build *build)
{
    const size_t count = build->file->zones_count;
    size_t routes = 0;
    for (size_t i = 0; i < count; i++)
        routes += build->file->zones[i].routes_count;
    struct zone *zones = arena_alloc_array(build->arena, count, sizeof(*zones));
    /* Each route may bring a subdomain of its own. */
    struct route_table *table = route_table_new(build->arena, count + 2 * routes);
    if (!zones || !table)
        return;
    build->config->policy.routing.zones = zones;
    build->config->policy.routing.zone_count = count;
    build->config->policy.routing.table = table;
    if (count == 0)
        config_error(build->source, config_key("zones"), "no zone: no mail could be taken");
    for (size_t i = 0; i < count; i++)
        build_zone(build, table, i, &zones[i]);
    for (size_t i = 0; i < count; i++)
        build_routes(build, table, i, &zones[i]);
    for (size_t i = 0; i < count; i++)
        build_destinations(build, i, &zones[i]);
}
