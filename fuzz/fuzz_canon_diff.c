/* Canonicalisation against a second implementation, which is as plain as RFC 6376 3.4: line by
 * line, each step by itself. The input is a message; the fields are what the relay's parser makes
 * of it. */
#include "fuzz.h"

#include "buffer.h"
#include "canon.h"

enum { INPUT_MAX = 4096 };

static void take(void *context, struct bytes piece)
{
    buffer_add(context, piece);
}

/* Steps over text that is given with a buffer, which they replace. */
static void replace(struct buffer *text, struct buffer *with)
{
    buffer_free(text);
    *text = *with;
}

/* 3.4.2, 3.4.4: "all sequences of WSP" become one SP. */
static void reduce_blanks(struct buffer *text)
{
    struct buffer out = {0};
    for (size_t i = 0; i < text->n; i++)
        if (!ascii_is_blank(text->p[i]))
            buffer_add_char(&out, text->p[i]);
        else if (i == 0 || !ascii_is_blank(text->p[i - 1]))
            buffer_add_char(&out, ' ');
    replace(text, &out);
}

/* 3.4.2: CRLFs go, and nothing else. */
static void unfold(struct buffer *text)
{
    struct buffer out = {0};
    for (size_t i = 0; i < text->n; i++)
        if (i + 1 < text->n && text->p[i] == '\r' && text->p[i + 1] == '\n')
            i++;
        else
            buffer_add_char(&out, text->p[i]);
    replace(text, &out);
}

static void strip_end(struct buffer *text)
{
    while (text->n > 0 && ascii_is_blank(text->p[text->n - 1]))
        text->n--;
}

static void strip_start(struct buffer *text)
{
    size_t n = 0;
    while (n < text->n && ascii_is_blank(text->p[n]))
        n++;
    buffer_consume(text, n);
}

static struct buffer reference_field(enum canon canon, struct bytes raw)
{
    struct buffer name = {0}, value = {0};
    if (canon == CANON_SIMPLE) {
        buffer_add(&name, raw);
        return name;
    }
    struct bytes rest = raw;
    buffer_add(&name, bytes_cut(&rest, ':'));
    for (size_t i = 0; i < name.n; i++)
        name.p[i] = ascii_lower(name.p[i]);
    strip_end(&name);
    buffer_add_char(&name, ':');
    buffer_add(&value, rest);
    unfold(&value);
    reduce_blanks(&value);
    strip_start(&value);
    strip_end(&value);
    buffer_add(&name, buffer_bytes(&value));
    buffer_add(&name, BYTES("\r\n"));
    buffer_free(&value);
    return name;
}

/* A body without line end gets one; "" stays. */
static struct buffer reference_lines(enum canon canon, struct bytes body)
{
    struct buffer out = {0};
    while (body.n > 0) {
        size_t end = bytes_find_slice(body, BYTES("\r\n"));
        struct buffer line = {0};
        buffer_add(&line, bytes_first(body, end));
        body = end == BYTES_NOT_FOUND ? BYTES("") : bytes_from(body, end + 2);
        if (canon == CANON_RELAXED) {
            reduce_blanks(&line);
            strip_end(&line);
        }
        buffer_add(&out, buffer_bytes(&line));
        buffer_add(&out, BYTES("\r\n"));
        buffer_free(&line);
    }
    return out;
}

/* 3.4.3: empty lines at the end go; an empty body is CRLF. 3.4.4: it is nothing. */
static struct buffer reference_body(enum canon canon, struct bytes body)
{
    struct buffer out = reference_lines(canon, body);
    while (bytes_ends_with_nocase(buffer_bytes(&out), BYTES("\r\n\r\n")))
        out.n -= 2;
    if (bytes_equal(buffer_bytes(&out), BYTES("\r\n")))
        out.n = 0;
    if (out.n == 0 && canon == CANON_SIMPLE)
        buffer_add(&out, BYTES("\r\n"));
    return out;
}

static void compare(struct buffer *ours, struct buffer *reference)
{
    require(!ours->failed && !reference->failed);
    require(bytes_equal(buffer_bytes(ours), buffer_bytes(reference)));
    buffer_free(ours);
    buffer_free(reference);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes raw = {(const char *)data, size};
    struct message message;
    if (size > INPUT_MAX)
        return 0;
    struct arena *arena = arena_new(0);
    require(message_parse(arena, raw, &message));
    for (enum canon canon = CANON_SIMPLE; canon <= CANON_RELAXED; canon++) {
        struct buffer ours = {0}, reference = reference_body(canon, message.body);
        struct canon_body body;
        canon_body_start(&body, canon, message.body, (struct canon_sink){take, &ours});
        while (canon_body_step(&body, 1 + size % 7))
            continue;
        compare(&ours, &reference);
        for (size_t i = 0; i < message.field_count; i++) {
            struct bytes field = message.fields[i].raw;
            if (message.fields[i].malformed || !bytes_ends_with_nocase(field, BYTES("\r\n")))
                continue;
            reference = reference_field(canon, field);
            canon_field(canon, field, (struct canon_sink){take, &ours});
            compare(&ours, &reference);
        }
    }
    arena_free(arena);
    return 0;
}
