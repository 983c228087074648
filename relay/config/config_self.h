/* How the relay knows itself among the hosts of a destination (specification.md#hosts-self). */
#ifndef FAIRLEAD_CONFIG_SELF_H
#define FAIRLEAD_CONFIG_SELF_H

#include "config_draft.h"

/* Fills config.upstream.mx.self from the rest of the draft and, for a listener on the wildcard
 * address, from the machine's interfaces as they are now. Reports. */
void config_complete_self(struct config_draft *draft);

#endif
