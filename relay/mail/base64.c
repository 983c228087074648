/* Base64. See base64.h. */
#include "base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The six bits of a character, or 64 if it is none of the alphabet. */
static uint32_t six_bits(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (uint32_t)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (uint32_t)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0') + 52;
    return c == '+' ? 62 : c == '/' ? 63 : 64;
}

struct bytes base64_decode(struct arena *arena, struct bytes text)
{
    const struct bytes none = {NULL, 0};
    char *octets = arena_alloc(arena, text.n / 4 * 3 + 3);
    if (!octets)
        return none;
    size_t n = 0, characters = 0, padding = 0;
    uint32_t group = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (ascii_is_space(c))
            continue;
        uint32_t bits = 0;
        if (c == '=')
            padding++;
        else if (padding > 0 || (bits = six_bits(c)) == 64)
            return none;
        group = group << 6 | bits;
        if (++characters % 4 != 0)
            continue;
        for (unsigned shift = 24; shift > 0; shift -= 8)
            octets[n++] = (char)(group >> (shift - 8));
        group = 0;
    }
    if (characters == 0 || characters % 4 != 0 || padding > 2)
        return none;
    return (struct bytes){octets, n - padding};
}

struct bytes base64_encode(struct arena *arena, struct bytes octets)
{
    char *text = arena_alloc(arena, (octets.n + 2) / 3 * 4 + 1);
    if (!text)
        return (struct bytes){NULL, 0};
    size_t n = 0;
    for (size_t i = 0; i < octets.n; i += 3) {
        size_t left = octets.n - i;
        uint32_t group = 0;
        for (size_t k = 0; k < 3; k++)
            group = group << 8 | (k < left ? (unsigned char)octets.p[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            text[n++] = k <= left ? alphabet[group >> (18 - 6 * k) & 63] : '=';
    }
    return (struct bytes){text, n};
}
