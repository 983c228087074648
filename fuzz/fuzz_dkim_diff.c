/* DKIM natively against libopendkim. The input's first line is the key record, to which the public
 * key is added where it ends in "p="; the second one is the tags of a signature without bh= and b=,
 * which are made here; the rest is a message. Such a signature passes with both, and has the same
 * result with any key or message, except where libopendkim is known to depart from RFC 6376. */
#include "fuzz.h"

#include "author.h"
#include "base64.h"
#include "clock.h"
#include "one_answer.h"
#include "oracle.h"
#include "rfc8463.h"
#include "signature.h"

#include <stdio.h>
#include <string.h>

enum { INPUT_MAX = 8192 };

/* The library takes C strings, and lone CRs mean nothing (RFC 5322 2.2); SMTP brings neither. */
static bool is_usable(struct bytes text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '\0' || (text.p[i] == '\r' && (i + 1 == text.n || text.p[i + 1] != '\n')))
            return false;
    return true;
}

/* A message with one signature on top, and that signature as it reads. */
struct signed_message {
    struct message message;
    struct signature signature;
};

/* False where the signature is refused as it reads, so that the library is never asked. */
static bool compose(struct arena *arena, struct bytes tags, struct bytes body_hash,
                    struct bytes signature, struct bytes message, struct signed_message *out)
{
    const struct bytes parts[] = {BYTES("DKIM-Signature: "),
                                  tags,
                                  BYTES("; bh="),
                                  body_hash,
                                  BYTES("; b="),
                                  signature,
                                  BYTES("\r\n"),
                                  message};
    struct bytes raw = arena_join(arena, parts, sizeof parts / sizeof parts[0]);
    const char *reason;
    return raw.p && message_parse(arena, raw, &out->message) &&
           signature_read(arena, SIGNATURE_DKIM, out->message.fields, out->message.fields->value,
                          clock_wall(), &out->signature, &reason) == SIGNATURE_GOOD;
}

static struct bytes sign(struct arena *arena, const struct signed_message *made)
{
    const struct signature *signature = &made->signature;
    bool is_rsa = signature->key_type == KEY_RSA;
    const char *problem;
    uint8_t digest[SHA256_SIZE];
    struct signer *signer =
        signer_from_pem(bytes_of(is_rsa ? rfc8463_rsa_pem : rfc8463_eddsa_pem), &problem);
    struct bytes text = {NULL, 0};
    if (signer && signature_hash_message(field_index_new(arena, &made->message), signature->field,
                                         signature->headers, signature->header_canon,
                                         signature->field->raw, signature->cut, digest))
        text = signer_sign(signer, arena, digest);
    signer_free(signer);
    return text;
}

/* Signs in three steps: the hash of the body depends on the tags, the signature on that hash. */
static bool make(struct arena *arena, struct bytes tags, struct bytes message,
                 struct signed_message *made)
{
    const struct bytes placeholder = BYTES("AAAA");
    uint8_t digest[SHA256_SIZE] = {0};
    bool whole;
    if (!compose(arena, tags, placeholder, placeholder, message, made))
        return false;
    struct body_hash *body = body_hash_new(arena, made->message.body);
    if (!body)
        return false;
    (void)body_hash_get(body, made->signature.body_canon, made->signature.body_limit, digest,
                        &whole);
    struct bytes hash = base64_encode(arena, (struct bytes){(const char *)digest, sizeof digest});
    if (!compose(arena, tags, hash, placeholder, message, made))
        return false;
    struct bytes text = sign(arena, made);
    return text.p && compose(arena, tags, hash, text, message, made);
}

/* What both say of one signature. */
struct comparison {
    const struct signature *signature;
    const struct message *message;
    enum author_status author;
    const struct dkim_signature *native, *library;
};

static bool is_same(const struct comparison *comparison)
{
    const struct dkim_signature *native = comparison->native, *library = comparison->library;
    if (native->result != library->result)
        return false;
    return native->result != DKIM_PASS || (native->bits == library->bits &&
                                           native->covers_whole_body == library->covers_whole_body);
}

/* RFC 6376 3.4.3, 3.4.4: it does not end the last line of a body. */
static bool adds_no_line_end(const struct comparison *comparison)
{
    struct bytes body = comparison->message->body;
    return body.n > 0 && !bytes_ends_with_nocase(body, BYTES("\r\n"));
}

/* RFC 6376 3.5, h=: it counts the signature itself among the fields that h= chooses. */
static bool signs_itself(const struct comparison *comparison)
{
    return taglist_has_element(comparison->signature->headers, BYTES("DKIM-Signature"));
}

/* RFC 6376 3.6.1: it does not compare k= with the algorithm of the signature. */
static bool ignores_key_type(const struct comparison *comparison)
{
    return bytes_equal(bytes_of(comparison->native->reason),
                       BYTES("key type does not match the signature"));
}

/* RFC 6376 3.2, 3.6.1: it accepts a key record with a tag twice, with v= late, and with anything
 * for a tag's name and for the words in h=, k=, s= and t=. */
static bool accepts_key_record(const struct comparison *comparison)
{
    return bytes_starts_with_nocase(bytes_of(comparison->native->reason),
                                    BYTES("malformed key record"));
}

/* A quote that does not end, or a character that has to be quoted and is not. */
static bool is_loose_phrase(struct bytes text)
{
    bool quoted = false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"')
            quoted = !quoted;
        else if (!quoted && bytes_find(BYTES("()[]:;@\\,."), text.p[i]) != BYTES_NOT_FOUND)
            return true;
    }
    return quoted;
}

/* A display name and one "<", with nothing in between or behind that has to be quoted. */
static bool is_plain_mailbox(struct bytes text)
{
    struct bytes address = text;
    struct bytes name = bytes_cut(&address, '<');
    return !is_loose_phrase(name) && bytes_find(address, '<') == BYTES_NOT_FOUND &&
           bytes_find(address, '"') == BYTES_NOT_FOUND;
}

/* A display name that is none (RFC 5322 3.2.5), something behind the address, or more than one: all
 * readers may agree on the author all the same (author.h). */
static bool is_loose_from(const struct message *message)
{
    for (size_t i = 0; i < message->field_count; i++) {
        const struct header_field *field = &message->fields[i];
        size_t end = bytes_find(field->value, '>');
        if (bytes_equal_nocase(field->name, BYTES("From")) && end != BYTES_NOT_FOUND &&
            (bytes_trim(bytes_from(field->value, end + 1)).n > 0 ||
             !is_plain_mailbox(bytes_first(field->value, end))))
            return true;
    }
    return false;
}

/* RFC 6376 6.1: it wants a From field that names an author, in valid syntax, before it looks at any
 * signature. */
static bool needs_author(const struct comparison *comparison)
{
    return comparison->library->bits == 0 &&
           (comparison->author != AUTHOR_FOUND || is_loose_from(comparison->message));
}

static bool has_eight_bit(struct bytes text)
{
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] >= 0x80)
            return true;
    return false;
}

/* RFC 8616, RFC 6532: it knows neither U-labels in d= nor UTF-8 in From. */
static bool takes_ascii_alone(const struct comparison *comparison)
{
    const struct message *message = comparison->message;
    bool found = has_eight_bit(comparison->signature->field->raw);
    for (size_t i = 0; i < message->field_count; i++)
        found = found || (bytes_equal_nocase(message->fields[i].name, BYTES("From")) &&
                          has_eight_bit(message->fields[i].raw));
    return comparison->library->bits == 0 && found;
}

/* RFC 6376 2.8: blanks are SP and HTAB; it takes VT and FF for blanks as well. */
static bool takes_others_for_blanks(const struct comparison *comparison)
{
    bool found = false;
    for (size_t i = 0; i < comparison->message->field_count; i++) {
        struct bytes field = comparison->message->fields[i].raw;
        found = found || bytes_find(field, '\v') != BYTES_NOT_FOUND ||
                bytes_find(field, '\f') != BYTES_NOT_FOUND;
    }
    return found;
}

static bool (*const departures[])(const struct comparison *comparison) = {
    ignores_key_type, accepts_key_record,      adds_no_line_end,  signs_itself,
    needs_author,     takes_others_for_blanks, takes_ascii_alone, NULL,
};

static bool is_known(const struct comparison *comparison)
{
    for (size_t i = 0; departures[i]; i++)
        if (departures[i](comparison))
            return true;
    return false;
}

static void show(const char *engine, const struct dkim_signature *signature)
{
    fprintf(stderr, "%s: %s, \"%s\", %u bits, %s body\n", engine,
            dkim_result_name(signature->result), signature->reason, signature->bits,
            signature->covers_whole_body ? "whole" : "part of the");
}

static void compare(struct arena *arena, struct bytes record, const struct signed_message *made)
{
    struct dkim_results native, library;
    const struct message *message = &made->message;
    struct one_answer one = {{answer_always}, {.text = record}};
    struct body_hash *body = body_hash_new(arena, message->body);
    require(body && dkim_verify_message(arena, message, body, &one.dns, &native));
    require(dkim_libopendkim(arena, message, &one.dns, &library));
    /* The others, if any, were not made here. */
    const struct comparison comparison = {&made->signature, message,
                                          author_of_message(arena, message).status,
                                          native.signatures, library.signatures};
    if (is_same(&comparison) || is_known(&comparison))
        return;
    show("native", comparison.native);
    show("libopendkim", comparison.library);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = {(const char *)data, size};
    struct arena *arena = arena_new(0);
    struct signed_message made;
    bool usable = is_usable(input);
    struct bytes record = bytes_cut(&input, '\n'), tags = bytes_cut(&input, '\n');
    struct bytes message = message_with_crlf(arena, input);
    if (size <= INPUT_MAX && message.p && usable && make(arena, tags, message, &made)) {
        struct bytes key = made.signature.key_type == KEY_RSA ? BYTES(RSA_KEY) : BYTES(EDDSA_KEY);
        if (bytes_ends_with_nocase(record, BYTES("p=")))
            record = arena_join(arena, (struct bytes[]){record, key}, 2);
        compare(arena, record, &made);
    }
    arena_free(arena);
    return 0;
}
