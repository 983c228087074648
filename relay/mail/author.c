/* The author domain of a message. See author.h. A recursive descent over the field's value with an
 * error that sticks: after it nothing is left to read, and the first problem is kept. */
#include "author.h"

#include "address.h"

#include <string.h>

struct parser {
    struct arena *arena;
    struct bytes rest;
    struct author *author;
};

static void fail(struct parser *parser, const char *problem)
{
    if (!parser->author->problem)
        parser->author->problem = problem;
    parser->rest.n = 0;
}

/* The next octet, or NUL at the end: the field itself has none (see has_only_text()). */
static char peek(const struct parser *parser)
{
    if (parser->rest.n == 0)
        return '\0';
    return parser->rest.p[0];
}

static void advance(struct parser *parser)
{
    parser->rest = bytes_from(parser->rest, 1);
}

static bool take(struct parser *parser, char c)
{
    if (parser->rest.n == 0 || parser->rest.p[0] != c)
        return false;
    advance(parser);
    return true;
}

static void expect(struct parser *parser, char c, const char *problem)
{
    if (!take(parser, c))
        fail(parser, problem);
}

/* Reads to the end of a comment or quoted string, whose first octet has been taken. Comments nest,
 * quoted strings do not (`opening` is NUL). */
static void skip_enclosed(struct parser *parser, char opening, char closing, const char *problem)
{
    for (size_t depth = 1; parser->rest.n > 0;) {
        char c = peek(parser);
        advance(parser);
        if (c == '\\')
            advance(parser);
        else if (c == closing && --depth == 0)
            return;
        else if (c == opening)
            depth++;
    }
    fail(parser, problem);
}

/* CFWS (RFC 5322 3.2.2). */
static void skip_blanks(struct parser *parser)
{
    for (;;) {
        if (ascii_is_space(peek(parser)))
            advance(parser);
        else if (take(parser, '('))
            skip_enclosed(parser, '(', ')', "a comment does not end");
        else
            return;
    }
}

/* Octets above 127 are taken for atext, as RFC 6532 has it, valid UTF-8 or not. */
static bool is_atom_octet(char c)
{
    return address_is_atext(c) || (unsigned char)c >= 0x80;
}

static bool skip_word(struct parser *parser)
{
    if (take(parser, '"')) {
        skip_enclosed(parser, '\0', '"', "a quoted string does not end");
        return true;
    }
    if (!is_atom_octet(peek(parser)))
        return false;
    while (is_atom_octet(peek(parser)))
        advance(parser);
    return true;
}

enum words {
    WORDS_NONE,
    WORDS_PHRASE,     /* good for a display name only */
    WORDS_LOCAL_PART, /* single words with a dot between two of them: good for either */
};

/* Words, dots and CFWS: a phrase or a local part, in their obsolete forms too (RFC 5322 4.1, 4.4).
 */
static enum words skip_words(struct parser *parser)
{
    bool after_word = false, is_local = true, any = false;
    for (;; any = true) {
        skip_blanks(parser);
        bool is_dot = take(parser, '.');
        if (!is_dot && !skip_word(parser))
            break;
        if (is_dot != after_word)
            is_local = false;
        after_word = !is_dot;
    }
    if (!any)
        return WORDS_NONE;
    return is_local && after_word ? WORDS_LOCAL_PART : WORDS_PHRASE;
}

static void add_domain(struct parser *parser, struct bytes text)
{
    struct author *author = parser->author;
    struct bytes domain = domain_for_lookup(parser->arena, text);
    if (!domain.p)
        fail(parser, "what follows the @ is no domain name");
    for (size_t i = 0; i < author->domain_count; i++)
        if (bytes_equal(author->domains[i], domain))
            return;
    if (domain.p && author->domain_count < AUTHOR_DOMAIN_LIMIT)
        author->domains[author->domain_count++] = domain;
}

/* A domain with whatever CFWS stands in it. One that is not an author's may be any. */
static void read_domain(struct parser *parser, bool is_authors)
{
    char text[DOMAIN_TEXT_LIMIT];
    size_t n = 0;
    bool more = true;
    while (more) {
        skip_blanks(parser);
        if (peek(parser) == '[')
            fail(parser, "an address literal where a domain is needed");
        while (is_atom_octet(peek(parser)) && n < sizeof text) {
            text[n++] = peek(parser);
            advance(parser);
        }
        skip_blanks(parser);
        more = peek(parser) == '.' && n < sizeof text;
        if (more) {
            text[n++] = '.';
            advance(parser);
        }
    }
    if (is_authors)
        add_domain(parser, (struct bytes){text, n});
}

/* obs-route (RFC 5322 4.4): "@a, @b:". Who is named there is not the author. */
static void skip_route(struct parser *parser)
{
    do {
        skip_blanks(parser);
        if (take(parser, '@'))
            read_domain(parser, false);
    } while (take(parser, ','));
    expect(parser, ':', "a route without the colon that ends it");
}

/* angle-addr, after its "<". */
static void read_angle_address(struct parser *parser)
{
    skip_blanks(parser);
    if (peek(parser) == '@' || peek(parser) == ',')
        skip_route(parser);
    if (skip_words(parser) != WORDS_LOCAL_PART)
        fail(parser, "no local part where one is needed");
    expect(parser, '@', "an address without @");
    read_domain(parser, true);
    expect(parser, '>', "an angle bracket is not closed");
}

static void read_list(struct parser *parser, bool in_group);

/* One address of a list: addr-spec, name-addr, or outside of groups a group. */
static void read_address(struct parser *parser, bool in_group)
{
    enum words words = skip_words(parser);
    bool has_address = false;
    if (words == WORDS_LOCAL_PART && take(parser, '@')) {
        read_domain(parser, true);
        has_address = true;
    }
    /* `a@b <a@b>` is in no grammar, but in use. If both domains are the same there is one author
     * domain; if not, there are two, whichever a reader is shown. */
    if (take(parser, '<'))
        read_angle_address(parser);
    else if (words != WORDS_NONE && !has_address && !in_group && take(parser, ':'))
        read_list(parser, true);
    else if (!has_address)
        fail(parser, "not an address");
    skip_blanks(parser);
}

/* address-list, empty elements allowed (RFC 5322 4.4 obs-addr-list), up to the end of the group or
 * of the field. */
static void read_list(struct parser *parser, bool in_group)
{
    skip_blanks(parser);
    while (parser->rest.n > 0) {
        if (in_group && take(parser, ';'))
            return;
        if (peek(parser) != ',') {
            read_address(parser, in_group);
            if (parser->rest.n > 0 && peek(parser) != ',' && !(in_group && peek(parser) == ';'))
                fail(parser, "something follows an address");
        }
        if (take(parser, ','))
            skip_blanks(parser);
    }
    if (in_group)
        fail(parser, "a group does not end");
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
            return false;
    }
    return true;
}

struct author author_of_field(struct arena *arena, struct bytes value)
{
    struct author author = {.status = AUTHOR_FOUND};
    struct parser parser = {.arena = arena, .rest = value, .author = &author};
    if (has_only_text(value))
        read_list(&parser, false);
    else
        fail(&parser, "a control character");
    if (arena_failed(arena))
        author.status = AUTHOR_NO_MEMORY;
    else if (author.problem || bytes_trim(value).n == 0)
        author.status = AUTHOR_MALFORMED;
    else if (author.domain_count == 0)
        author.status = AUTHOR_NOBODY;
    else if (author.domain_count > 1)
        author.status = AUTHOR_SEVERAL_DOMAINS;
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
        if (is_disguised_from(&message->fields[i]))
            count++;
    if (count > 1)
        return (struct author){.status = AUTHOR_REPEATED, .problem = "more than one From field"};
    if (!from)
        return (struct author){.status = AUTHOR_MISSING, .problem = "no From field"};
    return author_of_field(arena, from->value);
}
