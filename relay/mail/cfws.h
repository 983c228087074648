/* The tokens that structured header fields share: comments, folding white space and quoted strings,
 * RFC 5322 3.2.1, 3.2.2 and 3.2.4.
 *
 * SP, HTAB, CR and LF count as white space in any order: whether a line end folds properly is for
 * the caller to check. Nesting of comments is counted, not recursed into. */
#ifndef FAIRLEAD_CFWS_H
#define FAIRLEAD_CFWS_H

#include "cursor.h"

/* Passes over CFWS. A comment that does not end is an error. */
void cfws_skip(struct cursor *cursor);

/* Passes over white space and the comment that follows it, if one does: *content is then what its
 * parentheses enclose, quoted pairs as written. To be called until it returns false. */
bool cfws_take_comment(struct cursor *cursor, struct bytes *content);

/* Passes over a quoted-string, if the cursor is at one: *content is then what its quotes enclose,
 * quoted pairs as written. One that does not end is an error. */
bool cfws_take_quoted_string(struct cursor *cursor, struct bytes *content);

#endif
