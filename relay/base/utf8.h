/* Well-formed UTF-8 (RFC 3629 4): no overlong form, no surrogate, nothing past U+10FFFF. */
#ifndef FAIRLEAD_UTF8_H
#define FAIRLEAD_UTF8_H

#include "bytes.h"

/* The length in octets, 1 to 4, of the well-formed sequence that `b` starts with; 0 if it starts
 * with none. */
size_t utf8_length(struct bytes b);

/* True if `b` consists of well-formed sequences and nothing else. */
bool utf8_is_valid(struct bytes b);

#endif
