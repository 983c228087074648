/* Dropping root privileges after the ports are bound. */
#ifndef FAIRLEAD_PRIVILEGES_H
#define FAIRLEAD_PRIVILEGES_H

#include "buffer.h"

/* Becomes `user` with its own groups, permanently, and lets no later exec() gain privileges. A
 * process that is that user already, or that is given an empty name, keeps its ids. On failure
 * returns false with a line appended to `errors`: the process must not continue. */
bool privileges_drop(struct bytes user, struct buffer *errors);

#endif
