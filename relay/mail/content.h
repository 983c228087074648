/* The content of DATA on its way in and out: end of data, transparency, and what a message may not
 * hold (RFC 5321 2.3.8, 4.1.1.4, 4.5.2).
 *
 * Only CRLF "." CRLF ends the data. Whatever else others have taken for an end (bare LF, bare CR,
 * NUL in between) is content, and content that the relay refuses. */
#ifndef FAIRLEAD_CONTENT_H
#define FAIRLEAD_CONTENT_H

#include "buffer.h"

enum { HEADER_FIELDS_MAX = 10000 }; /* Clause: LIM-44 */

struct content_limits {
    size_t size;   /* octets of the message, transparency dots not counted */
    size_t header; /* octets before the empty line */
    size_t fields; /* in the header */
};

struct content_reader {
    struct content_limits limits;
    struct buffer *message; /* filled while nothing is wrong with it */
    uint64_t size;          /* octets seen, stored or not */
    size_t line;            /* octets of the current line so far */
    size_t fields;          /* lines of the header that continue no other */
    int state;              /* see content.c */
    bool in_header;
    bool discard; /* set by the caller, where memory is short: only look for the end */

    bool ended;   /* CRLF "." CRLF was read */
    bool too_big; /* over limits.size */
    bool header_too_big;
    bool too_many_fields;
    bool continues_field; /* the first line would continue the field above the message */
    bool bare_cr;
    bool bare_lf;
    bool nul;
    bool eight_bit; /* an octet over 0x7f */
};

/* Starts reading after the 354; the CRLF of the DATA command counts as the one before the first
 * line. `message` must be empty and stay until the end. */
void content_start(struct content_reader *reader, struct buffer *message,
                   struct content_limits limits);

/* Takes octets as they came from the client and returns how many it used: all, unless the end of
 * data lies among them (`ended`); the next command starts after it. */
size_t content_feed(struct content_reader *reader, struct bytes octets);

/* Writes octets of a message, whose lines end in CRLF, with transparency dots. `at_line_start`
 * carries over from piece to piece; start with true. `out` is called with runs of octets. */
void content_stuff(struct bytes octets, bool *at_line_start,
                   void (*out)(void *context, struct bytes run), void *context);

#endif
