/* Finding DMARC records and organizational domains. See dmarc_discovery.h. */
#include "dmarc_discovery.h"

#include "clause.h"
#include "domain.h"

/* RFC 9989 4.10: at most eight queries, the second for at most seven labels. */
enum { WALK_QUERIES_MAX = 8, WALK_LABELS_MAX = 7 };

/* The records a walk came across, from the longest name to the shortest. */
struct walk {
    struct dmarc_found found[WALK_QUERIES_MAX];
    size_t count;
};

static struct bytes without_first_label(struct bytes domain)
{
    bytes_cut(&domain, '.');
    return domain;
}

static struct bytes last_labels(struct bytes domain, size_t labels)
{
    for (size_t more = domain_count_labels(domain); more > labels; more--)
        domain = without_first_label(domain);
    return domain;
}

static struct bytes failed_question(struct arena *arena, struct bytes name, const char *problem)
{
    return arena_printf(arena, "DNS lookup of %.*s failed (%s)", BYTES_ARG(name), problem);
}

/* The one record at _dmarc.`domain`. */
static enum dmarc_discovery fetch(struct dmarc_lookup *lookup, struct bytes domain,
                                  struct dmarc_found *found)
{
    struct bytes name = arena_printf(lookup->arena, "_dmarc.%.*s", BYTES_ARG(domain));
    struct dns_answer answer;
    size_t records = 0;
    dns_query(lookup->dns, lookup->arena, name, DNS_TXT, 0, &answer);
    if (answer.status == DNS_TEMPFAIL) {
        /* Hardly any top-level domain has a record, and many answer for none of their names. */
        if (CLAUSE(DMARC_25, domain_count_labels(domain) == 1))
            return DMARC_ABSENT;
        lookup->problem = failed_question(lookup->arena, name, answer.problem);
        return DMARC_UNAVAILABLE;
    }
    for (size_t i = 0; answer.status == DNS_OK && i < answer.count; i++) {
        struct dmarc_found candidate = {.domain = domain, .text = answer.records[i].text};
        if (!dmarc_record_parse(candidate.text, lookup->edition, &candidate.record))
            continue;
        records++;
        *found = candidate;
    }
    return records == 0 ? DMARC_ABSENT : records == 1 ? DMARC_FOUND : DMARC_SEVERAL;
}

/* RFC 9989 4.10: from `start` up to the top-level domain, or to a record that says psd=y or psd=n.
 * Where a name has several records it has none. False when DNS did not answer. */
static bool walk_tree(struct dmarc_lookup *lookup, struct bytes start, struct walk *walk)
{
    struct bytes target = start;
    *walk = (struct walk){0};
    for (size_t queries = 0; target.p && queries < WALK_QUERIES_MAX; queries++) {
        struct dmarc_found *found = &walk->found[walk->count];
        switch (fetch(lookup, target, found)) {
        case DMARC_UNAVAILABLE:
            return false;
        case DMARC_FOUND:
            walk->count++;
            if (found->record.psd != DMARC_PSD_UNSTATED)
                return true;
            break;
        case DMARC_ABSENT:
        case DMARC_SEVERAL:
            break;
        }
        target = last_labels(without_first_label(target), WALK_LABELS_MAX);
    }
    return true;
}

/* RFC 9989 4.10.2. Only the last record of a walk can have ended it, so only that one decides. */
static struct bytes walked_organization(const struct walk *walk, struct bytes start)
{
    if (walk->count == 0)
        return start;
    const struct dmarc_found *last = &walk->found[walk->count - 1];
    if (last->record.psd == DMARC_PSD_YES && !bytes_equal(last->domain, start))
        return last_labels(start, domain_count_labels(last->domain) + 1);
    return last->domain;
}

/* RFC 9989 4.10.1: the author domain's record, or its organizational domain's, or its PSD's. What
 * lies between them does not count. */
static enum dmarc_discovery discover_by_walk(struct dmarc_lookup *lookup, struct bytes author,
                                             struct dmarc_found *found)
{
    enum dmarc_discovery own = fetch(lookup, author, found);
    struct walk walk;
    if (own == DMARC_FOUND || own == DMARC_UNAVAILABLE)
        return own;
    if (!walk_tree(lookup, author, &walk))
        return DMARC_UNAVAILABLE;
    struct bytes organization = walked_organization(&walk, author);
    for (size_t i = 0; i < walk.count; i++) {
        *found = walk.found[i];
        if (CLAUSE(DMARC_17, bytes_equal(found->domain, organization)) ||
            found->record.psd == DMARC_PSD_YES)
            return DMARC_FOUND;
    }
    return DMARC_ABSENT;
}

/* RFC 7489 3.2. A name that is itself a public suffix is its own organizational domain. */
static struct bytes listed_organization(const struct dmarc_lookup *lookup, struct bytes domain)
{
    const char *name = arena_string(lookup->arena, domain);
    const char *registrable = name ? psl_registrable_domain(lookup->suffixes, name) : NULL;
    return registrable ? bytes_of(registrable) : domain;
}

/* RFC 7489 6.6.3 */
static enum dmarc_discovery discover_by_list(struct dmarc_lookup *lookup, struct bytes author,
                                             struct dmarc_found *found)
{
    struct bytes organization = listed_organization(lookup, author);
    enum dmarc_discovery own = fetch(lookup, author, found);
    return CLAUSE(DMARC_38, own == DMARC_ABSENT && !bytes_equal(organization, author))
               ? fetch(lookup, organization, found)
               : own;
}

enum dmarc_discovery dmarc_discover(struct dmarc_lookup *lookup, struct bytes author_domain,
                                    struct dmarc_found *found)
{
    return lookup->edition == DMARC_RFC9989 ? discover_by_walk(lookup, author_domain, found)
                                            : discover_by_list(lookup, author_domain, found);
}

bool dmarc_organization(struct dmarc_lookup *lookup, struct bytes domain,
                        struct bytes *organizational_domain)
{
    struct walk walk;
    if (lookup->edition == DMARC_RFC7489) {
        *organizational_domain = listed_organization(lookup, domain);
        return unless_broken(DMARC_34);
    }
    if (!walk_tree(lookup, domain, &walk))
        return false;
    *organizational_domain = walked_organization(&walk, domain);
    return true;
}

enum dmarc_existence dmarc_existence(struct dmarc_lookup *lookup, struct bytes domain)
{
    struct dns_answer answer;
    dns_query(lookup->dns, lookup->arena, domain, DNS_A, 0, &answer);
    if (answer.status == DNS_TEMPFAIL) {
        lookup->problem = failed_question(lookup->arena, domain, answer.problem);
        return DMARC_EXISTENCE_UNKNOWN;
    }
    /* An alias exists even if what it points to does not (RFC 8020 2). */
    bool is_alias = answer.canonical_name.p && !bytes_equal_nocase(answer.canonical_name, domain);
    return answer.status == DNS_NXDOMAIN && !is_alias ? DMARC_EXISTS_NOT : DMARC_EXISTS;
}
