/* Which mail is accepted, and where it goes: the zones and routes of the configuration, looked up.
 *
 * Local parts are compared whole by their content with ASCII case folded: `+`, `.` and all other
 * signs are ordinary, `%` and `!` included. An exact route wins over the catch-all. Postmaster is
 * accepted at every served domain and goes to the configured contact (RFC 5321 4.5.1). An address
 * in SRS form accepts no mail. Clauses: CHAR-01, CHAR-02, CHAR-03, CHAR-11, CONT-05, SEND-06 */
#ifndef FAIRLEAD_ROUTE_H
#define FAIRLEAD_ROUTE_H

#include "address.h"

/* A mailbox that mail goes to. */
struct mailbox {
    struct bytes text;   /* for RCPT TO:<...>: local part in wire form, domain in A-labels */
    struct bytes domain; /* a domain, or an address literal with its brackets */
};

/* One address of a zone, or all that have none of their own, and where its mail goes. */
struct zone_route {
    bool catch_all;          /* every local part that no other route has */
    struct bytes local_part; /* content */
    struct bytes domain;     /* the zone's, or below it */
    struct mailbox to;
};

struct zone {
    struct bytes domain;
    struct bytes srs_overflow; /* local part (content) for senders too long to rewrite */
    const struct zone_route *routes;
    size_t route_count;
};

struct route_table;

/* What route_find() looks into; the configuration fills it. */
struct routing {
    struct bytes hostname;          /* the forwarding domain of <postmaster> */
    struct mailbox postmaster;      /* the contact */
    const struct ip *own_addresses; /* whose literals have a postmaster too */
    size_t own_address_count;
    const struct zone *zones;
    size_t zone_count;
    const struct route_table *table;
};

enum route_status {
    ROUTE_FOUND,
    ROUTE_UNKNOWN_ADDRESS,  /* the domain is served, the address is not */
    ROUTE_SRS_ADDRESS,      /* in SRS form at a domain that the relay forwards for */
    ROUTE_OVERFLOW_ADDRESS, /* stands there for senders too long to rewrite, and has no route */
    ROUTE_NOT_SERVED        /* the domain is not served, or is an address literal */
};

struct route {
    struct bytes forwarding_domain; /* of the address being forwarded; our own host name for
                                       <postmaster> */
    struct bytes
        overflow_local_part; /* at the forwarding domain, for senders too long to rewrite */
    const struct mailbox *to;
    bool call_out;   /* nobody gets the mail: its sender's address is only being verified */
    bool postmaster; /* the recipient is the postmaster, whom even listed clients may reach */
};

/* Looks the recipient up. *route is set for ROUTE_FOUND only and lives as long as `routing`. */
enum route_status route_find(const struct routing *routing, const struct address *recipient,
                             struct route *route);

/* True if the domain (in its one form) is a zone's or, in an enterprise zone, has a route. */
bool route_serves(const struct routing *routing, struct bytes domain);

/* The table, filled while the configuration is read; `entries` bounds domains and routes together.
 * NULL when memory is short. */
struct route_table *route_table_new(struct arena *arena, size_t entries);

/* Adds a served domain with its zone. Returns the zone that already has it, else NULL. */
const struct zone *route_table_add_domain(struct route_table *table, struct bytes domain,
                                          const struct zone *zone);

/* Adds a route of a domain that has been added. Returns the route that already has the address,
 * else NULL. */
const struct zone_route *route_table_add(struct route_table *table, const struct zone_route *route);

/* The zone that serves the domain, or NULL. */
const struct zone *route_table_zone(const struct route_table *table, struct bytes domain);

#endif
