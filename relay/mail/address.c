/* Paths and mailboxes of the envelope. See address.h. */
#include "address.h"

#include "clause.h"
#include "cursor.h"
#include "utf8.h"

#include <string.h>

struct path_reader {
    struct arena *arena;
    struct cursor cursor;
    enum address_error error; /* the first */
    bool has_unicode;         /* the local part needs SMTPUTF8 */
    size_t local_written;     /* octets of the local part, quotes included */
    struct address *address;  /* what is being filled in */
};

static void fail_path(struct path_reader *reader, enum address_error error)
{
    if (reader->error == ADDRESS_OK)
        reader->error = error;
    cursor_fail(&reader->cursor, "not an address"); /* the enum says what is wrong */
}

static void expect_in_path(struct path_reader *reader, char wanted)
{
    if (!cursor_take(&reader->cursor, wanted))
        fail_path(reader, ADDRESS_SYNTAX);
}

bool address_is_atext(char c)
{
    return ascii_is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* The content of a local part, with room for all that is left to read. */
struct local_content {
    char *p;
    size_t n;
};

/* Moves the next octet into the content if it belongs there, or a UTF-8 sequence beyond ASCII
 * (RFC 6531 3.3 adds it to atext and qtext alike). Other octets above 127 belong nowhere.
 * Clause: EAI-12 */
static bool move_octet(struct path_reader *reader, struct local_content *content,
                       bool (*belongs)(char))
{
    struct cursor *c = &reader->cursor;
    size_t length = utf8_length(c->rest);
    if (length == 0 || (length == 1 && !belongs(cursor_peek(c))))
        return false;
    if (length > 1)
        reader->has_unicode = true;
    memcpy(content->p + content->n, c->rest.p, length);
    content->n += length;
    cursor_skip(c, length);
    return true;
}

/* Quoted-string after its first quote: qtextSMTP and quoted-pairSMTP hold 32 to 126 only. What is
 * kept is the content, without quotes and backslashes. Clauses: CHAR-05, CHAR-06, CHAR-12 */
static void read_quoted_local(struct path_reader *reader, struct local_content *content)
{
    struct cursor *c = &reader->cursor;
    while (!cursor_at_end(c) && cursor_peek(c) != '"') {
        bool is_pair = cursor_take(c, '\\');
        if ((is_pair && !ascii_is_printable(cursor_peek(c))) ||
            !move_octet(reader, content, ascii_is_printable))
            fail_path(reader, ADDRESS_SYNTAX);
    }
    expect_in_path(reader, '"');
}

static bool is_dot(char c)
{
    return c == '.';
}

/* Dot-string: atoms with dots between them. Mailboxes with superfluous dots are in use
 * (specification.md#leniency-addresses). */
static void read_dot_string(struct path_reader *reader, struct local_content *content)
{
    bool has_atom = false;
    do {
        while (move_octet(reader, content, address_is_atext))
            has_atom = true;
    } while (move_octet(reader, content, is_dot));
    if (!has_atom)
        fail_path(reader, ADDRESS_SYNTAX);
}

static bool is_dot_string(struct bytes local)
{
    for (struct bytes rest = local; rest.p;) {
        struct bytes atom = bytes_cut(&rest, '.');
        if (atom.n == 0)
            return false;
        for (size_t i = 0; i < atom.n; i++)
            if (!address_is_atext(atom.p[i]))
                return false;
    }
    return true;
}

static void read_local(struct path_reader *reader)
{
    struct bytes start = reader->cursor.rest;
    struct local_content content = {.p = arena_alloc(reader->arena, start.n + 1)};
    if (!content.p)
        fail_path(reader, ADDRESS_NO_MEMORY);
    else if (cursor_take(&reader->cursor, '"'))
        read_quoted_local(reader, &content);
    else
        read_dot_string(reader, &content);
    reader->address->local = (struct bytes){content.p, content.n};
    reader->local_written = cursor_since(&reader->cursor, start).n;
    bool is_quoted = start.n > 0 && start.p[0] == '"';
    if (!is_quoted && !is_dot_string(reader->address->local))
        reader->local_written += strlen("\"\"");
}

static bool is_before_domain_end(char c)
{
    return c != '>' && c != ' ' && c != ',' && c != ':';
}

static bool is_before_literal_end(char c)
{
    return c != '>' && c != ' ' && c != ']';
}

/* Takes what stands where a domain should: up to the next octet that must follow one. */
static struct bytes take_domain_text(struct cursor *c)
{
    struct bytes start = c->rest;
    if (cursor_peek(c) != '[')
        return cursor_take_while(c, is_before_domain_end);
    cursor_take_while(c, is_before_literal_end);
    cursor_take(c, ']');
    return cursor_since(c, start);
}

/* Hosts with underscores exist, and only their own DNS can say whether they are reached. */
static struct bytes read_domain(struct arena *arena, struct bytes text)
{
    struct bytes domain = domain_normalise(arena, text);
    bool has_underscore = bytes_find(text, '_') != BYTES_NOT_FOUND;
    if (domain.p || !CLAUSE(DLG_37, has_underscore))
        return domain;
    return domain_with_underscores(arena, text);
}

static void read_path_domain(struct path_reader *reader)
{
    struct address *address = reader->address;
    struct bytes text = take_domain_text(&reader->cursor);
    if (text.n == 0) {
        fail_path(reader, ADDRESS_SYNTAX);
        return;
    }
    address->domain = (struct bytes){NULL, 0}; /* a source route may have left one */
    address->literal = text.p[0] == '[';
    if (!address->literal)
        address->domain = read_domain(reader->arena, text);
    else if (domain_literal_parse(text, &address->ip))
        address->domain = domain_literal_format(reader->arena, &address->ip);
    if (arena_failed(reader->arena))
        fail_path(reader, ADDRESS_NO_MEMORY);
    else if (!address->domain.p)
        fail_path(reader, ADDRESS_BAD_DOMAIN);
}

/* A-d-l ":" of RFC 5321 4.1.2: checked, and dropped. Clause: SEND-07 */
static void skip_source_route(struct path_reader *reader)
{
    do {
        expect_in_path(reader, '@');
        read_path_domain(reader);
    } while (cursor_take(&reader->cursor, ','));
    expect_in_path(reader, ':');
}

static void read_envelope_path(struct path_reader *reader, enum path_role role)
{
    struct cursor *c = &reader->cursor;
    struct address *address = reader->address;
    expect_in_path(reader, '<');
    if (role == PATH_REVERSE && cursor_take(c, '>')) {
        address->kind = ADDRESS_NULL;
        return;
    }
    bool routed = cursor_peek(c) == '@';
    if (CLAUSE(DLG_28, routed))
        skip_source_route(reader);
    read_local(reader);
    if (role == PATH_FORWARD && !routed && cursor_take(c, '>')) {
        address->kind = ADDRESS_POSTMASTER;
        if (!bytes_equal_nocase(address->local, BYTES("postmaster")))
            fail_path(reader, ADDRESS_SYNTAX);
        return;
    }
    expect_in_path(reader, '@');
    read_path_domain(reader);
    expect_in_path(reader, '>');
}

/* The first error, or what is wrong with a mailbox that the grammar allows. The length of the path
 * counts its angle brackets, and its domain as it goes on the wire. Clause: LIM-07 */
static enum address_error path_error(const struct path_reader *reader)
{
    if (reader->error != ADDRESS_OK || reader->address->kind != ADDRESS_MAILBOX)
        return reader->error;
    if (reader->has_unicode && unless_broken(EAI_01))
        return ADDRESS_NON_ASCII_LOCAL;
    if ((reader->local_written > BREAK(LIM_05, ADDRESS_LOCAL_MAX, 63) && unless_broken(LIM_06)) ||
        reader->local_written + reader->address->domain.n + 3 > ADDRESS_PATH_MAX)
        return ADDRESS_TOO_LONG;
    return ADDRESS_OK;
}

enum address_error address_read_path(struct arena *arena, enum path_role role, struct bytes text,
                                     struct address *address, struct bytes *rest)
{
    *address = (struct address){.kind = ADDRESS_MAILBOX};
    struct path_reader reader = {.arena = arena, .cursor = cursor_start(text), .address = address};
    read_envelope_path(&reader, role);
    *rest = reader.cursor.rest;
    enum address_error error = path_error(&reader);
    if (error == ADDRESS_OK && text.n - rest->n > ADDRESS_PATH_MAX && unless_broken(LIM_43))
        error = ADDRESS_TOO_LONG;
    return error;
}

enum address_error address_parse(struct arena *arena, struct bytes text, struct address *address)
{
    *address = (struct address){.kind = ADDRESS_MAILBOX};
    struct path_reader reader = {.arena = arena, .cursor = cursor_start(text), .address = address};
    read_local(&reader);
    expect_in_path(&reader, '@');
    read_path_domain(&reader);
    if (!cursor_at_end(&reader.cursor))
        fail_path(&reader, ADDRESS_SYNTAX);
    return path_error(&reader);
}

struct bytes address_write_local(struct arena *arena, struct bytes local)
{
    if (CLAUSE(SRS_13, local.n > 0 && is_dot_string(local)))
        return local;
    char *text = arena_alloc(arena, 2 * local.n + 2);
    if (!text)
        return (struct bytes){NULL, 0};
    size_t n = 0;
    text[n++] = '"';
    for (size_t i = 0; i < local.n; i++) {
        if (local.p[i] == '"' || local.p[i] == '\\')
            text[n++] = '\\';
        text[n++] = local.p[i];
    }
    text[n++] = '"';
    return (struct bytes){text, n};
}

struct bytes address_write(struct arena *arena, const struct address *address)
{
    if (address->kind == ADDRESS_NULL)
        return BYTES("");
    struct bytes local = address_write_local(arena, address->local);
    if (!local.p || address->kind == ADDRESS_POSTMASTER)
        return local;
    return arena_printf(arena, "%.*s@%.*s", BYTES_ARG(local), BYTES_ARG(address->domain));
}
