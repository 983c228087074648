/* Giving up what a process may do and its service does not need. */
#ifndef FAIRLEAD_PRIVILEGES_H
#define FAIRLEAD_PRIVILEGES_H

#include "buffer.h"

/* No core dump of this process is written, and no process of the same user can trace it or read its
 * memory, where keys and mail are. The kernel forgets the second at a change of user, so that
 * privileges_drop() does it again. False if the system refuses. */
bool privileges_hide_memory(void);

/* After the ports are bound: confines the process to `directory` (NULL: no chroot), becomes `user`
 * with its own groups, permanently, gives up all capabilities unless it remains root, and lets no
 * later exec() gain privileges. A process that is that user already, or that is given an empty
 * name, keeps its ids. On failure returns false with a line appended to `errors`: the process must
 * not continue. */
bool privileges_drop(struct bytes user, const char *directory, struct buffer *errors);

#endif
