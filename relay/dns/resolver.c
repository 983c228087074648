/* The network resolver. See resolver.h.
 *
 * A lookup is a fiber of its own. Each caller waits for it up to a deadline of its own; concurrent
 * lookups of one question share it; the answer is cached even if no caller waits any more. */
#include "resolver.h"

#include "cache.h"
#include "clause.h"
#include "clock.h"
#include "exchange.h"
#include "fiber.h"

#include <stdlib.h>
#include <string.h>

/* A few answers of the largest size: a chain of CNAMEs, each looked up. */
enum { LOOKUP_MEMORY_MAX = 4 * 1024 * 1024 };

/* A caller that waits; lives on the stack of its fiber. */
struct waiter {
    struct waiter *next;
    struct fiber *fiber;
};

/* A lookup in progress, in its own arena; freed when neither its fiber nor a caller needs it. */
struct lookup {
    struct lookup *next;
    struct resolver *resolver;
    struct arena *arena;
    struct bytes name;
    enum dns_type type;
    struct dns_answer answer;
    unsigned aliases; /* CNAMEs so far */
    bool done;
    unsigned users;
    struct waiter *waiters;
    struct fiber *fiber;
};

struct resolver {
    struct dns dns;
    struct resolver_config config;
    struct dns_cache *cache; /* NULL: none */
    struct lookup *lookups;
    bool freed; /* to be destroyed when the last lookup has ended */
};

/* Asks the servers in turn, and in further rounds those that were silent. */
static void ask_servers(const struct resolver_config *config, struct arena *arena,
                        struct dns_question *question, struct dns_reply *reply)
{
    bool failed[RESOLVER_SERVERS_MAX] = {false};
    *reply = (struct dns_reply){.kind = DNS_REPLY_FAILED};
    dns_answer_fail(&reply->answer, "no server is configured");
    for (unsigned round = 0; round < config->tries; round++) {
        for (size_t i = 0; i < config->server_count; i++) {
            double timeout = BREAK(MX_32, config->timeout, config->timeout / 4);
            bool silent;
            if (failed[i])
                continue;
            dns_exchange(arena, &config->servers[i], question, clock_monotonic() + timeout, reply,
                         &silent);
            if (reply->kind != DNS_REPLY_FAILED)
                return;
            failed[i] = BREAK(MX_43, !silent, true);
        }
    }
}

/* Queries until the chain of CNAMEs ends; a loop exceeds the bound. Clause: MX-13 */
static void resolve(const struct resolver_config *config, struct lookup *lookup)
{
    struct dns_question question = {.type = lookup->type};
    struct dns_reply reply;
    uint32_t ttl = UINT32_MAX;
    dns_question_name(&question, lookup->name);
    for (;;) {
        ask_servers(config, lookup->arena, &question, &reply);
        lookup->aliases += reply.aliases;
        if (reply.kind != DNS_REPLY_ALIAS)
            break;
        if (lookup->aliases > DNS_ALIASES_MAX) {
            dns_answer_fail(&reply.answer, "CNAME loop or too long a chain");
            break;
        }
        if (reply.answer.ttl < ttl)
            ttl = reply.answer.ttl;
        memcpy(question.name, reply.next.p, reply.next.n);
        question.name_size = reply.next.n;
    }
    lookup->answer = reply.answer;
    lookup->answer.aliases = lookup->aliases;
    dns_answer_trim(lookup->arena, lookup->type, &lookup->answer);
    if (ttl < lookup->answer.ttl)
        lookup->answer.ttl = ttl;
}

static void resolver_destroy(struct resolver *resolver)
{
    dns_cache_free(resolver->cache);
    free(resolver);
}

static void release_lookup(struct lookup *lookup)
{
    if (--lookup->users == 0)
        arena_free(lookup->arena);
}

static void end_lookup(struct lookup *lookup)
{
    struct resolver *resolver = lookup->resolver;
    struct lookup **link = &resolver->lookups;
    while (*link != lookup)
        link = &(*link)->next;
    *link = lookup->next;
    lookup->done = true;
    if (resolver->cache)
        dns_cache_put(resolver->cache, lookup->name, lookup->type, clock_monotonic(),
                      &lookup->answer);
    for (struct waiter *waiter = lookup->waiters; waiter; waiter = waiter->next)
        fiber_wake(waiter->fiber);
    release_lookup(lookup);
    if (resolver->freed && !resolver->lookups)
        resolver_destroy(resolver);
}

static void run_lookup(void *argument)
{
    struct lookup *lookup = argument;
    lookup->fiber = fiber_self();
    resolve(&lookup->resolver->config, lookup);
    end_lookup(lookup);
}

/* The lookup in progress for the question, or a new one; the caller is counted among its users. */
static struct lookup *join_lookup(struct resolver *resolver, struct bytes name, enum dns_type type)
{
    struct lookup *lookup = resolver->lookups;
    while (lookup && (lookup->type != type || !bytes_equal_nocase(lookup->name, name)))
        lookup = lookup->next;
    if (lookup) {
        lookup->users++;
        return lookup;
    }
    struct arena *arena = arena_new(LOOKUP_MEMORY_MAX);
    lookup = arena ? arena_alloc(arena, sizeof *lookup) : NULL;
    if (!lookup) {
        arena_free(arena);
        return NULL;
    }
    *lookup = (struct lookup){.resolver = resolver, .arena = arena, .type = type, .users = 2};
    lookup->name = arena_copy(arena, name);
    lookup->next = resolver->lookups;
    resolver->lookups = lookup;
    if (!lookup->name.p || !fiber_start(run_lookup, lookup)) {
        resolver->lookups = lookup->next;
        arena_free(arena);
        return NULL;
    }
    return lookup;
}

static void await_lookup(struct lookup *lookup, double deadline)
{
    struct waiter waiter = {lookup->waiters, fiber_self()};
    enum fiber_event event = FIBER_READY;
    lookup->waiters = &waiter;
    while (!lookup->done && event == FIBER_READY)
        event = fiber_wait(deadline);
    struct waiter **link = &lookup->waiters;
    while (*link != &waiter)
        link = &(*link)->next;
    *link = waiter.next;
}

static void resolver_query(struct dns *self, struct arena *arena, struct bytes name,
                           enum dns_type type, double deadline, struct dns_answer *answer)
{
    struct resolver *resolver = (struct resolver *)self;
    if (resolver->cache &&
        dns_cache_get(resolver->cache, arena, name, type, clock_monotonic(), answer))
        return;
    struct lookup *lookup = join_lookup(resolver, name, type);
    if (!lookup) {
        dns_answer_fail_memory(answer);
        return;
    }
    await_lookup(lookup, deadline);
    if (lookup->done)
        dns_answer_copy(arena, &lookup->answer, answer);
    else
        dns_answer_fail(answer, "timed out");
    answer->aliases = lookup->aliases;
    release_lookup(lookup);
}

struct resolver *resolver_new(const struct resolver_config *config)
{
    struct resolver *resolver = calloc(1, sizeof *resolver);
    if (!resolver)
        return NULL;
    resolver->config = *config;
    if (config->cache_octets > 0)
        resolver->cache = dns_cache_new(&(struct dns_cache_limits){
            .octets = config->cache_octets,
            .ttl_min = config->ttl_min,
            .ttl_max = config->ttl_max,
            .negative_ttl_max = config->negative_ttl_max,
        });
    resolver->dns.query = resolver_query;
    return resolver;
}

void resolver_free(struct resolver *resolver)
{
    if (!resolver)
        return;
    resolver->freed = true;
    for (struct lookup *lookup = resolver->lookups; lookup; lookup = lookup->next)
        fiber_cancel(lookup->fiber);
    if (!resolver->lookups)
        resolver_destroy(resolver);
}

struct dns *resolver_dns(struct resolver *resolver)
{
    return &resolver->dns;
}
