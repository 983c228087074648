/* Zones and routes of the configuration. */
#ifndef FAIRLEAD_CONFIG_ZONES_H
#define FAIRLEAD_CONFIG_ZONES_H

#include "config_draft.h"

/* Builds the table of routes from the zones that the file has. Reports routes that a zone may not
 * have, duplicate domains and addresses, and loops. */
void config_build_routing(struct config_draft *draft);

#endif
