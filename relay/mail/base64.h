/* Base64 as DKIM writes it: RFC 6376 2.10 (base64string), RFC 4648 4. */
#ifndef FAIRLEAD_BASE64_H
#define FAIRLEAD_BASE64_H

#include "arena.h"

/* Decodes `text`, FWS between its characters ignored; the alphabet and the padding have to be
 * right. Lives in `arena`; p == NULL if the text is not base64, is empty, or, see arena_failed(),
 * memory is short. */
struct bytes base64_decode(struct arena *arena, struct bytes text);

/* Encodes with padding and without any line break. p == NULL when memory is short. */
struct bytes base64_encode(struct arena *arena, struct bytes octets);

#endif
