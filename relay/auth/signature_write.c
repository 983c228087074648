/* Writing signature fields. See signature_write.h. */
#include "auth/signature_write.h"

#include "auth/signature.h"
#include "clause.h"
#include "mail/base64.h"

#include <stdarg.h>

enum {
    LINE_LENGTH = 78,     /* RFC 5322 2.1.1 */
    INSTANCES_SIGNED = 16 /* of one field name: a list stays readable whatever the message has */
};

/* RFC 6376 5.4.1, and what decides how the body is shown. */
static const char *const signed_fields[] = {
    "From",         "Reply-To",         "Sender",       "Subject",
    "Date",         "Message-ID",       "To",           "Cc",
    "MIME-Version", "Content-Type",     "In-Reply-To",  "Content-Transfer-Encoding",
    "References",   "Resent-Date",      "Resent-From",  "Resent-Sender",
    "Resent-To",    "Resent-Cc",        "List-Id",      "Resent-Message-ID",
    "List-Help",    "List-Unsubscribe", "List-Post",    "List-Unsubscribe-Post",
    "List-Owner",   "List-Subscribe",   "List-Archive",
};

enum { SIGNED_FIELD_COUNT = sizeof signed_fields / sizeof *signed_fields };

void signature_begin(struct signature_writer *writer, struct arena *arena,
                     const struct signing_identity *identity, const char *field_name)
{
    *writer = (struct signature_writer){.arena = arena, .identity = identity};
    buffer_printf(&writer->text, "%s:", field_name);
    writer->column = writer->text.n;
}

/* Adds a word after `before`, or after a fold where the line would become too long. */
static void add_word(struct signature_writer *writer, struct bytes before, struct bytes word)
{
    bool fold = writer->column + before.n + word.n > LINE_LENGTH;
    buffer_add(&writer->text, fold ? BYTES("\r\n\t") : before);
    buffer_add(&writer->text, word);
    writer->column = (fold ? 1 : writer->column + before.n) + word.n;
}

void signature_add(struct signature_writer *writer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    struct bytes tag = arena_vprintf(writer->arena, format, arguments);
    va_end(arguments);
    add_word(writer, BYTES(" "), arena_printf(writer->arena, "%.*s;", BYTES_ARG(tag)));
}

void signature_add_identity(struct signature_writer *writer)
{
    signature_add(writer, "a=%s", signer_algorithm(writer->identity->signer));
    signature_add(writer, "d=%.*s", BYTES_ARG(writer->identity->domain));
    signature_add(writer, "s=%.*s", BYTES_ARG(writer->identity->selector));
}

/* Adds h=, folded after its colons, and returns the same list in one line. */
static struct bytes add_headers(struct signature_writer *writer, const struct bytes *headers,
                                size_t count)
{
    struct buffer list = {0};
    for (size_t i = 0; i < count; i++) {
        struct bytes word = arena_printf(writer->arena, "%s%.*s%c", i == 0 ? "h=" : "",
                                         BYTES_ARG(headers[i]), i + 1 < count ? ':' : ';');
        add_word(writer, i == 0 ? BYTES(" ") : BYTES(""), word);
        buffer_add(&list, headers[i]);
        if (i + 1 < count)
            buffer_add_char(&list, ':');
    }
    struct bytes joined = arena_copy(writer->arena, buffer_bytes(&list));
    writer->text.failed = writer->text.failed || list.failed;
    buffer_free(&list);
    return joined;
}

/* The place where the value of b= will be, at the end of what is written. */
static struct bytes begin_b(struct signature_writer *writer)
{
    buffer_add(&writer->text, BYTES("\r\n\tb="));
    writer->column = sizeof("\tb=") - 1;
    return bytes_from(buffer_bytes(&writer->text), writer->text.n);
}

static struct bytes finish(struct signature_writer *writer, bool hashed,
                           const uint8_t digest[SHA256_SIZE])
{
    struct bytes field = {NULL, 0};
    struct bytes rest = field;
    if (hashed && !writer->text.failed && !arena_failed(writer->arena))
        rest = signer_sign(writer->identity->signer, writer->arena, digest);
    bool is_signed = rest.p != NULL;
    while (rest.n > 0) {
        struct bytes line = bytes_first(rest, LINE_LENGTH - writer->column);
        buffer_add(&writer->text, line);
        rest = bytes_from(rest, line.n);
        buffer_add(&writer->text, rest.n > 0 ? BYTES("\r\n\t") : BYTES("\r\n"));
        writer->column = 1;
    }
    if (is_signed && !writer->text.failed)
        field = arena_copy(writer->arena, buffer_bytes(&writer->text));
    buffer_free(&writer->text);
    return field;
}

struct bytes signature_finish_message(struct signature_writer *writer,
                                      const struct message *message, struct body_hash *body,
                                      const struct bytes *headers, size_t header_count)
{
    uint8_t digest[SHA256_SIZE];
    bool whole;
    struct bytes list = add_headers(writer, headers, header_count);
    struct field_index *index = field_index_new(writer->arena, message);
    bool hashed = index && body_hash_get(body, CANON_RELAXED, BODY_HASH_WHOLE, digest, &whole) ==
                               BODY_HASH_DONE;
    if (hashed) {
        struct bytes octets = {(const char *)digest, sizeof digest};
        signature_add(writer, "bh=%.*s", BYTES_ARG(base64_encode(writer->arena, octets)));
        struct bytes value = begin_b(writer);
        hashed = signature_hash_message(index, NULL, list, CANON_RELAXED,
                                        buffer_bytes(&writer->text), value, digest);
    }
    return finish(writer, hashed, digest);
}

struct bytes signature_finish_seal(struct signature_writer *writer, const struct bytes *fields,
                                   size_t count)
{
    uint8_t digest[SHA256_SIZE];
    struct bytes value = begin_b(writer);
    bool hashed = signature_hash_seal(fields, count, buffer_bytes(&writer->text), value, digest);
    return finish(writer, hashed, digest);
}

const struct bytes *signature_choose_headers(struct arena *arena, const struct message *message,
                                             const char *and_also, size_t *count)
{
    struct bytes *names =
        arena_alloc_array(arena, (SIGNED_FIELD_COUNT + 1) * INSTANCES_SIGNED + 1, sizeof *names);
    if (!names)
        return NULL;
    *count = 0;
    for (size_t i = 0; i <= SIGNED_FIELD_COUNT; i++) {
        struct bytes name = bytes_of(i < SIGNED_FIELD_COUNT ? signed_fields[i] : and_also);
        size_t instances = name.n > 0 ? message_count(message, name) : 0;
        if (CLAUSE(DKIM_06, bytes_equal(name, BYTES("From"))))
            instances++; /* so that a second one cannot be added (RFC 6376 5.4.2) */
        for (size_t k = 0; k < instances && k < INSTANCES_SIGNED; k++)
            names[(*count)++] = name;
    }
    return names;
}
