/* Base64. See base64.h.
 *
 * EVP_DecodeBlock() alone is laxer than RFC 4648: it trims its input of blanks and hyphens, takes
 * '=' for a zero anywhere, and counts padding as data. So it gets groups of four characters that
 * have been checked. */
#include "base64.h"

#include <limits.h>
#include <openssl/evp.h>

enum { GROUP_TEXT = 4, GROUP_OCTETS = 3, PADDING_MAX = 2 };

static bool is_base64(char c)
{
    return ascii_is_alnum(c) || c == '+' || c == '/';
}

struct bytes base64_decode(struct arena *arena, struct bytes text)
{
    const struct bytes none = {NULL, 0};
    unsigned char *octets = arena_alloc(arena, (text.n / GROUP_TEXT + 1) * GROUP_OCTETS);
    unsigned char group[GROUP_TEXT];
    size_t n = 0, characters = 0, padding = 0;
    for (size_t i = 0; octets && i < text.n; i++) {
        char c = text.p[i];
        if (ascii_is_space(c))
            continue;
        if (c == '=')
            padding++;
        else if (padding > 0 || !is_base64(c))
            return none;
        group[characters++ % GROUP_TEXT] = (unsigned char)c;
        if (characters % GROUP_TEXT != 0)
            continue;
        if (EVP_DecodeBlock(octets + n, group, GROUP_TEXT) != GROUP_OCTETS)
            return none;
        n += GROUP_OCTETS;
    }
    if (characters == 0 || characters % GROUP_TEXT != 0 || padding > PADDING_MAX)
        return none;
    return (struct bytes){(const char *)octets, n - padding};
}

struct bytes base64_encode(struct arena *arena, struct bytes octets)
{
    const struct bytes none = {NULL, 0};
    if (octets.n > INT_MAX / GROUP_TEXT) /* EVP_EncodeBlock() counts in int */
        return none;
    size_t groups = (octets.n + GROUP_OCTETS - 1) / GROUP_OCTETS;
    unsigned char *text = arena_alloc(arena, groups * GROUP_TEXT + 1);
    if (!text)
        return none;
    int n = EVP_EncodeBlock(text, (const unsigned char *)octets.p, (int)octets.n);
    return (struct bytes){(const char *)text, (size_t)n};
}
