/* Writing signature fields: the choice of header fields to sign, tags in alphabetical order after
 * the one that has to lead, folded at 78 columns between tags (RFC 6376 3.5, 5.4, 5.5). One order
 * for all makes fields of equal content equal, and their signatures with them.
 *
 *     struct signature_writer writer;
 *     signature_begin(&writer, arena, identity, "ARC-Seal", "i");
 *     signature_add(&writer, "i=%u", instance);
 *     ...
 *     field = signature_finish_seal(&writer, fields, count);
 */
#ifndef FAIRLEAD_SIGNATURE_WRITE_H
#define FAIRLEAD_SIGNATURE_WRITE_H

#include "buffer.h"
#include "message.h"
#include "signer.h"

enum { SIGNATURE_TAGS_MAX = 16 };

/* A field being written. Everything in it lives in `arena`. */
struct signature_writer {
    struct arena *arena;
    const struct signing_identity *identity;
    const char *field_name;
    const char *leading_tag;
    struct bytes tags[SIGNATURE_TAGS_MAX]; /* "t=1421363105" */
    size_t tag_count;
};

/* Begins a field of that name. The tag named `leading_tag` comes first: "v" where every reader
 * looks for it, "i" where RFC 8617 4.1.2 and 4.1.3 want it; "" for none. */
void signature_begin(struct signature_writer *writer, struct arena *arena,
                     const struct signing_identity *identity, const char *field_name,
                     const char *leading_tag);

/* Adds one tag, "t=1421363105" (without the ";"). */
void signature_add(struct signature_writer *writer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds a=, d= and s=. */
void signature_add_identity(struct signature_writer *writer);

/* Adds h=, bh= and b= over these fields of the message and its body, in the order given, both
 * relaxed (c= is the caller's to add). Returns the whole field with its final CRLF, in the arena;
 * p == NULL on failure. */
struct bytes signature_finish_message(struct signature_writer *writer,
                                      const struct message *message, struct body_hash *body,
                                      const struct bytes *headers, size_t header_count);

/* Adds b= over the fields in this order. Returns likewise. */
struct bytes signature_finish_seal(struct signature_writer *writer, const struct bytes *fields,
                                   size_t count);

/* Names for h=: the fields that make the message what it is (RFC 6376 5.4.1), as often as they
 * occur, From once more; with `signatures`, the DKIM-Signature fields too. NULL when memory is
 * short. */
const struct bytes *signature_choose_headers(struct arena *arena, const struct message *message,
                                             bool signatures, size_t *count);

#endif
