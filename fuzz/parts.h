/* Inputs of several parts: each part but the last ends with a line "%%" of its own. */
#ifndef FAIRLEAD_FUZZ_PARTS_H
#define FAIRLEAD_FUZZ_PARTS_H

#include "bytes.h"

/* Cuts the next part off, its last line end included. Without the line "%%" that is the whole. */
struct bytes parts_cut(struct bytes *rest);

#endif
