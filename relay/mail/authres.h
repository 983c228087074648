/* The Authentication-Results field (RFC 8601): writing it, reading it, and recognising forged ones.
 *
 * The same payload follows `i=N;` in an ARC-Authentication-Results field (RFC 8617 4.1.1). Reading
 * follows the grammar of RFC 8601 2.2 with comments and folding anywhere, and forgives what is
 * common in the field: a trailing semicolon, no results at all, property values that should have
 * been quoted, `reason` after a property. */
#ifndef FAIRLEAD_AUTHRES_H
#define FAIRLEAD_AUTHRES_H

#include "arena.h"
#include "buffer.h"
#include "message.h"

struct authres_property {
    struct bytes ptype; /* "smtp", "header", "policy", "body" */
    struct bytes name;  /* "mailfrom" */
    struct bytes value; /* unquoted */
};

/* One resinfo. What the reader cannot find is empty. */
struct authres_result {
    struct bytes method;  /* "spf" */
    uint64_t version;     /* of the method; 1 if none is given */
    struct bytes value;   /* "pass" */
    struct bytes comment; /* the first comment after the result, without its parentheses, escapes
                             not undone in what was read */
    struct bytes reason;
    struct authres_property *properties;
    size_t property_count;
    struct bytes text; /* read: the whole resinfo as it stands, folding included. When set, it is
                          what is written, with nothing but its folding changed. */
};

struct authres {
    struct bytes authserv_id; /* unquoted */
    uint64_t version;         /* of the field; 1 if none is given */
    struct authres_result *results;
    size_t result_count; /* 0: `none` */
};

/* Reads a field's value (or what follows `i=N;` in an AAR), folded or not. The structure lives in
 * `arena` and points into it and into `value`. False when the value does not follow the grammar,
 * has a version other than 1 (RFC 8601 2.6), or when memory is short (arena_failed()). */
bool authres_parse(struct arena *arena, struct bytes value, struct authres *authres);

/* Gathers the results of all the message's Authentication-Results fields with that id, in the order
 * of the fields; fields that cannot be read are ignored. An id is the same however it is
 * spelt (authres_claims()). False when memory is short. */
bool authres_merge(struct arena *arena, const struct message *message, struct bytes authserv_id,
                   struct authres *merged);

/* Appends the value, folded at 78 octets with CRLF HTAB, without a final CRLF. `column` is the
 * length of the line so far (the field name and its colon, `i=1;`); a blank is written first.
 * Octets that have no place in a header are replaced by '?'. */
void authres_write(struct buffer *out, const struct authres *authres, size_t column);

/* True if the field with this value claims to come from `authserv_id`, however it spells it:
 * letter case, quotes and escapes, comments and folding, version, A-labels or U-labels, a final
 * dot, or tags before it (`i=1;`). A value that cannot be read is taken to claim it if the id can
 * be found in its first part. Short memory counts as a claim (RFC 8601 5: a forged field must go).
 */
bool authres_claims(struct arena *arena, struct bytes value, struct bytes authserv_id);

/* True if the field with this value, of any server, has another version than 1 (RFC 8601 2.6). */
bool authres_has_other_version(struct arena *arena, struct bytes value);

#endif
