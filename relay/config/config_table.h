/* The keys of the configuration file, each spelt once, with its kind, place, default and bounds. */
#ifndef FAIRLEAD_CONFIG_TABLE_H
#define FAIRLEAD_CONFIG_TABLE_H

#include "config_setting.h"

enum { CONFIG_SETTINGS_MAX = 128 };

/* The whole table, sections together, the entries of a list right after it; its length, at most
 * CONFIG_SETTINGS_MAX. */
const struct config_setting *config_table(size_t *count);

#endif
