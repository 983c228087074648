/* DNS block lists: RFC 5782 2.1 (IPv4), 2.4 (IPv6), 2.3 (values). See dnsbl.h.
 *
 * The queries about one client are a round. A fiber for each list fills in its answer; the caller
 * returns as soon as the result is certain, and the last one to be done frees the round. */
#include "dnsbl.h"

#include "clause.h"
#include "clock.h"
#include "fiber.h"

#include <stdlib.h>

struct dnsbl_question {
    struct dnsbl_round *round;
    struct bytes name;
    bool answered; /* or given up by the resolver: then silent */
    bool listed, silent;
};

struct dnsbl_round {
    struct arena *arena;
    struct dns *dns;
    double deadline;
    struct fiber *caller; /* NULL when it does not wait */
    size_t references;    /* the caller and every fiber */
    size_t count;
    struct dnsbl_question *questions;
};

static void round_release(struct dnsbl_round *round)
{
    if (--round->references > 0)
        return;
    arena_free(round->arena);
    free(round);
}

/* IPv4 and IPv6 alike, by reversed octets or nibbles. NULL when memory is short. Clause: SPAM-03 */
static struct dnsbl_round *round_new(struct dns *dns, const struct ip *client,
                                     const struct dnsbl *lists, size_t count, double deadline)
{
    char reversed[IP_REVERSED_SIZE];
    struct dnsbl_round *round = calloc(1, sizeof *round);
    if (!round)
        return NULL;
    *round = (struct dnsbl_round){
        .arena = arena_new(0), .dns = dns, .deadline = deadline, .references = 1, .count = count};
    if (round->arena)
        round->questions = arena_alloc_array(round->arena, count, sizeof *round->questions);
    if (!round->questions) {
        round_release(round);
        return NULL;
    }
    ip_reversed(client, reversed);
    for (size_t i = 0; i < count; i++)
        round->questions[i] = (struct dnsbl_question){
            .round = round,
            .name = arena_printf(round->arena, "%s.%.*s", reversed, BYTES_ARG(lists[i].zone)),
        };
    return round;
}

/* In 127.0.0.0/8, except the error codes, which lists give to clients that they do not serve. */
static bool is_listing(const struct ip *value)
{
    static const struct ip_prefix values = {{4, {127}}, 8}, errors = {{4, {127, 255, 255}}, 24};
    if (!CLAUSE(SPAM_04, ip_in_prefix(value, &values)))
        return false;
    return !CLAUSE(SPAM_05, ip_in_prefix(value, &errors));
}

static void ask_list(void *argument)
{
    struct dnsbl_question *question = argument;
    struct dnsbl_round *round = question->round;
    struct dns_answer answer;
    dns_query(round->dns, round->arena, question->name, DNS_A, round->deadline, &answer);
    size_t listings = 0;
    for (size_t i = 0; i < answer.count; i++)
        listings += is_listing(&answer.records[i].address);
    question->silent = answer.status == DNS_TEMPFAIL;
    question->listed = !CLAUSE(SPAM_06, question->silent || listings == 0);
    question->answered = true;
    if (round->caller)
        fiber_wake(round->caller);
    round_release(round);
}

/* One list has the client and all before it do not, or none has it. */
static bool is_decided(const struct dnsbl_round *round)
{
    for (size_t i = 0; i < round->count; i++) {
        const struct dnsbl_question *question = &round->questions[i];
        if (!question->answered || question->listed)
            return question->answered;
    }
    return true;
}

/* The result of the answers so far. */
static struct dnsbl_listing conclude_round(const struct dnsbl_round *round,
                                           const struct dnsbl *lists)
{
    struct dnsbl_listing listing = {.status = DNSBL_NOT_LISTED};
    for (size_t i = 0; i < round->count; i++) {
        const struct dnsbl_question *question = &round->questions[i];
        if (CLAUSE(SPAM_02, question->listed))
            return (struct dnsbl_listing){DNSBL_LISTED, lists[i].name};
        if (listing.status == DNSBL_NOT_LISTED && (question->silent || !question->answered))
            listing = (struct dnsbl_listing){DNSBL_UNANSWERED, lists[i].name};
    }
    return listing;
}

struct dnsbl_listing dnsbl_look_up(struct dns *dns, const struct ip *client,
                                   const struct dnsbl *lists, size_t count, double deadline)
{
    if (client->length == 0 || count == 0)
        return (struct dnsbl_listing){.status = DNSBL_NOT_LISTED};
    struct dnsbl_round *round = round_new(dns, client, lists, count, deadline);
    if (!round)
        return (struct dnsbl_listing){DNSBL_UNANSWERED, lists[0].name};
    for (size_t i = 0; i < count; i++) {
        round->references++;
        if (!fiber_start(ask_list, &round->questions[i]))
            ask_list(&round->questions[i]);
    }
    enum fiber_event event = FIBER_READY;
    while (!is_decided(round) && event == FIBER_READY) {
        round->caller = fiber_self();
        event = fiber_wait(deadline);
    }
    round->caller = NULL;
    struct dnsbl_listing listing = conclude_round(round, lists);
    round_release(round);
    return listing;
}
