/* Arenas: memory with one lifetime, dropped whole.
 *
 * One arena lives as long as a session, another as long as a transaction. Single objects are never
 * freed. When memory or the arena's own limit runs out, allocation returns NULL (or an empty slice
 * with p == NULL) and the arena remembers it, so that a caller may build several things and check
 * arena_failed() once: the client then gets a 4xx. */
#ifndef FAIRLEAD_ARENA_H
#define FAIRLEAD_ARENA_H

#include "bytes.h"

#include <stdarg.h>

struct arena;
struct budget_account;
struct buffer;

/* A new arena that will hold at most `limit` octets in all (0: no limit of its own).
 * NULL when memory is short. Free with arena_free(). */
struct arena *arena_new(size_t limit);

/* From now on the arena's memory is taken from the account, whose refusal is a failure like any
 * other. The arena must be new, and the account outlive it. */
void arena_charge(struct arena *arena, struct budget_account *account);

/* Frees the arena and everything in it. NULL is ignored. */
void arena_free(struct arena *arena);

/* The same for a large one, with `between` called after each of its blocks. */
void arena_free_in_parts(struct arena *arena, void (*between)(void));

/* Forgets everything in the arena; keeps one block for reuse. */
void arena_reset(struct arena *arena);

/* Forgets everything in the arena, and keeps no memory. */
void arena_drop(struct arena *arena);

/* Zeroed memory, aligned for any type. NULL on failure, and from then on until arena_reset(). */
void *arena_alloc(struct arena *arena, size_t size);

/* Zeroed memory for `count` objects of `size` octets, overflow checked. */
void *arena_alloc_array(struct arena *arena, size_t count, size_t size);

/* A copy of the slice, followed by a NUL that is not counted. */
struct bytes arena_copy(struct arena *arena, struct bytes b);

/* A copy of the slices, one after the other. */
struct bytes arena_join(struct arena *arena, const struct bytes *parts, size_t count);

/* Moves the contents of the buffer into the arena and frees the buffer. A buffer that failed is a
 * failure of the arena. */
struct bytes arena_take(struct arena *arena, struct buffer *buffer);

/* A copy of one, as a C string for a foreign library. NULL on failure or when `b` holds a NUL. */
const char *arena_string(struct arena *arena, struct bytes b);

struct bytes arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
struct bytes arena_vprintf(struct arena *arena, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

/* True once any allocation from this arena has failed. */
bool arena_failed(const struct arena *arena);

#endif
