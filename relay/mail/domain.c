/* Domain names. See domain.h. libidn2 does IDNA2008 (with the mapping of UTS 46, non-transitional,
 * so that case and width do not matter); what is LDH is decided here. */
#include "domain.h"

#include <idn2.h>
#include <string.h>

bool domain_is_label(struct bytes label, enum domain_labels labels)
{
    for (size_t i = 0; i < label.n; i++)
        if (!ascii_is_alnum(label.p[i]) && label.p[i] != '-' &&
            (label.p[i] != '_' || labels == DOMAIN_LDH))
            return false;
    return label.n > 0 &&
           (labels == DOMAIN_LOOSE || (label.p[0] != '-' && label.p[label.n - 1] != '-'));
}

bool domain_is_name(struct bytes name, enum domain_labels labels)
{
    if (name.n == 0 || name.n > DOMAIN_MAX)
        return false;
    for (struct bytes rest = name; rest.p;) {
        struct bytes label = bytes_cut(&rest, '.');
        if (label.n > DOMAIN_LABEL_MAX || !domain_is_label(label, labels))
            return false;
    }
    return true;
}

size_t domain_count_labels(struct bytes name)
{
    size_t count = 0;
    for (; name.p; count++)
        bytes_cut(&name, '.');
    return count;
}

static bool has_a_label(struct bytes name)
{
    for (struct bytes rest = name; rest.p;)
        if (bytes_starts_with_nocase(bytes_cut(&rest, '.'), BYTES("xn--")))
            return true;
    return false;
}

static bool has_control(struct bytes name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!ascii_is_printable(name.p[i]) && (unsigned char)name.p[i] < 0x80)
            return true;
    return false;
}

static struct bytes lowered(struct arena *arena, struct bytes name)
{
    char *lower = arena_alloc(arena, name.n);
    if (!lower)
        return (struct bytes){NULL, 0};
    for (size_t i = 0; i < name.n; i++)
        lower[i] = ascii_lower(name.p[i]);
    return (struct bytes){lower, name.n};
}

/* The name with its U-labels as A-labels, in lower case. */
static struct bytes looked_up(struct arena *arena, struct bytes name, int flags)
{
    uint8_t *ascii = NULL;
    const char *string = arena_string(arena, name);
    if (!string || idn2_lookup_u8((const uint8_t *)string, &ascii, flags) != IDN2_OK)
        return (struct bytes){NULL, 0};
    struct bytes result = arena_copy(arena, bytes_of((const char *)ascii));
    idn2_free(ascii);
    return result;
}

/* The name in ASCII and lower case, if its labels are such. */
static struct bytes to_ascii(struct arena *arena, struct bytes text, enum domain_labels labels)
{
    const struct bytes invalid = {NULL, 0};
    struct bytes name = text;
    if (text.n > DOMAIN_TEXT_MAX || has_control(text))
        return invalid;
    if (!bytes_is_ascii(text))
        /* Not IDN2_USE_STD3_ASCII_RULES, which drops what is not LDH: that is another name. */
        name = looked_up(arena, text, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    return name.p && domain_is_name(name, labels) ? lowered(arena, name) : invalid;
}

struct bytes domain_for_lookup(struct arena *arena, struct bytes text)
{
    return to_ascii(arena, text, DOMAIN_LOOSE);
}

struct bytes domain_with_underscores(struct arena *arena, struct bytes text)
{
    if (!bytes_is_ascii(text) || has_a_label(text))
        return (struct bytes){NULL, 0};
    return to_ascii(arena, text, DOMAIN_UNDERSCORE);
}

/* The form that is compared, whatever form arrives, and that goes to the upstream.
 * Clauses: CHAR-10, EAI-03, EAI-04, EAI-08, EAI-10 */
struct bytes domain_normalise(struct arena *arena, struct bytes text)
{
    struct bytes name = to_ascii(arena, text, DOMAIN_LDH);
    /* UTS 46 lets symbols pass that IDNA2008 does not: every A-label must decode to what is valid
     * without it, and encode back to itself (RFC 5891 4.4, 5.4). */
    return name.p && has_a_label(name) ? looked_up(arena, name, IDN2_NO_TR46) : name;
}

bool domain_literal_parse(struct bytes text, struct ip *ip)
{
    if (text.n < 2 || text.p[0] != '[' || text.p[text.n - 1] != ']')
        return false;
    struct bytes inner = {text.p + 1, text.n - 2};
    const struct bytes tag = BYTES("IPv6:");
    bool is_ipv6 = bytes_starts_with_nocase(inner, tag);
    if (is_ipv6)
        inner = bytes_from(inner, tag.n);
    /* ip_parse() accepts either family; the tag must say which (RFC 5321 4.1.3). */
    return (bytes_find(inner, ':') != BYTES_NOT_FOUND) == is_ipv6 && ip_parse(inner, ip);
}

struct bytes domain_literal_format(struct arena *arena, const struct ip *ip)
{
    char text[IP_TEXT_SIZE];
    return arena_printf(arena, ip->length == 16 ? "[IPv6:%s]" : "[%s]", ip_format(ip, text));
}

bool domain_is_within(struct bytes domain, struct bytes parent)
{
    return bytes_equal_nocase(domain, parent) ||
           (domain.n > parent.n && domain.p[domain.n - parent.n - 1] == '.' &&
            bytes_ends_with_nocase(domain, parent));
}
