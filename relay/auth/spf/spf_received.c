/* The Received-SPF field: RFC 7208 9.1, folded as RFC 5322 2.2.3 allows.
 *
 * Values come from the client and from its records, so each is bounded, stripped of everything but
 * printable ASCII, and quoted unless it is a dot-atom. */
#include "spf.h"

#include "address.h"
#include "clause.h"

#include <string.h>

enum {
    COLUMNS_MAX = 78, /* RFC 5322 2.1.1: SHOULD */
    VALUE_MAX = 320   /* octets of a value: a whole mailbox (RFC 5321 4.5.3.1) */
};

struct field {
    struct buffer *out;
    size_t column;
};

/* Adds a word that cannot be folded, on a new line if this one is full. */
static void add_field_word(struct field *field, struct bytes word)
{
    if (field->column + 1 + word.n > COLUMNS_MAX) {
        buffer_add(field->out, BYTES("\r\n"));
        field->column = 0;
    }
    buffer_add_char(field->out, ' ');
    buffer_add(field->out, word);
    field->column += 1 + word.n;
}

/* Appends `text` with every octet of `specials` escaped, and what is not printable replaced. */
static void add_escaped(struct buffer *out, struct bytes text, const char *specials)
{
    text = bytes_first(text, VALUE_MAX);
    for (size_t i = 0; i < text.n; i++) {
        char c = ascii_is_printable(text.p[i]) ? text.p[i] : '?';
        if (strchr(specials, c))
            buffer_add_char(out, '\\');
        buffer_add_char(out, c);
    }
}

/* dot-atom of RFC 5322 3.2.3 */
static bool is_dot_atom(struct bytes text)
{
    bool after_dot = true;
    for (size_t i = 0; i < text.n; i++) {
        bool dot = text.p[i] == '.';
        if (dot ? after_dot : !address_is_atext(text.p[i]))
            return false;
        after_dot = dot;
    }
    return !after_dot && text.n <= VALUE_MAX;
}

/* key=value; with the value quoted unless it may stand alone, or always. */
static void add_pair(struct field *field, const char *key, struct bytes value, bool quote)
{
    struct buffer word = {0};
    buffer_printf(&word, "%s=", key);
    if (!quote && CLAUSE(SPF_22, is_dot_atom(value))) {
        buffer_add(&word, value);
    } else {
        buffer_add_char(&word, '"');
        add_escaped(&word, value, "\"\\");
        buffer_add_char(&word, '"');
    }
    buffer_add_char(&word, ';');
    add_field_word(field, buffer_bytes(&word));
    field->out->failed |= word.failed;
    buffer_free(&word);
}

/* What the comment says: before the mailbox checked, between it and the client's address, after. */
static const struct {
    const char *before, *between, *after;
} sentences[] = {
    [SPF_NONE] = {"domain of ", " has no SPF policy for ", ""},
    [SPF_NEUTRAL] = {"domain of ", " neither permits nor denies ", ""},
    [SPF_PASS] = {"domain of ", " designates ", " as permitted sender"},
    [SPF_FAIL] = {"domain of ", " does not designate ", " as permitted sender"},
    [SPF_SOFTFAIL] = {"domain of transitioning ", " does not designate ", " as permitted sender"},
    [SPF_TEMPERROR] = {"error in processing during lookup of ", " for client ", ""},
    [SPF_PERMERROR] = {"permanent error in processing during lookup of ", " for client ", ""},
};

static void add_comment(struct field *field, const struct spf_request *request,
                        const struct spf_outcome *outcome, const char *client)
{
    static const char specials[] = "()\\";
    struct bytes receiver = request->receiver.n > 0 ? request->receiver : BYTES("unknown");
    struct buffer comment = {0};
    buffer_add_char(&comment, '(');
    add_escaped(&comment, receiver, specials);
    buffer_printf(&comment, ": %s", sentences[outcome->result].before);
    add_escaped(&comment, outcome->sender, specials);
    buffer_printf(&comment, "%s%s%s)", sentences[outcome->result].between, client,
                  sentences[outcome->result].after);
    struct bytes rest = buffer_bytes(&comment);
    while (rest.p) {
        struct bytes word = bytes_cut(&rest, ' ');
        if (word.n > 0) /* a folded line has more than blanks in it: RFC 5322 3.2.2 */
            add_field_word(field, word);
    }
    field->out->failed |= comment.failed;
    buffer_free(&comment);
}

void spf_write_received(struct buffer *out, const struct spf_request *request,
                        const struct spf_outcome *outcome)
{
    static const char name[] = "Received-SPF:";
    struct field field = {.out = out, .column = sizeof name - 1};
    char client[IP_TEXT_SIZE];
    buffer_add(out, bytes_of(name));
    add_field_word(&field, bytes_of(spf_result_name(outcome->result)));
    add_comment(&field, request, outcome, ip_format(&request->client, client));
    if (request->receiver.n > 0)
        add_pair(&field, "receiver", request->receiver, false);
    add_pair(&field, "client-ip", BREAK(SPF_15_client, bytes_of(client), BYTES("unknown")), false);
    if (CLAUSE(SPF_15_sender, outcome->identity == SPF_MAIL_FROM))
        add_pair(&field, "envelope-from", request->mail_from, true);
    add_pair(&field, "helo", BREAK(SPF_15_helo, request->helo, BYTES("unknown")), false);
    add_pair(&field, "identity", outcome->identity == SPF_HELO ? BYTES("helo") : BYTES("mailfrom"),
             false);
    if (outcome->mechanism.n > 0 && unless_broken(SPF_23))
        add_pair(&field, "mechanism", outcome->mechanism, false);
    if (outcome->problem && unless_broken(SPF_21))
        add_pair(&field, "problem", bytes_of(outcome->problem), false);
    buffer_add(out, BYTES("\r\n"));
}
