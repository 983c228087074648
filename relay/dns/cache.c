/* The resolver's cache. See cache.h. An entry is one block: the entry, its records, their text. */
#include "cache.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum { OCTETS_PER_BUCKET = 512, BUCKETS_MIN = 16 };

struct cache_entry {
    struct cache_entry *next; /* in its bucket */
    TAILQ_ENTRY(cache_entry) by_use;
    size_t size;
    size_t bucket;
    double expires;
    struct bytes name;
    enum dns_type type;
    struct dns_answer answer;
    struct dns_record records[];
};

struct dns_cache {
    struct dns_cache_limits limits;
    size_t used;
    TAILQ_HEAD(cache_entries, cache_entry) by_use; /* most recently used first */
    size_t bucket_count;
    struct cache_entry *buckets[];
};

struct dns_cache *dns_cache_new(const struct dns_cache_limits *limits)
{
    size_t count = limits->octets / OCTETS_PER_BUCKET + BUCKETS_MIN;
    struct dns_cache *cache = calloc(1, sizeof *cache + count * sizeof(struct cache_entry *));
    if (!cache)
        return NULL;
    cache->limits = *limits;
    cache->bucket_count = count;
    TAILQ_INIT(&cache->by_use);
    return cache;
}

static void drop_entry(struct dns_cache *cache, struct cache_entry *entry)
{
    struct cache_entry **link = &cache->buckets[entry->bucket];
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    TAILQ_REMOVE(&cache->by_use, entry, by_use);
    cache->used -= entry->size;
    free(entry);
}

void dns_cache_free(struct dns_cache *cache)
{
    if (!cache)
        return;
    while (!TAILQ_EMPTY(&cache->by_use))
        drop_entry(cache, TAILQ_FIRST(&cache->by_use));
    free(cache);
}

static size_t bucket_of(const struct dns_cache *cache, struct bytes name, enum dns_type type)
{
    return (bytes_hash_nocase(name) + type) % cache->bucket_count;
}

static struct cache_entry *find_entry(const struct dns_cache *cache, struct bytes name,
                                      enum dns_type type)
{
    struct cache_entry *entry = cache->buckets[bucket_of(cache, name, type)];
    while (entry && (entry->type != type || !bytes_equal_nocase(entry->name, name)))
        entry = entry->next;
    return entry;
}

bool dns_cache_get(struct dns_cache *cache, struct arena *arena, struct bytes name,
                   enum dns_type type, double now, struct dns_answer *answer)
{
    struct cache_entry *entry = find_entry(cache, name, type);
    if (!entry)
        return false;
    if (entry->expires <= now) {
        drop_entry(cache, entry);
        return false;
    }
    TAILQ_REMOVE(&cache->by_use, entry, by_use);
    TAILQ_INSERT_HEAD(&cache->by_use, entry, by_use);
    dns_answer_copy(arena, &entry->answer, answer);
    answer->ttl = (uint32_t)(entry->expires - now);
    return true;
}

static uint32_t lifetime(const struct dns_cache_limits *limits, const struct dns_answer *answer)
{
    if (answer->status != DNS_OK)
        return answer->ttl < limits->negative_ttl_max ? answer->ttl : limits->negative_ttl_max;
    if (answer->ttl == 0)
        return 0;
    uint32_t ttl = answer->ttl > limits->ttl_min ? answer->ttl : limits->ttl_min;
    return ttl < limits->ttl_max ? ttl : limits->ttl_max;
}

static struct bytes store_bytes(char **to, struct bytes b)
{
    struct bytes stored = {*to, b.n};
    if (b.n > 0)
        memcpy(*to, b.p, b.n);
    *to += b.n;
    return stored;
}

static struct cache_entry *new_entry(struct bytes name, const struct dns_answer *answer)
{
    size_t records_size = answer->count * sizeof(struct dns_record);
    size_t size = sizeof(struct cache_entry) + records_size + name.n + answer->canonical_name.n;
    for (size_t i = 0; i < answer->count; i++)
        size += answer->records[i].text.n;
    struct cache_entry *entry = calloc(1, size);
    if (!entry)
        return NULL;
    char *text = (char *)entry + sizeof *entry + records_size;
    entry->size = size;
    entry->name = store_bytes(&text, name);
    entry->answer = *answer;
    entry->answer.canonical_name = store_bytes(&text, answer->canonical_name);
    entry->answer.records = entry->records;
    for (size_t i = 0; i < answer->count; i++) {
        entry->records[i] = answer->records[i];
        entry->records[i].text = store_bytes(&text, answer->records[i].text);
    }
    return entry;
}

/* Clause: MX-36 */
void dns_cache_put(struct dns_cache *cache, struct bytes name, enum dns_type type, double now,
                   const struct dns_answer *answer)
{
    uint32_t seconds = lifetime(&cache->limits, answer);
    if (seconds == 0 || answer->status == DNS_TEMPFAIL)
        return;
    struct cache_entry *entry = find_entry(cache, name, type);
    if (entry)
        drop_entry(cache, entry);
    entry = new_entry(name, answer);
    if (!entry)
        return;
    if (entry->size > cache->limits.octets) {
        free(entry);
        return;
    }
    while (cache->used > cache->limits.octets - entry->size) {
        struct cache_entry *oldest = TAILQ_LAST(&cache->by_use, cache_entries);
        /* The analyzer believes that the last entry has a successor. */
        drop_entry(cache, oldest); // NOLINT(clang-analyzer-unix.Malloc)
    }
    entry->type = type;
    entry->expires = now + seconds;
    entry->bucket = bucket_of(cache, name, type);
    entry->next = cache->buckets[entry->bucket];
    cache->buckets[entry->bucket] = entry;
    cache->used += entry->size;
    TAILQ_INSERT_HEAD(&cache->by_use, entry, by_use);
}
