/* Paths and mailboxes of the envelope. See address.h. */
#include "address.h"

#include "clause.h"
#include "utf8.h"

#include <string.h>

struct parser {
    struct arena *arena;
    struct bytes rest;       /* what is not read yet */
    bool has_unicode;        /* the local part needs SMTPUTF8 */
    size_t local_written;    /* octets of the local part, quotes included */
    struct address *address; /* what is being filled in */
};

static bool take(struct parser *parser, char c)
{
    if (parser->rest.n == 0 || parser->rest.p[0] != c)
        return false;
    parser->rest = bytes_from(parser->rest, 1);
    return true;
}

bool address_is_atext(char c)
{
    return ascii_is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* Moves one UTF-8 sequence beyond ASCII into the content (RFC 6531 3.3 adds it to atext and qtext
 * alike). */
static bool take_unicode(struct parser *parser, char *content, size_t *n)
{
    size_t length = utf8_length(parser->rest);
    if (length < 2)
        return false;
    memcpy(content + *n, parser->rest.p, length);
    *n += length;
    parser->rest = bytes_from(parser->rest, length);
    parser->has_unicode = true;
    return true;
}

/* Quoted-string after its first quote: qtextSMTP and quoted-pairSMTP hold 32 to 126 only. */
static enum address_error read_quoted(struct parser *parser, char *content, size_t *n)
{
    while (parser->rest.n > 0) {
        if (take(parser, '"'))
            return ADDRESS_OK;
        if (take_unicode(parser, content, n))
            continue;
        take(parser, '\\');
        if (parser->rest.n == 0 || !ascii_is_printable(parser->rest.p[0]))
            return ADDRESS_SYNTAX;
        content[(*n)++] = parser->rest.p[0];
        parser->rest = bytes_from(parser->rest, 1);
    }
    return ADDRESS_SYNTAX;
}

/* Dot-string: atoms with one dot between two of them. */
static enum address_error read_dot_string(struct parser *parser, char *content, size_t *n)
{
    do {
        size_t before = *n;
        while (parser->rest.n > 0) {
            if (take_unicode(parser, content, n))
                continue;
            if (!address_is_atext(parser->rest.p[0]))
                break;
            content[(*n)++] = parser->rest.p[0];
            parser->rest = bytes_from(parser->rest, 1);
        }
        if (*n == before)
            return ADDRESS_SYNTAX;
        content[(*n)++] = '.';
    } while (take(parser, '.'));
    (*n)--;
    return ADDRESS_OK;
}

static enum address_error read_local(struct parser *parser)
{
    size_t n = 0, before = parser->rest.n;
    char *content = arena_alloc(parser->arena, parser->rest.n + 1);
    if (!content)
        return ADDRESS_NO_MEMORY;
    enum address_error error =
        take(parser, '"') ? read_quoted(parser, content, &n) : read_dot_string(parser, content, &n);
    parser->local_written = before - parser->rest.n;
    parser->address->local = (struct bytes){content, n};
    return error;
}

/* Cuts off what stands where a domain should: up to the next octet that must follow one. */
static struct bytes take_domain_text(struct parser *parser)
{
    size_t n = 0;
    bool literal = parser->rest.n > 0 && parser->rest.p[0] == '[';
    while (n < parser->rest.n) {
        char c = parser->rest.p[n];
        if (c == ' ' || c == '>' || (!literal && (c == ',' || c == ':')))
            break;
        n++;
        if (literal && c == ']')
            break;
    }
    struct bytes text = bytes_first(parser->rest, n);
    parser->rest = bytes_from(parser->rest, n);
    return text;
}

static enum address_error read_domain(struct parser *parser)
{
    struct address *address = parser->address;
    struct bytes text = take_domain_text(parser);
    if (text.n == 0)
        return ADDRESS_SYNTAX;
    address->domain = (struct bytes){NULL, 0}; /* a source route may have left one */
    address->literal = text.p[0] == '[';
    if (!address->literal)
        address->domain = domain_normalise(parser->arena, text);
    else if (domain_literal_parse(text, &address->ip))
        address->domain = domain_literal_format(parser->arena, &address->ip);
    if (arena_failed(parser->arena))
        return ADDRESS_NO_MEMORY;
    return address->domain.p ? ADDRESS_OK : ADDRESS_BAD_DOMAIN;
}

/* A-d-l ":" of RFC 5321 4.1.2: checked, and dropped. */
static enum address_error skip_source_route(struct parser *parser)
{
    while (take(parser, '@')) {
        enum address_error error = read_domain(parser);
        if (error != ADDRESS_OK)
            return error;
        if (take(parser, ':'))
            return ADDRESS_OK;
        if (!take(parser, ','))
            return ADDRESS_SYNTAX;
    }
    return ADDRESS_SYNTAX;
}

/* What speaks against an address that the grammar allows. The length of the path counts its angle
 * brackets, and its domain as it goes on the wire. */
static enum address_error judge(const struct parser *parser)
{
    if (parser->has_unicode)
        return ADDRESS_NON_ASCII_LOCAL;
    if (parser->local_written > ADDRESS_LOCAL_LIMIT ||
        parser->local_written + parser->address->domain.n + 3 > ADDRESS_PATH_LIMIT)
        return ADDRESS_TOO_LONG;
    return ADDRESS_OK;
}

static enum address_error read_path(struct parser *parser, enum path_role role)
{
    enum address_error error = ADDRESS_OK;
    if (!take(parser, '<'))
        return ADDRESS_SYNTAX;
    if (role == PATH_REVERSE && take(parser, '>')) {
        parser->address->kind = ADDRESS_NULL;
        return ADDRESS_OK;
    }
    bool routed = parser->rest.n > 0 && parser->rest.p[0] == '@';
    if (CLAUSE(DLG_28, routed))
        error = skip_source_route(parser);
    if (error == ADDRESS_OK)
        error = read_local(parser);
    if (error != ADDRESS_OK)
        return error;
    if (role == PATH_FORWARD && !routed && take(parser, '>')) {
        parser->address->kind = ADDRESS_POSTMASTER;
        bool is_postmaster = bytes_equal_nocase(parser->address->local, BYTES("postmaster"));
        return is_postmaster ? ADDRESS_OK : ADDRESS_SYNTAX;
    }
    if (!take(parser, '@'))
        return ADDRESS_SYNTAX;
    error = read_domain(parser);
    if (error == ADDRESS_OK && !take(parser, '>'))
        error = ADDRESS_SYNTAX;
    return error == ADDRESS_OK ? judge(parser) : error;
}

enum address_error address_read_path(struct arena *arena, enum path_role role, struct bytes text,
                                     struct address *address, struct bytes *rest)
{
    *address = (struct address){.kind = ADDRESS_MAILBOX};
    struct parser parser = {.arena = arena, .rest = text, .address = address};
    enum address_error error = read_path(&parser, role);
    *rest = parser.rest;
    if (error == ADDRESS_OK && text.n - rest->n > ADDRESS_PATH_LIMIT)
        error = ADDRESS_TOO_LONG;
    return error;
}

enum address_error address_parse(struct arena *arena, struct bytes text, struct address *address)
{
    *address = (struct address){.kind = ADDRESS_MAILBOX};
    struct parser parser = {.arena = arena, .rest = text, .address = address};
    enum address_error error = read_local(&parser);
    if (error == ADDRESS_OK)
        error = take(&parser, '@') ? read_domain(&parser) : ADDRESS_SYNTAX;
    if (error == ADDRESS_OK && parser.rest.n > 0)
        error = ADDRESS_SYNTAX;
    return error == ADDRESS_OK ? judge(&parser) : error;
}

static bool is_dot_string(struct bytes local)
{
    for (struct bytes rest = local; rest.p != NULL;) {
        struct bytes atom = bytes_cut(&rest, '.');
        if (atom.n == 0)
            return false;
        for (size_t i = 0; i < atom.n; i++)
            if (!address_is_atext(atom.p[i]))
                return false;
    }
    return true;
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

bool address_equal(const struct address *a, const struct address *b)
{
    return a->kind == b->kind && bytes_equal_nocase(a->local, b->local) &&
           bytes_equal(a->domain, b->domain);
}
