/* The content of DATA. See content.h.
 *
 * The reader is a machine over the octets that matter (CR, LF, dot, NUL); runs of other octets are
 * found with memchr-like scans and stored whole, so that a large message costs one copy. */
#include "content.h"

#include "clause.h"

enum {
    AFTER_CRLF,        /* at the start of a line: a dot here is special */
    AFTER_CRLF_DOT,    /* read a dot there */
    AFTER_CRLF_DOT_CR, /* and a CR: a LF now is the end of the data */
    IN_LINE,           /* anywhere else */
    IN_LINE_CR         /* read a CR there */
};

void content_start(struct content_reader *reader, struct buffer *message,
                   struct content_limits limits)
{
    *reader = (struct content_reader){
        .limits = limits, .message = message, .state = AFTER_CRLF, .in_header = true};
}

static bool is_stored(const struct content_reader *reader)
{
    return !reader->discard && !reader->too_big && !reader->header_too_big &&
           !reader->too_many_fields && !reader->bare_cr && !reader->bare_lf && !reader->nul &&
           !reader->continues_field;
}

/* What is kept of each field costs more than the shortest of them. Clause: LIM-38 */
static void count_field(struct content_reader *reader, char first)
{
    if (!ascii_is_blank(first))
        reader->fields++;
    if (reader->fields > BREAK(LIM_38, reader->limits.fields, SIZE_MAX))
        reader->too_many_fields = true;
}

/* A message of exactly the limit is within it. A line may have any length (RFC 5321 4.5.3.1: no
 * limit where possible). Clauses: LIM-03, LIM-04 */
static void store_octets(struct content_reader *reader, struct bytes octets)
{
    if (reader->size == 0 && octets.n > 0)
        reader->continues_field = octets.p[0] == ' ' || octets.p[0] == '\t';
    if (reader->in_header && reader->line == 0 && octets.n > 0 && octets.p[0] != '\r')
        count_field(reader, octets.p[0]);
    reader->size += octets.n;
    reader->line += octets.n;
    if (reader->size > BREAK(LIM_12, reader->limits.size, reader->limits.size - 1))
        reader->too_big = true;
    if (reader->in_header && reader->size > reader->limits.header)
        reader->header_too_big = true;
    if (is_stored(reader))
        buffer_add(reader->message, octets);
}

static void finish_line(struct content_reader *reader)
{
    if (reader->line == sizeof "\r\n" - 1)
        reader->in_header = false;
    reader->line = 0;
    reader->state = AFTER_CRLF;
}

/* Stores the octets up to the next CR, LF or NUL and returns their number. */
static size_t store_run(struct content_reader *reader, struct bytes octets)
{
    size_t n = 0;
    unsigned char high = 0;
    while (n < octets.n && octets.p[n] != '\r' && octets.p[n] != '\n' && octets.p[n] != '\0')
        high |= (unsigned char)octets.p[n++];
    if (high & 0x80)
        reader->eight_bit = true;
    store_octets(reader, bytes_first(octets, n));
    return n;
}

/* An octet in the middle of a line that is not part of a run: CR, LF or NUL. */
static void store_control(struct content_reader *reader, char c)
{
    if (c == '\r') {
        reader->state = IN_LINE_CR;
        return;
    }
    if (c == '\n')
        reader->bare_lf = true;
    else
        reader->nul = true;
    store_octets(reader, (struct bytes){&c, 1});
}

/* The octet after a dot that began a line. The dot is transparency and dropped, unless the data
 * ends here. */
static size_t feed_after_dot(struct content_reader *reader, char c)
{
    if (c == '\r') {
        reader->state = AFTER_CRLF_DOT_CR;
        return 1;
    }
    reader->state = IN_LINE;
    return 0;
}

/* A CR that no LF follows is noted, and refused by the judge. Clause: SMUG-03 */
static size_t feed_after_cr(struct content_reader *reader, char c, bool after_dot)
{
    if (c == '\n') {
        if (CLAUSE(SMUG_01, after_dot)) {
            reader->ended = true;
            return 1;
        }
        store_octets(reader, BYTES("\r\n"));
        finish_line(reader);
        return 1;
    }
    reader->bare_cr = true;
    store_octets(reader, BYTES("\r"));
    reader->state = IN_LINE;
    return 0;
}

size_t content_feed(struct content_reader *reader, struct bytes octets)
{
    size_t used = 0;
    while (used < octets.n && !reader->ended) {
        struct bytes rest = bytes_from(octets, used);
        switch (reader->state) {
        case AFTER_CRLF:
            reader->state = rest.p[0] == '.' ? AFTER_CRLF_DOT : IN_LINE;
            used += rest.p[0] == '.' ? 1 : 0;
            break;
        case AFTER_CRLF_DOT:
            used += feed_after_dot(reader, rest.p[0]);
            break;
        case AFTER_CRLF_DOT_CR:
            used += feed_after_cr(reader, rest.p[0], true);
            break;
        case IN_LINE_CR:
            used += feed_after_cr(reader, rest.p[0], false);
            break;
        default: {
            size_t run = store_run(reader, rest);
            used += run;
            if (run < rest.n) {
                store_control(reader, rest.p[run]);
                used++;
            }
        }
        }
    }
    return used;
}

/* No line of the content can end the data. Clause: SMUG-09 */
void content_stuff(struct bytes octets, bool *at_line_start,
                   void (*out)(void *context, struct bytes run), void *context)
{
    while (octets.n > 0) {
        if (CLAUSE(MSG_08, *at_line_start && octets.p[0] == '.'))
            out(context, BYTES("."));
        size_t line_end = bytes_find(octets, '\n');
        size_t length = line_end == BYTES_NOT_FOUND ? octets.n : line_end + 1;
        /* Lines that need no dot leave in one run together with those before them. */
        while (length < octets.n && octets.p[length] != '.') {
            line_end = bytes_find(bytes_from(octets, length), '\n');
            length = line_end == BYTES_NOT_FOUND ? octets.n : length + line_end + 1;
        }
        out(context, bytes_first(octets, length));
        *at_line_start = octets.p[length - 1] == '\n';
        octets = bytes_from(octets, length);
    }
}
