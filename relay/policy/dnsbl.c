/* DNS block lists: RFC 5782 2.1 (IPv4), 2.4 (IPv6), 2.3 (values). See dnsbl.h.
 *
 * The questions of one client are a round. A fiber for each list fills in its answer; the caller
 * leaves as soon as it knows enough, and whoever leaves last frees the round. */
#include "dnsbl.h"

#include "clause.h"
#include "clock.h"
#include "fiber.h"

#include <stdlib.h>

struct question {
    struct round *round;
    struct bytes name;
    bool answered, listed;
};

struct round {
    struct arena *arena;
    struct dns *dns;
    double deadline;
    struct fiber *caller; /* NULL when it does not wait */
    size_t references;    /* the caller and every fiber */
    size_t count;
    struct question *questions;
};

static void round_release(struct round *round)
{
    if (--round->references > 0)
        return;
    arena_free(round->arena);
    free(round);
}

/* NULL when memory is short. */
static struct round *round_new(struct dns *dns, const struct ip *client, const struct dnsbl *lists,
                               size_t count, double deadline)
{
    char reversed[IP_REVERSED_SIZE];
    struct round *round = calloc(1, sizeof *round);
    if (!round)
        return NULL;
    *round = (struct round){
        .arena = arena_new(0), .dns = dns, .deadline = deadline, .references = 1, .count = count};
    if (round->arena)
        round->questions = arena_alloc_array(round->arena, count, sizeof *round->questions);
    if (!round->questions) {
        round_release(round);
        return NULL;
    }
    ip_reversed(client, reversed);
    for (size_t i = 0; i < count; i++)
        round->questions[i] = (struct question){
            .round = round,
            .name = arena_printf(round->arena, "%s.%.*s", reversed, BYTES_ARG(lists[i].zone)),
        };
    return round;
}

/* 127.0.0.0/8, but for what lists answer to those they do not serve. */
static bool is_listing(const struct ip *value)
{
    static const struct ip_prefix values = {{4, {127}}, 8}, errors = {{4, {127, 255, 255}}, 24};
    if (!CLAUSE(SPAM_04, ip_in_prefix(value, &values)))
        return false;
    return !CLAUSE(SPAM_05, ip_in_prefix(value, &errors));
}

static void ask(void *argument)
{
    struct question *question = argument;
    struct round *round = question->round;
    struct dns_answer answer;
    dns_query(round->dns, round->arena, question->name, DNS_A, round->deadline, &answer);
    size_t listings = 0;
    for (size_t i = 0; i < answer.count; i++)
        listings += is_listing(&answer.records[i].address);
    bool silent = answer.status == DNS_TEMPFAIL;
    question->listed = !CLAUSE(SPAM_06, silent || listings == 0);
    question->answered = true;
    if (round->caller)
        fiber_wake(round->caller);
    round_release(round);
}

/* A list has answered with a listing, all before it without; or all have answered without. */
static bool is_decided(const struct round *round)
{
    for (size_t i = 0; i < round->count; i++) {
        const struct question *question = &round->questions[i];
        if (!question->answered || question->listed)
            return question->answered;
    }
    return true;
}

struct bytes dnsbl_listed(struct dns *dns, const struct ip *client, const struct dnsbl *lists,
                          size_t count, double deadline)
{
    struct bytes name = {0};
    struct round *round =
        client->length > 0 && count > 0 ? round_new(dns, client, lists, count, deadline) : NULL;
    if (!round)
        return name;
    for (size_t i = 0; i < count; i++) {
        round->references++;
        if (!fiber_start(ask, &round->questions[i]))
            ask(&round->questions[i]);
    }
    enum fiber_event event = FIBER_READY;
    while (!is_decided(round) && event == FIBER_READY) {
        round->caller = fiber_self();
        event = fiber_wait(deadline);
    }
    round->caller = NULL;
    /* Of those that have answered by now: a list that has not lists nobody. */
    for (size_t i = 0; i < count && name.n == 0; i++)
        if (round->questions[i].listed)
            name = lists[i].name;
    round_release(round);
    return name;
}
