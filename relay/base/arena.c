/* Arenas. See arena.h. Blocks double in size up to a bound; a large request gets its own block. */
#include "arena.h"

#include "budget.h"
#include "buffer.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BLOCK = 4096, BLOCK_MAX = 256 * 1024 };

struct block {
    struct block *next;
    size_t size;
    size_t used;
    alignas(max_align_t) char data[];
};

struct arena {
    struct block *blocks;
    size_t limit;
    size_t total;
    struct budget_account *account; /* NULL: charged to nobody */
    bool failed;
};

struct arena *arena_new(size_t limit)
{
    struct arena *arena = calloc(1, sizeof *arena);
    if (arena)
        arena->limit = limit;
    return arena;
}

void arena_charge(struct arena *arena, struct budget_account *account)
{
    arena->account = account;
}

/* Calls `between`, if there is any, after each block. */
static void free_blocks(struct arena *arena, struct block *block, void (*between)(void))
{
    while (block) {
        struct block *next = block->next;
        if (arena->account)
            budget_give_back(arena->account, block->size);
        free(block);
        block = next;
        if (between)
            between();
    }
}

void arena_free(struct arena *arena)
{
    arena_free_in_parts(arena, NULL);
}

void arena_free_in_parts(struct arena *arena, void (*between)(void))
{
    if (!arena)
        return;
    free_blocks(arena, arena->blocks, between);
    free(arena);
}

void arena_reset(struct arena *arena)
{
    struct block *keep = arena->blocks;
    arena->failed = false;
    arena->total = 0;
    if (!keep)
        return;
    free_blocks(arena, keep->next, NULL);
    keep->next = NULL;
    if (keep->size > BLOCK_MAX) {
        arena_drop(arena);
        return;
    }
    keep->used = 0;
    arena->total = keep->size;
}

void arena_drop(struct arena *arena)
{
    free_blocks(arena, arena->blocks, NULL);
    arena->blocks = NULL;
    arena->failed = false;
    arena->total = 0;
}

/* A block of its own for a large request is used once, and zeroed as a whole. */
static bool is_zeroed(size_t block_size)
{
    return block_size > BLOCK_MAX;
}

static struct block *add_block(struct arena *arena, size_t need)
{
    size_t size = arena->blocks ? arena->blocks->size * 2 : FIRST_BLOCK;
    if (size > BLOCK_MAX)
        size = BLOCK_MAX;
    if (size < need)
        size = need;
    if (arena->limit != 0 && (size > arena->limit || arena->total > arena->limit - size)) {
        size = need;
        if (size > arena->limit || arena->total > arena->limit - size)
            return NULL;
    }
    if (arena->account && !budget_take(arena->account, size))
        return NULL;
    /* The system's fresh pages are zero, and cost nothing until they are used. */
    struct block *block =
        is_zeroed(size) ? calloc(1, sizeof *block + size) : malloc(sizeof *block + size);
    if (!block) {
        if (arena->account)
            budget_give_back(arena->account, size);
        return NULL;
    }
    block->next = arena->blocks;
    block->size = size;
    block->used = 0;
    arena->blocks = block;
    arena->total += size;
    return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    if (arena->failed)
        return NULL;
    if (size > SIZE_MAX / 2) {
        arena->failed = true;
        return NULL;
    }
    size_t need = (size + align - 1) / align * align;
    struct block *block = arena->blocks;
    if (!block || block->size - block->used < need)
        block = add_block(arena, need);
    if (!block) {
        arena->failed = true;
        return NULL;
    }
    void *p = block->data + block->used;
    block->used += need;
    return is_zeroed(block->size) ? p : memset(p, 0, need);
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size) {
        arena->failed = true;
        return NULL;
    }
    return arena_alloc(arena, count * size);
}

struct bytes arena_copy(struct arena *arena, struct bytes b)
{
    char *copy = arena_alloc(arena, b.n + 1);
    if (!copy)
        return (struct bytes){NULL, 0};
    if (b.n > 0)
        memcpy(copy, b.p, b.n);
    return (struct bytes){copy, b.n};
}

struct bytes arena_join(struct arena *arena, const struct bytes *parts, size_t count)
{
    size_t size = 0, used = 0;
    for (size_t i = 0; i < count; i++)
        size += parts[i].n;
    char *whole = arena_alloc(arena, size + 1);
    if (!whole)
        return (struct bytes){NULL, 0};
    for (size_t i = 0; i < count; i++) {
        if (parts[i].n > 0)
            memcpy(whole + used, parts[i].p, parts[i].n);
        used += parts[i].n;
    }
    return (struct bytes){whole, size};
}

struct bytes arena_take(struct arena *arena, struct buffer *buffer)
{
    if (buffer->failed)
        arena->failed = true;
    struct bytes taken = arena_copy(arena, buffer_bytes(buffer));
    buffer_free(buffer);
    return taken;
}

const char *arena_string(struct arena *arena, struct bytes b)
{
    if (bytes_find(b, '\0') != BYTES_NOT_FOUND)
        return NULL;
    return arena_copy(arena, b).p;
}

struct bytes arena_vprintf(struct arena *arena, const char *format, va_list arguments)
{
    /* Most texts are short: formatted here they are formatted once. */
    char short_text[256];
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(short_text, sizeof short_text, format, arguments);
    char *text = length < 0 ? NULL : arena_alloc(arena, (size_t)length + 1);
    if (text && (size_t)length < sizeof short_text)
        memcpy(text, short_text, (size_t)length);
    else if (text)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return (struct bytes){text, text ? (size_t)length : 0};
}

struct bytes arena_printf(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    struct bytes text = arena_vprintf(arena, format, arguments);
    va_end(arguments);
    return text;
}

bool arena_failed(const struct arena *arena)
{
    return arena->failed;
}
