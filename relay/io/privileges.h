/* Giving up root after the ports are bound. */
#ifndef FAIRLEAD_PRIVILEGES_H
#define FAIRLEAD_PRIVILEGES_H

#include "buffer.h"

/* Becomes `user` with its own groups, for good, and lets no later exec() gain privileges. A process
 * that is that user already, or that is given an empty name, keeps its ids. False, with a line
 * appended to `errors`, when that did not work: the process must not go on then. */
bool privileges_drop(struct bytes user, struct buffer *errors);

#endif
