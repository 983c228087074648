/* Base64 as DKIM writes it: base64string of RFC 6376 2.10, RFC 4648 4. The alphabet is OpenSSL's;
 * what a string may hold besides is decided here. */
#ifndef FAIRLEAD_BASE64_H
#define FAIRLEAD_BASE64_H

#include "arena.h"

/* Decodes `text`, FWS between its characters ignored. The alphabet and the padding must be those of
 * RFC 4648 4. Lives in `arena`; p == NULL if the text is not base64, is empty, or, see
 * arena_failed(), memory is short. */
struct bytes base64_decode(struct arena *arena, struct bytes text);

/* Encodes with padding and without line breaks. p == NULL when memory is short. */
struct bytes base64_encode(struct arena *arena, struct bytes octets);

#endif
