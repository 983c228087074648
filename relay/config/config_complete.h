/* What follows from more than one key of the configuration file. */
#ifndef FAIRLEAD_CONFIG_COMPLETE_H
#define FAIRLEAD_CONFIG_COMPLETE_H

#include "config_draft.h"

/* Checks listeners, limits and the names that replies need, and sets what follows from them: the
 * resolver's servers, source addresses, and the relay's own names and addresses. Reports. */
void config_complete(struct config_draft *draft);

#endif
