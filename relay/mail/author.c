/* The author domain of a message. See author.h. A recursive descent over the field's value. */
#include "author.h"

#include "address.h"
#include "cfws.h"
#include "clause.h"

#include <string.h>

struct author_reader {
    struct arena *arena;
    struct cursor cursor;
    struct author *author;
};

/* Octets above 127 are atext, as in RFC 6532, valid UTF-8 or not. */
static bool is_atom_octet(char c)
{
    return address_is_atext(c) || (unsigned char)c >= 0x80;
}

static bool skip_word(struct cursor *cursor)
{
    struct bytes content;
    return cfws_take_quoted_string(cursor, &content) ||
           cursor_take_while(cursor, is_atom_octet).n > 0;
}

enum words {
    WORDS_NONE,
    WORDS_PHRASE,     /* good for a display name only */
    WORDS_LOCAL_PART, /* single words with a dot between two of them: good for either */
};

/* Words, dots and CFWS: a phrase or a local part, in their obsolete forms too (RFC 5322 4.1, 4.4).
 */
static enum words skip_words(struct cursor *cursor)
{
    bool after_word = false, is_local = true, any = false;
    for (;; any = true) {
        cfws_skip(cursor);
        bool is_dot = cursor_take(cursor, '.');
        if (!is_dot && !skip_word(cursor))
            break;
        if (is_dot != after_word)
            is_local = false;
        after_word = !is_dot;
    }
    if (!any)
        return WORDS_NONE;
    return is_local && after_word ? WORDS_LOCAL_PART : WORDS_PHRASE;
}

/* Several authors at one domain are one author domain. */
static void add_domain(struct author_reader *reader, struct bytes text)
{
    struct author *author = reader->author;
    struct bytes domain = domain_for_lookup(reader->arena, text);
    if (!domain.p)
        cursor_fail(&reader->cursor, "invalid domain name after @");
    for (size_t i = 0; i < author->domain_count; i++)
        if (bytes_equal(author->domains[i], domain) && unless_broken(DMARC_16))
            return;
    if (domain.p && author->domain_count < AUTHOR_DOMAINS_MAX)
        author->domains[author->domain_count++] = domain;
}

/* Passes over a domain and the CFWS in it, and copies the domain alone into `text`, as far as there
 * is room. Returns the length. */
static size_t take_domain(struct cursor *cursor, char text[DOMAIN_TEXT_MAX])
{
    size_t n = 0;
    bool more = true;
    while (more) {
        cfws_skip(cursor);
        if (cursor_peek(cursor) == '[')
            cursor_fail(cursor, "address literal instead of a domain name");
        while (is_atom_octet(cursor_peek(cursor)) && n < DOMAIN_TEXT_MAX) {
            text[n++] = cursor_peek(cursor);
            cursor_skip(cursor, 1);
        }
        cfws_skip(cursor);
        more = n < DOMAIN_TEXT_MAX && cursor_take(cursor, '.');
        if (more)
            text[n++] = '.';
    }
    return n;
}

static void read_author_domain(struct author_reader *reader)
{
    char text[DOMAIN_TEXT_MAX];
    size_t n = take_domain(&reader->cursor, text);
    add_domain(reader, (struct bytes){text, n});
}

/* obs-route (RFC 5322 4.4): "@a, @b:". The hosts it names are not the author's. */
static void skip_route(struct cursor *cursor)
{
    char ignored[DOMAIN_TEXT_MAX];
    do {
        cfws_skip(cursor);
        if (cursor_take(cursor, '@'))
            take_domain(cursor, ignored);
    } while (cursor_take(cursor, ','));
    cursor_expect(cursor, ':', "missing colon after a route");
}

/* angle-addr, after its "<". */
static void read_angle_address(struct author_reader *reader)
{
    struct cursor *cursor = &reader->cursor;
    cfws_skip(cursor);
    if (cursor_peek(cursor) == '@' || cursor_peek(cursor) == ',')
        skip_route(cursor);
    if (skip_words(cursor) != WORDS_LOCAL_PART)
        cursor_fail(cursor, "address without a local part");
    cursor_expect(cursor, '@', "address without @");
    read_author_domain(reader);
    cursor_expect(cursor, '>', "missing closing angle bracket");
}

static void read_address_list(struct author_reader *reader, bool in_group);

/* One address of a list: addr-spec, name-addr, or outside of groups a group. */
static void read_author_address(struct author_reader *reader, bool in_group)
{
    struct cursor *cursor = &reader->cursor;
    enum words words = skip_words(cursor);
    bool has_address = words == WORDS_LOCAL_PART && cursor_take(cursor, '@');
    if (has_address)
        read_author_domain(reader);
    /* `a@b <a@b>` follows no grammar, but is in use. If both domains are the same there is one
     * author domain; if not, there are two, whichever a reader is shown. */
    if (cursor_take(cursor, '<'))
        read_angle_address(reader);
    else if (words != WORDS_NONE && !has_address && !in_group && cursor_take(cursor, ':'))
        read_address_list(reader, true);
    else if (!has_address)
        cursor_fail(cursor, "not an address");
    cfws_skip(cursor);
}

/* address-list, empty elements allowed (RFC 5322 4.4 obs-addr-list), up to the end of the group or
 * of the field. */
static void read_address_list(struct author_reader *reader, bool in_group)
{
    struct cursor *cursor = &reader->cursor;
    cfws_skip(cursor);
    while (!cursor_at_end(cursor)) {
        if (in_group && cursor_take(cursor, ';'))
            return;
        if (cursor_peek(cursor) != ',') {
            read_author_address(reader, in_group);
            if (!cursor_at_end(cursor) && cursor_peek(cursor) != ',' &&
                !(in_group && cursor_peek(cursor) == ';'))
                cursor_fail(cursor, "unexpected text after an address");
        }
        if (cursor_take(cursor, ','))
            cfws_skip(cursor);
    }
    if (in_group)
        cursor_fail(cursor, "unterminated group");
}

/* Printable ASCII, octets above 127, and blanks: no control character, and CR and LF in folds only.
 */
static bool has_only_text(struct bytes value)
{
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        bool folds = c == '\r' && i + 2 < value.n && value.p[i + 1] == '\n' &&
                     (value.p[i + 2] == ' ' || value.p[i + 2] == '\t');
        if (folds)
            i++;
        else if (!ascii_is_printable(c) && c != '\t' && (unsigned char)c < 0x80)
            return BREAK(DMARC_36, false, true);
    }
    return true;
}

static bool is_local_octet(char c)
{
    return c == '.' || is_atom_octet(c);
}

/* The address in angle brackets at the end of the field, where there is no other @: whatever stands
 * before it and however it is read, nobody can find another domain. */
static struct bytes only_domain(struct arena *arena, struct bytes value)
{
    const struct bytes none = {NULL, 0};
    size_t bracket = bytes_find_last(value, '<');
    if (bracket == BYTES_NOT_FOUND || bytes_find(value, '@') < bracket)
        return none;
    struct bytes after = bytes_from(value, bracket + 1);
    struct bytes domain = bytes_trim(bytes_cut(&after, '>'));
    struct bytes local = bytes_cut(&domain, '@');
    struct cursor c = cursor_start(local);
    if (cursor_take_while(&c, is_local_octet).n == 0 || !cursor_at_end(&c) || !domain.p ||
        !after.p || bytes_trim(after).n > 0)
        return none;
    return domain_for_lookup(arena, domain);
}

static void forgive(struct arena *arena, struct bytes value, struct author *author)
{
    struct bytes domain = only_domain(arena, value);
    author->names_no_domain = bytes_find(value, '@') == BYTES_NOT_FOUND;
    if (CLAUSE(DMARC_23, domain.p == NULL))
        return;
    *author = (struct author){.status = AUTHOR_FOUND, .domains = {domain}, .domain_count = 1};
}

struct author author_of_field(struct arena *arena, struct bytes value)
{
    struct author author = {.status = AUTHOR_FOUND};
    struct author_reader reader = {
        .arena = arena, .cursor = cursor_start(value), .author = &author};
    bool is_text = has_only_text(value);
    if (is_text)
        read_address_list(&reader, false);
    else
        cursor_fail(&reader.cursor, "control character");
    author.problem = reader.cursor.problem;
    if (is_text && author.problem)
        forgive(arena, value, &author);
    if (arena_failed(arena))
        author.status = AUTHOR_NO_MEMORY;
    else if (author.problem || bytes_trim(value).n == 0)
        author.status = AUTHOR_MALFORMED;
    else if (author.domain_count == 0)
        author.status = AUTHOR_NOBODY;
    else if (author.domain_count > 1)
        author.status = AUTHOR_SEVERAL_DOMAINS;
    author.names_no_domain |= author.status == AUTHOR_NOBODY || bytes_trim(value).n == 0;
    return author;
}

/* True for a malformed field that other software may take for a From: "Fr\0om:", " From:", "From"
 * and the colon after a fold. */
static bool is_disguised_from(const struct header_field *field)
{
    const struct bytes from = BYTES("From");
    struct bytes name = bytes_first(field->raw, bytes_find(field->raw, ':'));
    size_t n = 0;
    if (!field->malformed)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        if (!ascii_is_printable(name.p[i]) || name.p[i] == ' ')
            continue;
        if (n == from.n || ascii_lower(name.p[i]) != ascii_lower(from.p[n]))
            return false;
        n++;
    }
    return n == from.n;
}

struct author author_of_message(struct arena *arena, const struct message *message)
{
    const struct header_field *from = message_find(message, BYTES("From"), 0);
    size_t count = message_count(message, BYTES("From"));
    for (size_t i = 0; i < message->field_count; i++)
        if (is_disguised_from(&message->fields[i]) && unless_broken(DMARC_35))
            count++;
    if (count > 1)
        return (struct author){.status = AUTHOR_REPEATED, .problem = "more than one From field"};
    if (!from)
        return (struct author){
            .status = AUTHOR_MISSING, .names_no_domain = true, .problem = "no From field"};
    return author_of_field(arena, from->value);
}
