/* What follows from more than one key of the configuration file. */
#ifndef FAIRLEAD_CONFIG_COMPLETE_H
#define FAIRLEAD_CONFIG_COMPLETE_H

#include "config_draft.h"

/* Checks listeners, limits and the names that replies need, and derives from what the file says:
 * the resolver's servers, source addresses, and how the relay knows itself. Reports. */
void config_complete(struct config_draft *draft);

#endif
