/* The macro language of SPF: RFC 7208 7.1 (grammar), 7.2 (letters), 7.3 (transformers). See
 * spf_macro.h. A string is read as pieces: runs of literal octets, the three escapes, and macros.
 */
#include "spf_macro.h"

#include "buffer.h"
#include "clock.h"
#include "cursor.h"
#include "domain.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    TARGET_NAME_MAX = 253,
    EXPANSION_MAX = 65536 /* octets: a record full of long macros must not keep the loop busy */
};

static const char letters_everywhere[] = "slodipvh";
static const char letters_of_explanations[] = "slodipvhcrt";

struct piece {
    bool literal;
    struct bytes text;       /* literal octets, or what an escape stands for */
    char letter;             /* a macro's letter in lower case; 0 for literals and escapes */
    bool url_escaped;        /* the letter was in upper case */
    unsigned parts;          /* right-hand parts to keep; 0: all */
    bool reversed;           /* the transformer r */
    struct bytes delimiters; /* empty: the default, "." */
};

static bool has(const char *set, char c)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static bool is_delimiter_octet(char c)
{
    return has(".-+,/_=", c);
}

/* transformers *delimiter "}", the part of a macro after its letter. */
static bool read_transformers(struct bytes *rest, struct piece *piece)
{
    enum { PARTS_MAX = 1000000 }; /* more than any string has: 7.3 requires at least 127 */
    uint64_t parts = PARTS_MAX;
    struct cursor c = cursor_start(*rest);
    struct bytes digits = cursor_take_while(&c, ascii_is_digit);
    if (digits.n > 0) {
        bytes_to_number(digits, PARTS_MAX, &parts);
        if (parts == 0)
            return false; /* 7.3: the value MUST be nonzero */
        piece->parts = (unsigned)parts;
    }
    piece->reversed = cursor_take(&c, 'r') || cursor_take(&c, 'R');
    piece->delimiters = cursor_take_while(&c, is_delimiter_octet);
    if (!cursor_take(&c, '}'))
        return false;
    *rest = c.rest;
    return true;
}

/* Takes the next piece off a non-empty `rest`; false on a syntax error in a macro. */
static bool next_piece(struct bytes *rest, struct piece *piece)
{
    *piece = (struct piece){0};
    size_t percent = bytes_find(*rest, '%');
    if (percent != 0) {
        piece->literal = true;
        piece->text = bytes_first(*rest, percent);
        *rest = bytes_from(*rest, piece->text.n);
        return true;
    }
    char kind = rest->n > 1 ? rest->p[1] : '\0';
    if (kind == '{' && rest->n > 2) {
        piece->letter = ascii_lower(rest->p[2]);
        piece->url_escaped = piece->letter != rest->p[2];
        *rest = bytes_from(*rest, 3);
        return has(letters_of_explanations, piece->letter) && read_transformers(rest, piece);
    }
    *rest = bytes_from(*rest, 2);
    switch (kind) {
    case '%':
        piece->text = BYTES("%");
        return true;
    case '_':
        piece->text = BYTES(" ");
        return true;
    case '-':
        piece->text = BYTES("%20");
        return true;
    default:
        return false;
    }
}

/* macro-string, with blanks if `first` is SP and without if it is "!", and with those letters.
 * `tail` becomes the literal octets at its end; p == NULL if it ends in a macro-expand. */
static bool is_valid(struct bytes text, char first, const char *letters, struct bytes *tail)
{
    *tail = (struct bytes){0};
    while (text.n > 0) {
        struct piece piece;
        if (!next_piece(&text, &piece) || (piece.letter && !has(letters, piece.letter)))
            return false;
        for (size_t i = 0; piece.literal && i < piece.text.n; i++)
            if (piece.text.p[i] < first || piece.text.p[i] > '~')
                return false;
        *tail = piece.literal ? piece.text : (struct bytes){0};
    }
    return true;
}

bool spf_is_macro_string(struct bytes text)
{
    struct bytes tail;
    return is_valid(text, '!', letters_of_explanations, &tail);
}

bool spf_is_explain_string(struct bytes text)
{
    struct bytes tail;
    return is_valid(text, ' ', letters_of_explanations, &tail);
}

/* toplabel of 7.1: letters, digits and inner hyphens, but not digits alone. */
static bool is_top_label(struct bytes label)
{
    return domain_is_label(label, DOMAIN_LDH) && !bytes_is_digits(label);
}

bool spf_is_domain_spec(struct bytes text)
{
    struct bytes tail;
    if (text.n == 0 || !is_valid(text, '!', letters_everywhere, &tail))
        return false;
    if (!tail.p)
        return true;
    if (tail.p[tail.n - 1] == '.')
        tail.n--;
    size_t dot = bytes_find_last(tail, '.');
    return dot != BYTES_NOT_FOUND && is_top_label(bytes_from(tail, dot + 1));
}

/* RFC 3986 2.3 names the unreserved characters. */
static void add_octet(struct buffer *out, char c, bool url_escaped)
{
    if (url_escaped && !ascii_is_alnum(c) && !has("-._~", c))
        buffer_printf(out, "%%%02X", (unsigned)(unsigned char)c);
    else
        buffer_add_char(out, c);
}

static void add_part(struct buffer *out, struct bytes part, bool url_escaped)
{
    for (size_t i = 0; i < part.n; i++)
        add_octet(out, part.p[i], url_escaped);
}

static bool is_delimiter(const struct piece *piece, char c)
{
    return piece->delimiters.n == 0 ? c == '.'
                                    : bytes_find(piece->delimiters, c) != BYTES_NOT_FOUND;
}

/* Splits at the delimiters, keeps the right-hand parts after the reversal, and joins with dots. To
 * keep the right-hand parts of the reversed order is to drop parts at the value's right end. */
static void add_transformed(struct buffer *out, struct bytes value, const struct piece *piece)
{
    size_t count = 1;
    for (size_t i = 0; i < value.n; i++)
        count += is_delimiter(piece, value.p[i]);
    size_t drop = piece->parts > 0 && piece->parts < count ? count - piece->parts : 0;
    if (!piece->reversed) {
        size_t i = 0;
        for (; drop > 0; i++)
            drop -= is_delimiter(piece, value.p[i]);
        for (; i < value.n; i++)
            add_octet(out, is_delimiter(piece, value.p[i]) ? '.' : value.p[i], piece->url_escaped);
        return;
    }
    for (; drop > 0; value.n--)
        drop -= is_delimiter(piece, value.p[value.n - 1]);
    size_t end = value.n;
    for (size_t i = value.n; i > 0; i--) {
        if (!is_delimiter(piece, value.p[i - 1]))
            continue;
        add_part(out, (struct bytes){value.p + i, end - i}, piece->url_escaped);
        add_octet(out, '.', piece->url_escaped);
        end = i - 1;
    }
    add_part(out, bytes_first(value, end), piece->url_escaped);
}

/* %{i}: dotted quad, or 32 nibbles with dots, most significant first. In names the
 * case of hexadecimal digits does not matter; explanations show capitals, as others do.
 */
static struct bytes dotted_address(const struct ip *ip, char text[IP_REVERSED_SIZE])
{
    if (ip->length == 4)
        return bytes_of(ip_format(ip, text));
    char reversed[IP_REVERSED_SIZE];
    size_t length = bytes_of(ip_reversed(ip, reversed)).n;
    for (size_t i = 0; i < length; i++)
        text[i] = ascii_upper(reversed[length - 1 - i]);
    return (struct bytes){text, length};
}

static struct bytes value_of(const struct spf_macros *macros, struct bytes domain, char letter,
                             char text[IP_REVERSED_SIZE])
{
    switch (letter) {
    case 's':
        return macros->sender;
    case 'l':
        return macros->local_part;
    case 'o':
        return macros->domain;
    case 'd':
        return domain;
    case 'i':
        return dotted_address(&macros->client, text);
    case 'p':
        return macros->validated_name(macros->context, domain);
    case 'v':
        return macros->client.length == 4 ? BYTES("in-addr") : BYTES("ip6");
    case 'h':
        return macros->helo;
    case 'c':
        return bytes_of(ip_format(&macros->client, text));
    case 'r':
        return macros->receiver.n > 0 ? macros->receiver : BYTES("unknown");
    default: /* 't': the checks accept no other letter */
        snprintf(text, IP_REVERSED_SIZE, "%" PRId64, clock_wall());
        return bytes_of(text);
    }
}

struct bytes spf_without_final_dot(struct bytes name)
{
    bool ends_in_dot = name.n > 1 && name.p[name.n - 1] == '.' && name.p[name.n - 2] != '.';
    return bytes_first(name, name.n - ends_in_dot);
}

static void expand_into(struct buffer *out, const struct spf_macros *macros, struct bytes domain,
                        struct bytes text)
{
    struct piece piece;
    while (text.n > 0 && out->n <= EXPANSION_MAX && next_piece(&text, &piece)) {
        if (piece.letter == '\0') {
            buffer_add(out, piece.text);
            continue;
        }
        char scratch[IP_REVERSED_SIZE];
        struct bytes value = value_of(macros, domain, piece.letter, scratch);
        /* Without transformers the value stands as it is; splitting at dots changes nothing. */
        add_transformed(out, value, &piece);
    }
}

struct bytes spf_expand(struct arena *arena, const struct spf_macros *macros, struct bytes domain,
                        struct bytes text)
{
    struct buffer out = {0};
    expand_into(&out, macros, domain, text);
    return arena_take(arena, &out);
}

struct bytes spf_expand_name(struct arena *arena, const struct spf_macros *macros,
                             struct bytes domain, struct bytes text)
{
    struct buffer out = {0};
    expand_into(&out, macros, domain, text);
    if (out.n > EXPANSION_MAX)
        out.n = 0;
    out.n = spf_without_final_dot(buffer_bytes(&out)).n;
    struct bytes name = buffer_bytes(&out);
    while (name.n > TARGET_NAME_MAX && bytes_find(name, '.') != BYTES_NOT_FOUND)
        bytes_cut(&name, '.');
    buffer_consume(&out, out.n - name.n);
    return arena_take(arena, &out);
}
