/* What the kernel knows of this machine. */
#ifndef FAIRLEAD_MACHINE_H
#define FAIRLEAD_MACHINE_H

#include "buffer.h"

/* Appends the addresses of the machine's interfaces as they are now, each a struct ip, in no order.
 * False, with errno, when they cannot be listed. The buffer's own failure is for the caller. */
bool machine_addresses(struct buffer *addresses);

#endif
