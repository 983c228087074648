/* Byte slices: a pointer and a length into memory that somebody else owns.
 *
 * A slice is never NUL-terminated and may hold any octet. Everything the relay reads from the
 * network is handled as slices; NUL-terminated strings exist at the borders of foreign libraries
 * only. Case folding and character classes here are ASCII, never the locale's. */
#ifndef FAIRLEAD_BYTES_H
#define FAIRLEAD_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    const char *p;
    size_t n;
};

/* A slice over a string literal. */
#define BYTES(literal) ((struct bytes){(literal), sizeof(literal) - 1})

/* The same as an initializer, for static tables, where a compound literal is not a constant. */
#define BYTES_INIT(literal)                                                                        \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

/* printf("%.*s", BYTES_ARG(b)) */
#define BYTES_ARG(b) (int)(b).n, (b).p

#define BYTES_NOT_FOUND ((size_t)-1)

/* A slice over a NUL-terminated string; NULL gives the empty slice. */
struct bytes bytes_of(const char *string);

bool bytes_equal(struct bytes a, struct bytes b);

/* Equality with ASCII letters folded. */
bool bytes_equal_nocase(struct bytes a, struct bytes b);

/* Lexicographic order with ASCII letters folded: <0, 0, >0. */
int bytes_compare_nocase(struct bytes a, struct bytes b);

bool bytes_starts_with_nocase(struct bytes b, struct bytes prefix);
bool bytes_ends_with_nocase(struct bytes b, struct bytes suffix);

/* Index of the first (last) occurrence, or BYTES_NOT_FOUND. */
size_t bytes_find(struct bytes b, char c);
size_t bytes_find_last(struct bytes b, char c);
size_t bytes_find_slice(struct bytes haystack, struct bytes needle);

/* The part from `from` on, clamped to the slice; and the first `n` octets, clamped. */
struct bytes bytes_from(struct bytes b, size_t from);
struct bytes bytes_first(struct bytes b, size_t n);

/* Without leading and trailing SP, HTAB, CR and LF. */
struct bytes bytes_trim(struct bytes b);

/* Cuts off the part before the first `separator` and returns it; `rest` becomes what follows it.
 * Without a separator the whole is returned and `rest` becomes empty with p == NULL, so that a loop
 * `while (rest.p)` visits every part, empty ones included. */
struct bytes bytes_cut(struct bytes *rest, char separator);

/* True for one decimal digit or more and nothing else. */
bool bytes_is_digits(struct bytes b);

/* Decimal digits only, no sign, no blank, no overflow of `max`. False leaves *value alone. */
bool bytes_to_number(struct bytes b, uint64_t max, uint64_t *value);

bool bytes_is_ascii(struct bytes b);

/* ASCII character classes and folding, independent of the locale. */
bool ascii_is_alpha(char c);
bool ascii_is_digit(char c);
bool ascii_is_alnum(char c);
bool ascii_is_printable(char c); /* 0x20 to 0x7e */
char ascii_lower(char c);
char ascii_upper(char c);

/* SP and HTAB (WSP of RFC 5234); these, CR and LF. Inline, since whole bodies are looked through
 * for them. */
static inline bool ascii_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static inline bool ascii_is_space(char c)
{
    return ascii_is_blank(c) || c == '\r' || c == '\n';
}

/* A 64-bit FNV-1a hash of the octets with ASCII letters folded. */
uint64_t bytes_hash_nocase(struct bytes b);

#endif
