/* Lines of keys and error texts. See config_source.h. */
#include "config_source.h"

#include "fiber.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Keys are kept as hashes: a file of 100,000 routes has 400,000 of them, and they are looked up
 * only to report an error. */
struct key_line {
    uint64_t key_hash;
    size_t line;
};

struct config_key config_key(const char *format, ...)
{
    struct config_key key;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(key.text, sizeof key.text, format, arguments);
    va_end(arguments);
    return key;
}

void config_source_note(struct config_source *source, struct config_key key, size_t line)
{
    const struct key_line entry = {bytes_hash_nocase(bytes_of(key.text)), line};
    buffer_add(&source->lines, (struct bytes){(const char *)&entry, sizeof entry});
}

static size_t find_line(const struct config_source *source, struct bytes key)
{
    const uint64_t hash = bytes_hash_nocase(key);
    for (size_t at = 0; at < source->lines.n; at += sizeof(struct key_line)) {
        struct key_line entry;
        memcpy(&entry, source->lines.p + at, sizeof entry);
        if (entry.key_hash == hash)
            return entry.line;
    }
    return 0;
}

bool config_source_has(const struct config_source *source, struct config_key key)
{
    return find_line(source, bytes_of(key.text)) != 0;
}

/* "zones[0].routes[2]" -> "zones[0].routes" -> "zones[0]" -> "zones" -> "". */
static struct bytes surrounding_key(struct bytes key)
{
    do
        key.n--;
    while (key.n > 0 && key.p[key.n] != '.' && key.p[key.n] != '[');
    return key;
}

/* A value that an error repeats may hold anything, and an error is one line. */
static void blank_control_characters(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == '\x7f')
            *text = '?';
}

static void report(struct config_source *source, size_t line, struct config_key key,
                   const char *format, va_list arguments)
{
    source->error_count++;
    if (source->error_count > CONFIG_ERRORS_MAX)
        return;
    char text[512];
    vsnprintf(text, sizeof text, format, arguments);
    blank_control_characters(text);
    buffer_printf(source->errors, "%s:%zu: %s%s%s\n", source->path, line, key.text,
                  *key.text ? ": " : "", text);
}

void config_error(struct config_source *source, struct config_key key, const char *format, ...)
{
    size_t line = 0;
    if (source->error_count >= CONFIG_ERRORS_MAX) { /* a look-up for each of a flood takes long */
        source->error_count++;
        return;
    }
    for (struct bytes k = bytes_of(key.text); line == 0 && k.n > 0; k = surrounding_key(k))
        line = find_line(source, k);
    va_list arguments;
    va_start(arguments, format);
    report(source, line ? line : 1, key, format, arguments);
    va_end(arguments);
}

void config_error_at(struct config_source *source, size_t line, struct config_key key,
                     const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    report(source, line, key, format, arguments);
    va_end(arguments);
}

void config_source_free(struct config_source *source)
{
    buffer_free_in_parts(&source->lines, fiber_yield);
}
