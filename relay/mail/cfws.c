/* Comments, folding white space and quoted strings. See cfws.h. */
#include "cfws.h"

/* Reads up to the octet that closes what has been opened, and over it. Comments nest, quoted
 * strings do not: for them `opening` is NUL. */
static struct bytes take_enclosed(struct cursor *cursor, char opening, char closing,
                                  const char *problem)
{
    struct bytes start = cursor->rest;
    for (size_t depth = 1; !cursor_at_end(cursor);) {
        char c = cursor_peek(cursor);
        if (c == closing && --depth == 0) {
            struct bytes content = cursor_since(cursor, start);
            cursor_skip(cursor, 1);
            return content;
        }
        if (c == opening && opening != '\0')
            depth++;
        cursor_skip(cursor, c == '\\' ? 2 : 1);
    }
    cursor_fail(cursor, problem);
    return (struct bytes){NULL, 0};
}

bool cfws_take_comment(struct cursor *cursor, struct bytes *content)
{
    cursor_take_while(cursor, ascii_is_space);
    if (!cursor_take(cursor, '('))
        return false;
    *content = take_enclosed(cursor, '(', ')', "unterminated comment");
    return true;
}

void cfws_skip(struct cursor *cursor)
{
    struct bytes content;
    while (cfws_take_comment(cursor, &content))
        continue;
}

bool cfws_take_quoted_string(struct cursor *cursor, struct bytes *content)
{
    if (!cursor_take(cursor, '"'))
        return false;
    *content = take_enclosed(cursor, '\0', '"', "unterminated quoted string");
    return true;
}
