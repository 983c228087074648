/* SMTP replies. See reply.h. */
#include "reply.h"

#include "clause.h"
#include "cursor.h"

#include <string.h>

enum {
    CODE_DIGITS = 3,
    CODE_AND_SEPARATOR = CODE_DIGITS + 1,
    TEXT_MAX = REPLY_LINE_MAX - CODE_AND_SEPARATOR - 2, /* what the code and CRLF leave */
};

void reply_start(struct reply_reader *reader, struct arena *arena)
{
    *reader = (struct reply_reader){.arena = arena};
}

/* The three digits at the start of a line; 0 if it has none. The second digit is not held to what
 * RFC 5321 4.2 lists (0 to 5): codes such as 571 are in use, and the first digit decides. */
static int read_code(struct bytes line)
{
    uint64_t code = 0;
    if (!bytes_to_number(bytes_first(line, CODE_DIGITS), BREAK(ERR_20, 599, 559), &code) ||
        code < 200)
        return 0;
    return (int)code;
}

/* "." and one to three digits without a leading zero (RFC 3463 2). */
static void read_status_part(struct cursor *c)
{
    cursor_expect(c, '.', "no enhanced status code");
    struct bytes digits = cursor_take_while(c, ascii_is_digit);
    if (digits.n == 0 || digits.n > 3 || (digits.n > 1 && digits.p[0] == '0'))
        cursor_fail(c, "no enhanced status code");
}

/* The enhanced status code at the start of a text (RFC 3463 2), which must be of the same class as
 * the reply (RFC 2034 4). */
static struct bytes read_enhanced(int code, struct bytes text)
{
    struct cursor c = cursor_start(text);
    if (code / 100 == 3 || !cursor_take(&c, (char)('0' + code / 100)))
        return BYTES("");
    read_status_part(&c);
    read_status_part(&c);
    bool ends = cursor_at_end(&c) || ascii_is_blank(cursor_peek(&c));
    return ends && !c.problem ? cursor_since(&c, text) : BYTES("");
}

static struct bytes without_line_end(struct bytes line)
{
    if (line.n > 0 && line.p[line.n - 1] == '\n')
        line.n--;
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

static bool add_line(struct reply_reader *reader, struct bytes text)
{
    struct reply *reply = &reader->reply;
    if (!reply->lines)
        reply->lines = arena_alloc_array(reader->arena, REPLY_LINES_MAX, sizeof *reply->lines);
    struct bytes copy = arena_copy(reader->arena, bytes_first(text, REPLY_READ_MAX));
    if (!reply->lines || !copy.p)
        return false;
    if (reply->line_count == 0)
        reply->enhanced = read_enhanced(reply->code, copy);
    reply->lines[reply->line_count++] = copy;
    return true;
}

enum reply_progress reply_take_line(struct reply_reader *reader, struct bytes line)
{
    struct reply *reply = &reader->reply;
    line = without_line_end(line);
    int code = read_code(line);
    bool is_last = (line.n == CODE_DIGITS && unless_broken(UPS_35)) ||
                   (line.n > CODE_DIGITS && line.p[CODE_DIGITS] == ' ');
    bool is_first = reply->line_count == 0;
    if (code == 0 || (!is_last && line.p[CODE_DIGITS] != '-') ||
        CLAUSE(UPS_14, !is_first && code != reply->code) || reply->line_count == REPLY_LINES_MAX)
        return REPLY_UNPARSABLE;
    reply->code = code;
    if (!add_line(reader, bytes_from(line, CODE_AND_SEPARATOR)))
        return REPLY_UNPARSABLE;
    return is_last ? REPLY_COMPLETE : REPLY_MORE;
}

void reply_adapt_for_client(struct reply *reply)
{
    if (CLAUSE(ERR_09, reply->code == 421))
        reply->code = BREAK(ERR_25, 451, 554);
}

/* Up to and including the last blank of the slice; the whole of it if there is none. */
static struct bytes cut_after_blank(struct bytes text)
{
    size_t blank = bytes_find_last(text, ' ');
    return blank == BYTES_NOT_FOUND ? text : bytes_first(text, blank + 1);
}

static char cleaned(char c)
{
    unsigned char octet = (unsigned char)c;
    if (CLAUSE(ERR_14, (octet < 0x20 && c != '\t') || octet == 0x7f))
        return BREAK(ERR_31, '?', '@');
    if (CLAUSE(ERR_15, octet >= 0x80))
        return BREAK(ERR_31, '?', '@');
    return c;
}

static void write_reply_text(struct buffer *out, int code, struct bytes text, bool is_last)
{
    do {
        struct bytes part = text;
        if (CLAUSE(ERR_16, text.n > TEXT_MAX))
            part = cut_after_blank(bytes_first(text, TEXT_MAX));
        buffer_printf(out, "%d%c", code, is_last && part.n == text.n ? ' ' : '-');
        for (size_t i = 0; i < part.n; i++)
            buffer_add_char(out, cleaned(part.p[i]));
        buffer_add(out, BYTES("\r\n"));
        text = bytes_from(text, part.n);
    } while (text.n > 0);
}

/* Every line, with the enhanced code that it begins with, if any. Clauses: ERR-06, ERR-07 */
void reply_write(struct buffer *out, const struct reply *reply)
{
    for (size_t i = 0; i < reply->line_count; i++)
        write_reply_text(out, reply->code, reply->lines[i], i + 1 == reply->line_count);
}

void reply_write_line(struct buffer *out, int code, struct bytes text)
{
    write_reply_text(out, code, text, true);
}

struct reply_extensions reply_read_extensions(const struct reply *ehlo)
{
    struct reply_extensions found = {0};
    /* The first line is the greeting, not a keyword. */
    for (size_t i = 1; i < ehlo->line_count; i++) {
        struct bytes parameters = bytes_trim(ehlo->lines[i]);
        struct bytes keyword = bytes_cut(&parameters, ' ');
        if (bytes_equal_nocase(keyword, BYTES("8BITMIME")))
            found.eight_bit_mime = true;
        else if (bytes_equal_nocase(keyword, BYTES("PIPELINING")))
            found.pipelining = true;
        else if (bytes_equal_nocase(keyword, BYTES("STARTTLS")))
            found.starttls = true;
        else if (bytes_equal_nocase(keyword, BYTES("SIZE"))) {
            found.size = true;
            bytes_to_number(bytes_trim(parameters), UINT64_MAX, &found.size_limit);
        }
    }
    return found;
}
