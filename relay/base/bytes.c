/* Byte slices. See bytes.h. */
#include "bytes.h"

#include <string.h>

struct bytes bytes_of(const char *string)
{
    return (struct bytes){string, string ? strlen(string) : 0};
}

bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

int bytes_compare_nocase(struct bytes a, struct bytes b)
{
    size_t shorter = a.n < b.n ? a.n : b.n;
    for (size_t i = 0; i < shorter; i++) {
        /* A slice with octets has a pointer, which the analyser does not know. */
        // NOLINTNEXTLINE(clang-analyzer-core.NullDereference)
        int order = (unsigned char)ascii_lower(a.p[i]) - (unsigned char)ascii_lower(b.p[i]);
        if (order != 0)
            return order;
    }
    return a.n == b.n ? 0 : a.n < b.n ? -1 : 1;
}

bool bytes_equal_nocase(struct bytes a, struct bytes b)
{
    return a.n == b.n && bytes_compare_nocase(a, b) == 0;
}

bool bytes_starts_with_nocase(struct bytes b, struct bytes prefix)
{
    return b.n >= prefix.n && bytes_equal_nocase(bytes_first(b, prefix.n), prefix);
}

bool bytes_ends_with_nocase(struct bytes b, struct bytes suffix)
{
    return b.n >= suffix.n && bytes_equal_nocase(bytes_from(b, b.n - suffix.n), suffix);
}

size_t bytes_find(struct bytes b, char c)
{
    const char *found = b.n && b.p ? memchr(b.p, c, b.n) : NULL;
    return found ? (size_t)(found - b.p) : BYTES_NOT_FOUND;
}

size_t bytes_find_last(struct bytes b, char c)
{
    for (size_t i = b.n; i > 0; i--)
        if (b.p[i - 1] == c)
            return i - 1;
    return BYTES_NOT_FOUND;
}

size_t bytes_find_slice(struct bytes haystack, struct bytes needle)
{
    if (needle.n == 0)
        return 0;
    for (size_t at = 0; at + needle.n <= haystack.n; at++) {
        size_t next = bytes_find(bytes_from(haystack, at), needle.p[0]);
        if (next == BYTES_NOT_FOUND || at + next + needle.n > haystack.n)
            return BYTES_NOT_FOUND;
        at += next;
        if (memcmp(haystack.p + at, needle.p, needle.n) == 0)
            return at;
    }
    return BYTES_NOT_FOUND;
}

struct bytes bytes_from(struct bytes b, size_t from)
{
    if (from > b.n)
        from = b.n;
    return (struct bytes){b.p ? b.p + from : NULL, b.n - from};
}

struct bytes bytes_first(struct bytes b, size_t n)
{
    return (struct bytes){b.p, n < b.n ? n : b.n};
}

struct bytes bytes_trim(struct bytes b)
{
    while (b.n > 0 && ascii_is_space(b.p[0]))
        b = bytes_from(b, 1);
    while (b.n > 0 && ascii_is_space(b.p[b.n - 1]))
        b.n--;
    return b;
}

struct bytes bytes_cut(struct bytes *rest, char separator)
{
    size_t at = bytes_find(*rest, separator);
    struct bytes part = bytes_first(*rest, at);
    *rest = at == BYTES_NOT_FOUND ? (struct bytes){NULL, 0} : bytes_from(*rest, at + 1);
    return part;
}

bool bytes_is_digits(struct bytes b)
{
    for (size_t i = 0; i < b.n; i++)
        if (!ascii_is_digit(b.p[i]))
            return false;
    return b.n > 0;
}

bool bytes_to_number(struct bytes b, uint64_t max, uint64_t *value)
{
    uint64_t sum = 0;
    if (!bytes_is_digits(b))
        return false;
    for (size_t i = 0; i < b.n; i++) {
        uint64_t digit = (uint64_t)(b.p[i] - '0');
        if (digit > max || sum > (max - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *value = sum;
    return true;
}

bool bytes_is_ascii(struct bytes b)
{
    for (size_t i = 0; i < b.n; i++)
        if ((unsigned char)b.p[i] > 0x7f)
            return false;
    return true;
}

bool ascii_is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool ascii_is_alnum(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c);
}

bool ascii_is_printable(char c)
{
    return c >= 0x20 && c <= 0x7e;
}

char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

char ascii_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

uint64_t bytes_hash_nocase(struct bytes b)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < b.n; i++)
        hash = (hash ^ (unsigned char)ascii_lower(b.p[i])) * 0x100000001b3u;
    return hash;
}
