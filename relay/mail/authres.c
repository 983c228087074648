/* Reading Authentication-Results (RFC 8601 2.2) and recognising forged ones (RFC 8601 5).
 *
 * The reader is a cursor whose first error sticks, so that it can be checked at the end. Nesting of
 * comments is counted, not recursed into. What it forgives is listed in authres.h. */
#include "authres.h"

#include "domain.h"

#include <idn2.h>
#include <string.h>

static const uint64_t VERSION_UNDERSTOOD = 1;              /* RFC 8601 2.2 */
static const struct bytes ENCODED_WORD = BYTES_INIT("=?"); /* its start, RFC 2047 2 */

struct cursor {
    struct arena *arena;
    struct bytes in;
    size_t at;
    bool bad;
};

static char peek(const struct cursor *c)
{
    return c->at < c->in.n ? c->in.p[c->at] : '\0';
}

static bool at_end(const struct cursor *c)
{
    return c->at >= c->in.n;
}

static bool take(struct cursor *c, char wanted)
{
    if (at_end(c) || peek(c) != wanted)
        return false;
    c->at++;
    return true;
}

static void expect(struct cursor *c, char wanted)
{
    if (!take(c, wanted))
        c->bad = true;
}

static struct bytes since(const struct cursor *c, size_t start)
{
    return bytes_first(bytes_from(c->in, start), c->at - start);
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* Passes over a quoted-pair. One that escapes a line end would mean something else once the field
 * is unfolded, so it is an error. */
static void skip_escape(struct cursor *c)
{
    c->at++;
    if (peek(c) == '\r' || peek(c) == '\n')
        c->bad = true;
}

/* The cursor stands on the opening parenthesis. */
static struct bytes read_comment(struct cursor *c)
{
    size_t start = c->at + 1, depth = 0;
    for (; !at_end(c); c->at++) {
        char octet = peek(c);
        if (octet == '\\') {
            skip_escape(c);
        } else if (octet == '(') {
            depth++;
        } else if (octet == ')' && --depth == 0) {
            struct bytes content = since(c, start);
            c->at++;
            return content;
        }
    }
    c->at = c->in.n;
    c->bad = true;
    return (struct bytes){NULL, 0};
}

/* CFWS, as much of it as there is. The first comment goes to *comment if that is still empty. */
static void skip_cfws(struct cursor *c, struct bytes *comment)
{
    while (!at_end(c) && !c->bad) {
        if (ascii_is_space(peek(c))) {
            c->at++;
        } else if (peek(c) == '(') {
            struct bytes content = read_comment(c);
            if (comment && comment->n == 0)
                *comment = content;
        } else {
            return;
        }
    }
}

/* The content of a quoted-string, escapes and folding undone. The cursor stands on its quote. */
static struct bytes read_quoted(struct cursor *c)
{
    size_t start = ++c->at, length = 0;
    while (!at_end(c) && peek(c) != '"') {
        if (peek(c) == '\\')
            skip_escape(c);
        c->at++;
    }
    if (at_end(c)) {
        c->at = c->in.n;
        c->bad = true;
        return (struct bytes){NULL, 0};
    }
    struct bytes quoted = since(c, start);
    c->at++;
    char *content = arena_alloc(c->arena, quoted.n + 1);
    if (content == NULL) {
        c->bad = true;
        return (struct bytes){NULL, 0};
    }
    for (size_t i = 0; i < quoted.n; i++) {
        char octet = quoted.p[i];
        if (octet == '\r' || octet == '\n')
            continue;
        if (octet == '\\' && i + 1 < quoted.n)
            octet = quoted.p[++i];
        if (is_control(octet) && octet != '\t')
            c->bad = true;
        content[length++] = octet;
    }
    return (struct bytes){content, length};
}

/* RFC 2045 5.1, with octets above 127 for RFC 6532. */
static bool is_token_octet(char octet)
{
    return octet != ' ' && !is_control(octet) &&
           bytes_find(BYTES("()<>@,;:\\\"/[]?="), octet) == BYTES_NOT_FOUND;
}

static bool is_keyword_octet(char octet)
{
    return ascii_is_alnum(octet) || octet == '-' || octet == '_';
}

static struct bytes read_while(struct cursor *c, bool (*belongs)(char))
{
    size_t start = c->at;
    while (!at_end(c) && belongs(peek(c)))
        c->at++;
    if (c->at == start)
        c->bad = true;
    return since(c, start);
}

static struct bytes read_value(struct cursor *c)
{
    return peek(c) == '"' ? read_quoted(c) : read_while(c, is_token_octet);
}

/* pvalue: a value, an address or a domain; and whatever else runs up to a blank, a comment or a
 * semicolon, since many writers quote nothing. */
static struct bytes read_property_value(struct cursor *c)
{
    size_t start = c->at;
    struct bytes content = {NULL, 0};
    if (peek(c) == '"')
        content = read_quoted(c);
    size_t rest = c->at;
    while (!at_end(c) && !ascii_is_space(peek(c)) && peek(c) != ';' && peek(c) != '(' && !c->bad) {
        if (is_control(peek(c)))
            c->bad = true;
        else if (peek(c) == '"')
            read_quoted(c);
        else
            c->at++;
    }
    return c->at == rest && content.p ? content : since(c, start);
}

static uint64_t read_version(struct cursor *c)
{
    uint64_t version = 0;
    size_t start = c->at;
    while (ascii_is_digit(peek(c)))
        c->at++;
    if (!bytes_to_number(since(c, start), UINT32_MAX, &version))
        c->bad = true;
    return version;
}

/* Makes room for one more element at `count` in an array that doubles. NULL when out of memory. */
static void *grow(struct arena *arena, void *array, size_t count, size_t size)
{
    if (count != 0 && (count & (count - 1)) != 0)
        return array;
    void *bigger = arena_alloc_array(arena, count ? count * 2 : 1, size);
    if (bigger && count)
        memcpy(bigger, array, count * size);
    return bigger;
}

/* reasonspec or propspec. */
static void read_detail(struct cursor *c, struct authres_result *result)
{
    struct bytes name = read_while(c, is_keyword_octet);
    skip_cfws(c, NULL);
    if (peek(c) == '=' && bytes_equal_nocase(name, BYTES("reason"))) {
        c->at++;
        skip_cfws(c, NULL);
        result->reason = read_value(c);
        return;
    }
    struct authres_property property = {.ptype = name};
    expect(c, '.');
    skip_cfws(c, NULL);
    property.name = read_while(c, is_keyword_octet);
    skip_cfws(c, NULL);
    expect(c, '=');
    skip_cfws(c, NULL);
    property.value = read_property_value(c);
    struct authres_property *properties =
        grow(c->arena, result->properties, result->property_count, sizeof property);
    if (properties == NULL) {
        c->bad = true;
        return;
    }
    properties[result->property_count++] = property;
    result->properties = properties;
}

static struct authres_result read_result(struct cursor *c)
{
    struct authres_result result = {.version = 1};
    size_t start = c->at;
    result.method = read_while(c, is_keyword_octet);
    skip_cfws(c, NULL);
    if (take(c, '/')) {
        skip_cfws(c, NULL);
        result.version = read_version(c);
        skip_cfws(c, NULL);
    }
    expect(c, '=');
    skip_cfws(c, NULL);
    result.value = read_while(c, is_keyword_octet);
    skip_cfws(c, &result.comment);
    while (!c->bad && !at_end(c) && peek(c) != ';') {
        read_detail(c, &result);
        skip_cfws(c, NULL);
    }
    result.text = bytes_trim(since(c, start));
    return result;
}

/* no-result: `none` alone in its place. */
static bool take_none(struct cursor *c)
{
    struct cursor ahead = *c;
    struct bytes word = read_while(&ahead, is_keyword_octet);
    skip_cfws(&ahead, NULL);
    if (ahead.bad || !bytes_equal_nocase(word, BYTES("none")) ||
        (!at_end(&ahead) && peek(&ahead) != ';'))
        return false;
    *c = ahead;
    return true;
}

/* What precedes the results. The cursor ends on the first semicolon or at the end. */
static void read_head(struct cursor *c, struct authres *authres)
{
    skip_cfws(c, NULL);
    authres->authserv_id = read_value(c);
    authres->version = VERSION_UNDERSTOOD;
    size_t end = c->at;
    skip_cfws(c, NULL);
    if (c->at > end && ascii_is_digit(peek(c))) {
        authres->version = read_version(c);
        skip_cfws(c, NULL);
    }
    if (!at_end(c) && peek(c) != ';')
        c->bad = true;
}

static bool add_result(struct arena *arena, struct authres *authres, struct authres_result result)
{
    struct authres_result *results =
        grow(arena, authres->results, authres->result_count, sizeof result);
    if (results == NULL)
        return false;
    results[authres->result_count++] = result;
    authres->results = results;
    return true;
}

bool authres_parse(struct arena *arena, struct bytes value, struct authres *authres)
{
    struct cursor c = {.arena = arena, .in = value};
    *authres = (struct authres){0};
    read_head(&c, authres);
    if (authres->version != VERSION_UNDERSTOOD)
        return false;
    while (!c.bad && take(&c, ';')) {
        skip_cfws(&c, NULL);
        if (at_end(&c) || peek(&c) == ';' || take_none(&c))
            continue;
        if (!add_result(arena, authres, read_result(&c)))
            return false;
    }
    return !c.bad && at_end(&c) && !arena_failed(arena);
}

const struct authres_result *authres_find(const struct authres *authres, struct bytes method)
{
    for (size_t i = 0; i < authres->result_count; i++)
        if (bytes_equal_nocase(authres->results[i].method, method))
            return &authres->results[i];
    return NULL;
}

/* The id as it is compared: without blanks, controls, quotes, escapes or final dot, in A-labels if
 * it is a domain, and in lower case. p == NULL when memory is short. */
static struct bytes comparable_id(struct arena *arena, struct bytes id)
{
    char *text = arena_alloc(arena, id.n + 1);
    if (text == NULL)
        return (struct bytes){NULL, 0};
    size_t length = 0;
    for (size_t i = 0; i < id.n; i++)
        if (!ascii_is_space(id.p[i]) && !is_control(id.p[i]) && id.p[i] != '"' && id.p[i] != '\\')
            text[length++] = ascii_lower(id.p[i]);
    while (length > 0 && text[length - 1] == '.')
        length--;
    struct bytes domain = domain_for_lookup(arena, (struct bytes){text, length});
    return domain.p ? domain : (struct bytes){text, length};
}

/* What a value that cannot be read has before its first result, without its closed comments: up to
 * a semicolon or a `method=` that is in no quotes. p == NULL when memory is short. */
static struct bytes unreadable_head(struct arena *arena, struct bytes value)
{
    struct cursor c = {.arena = arena, .in = value};
    char *head = arena_alloc(arena, value.n + 1);
    size_t length = 0;
    bool quoted = false, unclosed = false;
    while (head && !at_end(&c)) {
        bool bare = !quoted && !unclosed;
        if (bare && peek(&c) == '(') {
            struct cursor ahead = c;
            read_comment(&ahead);
            unclosed = ahead.bad;
            if (!unclosed) {
                c.at = ahead.at;
                continue;
            }
        }
        bool encoded_word = bytes_starts_with_nocase(bytes_from(value, c.at), ENCODED_WORD);
        if (bare && (peek(&c) == ';' || (peek(&c) == '=' && !encoded_word)))
            break;
        if (peek(&c) == '"')
            quoted = !quoted;
        else if (peek(&c) == '\\' && c.at + 1 < value.n)
            c.at++;
        head[length++] = value.p[c.at++];
    }
    return (struct bytes){head, length};
}

/* True if `id` occurs in the head of an unreadable field, in A-labels or in U-labels, or may be
 * hidden in an encoded word, which some readers decode before they look at the structure. */
static bool mentions_id(struct arena *arena, struct bytes head, struct bytes id)
{
    if (bytes_find_slice(head, id) != BYTES_NOT_FOUND ||
        bytes_find_slice(head, ENCODED_WORD) != BYTES_NOT_FOUND)
        return true;
    const char *alabels = arena_string(arena, id);
    char *ulabels = NULL;
    bool found = alabels == NULL;
    if (alabels && idn2_to_unicode_8z8z(alabels, &ulabels, 0) == IDN2_OK)
        found = bytes_find_slice(head, bytes_of(ulabels)) != BYTES_NOT_FOUND;
    idn2_free(ulabels);
    return found;
}

bool authres_claims(struct arena *arena, struct bytes value, struct bytes authserv_id)
{
    struct cursor c = {.arena = arena, .in = value};
    struct authres authres;
    read_head(&c, &authres);
    struct bytes ours = comparable_id(arena, authserv_id);
    struct bytes theirs =
        comparable_id(arena, c.bad ? unreadable_head(arena, value) : authres.authserv_id);
    if (ours.p == NULL || theirs.p == NULL)
        return true;
    return c.bad ? mentions_id(arena, theirs, ours) : bytes_equal(theirs, ours);
}

bool authres_merge(struct arena *arena, const struct message *message, struct bytes authserv_id,
                   struct authres *merged)
{
    struct bytes ours = comparable_id(arena, authserv_id);
    *merged = (struct authres){.authserv_id = authserv_id, .version = VERSION_UNDERSTOOD};
    for (size_t i = 0; i < message->field_count; i++) {
        const struct header_field *field = &message->fields[i];
        struct authres authres;
        if (field->malformed || !bytes_equal_nocase(field->name, BYTES("Authentication-Results")) ||
            !authres_parse(arena, field->value, &authres) ||
            !bytes_equal(comparable_id(arena, authres.authserv_id), ours))
            continue;
        for (size_t j = 0; j < authres.result_count; j++)
            if (!add_result(arena, merged, authres.results[j]))
                return false;
    }
    return !arena_failed(arena);
}
