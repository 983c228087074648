/* Well-formed UTF-8. See utf8.h. */
#include "utf8.h"

/* UTF8-octets of RFC 3629 4. Only the second octet's range depends on the first. */
static const struct {
    uint8_t first_min, first_max, second_min, second_max, length;
} forms[] = {
    {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
    {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
    {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

size_t utf8_length(struct bytes b)
{
    const uint8_t *octet = (const uint8_t *)b.p;
    if (b.n == 0)
        return 0;
    if (octet[0] < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (b.n < forms[i].length || octet[0] < forms[i].first_min ||
            octet[0] > forms[i].first_max || octet[1] < forms[i].second_min ||
            octet[1] > forms[i].second_max)
            continue;
        for (size_t k = 2; k < forms[i].length; k++)
            if ((octet[k] & 0xc0) != 0x80)
                return 0;
        return forms[i].length;
    }
    return 0;
}

bool utf8_is_valid(struct bytes b)
{
    while (b.n > 0) {
        size_t length = utf8_length(b);
        if (length == 0)
            return false;
        b = bytes_from(b, length);
    }
    return true;
}
