/* Reading text with an error that sticks. See cursor.h. */
#include "cursor.h"

struct cursor cursor_start(struct bytes text)
{
    return (struct cursor){.rest = text};
}

void cursor_fail(struct cursor *cursor, const char *problem)
{
    if (!cursor->problem)
        cursor->problem = problem;
    cursor_skip(cursor, cursor->rest.n);
}

bool cursor_at_end(const struct cursor *cursor)
{
    return cursor->rest.n == 0;
}

char cursor_peek(const struct cursor *cursor)
{
    if (cursor->rest.n == 0)
        return '\0';
    return cursor->rest.p[0];
}

void cursor_skip(struct cursor *cursor, size_t n)
{
    cursor->rest = bytes_from(cursor->rest, n);
}

bool cursor_take(struct cursor *cursor, char wanted)
{
    if (cursor_at_end(cursor) || cursor_peek(cursor) != wanted)
        return false;
    cursor_skip(cursor, 1);
    return true;
}

void cursor_expect(struct cursor *cursor, char wanted, const char *problem)
{
    if (!cursor_take(cursor, wanted))
        cursor_fail(cursor, problem);
}

struct bytes cursor_take_while(struct cursor *cursor, bool (*belongs)(char))
{
    struct bytes start = cursor->rest;
    while (!cursor_at_end(cursor) && belongs(cursor_peek(cursor)))
        cursor_skip(cursor, 1);
    return cursor_since(cursor, start);
}

struct bytes cursor_since(const struct cursor *cursor, struct bytes start)
{
    return bytes_first(start, start.n - cursor->rest.n);
}
