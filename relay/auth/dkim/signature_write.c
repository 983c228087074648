/* Writing signature fields. See signature_write.h. */
#include "signature_write.h"

#include "base64.h"
#include "clause.h"
#include "fiber.h"
#include "signature.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
    COLUMNS_MAX = 78,  /* RFC 5322 2.1.1 */
    B_LINE_MAX = 900,  /* of the line of b=, below the 998 of the same section */
    INSTANCES_MAX = 16 /* of one field name: a list stays readable whatever the message has */
};

/* RFC 6376 5.4.1, and the fields that decide how the body is displayed. */
static const char *const signed_fields[] = {
    "From",         "Reply-To",         "Sender",       "Subject",
    "Date",         "Message-ID",       "To",           "Cc",
    "MIME-Version", "Content-Type",     "In-Reply-To",  "Content-Transfer-Encoding",
    "References",   "Resent-Date",      "Resent-From",  "Resent-Sender",
    "Resent-To",    "Resent-Cc",        "List-Id",      "Resent-Message-ID",
    "List-Help",    "List-Unsubscribe", "List-Post",    "List-Unsubscribe-Post",
    "List-Owner",   "List-Subscribe",   "List-Archive",
};

#define FOLD BYTES("\r\n ")

enum { SIGNED_FIELD_COUNT = sizeof signed_fields / sizeof *signed_fields };

void signature_begin(struct signature_writer *writer, struct arena *arena,
                     const struct signing_identity *identity, const char *field_name,
                     const char *leading_tag)
{
    *writer = (struct signature_writer){
        .arena = arena, .identity = identity, .field_name = field_name, .leading_tag = leading_tag};
}

void signature_add(struct signature_writer *writer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (writer->tag_count < SIGNATURE_TAGS_MAX)
        writer->tags[writer->tag_count++] = arena_vprintf(writer->arena, format, arguments);
    va_end(arguments);
}

void signature_add_identity(struct signature_writer *writer)
{
    signature_add(writer, "a=%s",
                  BREAK(DKIM_23, signer_algorithm(writer->identity->signer), "rsa-sha1"));
    signature_add(writer, "d=%.*s", BYTES_ARG(writer->identity->domain));
    signature_add(writer, "s=%.*s", BYTES_ARG(writer->identity->selector));
}

static struct bytes tag_name(struct bytes tag)
{
    return bytes_first(tag, bytes_find(tag, '='));
}

static int compare_tags(const void *left, const void *right)
{
    return bytes_compare_nocase(tag_name(*(const struct bytes *)left),
                                tag_name(*(const struct bytes *)right));
}

static void order_tags(struct signature_writer *writer)
{
    struct bytes *tags = writer->tags;
    qsort(tags, writer->tag_count, sizeof *tags, compare_tags);
    for (size_t i = 1; i < writer->tag_count; i++) {
        struct bytes tag = tags[i];
        if (!bytes_equal(tag_name(tag), bytes_of(writer->leading_tag)))
            continue;
        memmove(tags + 1, tags, i * sizeof *tags);
        tags[0] = tag;
    }
}

/* A field's text, and where in it the value of b= goes. */
struct draft {
    struct buffer text;
    size_t column;
    size_t b;
};

/* Appends a word, and what ends it and may not stand on the next line. */
static void append_word(struct draft *draft, struct bytes before, struct bytes word,
                        struct bytes end)
{
    bool fold = draft->column + before.n + word.n + end.n > COLUMNS_MAX;
    buffer_add(&draft->text, fold ? FOLD : before);
    buffer_add(&draft->text, word);
    buffer_add(&draft->text, end);
    draft->column = (fold ? 1 : draft->column + before.n) + word.n + end.n;
}

/* Appends a tag and its terminator. Only a list of names that does not fit on a line is folded. */
static void append_tag(struct draft *draft, struct bytes tag, struct bytes end)
{
    struct bytes before = BYTES(" ");
    while (tag.n + end.n >= COLUMNS_MAX && bytes_find(tag, ':') != BYTES_NOT_FOUND) {
        size_t name = bytes_find(tag, ':') + 1;
        append_word(draft, before, bytes_first(tag, name), BYTES(""));
        tag = bytes_from(tag, name);
        before = BYTES("");
    }
    append_word(draft, before, tag, end);
}

/* The field with an empty b=, which gets lines of its own. */
static void write_draft(struct signature_writer *writer, struct draft *draft)
{
    *draft = (struct draft){.column = 0};
    signature_add(writer, "b=");
    order_tags(writer);
    buffer_printf(&draft->text, "%s:", writer->field_name);
    draft->column = draft->text.n;
    for (size_t i = 0; i < writer->tag_count; i++) {
        bool is_b = bytes_equal(tag_name(writer->tags[i]), BYTES("b"));
        if (is_b)
            draft->column = COLUMNS_MAX;
        append_tag(draft, writer->tags[i], i + 1 < writer->tag_count ? BYTES(";") : BYTES(""));
        if (is_b) {
            draft->b = draft->text.n - (i + 1 < writer->tag_count);
            draft->column = COLUMNS_MAX;
        }
    }
}

/* The octets of b= that hashing has to leave out: none, at their place. */
static struct bytes empty_b(const struct draft *draft)
{
    return bytes_first(bytes_from(buffer_bytes(&draft->text), draft->b), 0);
}

/* The draft with the signature where it belongs: on one line where it fits. A fold would become a
 * blank in the value, and a seal over it would differ from one over the value as such. */
static struct bytes fill_in(struct arena *arena, const struct draft *draft, struct bytes signature)
{
    struct buffer text = {0};
    buffer_add(&text, bytes_first(buffer_bytes(&draft->text), draft->b));
    while (signature.n > 0) {
        buffer_add(&text, bytes_first(signature, B_LINE_MAX));
        signature = bytes_from(signature, B_LINE_MAX);
        if (signature.n > 0)
            buffer_add(&text, FOLD);
    }
    buffer_add(&text, bytes_from(buffer_bytes(&draft->text), draft->b));
    buffer_add(&text, BYTES("\r\n"));
    return arena_take(arena, &text);
}

/* Signs the digest of the draft, and frees the draft. */
static struct bytes sign_draft(struct signature_writer *writer, struct draft *draft, bool hashed,
                               const uint8_t digest[SHA256_SIZE])
{
    struct bytes signature = {NULL, 0};
    if (hashed && !draft->text.failed && !arena_failed(writer->arena))
        signature = signer_sign(writer->identity->signer, writer->arena, digest);
    struct bytes field = signature.p ? fill_in(writer->arena, draft, signature) : signature;
    buffer_free(&draft->text);
    return field;
}

static struct bytes join_names(struct arena *arena, const struct bytes *names, size_t count)
{
    struct buffer text = {0};
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_add_char(&text, ':');
        buffer_add(&text, names[i]);
    }
    return arena_take(arena, &text);
}

struct bytes signature_finish_message(struct signature_writer *writer,
                                      const struct message *message, struct body_hash *body,
                                      const struct bytes *headers, size_t header_count)
{
    uint8_t digest[SHA256_SIZE];
    bool whole;
    struct draft draft;
    struct bytes list = join_names(writer->arena, headers, header_count);
    fiber_yield();
    struct field_index *index = field_index_new(writer->arena, message);
    fiber_yield();
    bool hashed = index && body_hash_get(body, CANON_RELAXED, BODY_HASH_WHOLE, digest, &whole) ==
                               BODY_HASH_DONE;
    if (!hashed || !list.p)
        return (struct bytes){NULL, 0};
    struct bytes octets = {(const char *)digest, sizeof digest};
    signature_add(writer, "bh=%.*s", BYTES_ARG(base64_encode(writer->arena, octets)));
    signature_add(writer, "h=%.*s", BYTES_ARG(list));
    write_draft(writer, &draft);
    hashed = signature_hash_message(index, NULL, list, CANON_RELAXED, buffer_bytes(&draft.text),
                                    empty_b(&draft), digest);
    return sign_draft(writer, &draft, hashed, digest);
}

struct bytes signature_finish_seal(struct signature_writer *writer, const struct bytes *fields,
                                   size_t count)
{
    uint8_t digest[SHA256_SIZE];
    struct draft draft;
    write_draft(writer, &draft);
    bool hashed =
        signature_hash_seal(fields, count, buffer_bytes(&draft.text), empty_b(&draft), digest);
    return sign_draft(writer, &draft, hashed, digest);
}

/* Adds the name as often as there are such fields, and `more` times. */
static void add_name(struct bytes *names, size_t *count, const struct message *message,
                     struct bytes name, size_t more)
{
    size_t instances = message_count(message, name) + more;
    for (size_t i = 0; i < instances && i < INSTANCES_MAX; i++)
        names[(*count)++] = name;
}

const struct bytes *signature_choose_headers(struct arena *arena, const struct message *message,
                                             bool signatures, size_t *count)
{
    struct bytes *names =
        arena_alloc_array(arena, (SIGNED_FIELD_COUNT + 1) * INSTANCES_MAX, sizeof *names);
    if (!names)
        return NULL;
    *count = 0;
    for (size_t i = 0; i < SIGNED_FIELD_COUNT; i++) {
        struct bytes name = bytes_of(signed_fields[i]);
        /* Once more than it occurs, so that a second From cannot be added (RFC 6376 5.4.2). */
        bool once_more = CLAUSE(DKIM_06, bytes_equal(name, BYTES("From")));
        add_name(names, count, message, name, once_more ? 1 : 0);
    }
    if (CLAUSE(ARC_09, signatures))
        add_name(names, count, message, BYTES("DKIM-Signature"), 0);
    return names;
}
