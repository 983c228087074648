/* Zones and routes of the configuration. */
#ifndef FAIRLEAD_CONFIG_ZONES_H
#define FAIRLEAD_CONFIG_ZONES_H

#include "config_draft.h"

/* Builds the table of routes from the zones that the file has. Reports routes that a zone may not
 * have, domains and addresses that are given twice, and mail that would come back here. */
void config_build_routing(struct config_draft *draft);

#endif
