/* A message as octets, and its one division into header fields and body.
 *
 * Every verifier and every signer uses this division and no other, so that no two of them see two
 * different messages (RFC 5322 2.1, 3.5; RFC 6376 3.7). The slices point into the message. */
#ifndef FAIRLEAD_MESSAGE_H
#define FAIRLEAD_MESSAGE_H

#include "arena.h"

struct header_field {
    struct bytes raw;   /* the whole field with all folding and its final CRLF */
    struct bytes name;  /* up to the colon, trailing blanks removed (obs-syntax `From :`) */
    struct bytes value; /* after the colon, without the final CRLF, still folded */
    bool malformed; /* no colon, an empty name, or octets in the name that RFC 5322 2.2 forbids */
};

struct message {
    struct bytes raw;
    struct bytes header; /* all fields, without the empty line */
    struct bytes body;   /* after the empty line; empty if there is none */
    struct header_field *fields;
    size_t field_count;
};

/* True if the octets are a field's name: RFC 5322 2.2, printable US-ASCII but SP and colon. */
bool message_is_field_name(struct bytes name);

/* Divides `raw`, whose lines end in CRLF. The fields live in `arena`, the octets stay where they
 * are. A line of the header that is neither a field nor a continuation does not end the header: it
 * becomes a field marked malformed. False only when memory is short. */
bool message_parse(struct arena *arena, struct bytes raw, struct message *message);

/* The first field of that name at index `from` or later, compared without case; NULL if none. */
const struct header_field *message_find(const struct message *message, struct bytes name,
                                        size_t from);
size_t message_count(const struct message *message, struct bytes name);

/* `message` with the whole fields of `block` in front of its own, for signing what is about to be
 * sent: no octet of the message is copied, so `raw` and `header` stay those of the original. False
 * only when memory is short. */
bool message_prepend(struct arena *arena, const struct message *message, struct bytes block,
                     struct message *prepended);

/* Reads a message file's octets into CRLF form: a bare LF becomes CRLF, everything else stays (the
 * tools accept both). The result lives in `arena`; p == NULL when memory is short. */
struct bytes message_with_crlf(struct arena *arena, struct bytes file);

#endif
