/* What every DKIM verifier has in common: the walk over the signatures, their reading, and the
 * results; a verifier of its own kind checks each signature that was read well. */
#ifndef FAIRLEAD_DKIM_ENGINE_H
#define FAIRLEAD_DKIM_ENGINE_H

#include "dkim.h"
#include "signature.h"

typedef void dkim_check(void *context, struct arena *arena, const struct signature *signature,
                        struct signature_check *check);

/* dkim_verify_message() with `check` for what comes after the reading. */
bool dkim_verify_with(struct arena *arena, const struct message *message, dkim_check *check,
                      void *context, struct dkim_results *results);

#endif
