/* The one division of a message into header fields and body. See message.h.
 *
 * Only CRLF ends a line here: a bare CR or LF is an octet like any other (the session refuses such
 * messages; a tool's file has been through message_with_crlf()). */
#include "message.h"

#include <string.h>

/* Cuts the first line off `rest`, its CRLF included. */
static struct bytes cut_line(struct bytes *rest)
{
    size_t end = bytes_find_slice(*rest, BYTES("\r\n"));
    struct bytes line = end == BYTES_NOT_FOUND ? *rest : bytes_first(*rest, end + 2);
    *rest = bytes_from(*rest, line.n);
    return line;
}

bool message_is_field_name(struct bytes name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!ascii_is_printable(name.p[i]) || name.p[i] == ' ' || name.p[i] == ':')
            return false;
    return name.n > 0;
}

/* Sets the field's parts from its raw form. The colon must be on the field's first line: the
 * grammar has no folding in front of it, not even the obsolete one (RFC 5322 4.5). */
static void divide_field(struct header_field *field)
{
    struct bytes rest = field->raw;
    size_t colon = bytes_find(cut_line(&rest), ':');
    struct bytes name = bytes_first(field->raw, colon == BYTES_NOT_FOUND ? 0 : colon);
    while (name.n > 0 && ascii_is_blank(name.p[name.n - 1]))
        name.n--;
    field->name = name;
    field->value = bytes_from(field->raw, colon == BYTES_NOT_FOUND ? 0 : colon + 1);
    if (bytes_ends_with_nocase(field->value, BYTES("\r\n")))
        field->value.n -= 2;
    field->malformed = !message_is_field_name(name);
}

/* Finds where header and body part, and counts the fields between. */
static size_t divide_message(struct message *message)
{
    size_t count = 0;
    struct bytes rest = message->raw;
    message->header = message->raw;
    message->body = bytes_from(message->raw, message->raw.n);
    while (rest.n > 0) {
        size_t start = message->raw.n - rest.n;
        struct bytes line = cut_line(&rest);
        if (bytes_equal(line, BYTES("\r\n"))) {
            message->header = bytes_first(message->raw, start);
            message->body = rest;
            break;
        }
        if (count == 0 || !ascii_is_blank(line.p[0]))
            count++;
    }
    return count;
}

/* Cuts `header` into fields, which must have room for all of them, and returns their number. */
static size_t divide_header(struct bytes header, struct header_field *fields)
{
    size_t count = 0;
    while (header.n > 0) {
        struct bytes line = cut_line(&header);
        if (count == 0 || !ascii_is_blank(line.p[0]))
            fields[count++].raw = line;
        else
            fields[count - 1].raw.n += line.n;
    }
    for (size_t i = 0; i < count; i++)
        divide_field(&fields[i]);
    return count;
}

bool message_parse(struct arena *arena, struct bytes raw, struct message *message)
{
    *message = (struct message){.raw = raw};
    size_t count = divide_message(message);
    message->fields = arena_alloc_array(arena, count, sizeof *message->fields);
    if (!message->fields)
        return false;
    message->field_count = divide_header(message->header, message->fields);
    return true;
}

bool message_prepend(struct arena *arena, const struct message *message, struct bytes block,
                     struct message *prepended)
{
    struct message front = {.raw = block};
    size_t count = divide_message(&front);
    *prepended = *message;
    prepended->fields =
        arena_alloc_array(arena, count + message->field_count, sizeof *message->fields);
    if (!prepended->fields)
        return false;
    divide_header(front.header, prepended->fields);
    for (size_t i = 0; i < message->field_count; i++)
        prepended->fields[count + i] = message->fields[i];
    prepended->field_count = count + message->field_count;
    return true;
}

const struct header_field *message_find(const struct message *message, struct bytes name,
                                        size_t from)
{
    for (size_t i = from; i < message->field_count; i++)
        if (bytes_equal_nocase(message->fields[i].name, name))
            return &message->fields[i];
    return NULL;
}

size_t message_count(const struct message *message, struct bytes name)
{
    size_t count = 0;
    for (size_t i = 0; i < message->field_count; i++)
        if (bytes_equal_nocase(message->fields[i].name, name))
            count++;
    return count;
}

struct bytes message_with_crlf(struct arena *arena, struct bytes file)
{
    size_t bare = 0;
    for (size_t i = 0; i < file.n; i++)
        if (file.p[i] == '\n' && (i == 0 || file.p[i - 1] != '\r'))
            bare++;
    char *copy = arena_alloc(arena, file.n + bare);
    if (!copy)
        return (struct bytes){NULL, 0};
    size_t n = 0;
    for (size_t i = 0; i < file.n; i++) {
        if (file.p[i] == '\n' && (i == 0 || file.p[i - 1] != '\r'))
            copy[n++] = '\r';
        copy[n++] = file.p[i];
    }
    return (struct bytes){copy, n};
}
