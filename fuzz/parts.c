/* Inputs of several parts. See parts.h. */
#include "parts.h"

struct bytes parts_cut(struct bytes *rest)
{
    const struct bytes line = BYTES("%%\n");
    struct bytes whole = *rest;
    for (size_t from = 0; from < whole.n;) {
        size_t at = bytes_find_slice(bytes_from(whole, from), line);
        if (at == BYTES_NOT_FOUND)
            break;
        at += from;
        if (at == 0 || whole.p[at - 1] == '\n') {
            *rest = bytes_from(whole, at + line.n);
            return bytes_first(whole, at);
        }
        from = at + 1;
    }
    *rest = BYTES("");
    return whole;
}
