/* Whether OpenSSL failed for want of memory. See crypto_memory.h. */
#include "crypto_memory.h"

#include <openssl/crypto.h>
#include <stdlib.h>

static unsigned failures;

static void *count_failure(void *memory)
{
    if (!memory)
        failures++;
    return memory;
}

/* OpenSSL's own functions return NULL for a size of 0 (CRYPTO_malloc(3)), which is no failure. */
static void *watched_malloc(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return size > 0 ? count_failure(malloc(size)) : NULL;
}

static void watched_free(void *memory, const char *file, int line)
{
    (void)file, (void)line;
    free(memory);
}

static void *watched_realloc(void *memory, size_t size, const char *file, int line)
{
    if (size > 0)
        return count_failure(realloc(memory, size));
    watched_free(memory, file, line);
    return NULL;
}

void crypto_memory_watch(void)
{
    CRYPTO_set_mem_functions(watched_malloc, watched_realloc, watched_free);
}

unsigned crypto_memory_failures(void)
{
    return failures;
}
