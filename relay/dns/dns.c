/* Which questions can be asked, and the memo of those asked before. See dns.h. */
#include "dns.h"

enum { DNS_NAME_MAX = 253, DNS_LABEL_MAX = 63, MEMO_BUCKETS = 64 };

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
        dns_answer_fail(answer, "out of memory");
}

void dns_answer_fail(struct dns_answer *answer, const char *problem)
{
    *answer = (struct dns_answer){
        .status = DNS_TEMPFAIL,
        .canonical_name = answer->canonical_name,
        .problem = problem,
    };
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
    struct memo_entry *buckets[MEMO_BUCKETS];
};

static void memo_query(struct dns *self, struct arena *arena, struct bytes name, enum dns_type type,
                       double deadline, struct dns_answer *answer)
{
    struct memo *memo = (struct memo *)self;
    struct memo_entry **bucket = &memo->buckets[bytes_hash_nocase(name) % MEMO_BUCKETS];
    struct memo_entry *entry = *bucket;
    while (entry && (entry->type != type || !bytes_equal_nocase(entry->name, name)))
        entry = entry->next;
    if (!entry) {
        entry = arena_alloc(memo->arena, sizeof *entry);
        if (!entry) {
            dns_answer_fail(answer, "out of memory");
            return;
        }
        entry->name = arena_copy(memo->arena, name);
        entry->type = type;
        dns_query(memo->inner, memo->arena, entry->name, type, deadline, &entry->answer);
        /* Entered only when it is complete: another fiber may have asked in the meantime. */
        entry->next = *bucket;
        *bucket = entry;
    }
    if (arena == memo->arena)
        *answer = entry->answer;
    else
        dns_answer_copy(arena, &entry->answer, answer);
}

struct dns *dns_memo(struct arena *arena, struct dns *inner)
{
    struct memo *memo = arena_alloc(arena, sizeof *memo);
    if (!memo)
        return NULL;
    memo->dns.query = memo_query;
    memo->arena = arena;
    memo->inner = inner;
    return &memo->dns;
}
