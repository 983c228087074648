/* Reading Authentication-Results (RFC 8601 2.2) and recognising forged ones (RFC 8601 5). What the
 * reader forgives is listed in authres.h. */
#include "authres.h"

#include "cfws.h"
#include "domain.h"

#include <idn2.h>
#include <string.h>

static const uint64_t VERSION_UNDERSTOOD = 1;              /* RFC 8601 2.2 */
static const struct bytes ENCODED_WORD = BYTES_INIT("=?"); /* its start, RFC 2047 2 */

/* No caller asks what is wrong with a field that does not follow the grammar. */
static const char MALFORMED[] = "not as RFC 8601 2.2 has it";

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* A quoted-pair that escapes a line end would mean something else once the field is unfolded, so it
 * is an error. */
static void check_quoted_pairs(struct cursor *c, struct bytes content)
{
    for (size_t i = 0; i + 1 < content.n; i++)
        if (content.p[i] == '\\' && (content.p[++i] == '\r' || content.p[i] == '\n'))
            cursor_fail(c, MALFORMED);
}

static bool take_comment(struct cursor *c, struct bytes *content)
{
    if (!cfws_take_comment(c, content))
        return false;
    check_quoted_pairs(c, *content);
    return true;
}

/* Skips CFWS. The first comment goes to *comment if that is still empty. */
static void skip_cfws(struct cursor *c, struct bytes *comment)
{
    struct bytes content;
    while (take_comment(c, &content))
        if (comment && comment->n == 0)
            *comment = content;
}

/* The content of the quoted-string at the cursor, if there is one, escapes and folding undone. */
static bool take_quoted_string(struct arena *arena, struct cursor *c, struct bytes *content)
{
    struct bytes quoted;
    if (!cfws_take_quoted_string(c, &quoted))
        return false;
    check_quoted_pairs(c, quoted);
    size_t length = 0;
    char *text = arena_alloc(arena, quoted.n + 1);
    if (!text)
        cursor_fail(c, MALFORMED);
    for (size_t i = 0; text && i < quoted.n; i++) {
        char octet = quoted.p[i];
        if (octet == '\r' || octet == '\n')
            continue;
        if (octet == '\\' && i + 1 < quoted.n)
            octet = quoted.p[++i];
        if (is_control(octet) && octet != '\t')
            cursor_fail(c, MALFORMED);
        text[length++] = octet;
    }
    *content = (struct bytes){text, length};
    return true;
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

/* The octets that belong, of which there must be some. */
static struct bytes read_word(struct cursor *c, bool (*belongs)(char))
{
    struct bytes word = cursor_take_while(c, belongs);
    if (word.n == 0)
        cursor_fail(c, MALFORMED);
    return word;
}

static struct bytes read_value(struct arena *arena, struct cursor *c)
{
    struct bytes content;
    return take_quoted_string(arena, c, &content) ? content : read_word(c, is_token_octet);
}

/* pvalue: a value, an address or a domain; and whatever else runs up to a blank, a comment or a
 * semicolon, since many writers quote nothing. */
static struct bytes read_property_value(struct arena *arena, struct cursor *c)
{
    struct bytes start = c->rest;
    struct bytes content = {NULL, 0}, more;
    take_quoted_string(arena, c, &content);
    struct bytes rest = c->rest;
    while (!cursor_at_end(c) && !ascii_is_space(cursor_peek(c)) && cursor_peek(c) != ';' &&
           cursor_peek(c) != '(') {
        if (is_control(cursor_peek(c)))
            cursor_fail(c, MALFORMED);
        else if (!take_quoted_string(arena, c, &more))
            cursor_skip(c, 1);
    }
    if (c->rest.n == start.n)
        cursor_fail(c, MALFORMED);
    return c->rest.n == rest.n && content.p ? content : cursor_since(c, start);
}

static uint64_t read_version(struct cursor *c)
{
    uint64_t version = 0;
    if (!bytes_to_number(cursor_take_while(c, ascii_is_digit), UINT32_MAX, &version))
        cursor_fail(c, MALFORMED);
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
static void read_detail(struct arena *arena, struct cursor *c, struct authres_result *result)
{
    struct bytes name = read_word(c, is_keyword_octet);
    skip_cfws(c, NULL);
    if (bytes_equal_nocase(name, BYTES("reason")) && cursor_take(c, '=')) {
        skip_cfws(c, NULL);
        result->reason = read_value(arena, c);
        return;
    }
    struct authres_property property = {.ptype = name};
    cursor_expect(c, '.', MALFORMED);
    skip_cfws(c, NULL);
    property.name = read_word(c, is_keyword_octet);
    skip_cfws(c, NULL);
    cursor_expect(c, '=', MALFORMED);
    skip_cfws(c, NULL);
    property.value = read_property_value(arena, c);
    struct authres_property *properties =
        grow(arena, result->properties, result->property_count, sizeof property);
    if (!properties) {
        cursor_fail(c, MALFORMED);
        return;
    }
    properties[result->property_count++] = property;
    result->properties = properties;
}

static struct authres_result read_result(struct arena *arena, struct cursor *c)
{
    struct authres_result result = {.version = 1};
    struct bytes start = c->rest;
    result.method = read_word(c, is_keyword_octet);
    skip_cfws(c, NULL);
    if (cursor_take(c, '/')) {
        skip_cfws(c, NULL);
        result.version = read_version(c);
        skip_cfws(c, NULL);
    }
    cursor_expect(c, '=', MALFORMED);
    skip_cfws(c, NULL);
    result.value = read_word(c, is_keyword_octet);
    skip_cfws(c, &result.comment);
    while (!cursor_at_end(c) && cursor_peek(c) != ';') {
        read_detail(arena, c, &result);
        skip_cfws(c, NULL);
    }
    result.text = bytes_trim(cursor_since(c, start));
    return result;
}

/* no-result: `none` in the place of all results. */
static bool take_none(struct cursor *c)
{
    struct cursor ahead = *c;
    struct bytes word = read_word(&ahead, is_keyword_octet);
    do
        skip_cfws(&ahead, NULL);
    while (cursor_take(&ahead, ';'));
    if (ahead.problem || !bytes_equal_nocase(word, BYTES("none")) || !cursor_at_end(&ahead))
        return false;
    *c = ahead;
    return true;
}

/* What precedes the results. The cursor ends on the first semicolon or at the end. */
static void read_head(struct arena *arena, struct cursor *c, struct authres *authres)
{
    skip_cfws(c, NULL);
    authres->authserv_id = read_value(arena, c);
    authres->version = VERSION_UNDERSTOOD;
    size_t left = c->rest.n;
    skip_cfws(c, NULL);
    if (c->rest.n < left && ascii_is_digit(cursor_peek(c))) {
        authres->version = read_version(c);
        skip_cfws(c, NULL);
    }
    if (!cursor_at_end(c) && cursor_peek(c) != ';')
        cursor_fail(c, MALFORMED);
}

static bool add_result(struct arena *arena, struct authres *authres, struct authres_result result)
{
    struct authres_result *results =
        grow(arena, authres->results, authres->result_count, sizeof result);
    if (!results)
        return false;
    results[authres->result_count++] = result;
    authres->results = results;
    return true;
}

bool authres_parse(struct arena *arena, struct bytes value, struct authres *authres)
{
    struct cursor c = cursor_start(value);
    *authres = (struct authres){0};
    read_head(arena, &c, authres);
    if (authres->version != VERSION_UNDERSTOOD)
        return false;
    while (cursor_take(&c, ';')) {
        skip_cfws(&c, NULL);
        if (cursor_at_end(&c) || cursor_peek(&c) == ';' ||
            (authres->result_count == 0 && take_none(&c)))
            continue;
        if (!add_result(arena, authres, read_result(arena, &c)))
            return false;
    }
    return !c.problem && cursor_at_end(&c) && !arena_failed(arena);
}

/* The id as it is compared: without blanks, controls, quotes, escapes or final dot, in A-labels if
 * it is a domain, and in lower case. p == NULL when memory is short. */
static struct bytes comparable_id(struct arena *arena, struct bytes id)
{
    char *text = arena_alloc(arena, id.n + 1);
    if (!text)
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
    struct cursor c = cursor_start(value);
    struct bytes comment;
    char *head = arena_alloc(arena, value.n + 1);
    size_t length = 0;
    bool quoted = false, unclosed = false;
    while (head && !cursor_at_end(&c)) {
        bool bare = !quoted && !unclosed;
        if (bare && cursor_peek(&c) == '(') {
            struct cursor ahead = c;
            take_comment(&ahead, &comment);
            unclosed = ahead.problem != NULL;
            if (!unclosed) {
                c = ahead;
                continue;
            }
        }
        bool encoded_word = bytes_starts_with_nocase(c.rest, ENCODED_WORD);
        if (bare && (cursor_peek(&c) == ';' || (cursor_peek(&c) == '=' && !encoded_word)))
            break;
        if (cursor_peek(&c) == '"')
            quoted = !quoted;
        else if (cursor_peek(&c) == '\\' && c.rest.n > 1)
            cursor_skip(&c, 1);
        head[length++] = cursor_peek(&c);
        cursor_skip(&c, 1);
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
    bool found = !alabels;
    if (alabels && idn2_to_unicode_8z8z(alabels, &ulabels, 0) == IDN2_OK)
        found = bytes_find_slice(head, bytes_of(ulabels)) != BYTES_NOT_FOUND;
    idn2_free(ulabels);
    return found;
}

/* What follows the tags at the start: some readers pass over the `i=1;` that an
 * ARC-Authentication-Results field has there, in any field. */
static struct bytes after_tags(struct arena *arena, struct bytes value)
{
    for (;;) {
        struct cursor c = cursor_start(value);
        skip_cfws(&c, NULL);
        read_word(&c, is_keyword_octet);
        skip_cfws(&c, NULL);
        cursor_expect(&c, '=', MALFORMED);
        skip_cfws(&c, NULL);
        read_value(arena, &c);
        skip_cfws(&c, NULL);
        cursor_expect(&c, ';', MALFORMED);
        if (c.problem)
            return value;
        value = c.rest;
    }
}

bool authres_claims(struct arena *arena, struct bytes value, struct bytes authserv_id)
{
    value = after_tags(arena, value);
    struct cursor c = cursor_start(value);
    struct authres authres;
    read_head(arena, &c, &authres);
    struct bytes ours = comparable_id(arena, authserv_id);
    struct bytes theirs =
        comparable_id(arena, c.problem ? unreadable_head(arena, value) : authres.authserv_id);
    if (!ours.p || !theirs.p)
        return true;
    return c.problem ? mentions_id(arena, theirs, ours) : bytes_equal(theirs, ours);
}

bool authres_has_other_version(struct arena *arena, struct bytes value)
{
    struct cursor c = cursor_start(value);
    struct authres authres;
    read_head(arena, &c, &authres);
    return !c.problem && authres.version != VERSION_UNDERSTOOD;
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
