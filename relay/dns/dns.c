/* Which questions can be asked, and the memo of those asked before. See dns.h. */
#include "dns.h"

#include "clause.h"
#include "wire.h"

enum { DNS_NAME_MAX = 253, MEMO_BUCKETS = 64 };

/* RFC 1035 2.3.4: no empty label, none over 63 octets, 255 in wire form. */
static bool can_be_asked(struct bytes name)
{
    if (name.n == 0 || name.n > DNS_NAME_MAX)
        return false;
    while (name.p != NULL) {
        struct bytes label = bytes_cut(&name, '.');
        if (label.n == 0 || label.n > DNS_LABEL_MAX)
            return false;
    }
    return true;
}

void dns_query(struct dns *dns, struct arena *arena, struct bytes name, enum dns_type type,
               double deadline, struct dns_answer *answer)
{
    if (name.n > 1 && name.p[name.n - 1] == '.')
        name.n--;
    *answer = (struct dns_answer){.status = DNS_BAD_NAME};
    if (can_be_asked(name))
        dns->query(dns, arena, name, type, deadline, answer);
    if (answer->canonical_name.n == 0)
        answer->canonical_name = arena_copy(arena, name);
    if (arena_failed(arena))
        dns_answer_fail_memory(answer);
}

void dns_answer_fail(struct dns_answer *answer, const char *problem)
{
    *answer = (struct dns_answer){
        .status = DNS_TEMPFAIL,
        .canonical_name = answer->canonical_name,
        .aliases = answer->aliases,
        .problem = problem,
    };
}

void dns_answer_fail_memory(struct dns_answer *answer)
{
    dns_answer_fail(answer, "out of memory");
    answer->no_memory = true;
}

void dns_answer_copy(struct arena *arena, const struct dns_answer *from, struct dns_answer *to)
{
    struct dns_record *records = NULL;
    *to = *from;
    to->canonical_name = arena_copy(arena, from->canonical_name);
    if (from->count > 0)
        records = arena_alloc_array(arena, from->count, sizeof *records);
    to->records = records;
    if (!records)
        to->count = 0;
    for (size_t i = 0; i < to->count; i++) {
        records[i] = from->records[i];
        if (records[i].text.n > 0)
            records[i].text = arena_copy(arena, records[i].text);
    }
}

/* Copies those records of `answer` that do (`policy`) or do not begin like a policy record, as long
 * as their text fits into what is left of *room. */
static void keep_texts(const struct dns_answer *answer, bool policy, struct dns_record *kept,
                       size_t *count, size_t *room)
{
    for (size_t i = 0; i < answer->count && *count < DNS_RECORDS_MAX; i++) {
        struct bytes text = bytes_first(answer->records[i].text, DNS_TEXT_MAX);
        if (bytes_equal_nocase(bytes_first(text, 2), BYTES("v=")) != policy || text.n > *room)
            continue;
        kept[(*count)++] = (struct dns_record){.text = text};
        *room -= text.n;
    }
}

static bool is_within_bounds(const struct dns_answer *answer)
{
    size_t octets = 0, longest = 0;
    for (size_t i = 0; i < answer->count; i++) {
        size_t n = answer->records[i].text.n;
        octets += n;
        longest = n > longest ? n : longest;
    }
    return answer->count <= DNS_RECORDS_MAX && octets <= BREAK(LIM_41, DNS_TEXTS_MAX, SIZE_MAX) &&
           longest <= DNS_TEXT_MAX;
}

void dns_answer_trim(struct arena *arena, enum dns_type type, struct dns_answer *answer)
{
    size_t count = 0, room = DNS_TEXTS_MAX;
    if (type != DNS_TXT && type != DNS_SPF) {
        if (answer->count > DNS_RECORDS_MAX)
            answer->count = DNS_RECORDS_MAX;
        return;
    }
    if (is_within_bounds(answer))
        return;
    struct dns_record *kept = arena_alloc_array(arena, DNS_RECORDS_MAX, sizeof *kept);
    if (!kept) {
        dns_answer_fail(answer, "out of memory");
        return;
    }
    keep_texts(answer, true, kept, &count, &room);
    keep_texts(answer, false, kept, &count, &room);
    answer->records = kept;
    answer->count = count;
}

struct memo_entry {
    struct memo_entry *next;
    struct bytes name;
    enum dns_type type;
    struct dns_answer answer;
};

struct memo {
    struct dns dns;
    struct arena *arena;
    struct dns *inner;
    unsigned questions, questions_max;
    struct memo_entry *buckets[MEMO_BUCKETS];
};

/* True if one more question, with as long a chain of CNAMEs as there may be, stays within the
 * bound. What is not asked fails temporarily, like what takes too long (RFC 7208 4.6.4). */
static bool may_ask(const struct memo *memo)
{
    return memo->questions_max == 0 ||
           CLAUSE(LIM_33, memo->questions + 1 + DNS_ALIASES_MAX <= memo->questions_max);
}

static void memo_query(struct dns *self, struct arena *arena, struct bytes name, enum dns_type type,
                       double deadline, struct dns_answer *answer)
{
    struct memo *memo = (struct memo *)self;
    struct memo_entry **bucket = &memo->buckets[bytes_hash_nocase(name) % MEMO_BUCKETS];
    struct memo_entry *entry = *bucket;
    while (entry && (entry->type != type || !bytes_equal_nocase(entry->name, name)))
        entry = entry->next;
    if (!entry && !may_ask(memo)) {
        dns_answer_fail(answer, "too many questions for one message");
        return;
    }
    if (!entry) {
        entry = arena_alloc(memo->arena, sizeof *entry);
        if (!entry) {
            dns_answer_fail_memory(answer);
            return;
        }
        entry->name = arena_copy(memo->arena, name);
        entry->type = type;
        memo->questions++;
        dns_query(memo->inner, memo->arena, entry->name, type, deadline, &entry->answer);
        memo->questions += entry->answer.aliases;
        /* Entered only when it is complete: another fiber may have asked in the meantime. */
        entry->next = *bucket;
        *bucket = entry;
    }
    if (arena == memo->arena)
        *answer = entry->answer;
    else
        dns_answer_copy(arena, &entry->answer, answer);
}

struct dns *dns_memo(struct arena *arena, struct dns *inner, unsigned questions_max)
{
    struct memo *memo = arena_alloc(arena, sizeof *memo);
    if (!memo)
        return NULL;
    memo->dns.query = memo_query;
    memo->arena = arena;
    memo->inner = inner;
    memo->questions_max = questions_max;
    return &memo->dns;
}
