/* A configuration file of any octets: it is either accepted, and every route in it is found, or
 * rejected with at least one line of explanation. */
#include "fuzz.h"

#include "config.h"
#include "route.h"

static void find_every_route(const struct routing *routing)
{
    for (size_t i = 0; i < routing->zone_count; i++)
        for (size_t j = 0; j < routing->zones[i].route_count; j++) {
            const struct zone_route *wanted = &routing->zones[i].routes[j];
            const struct address recipient = {
                .kind = ADDRESS_MAILBOX, .local = wanted->local_part, .domain = wanted->domain};
            struct route found;
            require(route_serves(routing, wanted->domain));
            if (!wanted->catch_all)
                require(route_find(routing, &recipient, &found) == ROUTE_FOUND &&
                        found.to == &wanted->to);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer errors = {0};
    /* Files it names would be sought in a directory that does not exist. */
    struct config *config =
        config_parse((struct bytes){(const char *)data, size}, "/nonexistent/fuzz.yaml", &errors);
    require(config ? errors.n == 0 : errors.n > 0 && errors.p[errors.n - 1] == '\n');
    if (config)
        find_every_route(&config->policy.routing);
    config_release(config);
    buffer_free(&errors);
    return 0;
}
