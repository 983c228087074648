/* Growing octet buffers on the heap, for messages and for text that is built piece by piece.
 *
 * Errors stick: after a failed append every further one is a no-op, and the caller checks
 * `failed` once at the end. */
#ifndef FAIRLEAD_BUFFER_H
#define FAIRLEAD_BUFFER_H

#include "bytes.h"

#include <stdarg.h>

struct buffer {
    char *p;
    size_t n;
    size_t capacity;
    bool failed; /* memory ran out; the contents are incomplete */
};

/* The contents. Valid until the buffer is next changed. */
struct bytes buffer_bytes(const struct buffer *buffer);

bool buffer_reserve(struct buffer *buffer, size_t more);
void buffer_add(struct buffer *buffer, struct bytes b);
void buffer_add_char(struct buffer *buffer, char c);
void buffer_printf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void buffer_vprintf(struct buffer *buffer, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

/* Drops the first `n` octets. */
void buffer_consume(struct buffer *buffer, size_t n);

/* Empties the buffer and keeps its memory. */
void buffer_clear(struct buffer *buffer);

/* Frees the memory; the buffer is empty and usable again. */
void buffer_free(struct buffer *buffer);

/* The same for a large one, with `between` called after each MiB. */
void buffer_free_in_parts(struct buffer *buffer, void (*between)(void));

#endif
