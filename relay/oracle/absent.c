/* A build without the oracles. See oracle.h. */
#include "oracle.h"

spf_engine *const spf_libspf2 = NULL;
dkim_engine *const dkim_libopendkim = NULL;
