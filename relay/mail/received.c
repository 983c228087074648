/* The trace field and its date. See received.h. */
#include "received.h"

#include "buffer.h"
#include "clause.h"
#include "domain.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    NAME_SHOWN_MAX = 255,
    COLUMNS_MAX = 78,   /* RFC 5322 2.1.1, the CRLF not counted */
    DATE_TEXT_SIZE = 80 /* more than any date needs, whatever the compiler fears */
};

/* date-time of RFC 5322 3.3, in UTC: "Mon, 23 Nov 2026 14:25:23 +0000". */
static const char *date_format(int64_t time, char text[DATE_TEXT_SIZE])
{
    /* Not strftime(), whose names are the locale's. */
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const int64_t year_10000 = 253402300800;
    time_t seconds = time < 0 || time >= year_10000 ? 0 : time;
    struct tm utc = {.tm_mday = 1};
    gmtime_r(&seconds, &utc);
    snprintf(text, DATE_TEXT_SIZE, "%s, %02d %s %04d %02d:%02d:%02d +0000", days[utc.tm_wday],
             utc.tm_mday, months[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min,
             utc.tm_sec);
    return text;
}

/* A field being built: words with a blank or, where the line would be too long, a fold between. */
struct folding {
    struct buffer text;
    size_t line_start;
};

static void fold(struct folding *field)
{
    buffer_add(&field->text, BYTES("\r\n\t"));
    field->line_start = field->text.n - 1;
}

static void add_word(struct folding *field, struct bytes word)
{
    size_t column = field->text.n - field->line_start;
    if (column > 1 && column + 1 + word.n > COLUMNS_MAX)
        fold(field);
    else if (column > 1)
        buffer_add_char(&field->text, ' ');
    buffer_add(&field->text, word);
}

/* What the client gave for a name and is none, as a comment. It is cut where no name would be
 * longer (RFC 5321 4.5.3.1.2): a line has at most 998 octets (RFC 5322 2.1.1), escapes included. */
static void add_foreign_name(struct folding *field, struct arena *arena, struct bytes name)
{
    bool is_cut = CLAUSE(MSG_34, name.n > NAME_SHOWN_MAX);
    name = bytes_first(name, NAME_SHOWN_MAX);
    char *text = arena_alloc(arena, 2 * name.n + 1);
    size_t n = 0;
    for (size_t i = 0; text && i < name.n; i++) {
        if (name.p[i] == '(' || name.p[i] == ')' || name.p[i] == '\\')
            text[n++] = '\\';
        text[n++] = name.p[i];
    }
    add_word(field,
             arena_printf(arena, "(HELO %.*s%s)", (int)n, text ? text : "", is_cut ? "..." : ""));
}

/* Extended-Domain of RFC 5321 4.4: the name that the client gave, and in the comment its address.
 * Clauses: MSG-02, MSG-06 */
static void add_client(struct folding *field, struct arena *arena, const struct received *received)
{
    struct bytes literal = domain_literal_format(arena, &received->client);
    struct ip ip;
    bool is_domain =
        domain_is_name(received->helo, DOMAIN_LOOSE) || domain_literal_parse(received->helo, &ip);
    add_word(field, BYTES("from"));
    add_word(field, is_domain ? BREAK(MSG_02_name, received->helo, literal) : literal);
    if (!is_domain)
        add_foreign_name(field, arena, received->helo);
    add_word(field, arena_printf(arena, "(%.*s)", BYTES_ARG(literal)));
}

/* By this relay's name, and with the present time at its end.
 * Clauses: MSG-03, MSG-05, MSG-20 */
struct bytes received_field(struct arena *arena, const struct received *received)
{
    struct folding field = {0};
    char date[DATE_TEXT_SIZE];
    buffer_add(&field.text, BYTES("Received:"));
    add_client(&field, arena, received);
    fold(&field);
    add_word(&field, BYTES("by"));
    add_word(&field, BREAK(MSG_22, received->host, BYTES("localhost")));
    add_word(&field, BYTES("with"));
    add_word(&field, CLAUSE(MSG_28, received->tls)     ? BYTES("ESMTPS")
                     : CLAUSE(MSG_04, received->esmtp) ? BYTES("ESMTP")
                                                       : BYTES("SMTP"));
    add_word(&field, BYTES("id"));
    if (received->recipient.n > 0) {
        add_word(&field, received->id);
        fold(&field);
        add_word(&field, BYTES("for"));
        add_word(&field, arena_printf(arena, "<%.*s>;", BYTES_ARG(received->recipient)));
    } else {
        add_word(&field, arena_printf(arena, "%.*s;", BYTES_ARG(received->id)));
    }
    add_word(&field, bytes_of(date_format(BREAK(MSG_21, received->time, 0), date)));
    buffer_add(&field.text, BYTES("\r\n"));
    return arena_take(arena, &field.text);
}
