/* A configuration while it is being built.
 *
 * The file is read in two steps. The reader (config_reader.h) stores every value where the table
 * (config_table.h) says, most of them in the structures of the modules that use them. Then what
 * depends on more than one key is checked and built: config_complete.h, config_zones.h,
 * config_files.h. Both steps report all the errors that they find. */
#ifndef FAIRLEAD_CONFIG_DRAFT_H
#define FAIRLEAD_CONFIG_DRAFT_H

#include "config.h"
#include "config_source.h"

enum config_starttls { CONFIG_STARTTLS_OPPORTUNISTIC, CONFIG_STARTTLS_NEVER };
enum config_switch { CONFIG_FALSE, CONFIG_TRUE };
enum config_plan {
    CONFIG_PLAN_FREE,
    CONFIG_PLAN_PRO,
    CONFIG_PLAN_BUSINESS,
    CONFIG_PLAN_ENTERPRISE
};

/* A zone, and what decides which routes it may have. */
struct config_zone {
    struct zone zone;
    enum config_plan plan;
};

struct config_draft {
    struct config config; /* everything it points to lives in `arena` */
    struct arena *arena;
    struct config_source *source;

    /* What the file says and the configuration holds in another form. Names of files are relative
     * to the working directory, NULL where the key is absent. */
    const char *tls_certificate;
    const char *tls_key;
    const char *signing_key;
    const char *secret_file;
    const char *public_suffix_list;
    enum config_starttls starttls;
    enum config_switch sandbox;
    const struct resolver_server *servers;
    size_t server_count;
    const struct ip *sources;
    size_t source_count;
    const struct ip *self_addresses;
    size_t self_address_count;
    const struct config_zone *zones;
    size_t zone_count;

    size_t entries_built; /* zones and routes, to yield now and then */
};

#endif
