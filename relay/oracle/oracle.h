/* The oracles: SPF by libspf2 and DKIM verification by libopendkim, as second opinions for the
 * tools (--engine), the vectors and the fuzz targets. Both depart from the RFCs, and both may end
 * the process when an allocation fails: nothing that serves mail may use them.
 *
 * Each is NULL in a build without -Doracles=true, which then does not need the libraries. */
#ifndef FAIRLEAD_ORACLE_H
#define FAIRLEAD_ORACLE_H

#include "dkim.h"
#include "spf.h"

/* Like spf_check() of spf.h, but without counting void lookups. */
typedef void spf_engine(struct dns *dns, struct arena *arena, const struct spf_request *request,
                        struct spf_outcome *outcome);
extern spf_engine *const spf_libspf2;

/* Like dkim_verify_message() of dkim.h, with libopendkim for the keys, hashes and signatures. */
typedef bool dkim_engine(struct arena *arena, const struct message *message, struct dns *dns,
                         struct dkim_results *results);
extern dkim_engine *const dkim_libopendkim;

#endif
