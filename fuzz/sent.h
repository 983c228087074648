/* What must hold of a message that the relay sends, beside the one that it got. */
#ifndef FAIRLEAD_FUZZ_SENT_H
#define FAIRLEAD_FUZZ_SENT_H

#include "bytes.h"

/* Requires that `sent` is the relay's own fields and then the original octet by octet, but that
 * Authentication-Results fields of the original may be missing. Returns the relay's own. */
struct bytes sent_check(struct bytes sent, struct bytes original);

#endif
