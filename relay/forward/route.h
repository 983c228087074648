/* Which mail is taken, and where it goes: the zones and routes of the configuration, looked up.
 *
 * Local parts are compared whole by their content with ASCII case folded: `+` and `.` are ordinary.
 * An exact route wins over the catch-all. Postmaster is accepted at every served domain and goes to
 * the configured contact (RFC 5321 4.5.1). An address in SRS form takes no mail. */
#ifndef FAIRLEAD_ROUTE_H
#define FAIRLEAD_ROUTE_H

#include "address.h"
#include "config.h"

enum route_status {
    ROUTE_FOUND,
    ROUTE_UNKNOWN_ADDRESS, /* the domain is served, the address is not */
    ROUTE_NOT_SERVED       /* the domain is not served, or is an address literal */
};

struct route {
    struct bytes forwarding_domain; /* of the address being forwarded; our own host name for
                                       <postmaster> */
    struct bytes
        overflow_local_part; /* at the forwarding domain, for senders too long to rewrite */
    const struct config_mailbox *to;
    bool postmaster; /* the recipient is the postmaster (who hears even listed clients) */
};

/* Looks the recipient up. *route is set for ROUTE_FOUND only and lives as long as `config`. */
enum route_status route_find(const struct config *config, const struct address *recipient,
                             struct route *route);

/* True if the domain (in its one form) is a zone's or, in an enterprise zone, has a route. */
bool route_serves(const struct config *config, struct bytes domain);

/* The table behind it, filled while the configuration is made; `entries` bounds domains and routes
 * together. NULL when memory is short. */
struct route_table *route_table_new(struct arena *arena, size_t entries);

/* Adds a served domain with its zone. Returns the zone that has it already, else NULL. */
const struct config_zone *route_table_add_domain(struct route_table *table, struct bytes domain,
                                                 const struct config_zone *zone);

/* Adds a route of a domain that has been added. Returns the route that has the address already,
 * else NULL. */
const struct config_route *route_table_add(struct route_table *table,
                                           const struct config_route *route);

/* The zone that serves the domain, or NULL. */
const struct config_zone *route_table_zone(const struct route_table *table, struct bytes domain);

#endif
