/* Writing JSON. See json.h. */
#include "json.h"

#include <inttypes.h>

struct json json_start(struct buffer *out)
{
    return (struct json){.out = out};
}

static bool is_plain(char c)
{
    return ascii_is_printable(c) && c != '"' && c != '\\';
}

static void write_escaped(struct buffer *out, char c)
{
    if (ascii_is_printable(c))
        buffer_printf(out, "\\%c", c);
    else
        buffer_printf(out, "\\u%04x", (unsigned char)c);
}

static void write_text(struct buffer *out, struct bytes text)
{
    buffer_add_char(out, '"');
    while (text.n > 0) {
        size_t n = 0;
        while (n < text.n && is_plain(text.p[n]))
            n++;
        buffer_add(out, bytes_first(text, n));
        text = bytes_from(text, n);
        if (text.n > 0)
            write_escaped(out, text.p[0]);
        text = bytes_from(text, 1);
    }
    buffer_add_char(out, '"');
}

static void begin_member(struct json *json, const char *key)
{
    if (json->comma)
        buffer_add(json->out, BYTES(", "));
    json->comma = true;
    if (!key)
        return;
    write_text(json->out, bytes_of(key));
    buffer_add(json->out, BYTES(": "));
}

static void open_with(struct json *json, const char *key, char bracket)
{
    begin_member(json, key);
    buffer_add_char(json->out, bracket);
    json->comma = false;
}

static void close_with(struct json *json, char bracket)
{
    buffer_add_char(json->out, bracket);
    json->comma = true;
}

void json_open_object(struct json *json, const char *key)
{
    open_with(json, key, '{');
}

void json_close_object(struct json *json)
{
    close_with(json, '}');
}

void json_open_array(struct json *json, const char *key)
{
    open_with(json, key, '[');
}

void json_close_array(struct json *json)
{
    close_with(json, ']');
}

void json_string(struct json *json, const char *key, struct bytes value)
{
    begin_member(json, key);
    write_text(json->out, value);
}

void json_number(struct json *json, const char *key, int64_t value)
{
    begin_member(json, key);
    buffer_printf(json->out, "%" PRId64, value);
}

void json_seconds(struct json *json, const char *key, double value)
{
    begin_member(json, key);
    buffer_printf(json->out, "%.6f", value);
}

void json_bool(struct json *json, const char *key, bool value)
{
    begin_member(json, key);
    buffer_add(json->out, value ? BYTES("true") : BYTES("false"));
}

void json_null(struct json *json, const char *key)
{
    begin_member(json, key);
    buffer_add(json->out, BYTES("null"));
}
