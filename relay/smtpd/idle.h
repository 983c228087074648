/* The wait for a client's next command. A client that is in no hurry keeps neither much memory nor
 * a connection to the upstream (specification.md#bounds-idle). */
#ifndef FAIRLEAD_IDLE_H
#define FAIRLEAD_IDLE_H

#include "transaction.h"

/* Waits until there is more input on `stream`, or the deadline. Forgets what is in `line`. */
enum stream_status idle_wait(struct stream *stream, struct transaction *transaction,
                             struct arena *line, double deadline);

#endif
