/* Reading text from left to right with an error that sticks: after the first one nothing is left to
 * read, so a parser takes all the steps of its grammar and checks once at the end.
 *
 *     struct cursor c = cursor_start(text);
 *     cursor_expect(&c, '<', "no opening bracket");
 *     struct bytes name = cursor_take_while(&c, ascii_is_alnum);
 *     cursor_expect(&c, '>', "no closing bracket");
 *     if (c.problem)
 *         ...
 */
#ifndef FAIRLEAD_CURSOR_H
#define FAIRLEAD_CURSOR_H

#include "bytes.h"

struct cursor {
    struct bytes rest;   /* what has not been read yet */
    const char *problem; /* the first error; NULL if there was none */
};

struct cursor cursor_start(struct bytes text);

/* Records the problem, unless there was one before, and leaves nothing to read. */
void cursor_fail(struct cursor *cursor, const char *problem);

bool cursor_at_end(const struct cursor *cursor);

/* The next octet, which stays; NUL at the end. */
char cursor_peek(const struct cursor *cursor);

/* Passes over `n` octets, or as many as are left. */
void cursor_skip(struct cursor *cursor, size_t n);

/* Passes over the next octet if it is `wanted`. False, and nothing is passed over, if it is not. */
bool cursor_take(struct cursor *cursor, char wanted);

/* The same, where anything else is an error. */
void cursor_expect(struct cursor *cursor, char wanted, const char *problem);

/* Passes over the octets that `belongs` accepts, and returns them; there may be none. */
struct bytes cursor_take_while(struct cursor *cursor, bool (*belongs)(char));

/* What has been read since `rest` was `start`. */
struct bytes cursor_since(const struct cursor *cursor, struct bytes start);

#endif
