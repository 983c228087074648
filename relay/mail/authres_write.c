/* Writing Authentication-Results (RFC 8601 2.2): quoting and folding.
 *
 * Everything is written word by word, and a word that does not fit on its line starts the next one
 * (RFC 5322 2.2.3). Words themselves are never divided. */
#include "authres.h"

#include "clause.h"

static const size_t COLUMNS_MAX = 78; /* RFC 5322 2.1.1 */
static const size_t TAB_WIDTH = 8;

struct writer {
    struct buffer *out;
    struct buffer word;
    size_t column;
};

/* Ends the word and puts it on this line or the next. */
static void end_word(struct writer *w)
{
    if (w->word.n == 0)
        return;
    if (w->column + 1 + w->word.n > COLUMNS_MAX) {
        buffer_add(w->out, BYTES("\r\n\t"));
        w->column = TAB_WIDTH;
    } else {
        buffer_add_char(w->out, ' ');
        w->column++;
    }
    buffer_add(w->out, buffer_bytes(&w->word));
    w->column += w->word.n;
    buffer_clear(&w->word);
}

static void put_octets(struct writer *w, struct bytes text)
{
    buffer_add(&w->word, text);
}

static bool is_token(struct bytes value)
{
    for (size_t i = 0; i < value.n; i++)
        if (!ascii_is_printable(value.p[i]) ||
            bytes_find(BYTES(" ()<>@,;:\\\"/[]?="), value.p[i]) != BYTES_NOT_FOUND)
            return false;
    return value.n > 0;
}

/* Atoms, or labels of a domain, with single dots between them. Clause: MSG-32 */
static bool is_dotted(struct bytes text, struct bytes special)
{
    bool in_part = false;
    for (size_t i = 0; i < text.n; i++) {
        bool is_dot = text.p[i] == '.';
        if (is_dot
                ? !in_part
                : !ascii_is_alnum(text.p[i]) && bytes_find(special, text.p[i]) == BYTES_NOT_FOUND)
            return false;
        in_part = !is_dot;
    }
    return in_part;
}

/* RFC 5322 3.2.4, without folds. */
static bool is_quoted_string(struct bytes text)
{
    if (text.n < 2 || text.p[0] != '"' || text.p[text.n - 1] != '"')
        return false;
    for (size_t i = 1; i < text.n - 1; i++) {
        if (text.p[i] == '\\')
            i++;
        else if (text.p[i] == '"')
            return false;
        if (i == text.n - 1 || !ascii_is_printable(text.p[i]))
            return false;
    }
    return true;
}

/* [ local-part ] "@" domain-name: an email identity is written as one (RFC 8601 2.2). */
static bool is_address(struct bytes value)
{
    size_t at = bytes_find_last(value, '@');
    if (at == BYTES_NOT_FOUND)
        return false;
    struct bytes local = bytes_first(value, at);
    return is_dotted(bytes_from(value, at + 1), BYTES("-")) &&
           (local.n == 0 || is_quoted_string(local) ||
            is_dotted(local, BYTES("!#$%&'*+-/=?^_`{|}~")));
}

/* The text with `special` octets escaped and what may not stand in a header replaced. */
static void put_escaped(struct writer *w, struct bytes text, struct bytes special)
{
    for (size_t i = 0; i < text.n; i++) {
        char octet = ascii_is_printable(text.p[i]) ? text.p[i] : '?';
        if (bytes_find(special, octet) != BYTES_NOT_FOUND)
            buffer_add_char(&w->word, '\\');
        buffer_add_char(&w->word, octet);
    }
}

static void put_value(struct writer *w, struct bytes value)
{
    if (CLAUSE(MSG_33_bare, is_token(value))) {
        put_octets(w, value);
        return;
    }
    put_octets(w, BYTES("\""));
    put_escaped(w, value, BYTES("\"\\"));
    put_octets(w, BYTES("\""));
}

static void put_property_value(struct writer *w, struct bytes value)
{
    if (CLAUSE(MSG_31, is_address(value)))
        put_octets(w, value);
    else
        put_value(w, value);
}

/* A comment may be folded at its blanks. */
static void put_comment(struct writer *w, struct bytes comment)
{
    struct bytes rest = comment;
    put_octets(w, BYTES("("));
    while (rest.p) {
        put_escaped(w, bytes_cut(&rest, ' '), BYTES("()\\"));
        if (rest.p)
            end_word(w);
    }
    put_octets(w, BYTES(")"));
    end_word(w);
}

static void put_result(struct writer *w, const struct authres_result *result)
{
    put_octets(w, result->method);
    put_octets(w, BYTES("="));
    put_octets(w, result->value);
    if (result->comment.n > 0) {
        end_word(w);
        put_comment(w, result->comment);
    }
    if (result->reason.n > 0) {
        end_word(w);
        put_octets(w, BYTES("reason="));
        put_value(w, result->reason);
    }
    for (size_t i = 0; i < result->property_count; i++) {
        const struct authres_property *property = &result->properties[i];
        end_word(w);
        put_octets(w, property->ptype);
        put_octets(w, BYTES("."));
        put_octets(w, property->name);
        put_octets(w, BYTES("="));
        put_property_value(w, property->value);
    }
}

/* Where in a resinfo one is: quotes mean nothing in a comment, nor parentheses in quotes, nor
 * backslashes outside both. */
struct place {
    bool quoted;
    size_t comments; /* that are open */
    bool escaped;    /* the octet follows a backslash */
};

static void pass_octet(struct place *place, char octet)
{
    if (place->escaped) {
        place->escaped = false;
        return;
    }
    if (octet == '\\')
        place->escaped = place->quoted || place->comments > 0;
    else if (octet == '"' && place->comments == 0)
        place->quoted = !place->quoted;
    else if (octet == '(' && !place->quoted)
        place->comments++;
    else if (octet == ')' && place->comments > 0)
        place->comments--;
}

/* A resinfo as it was read: blanks outside quotes are where it may be folded, line ends go. */
static void put_resinfo(struct writer *w, struct bytes text)
{
    struct place place = {0};
    for (size_t i = 0; i < text.n; i++) {
        char octet = text.p[i];
        bool line_end = octet == '\r' || octet == '\n';
        if (!place.quoted && !place.escaped && ascii_is_space(octet))
            end_word(w);
        else if (!line_end)
            buffer_add_char(&w->word, octet);
        pass_octet(&place, octet);
    }
}

void authres_write(struct buffer *out, const struct authres *authres, size_t column)
{
    struct writer w = {.out = out, .column = column};
    put_value(&w, authres->authserv_id);
    for (size_t i = 0; i < authres->result_count; i++) {
        put_octets(&w, BYTES(";"));
        end_word(&w);
        if (authres->results[i].text.n > 0)
            put_resinfo(&w, authres->results[i].text);
        else
            put_result(&w, &authres->results[i]);
    }
    if (authres->result_count == 0) {
        put_octets(&w, BYTES(";"));
        end_word(&w);
        put_octets(&w, BYTES("none"));
    }
    end_word(&w);
    if (w.word.failed)
        out->failed = true;
    buffer_free(&w.word);
}
