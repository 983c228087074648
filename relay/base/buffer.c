/* Growing octet buffers. See buffer.h. */
#include "buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* A buffer doubles while it is small; a large one grows by a quarter, so that little of it is
 * unused.
 */
enum { CAPACITY_MIN = 256, DOUBLED_MAX = 256 * 1024, GROWTH = 4, MAPPED_MIN = 512 * 1024 };

struct bytes buffer_bytes(const struct buffer *buffer)
{
    return (struct bytes){buffer->p, buffer->n};
}

/* What is large has a mapping of its own, which grows and shrinks without being copied. */
static char *map_more(char *p, size_t capacity, size_t more)
{
    void *mapping = capacity < MAPPED_MIN ? mmap(NULL, more, PROT_READ | PROT_WRITE,
                                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                                          : mremap(p, capacity, more, MREMAP_MAYMOVE);
    if (mapping == MAP_FAILED)
        return NULL;
    if (capacity > 0 && capacity < MAPPED_MIN) {
        memcpy(mapping, p, capacity);
        free(p);
    }
    return mapping;
}

/* Only a mapping is made smaller. */
static bool resize(struct buffer *buffer, size_t capacity)
{
    char *p = capacity < MAPPED_MIN ? realloc(buffer->p, capacity)
                                    : map_more(buffer->p, buffer->capacity, capacity);
    if (!p) {
        buffer->failed = true;
        return false;
    }
    buffer->p = p;
    buffer->capacity = capacity;
    return true;
}

bool buffer_reserve(struct buffer *buffer, size_t more)
{
    if (buffer->failed || more > SIZE_MAX / 4 || buffer->n > SIZE_MAX / 4) {
        buffer->failed = true;
        return false;
    }
    if (buffer->capacity - buffer->n >= more)
        return true;
    size_t capacity = buffer->capacity ? buffer->capacity : CAPACITY_MIN;
    while (capacity - buffer->n < more)
        capacity += capacity < DOUBLED_MAX ? capacity : capacity / GROWTH;
    return resize(buffer, capacity);
}

void buffer_add(struct buffer *buffer, struct bytes b)
{
    if (b.n == 0 || !buffer_reserve(buffer, b.n))
        return;
    memcpy(buffer->p + buffer->n, b.p, b.n);
    buffer->n += b.n;
}

void buffer_add_char(struct buffer *buffer, char c)
{
    buffer_add(buffer, (struct bytes){&c, 1});
}

void buffer_vprintf(struct buffer *buffer, const char *format, va_list arguments)
{
    enum { LIKELY = 128 };
    va_list again;
    va_copy(again, arguments);
    /* Formatted once where it fits into what is there. */
    size_t room = buffer_reserve(buffer, LIKELY) ? buffer->capacity - buffer->n : 0;
    int length = room ? vsnprintf(buffer->p + buffer->n, room, format, arguments) : -1;
    if (length >= 0 && (size_t)length >= room) {
        if (buffer_reserve(buffer, (size_t)length + 1))
            vsnprintf(buffer->p + buffer->n, (size_t)length + 1, format, again);
        else
            length = -1;
    }
    if (length >= 0)
        buffer->n += (size_t)length;
    else
        buffer->failed = true;
    va_end(again);
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    buffer_vprintf(buffer, format, arguments);
    va_end(arguments);
}

void buffer_consume(struct buffer *buffer, size_t n)
{
    if (n > buffer->n)
        n = buffer->n;
    if (n < buffer->n)
        memmove(buffer->p, buffer->p + n, buffer->n - n);
    buffer->n -= n;
}

void buffer_clear(struct buffer *buffer)
{
    buffer->n = 0;
    buffer->failed = false;
}

void buffer_free(struct buffer *buffer)
{
    if (buffer->capacity >= MAPPED_MIN)
        munmap(buffer->p, buffer->capacity);
    else
        free(buffer->p);
    *buffer = (struct buffer){0};
}

void buffer_free_in_parts(struct buffer *buffer, void (*between)(void))
{
    enum { PART = 1024 * 1024 };
    while (buffer->capacity >= MAPPED_MIN + PART && resize(buffer, buffer->capacity - PART))
        between();
    buffer_free(buffer);
}
