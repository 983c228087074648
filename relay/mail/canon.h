/* Canonicalisation of header fields and bodies, and the choice of signed fields: RFC 6376 3.4, 3.7
 * and 5.4.2, shared by DKIM (RFC 6376) and ARC (RFC 8617).
 *
 * Canonical text goes to a sink piece by piece and is never copied whole. Only CRLF ends a line; a
 * bare CR or LF is an octet like any other. */
#ifndef FAIRLEAD_CANON_H
#define FAIRLEAD_CANON_H

#include "arena.h"
#include "message.h"

enum canon { CANON_SIMPLE, CANON_RELAXED };

/* Where canonical text goes: `take` is called with each piece in turn. */
struct canon_sink {
    void (*take)(void *context, struct bytes piece);
    void *context;
};

/* A whole header field with its final CRLF (3.4.1, 3.4.2). */
void canon_field(enum canon canon, struct bytes raw, struct canon_sink sink);

/* The signature field itself: the octets of `cut`, a part of `raw` (the value of b= with the white
 * space round it), left out, and no CRLF at the end (3.7, hash step 2). */
void canon_signature_field(enum canon canon, struct bytes raw, struct bytes cut,
                           struct canon_sink sink);

/* Small pieces are gathered before the sink gets them, since a call of it costs as much as hashing
 * some dozens of octets and a body may consist of nothing but blanks between single letters. */
struct canon_gather {
    struct canon_sink sink;
    size_t n;
    char octets[1024];
};

/* A whole body (3.4.3, 3.4.4), which may have many megabytes, in steps: what is left of it. */
struct canon_body {
    enum canon canon;
    struct bytes body;
    size_t end;     /* without the empty lines that have been found at its end */
    size_t at;      /* the octet to be looked at next; from the end while those are looked for */
    bool end_found; /* the empty lines at the end are cut off */
    size_t run;     /* the start of the blanks that end at `at` */
    size_t taken;   /* what comes before has been given to the sink */
    struct canon_gather gather;
};

/* `body` must stay until the last step. */
void canon_body_start(struct canon_body *state, enum canon canon, struct bytes body,
                      struct canon_sink sink);

/* Reads about `octets` (at least one) of the body. False once the sink has all of it. */
bool canon_body_step(struct canon_body *state, size_t octets);

/* The fields of one message, ordered so that those of one name are found fast however many there
 * are: a signature may list thousands of names against thousands of fields. */
struct field_index;

/* NULL when memory is short. The message must outlive the index. */
struct field_index *field_index_new(struct arena *arena, const struct message *message);

/* Starts a selection: every field is available again, except `own` (NULL: none), the signature
 * field being verified, which never signs itself (3.5, h=). */
void field_index_restart(struct field_index *index, const struct header_field *own);

/* The last field of that name, compared without case, that this selection has not taken yet;
 * NULL if there is none, which contributes nothing to the signature (3.5, h=). */
const struct header_field *field_index_take(struct field_index *index, struct bytes name);

#endif
