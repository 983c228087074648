/* The records of a zone that uses the service. See provision.h. */
#include "provision.h"

#include "clause.h"
#include "domain.h"
#include "spf_record.h"

enum {
    SPF_LOOKUPS_MAX = 10,        /* RFC 7208 4.6.4 */
    SPF_LOOKUPS_COUNTED_MAX = 40 /* however far the record fans out */
};

bool provision_host_parse(struct arena *arena, struct bytes text,
                          struct config_provisioning_host *host)
{
    uint64_t preference;
    struct bytes name = text;
    if (!bytes_to_number(bytes_cut(&name, ':'), UINT16_MAX, &preference))
        return false;
    host->preference = (uint16_t)preference;
    host->name = domain_normalise(arena, name);
    return host->name.p != NULL;
}

void provision_write(struct buffer *out, const struct config_provisioning *provisioning,
                     struct bytes domain)
{
    /* Clauses: MX-02, MX-18 */
    for (size_t i = 0; i < provisioning->host_count; i++)
        buffer_printf(out, "%.*s. %u IN MX %u %.*s.\n", BYTES_ARG(domain), provisioning->ttl,
                      BREAK(MX_01, provisioning->hosts[i].preference, 10),
                      BYTES_ARG(provisioning->hosts[i].name));
    buffer_printf(out, "\n%.*s. %u IN TXT \"v=spf1 include:%.*s ~all\"\n", BYTES_ARG(domain),
                  provisioning->ttl, BYTES_ARG(provisioning->spf_include));
}

enum provision_place provision_place(struct arena *arena, const psl_ctx_t *suffixes,
                                     struct bytes domain)
{
    const char *name = arena_string(arena, domain);
    const char *registered =
        name ? psl_registrable_domain(suffixes ? suffixes : psl_builtin(), name) : NULL;
    if (!registered)
        return PROVISION_PUBLIC_SUFFIX;
    return bytes_equal(bytes_of(registered), domain) ? PROVISION_ZONE : PROVISION_SUBDOMAIN;
}

/* One check of a live zone. */
struct zone_check {
    struct dns *dns;
    struct arena *arena;
    const struct config_provisioning *provisioning;
    struct provision_report *report;
    bool includes; /* the SPF record includes the service's own, with result pass */
};

static void add_finding(struct zone_check *check, enum provision_fault fault, const char *record,
                        struct bytes text)
{
    struct provision_report *report = check->report;
    if (report->finding_count < PROVISION_FINDINGS_MAX)
        report->findings[report->finding_count++] =
            (struct provision_finding){.fault = fault, .record = record, .text = text};
}

/* Looks up the records of a type. False, with a finding, when the lookup fails. */
static bool look_up_records(struct zone_check *check, struct bytes name, enum dns_type type,
                            struct dns_answer *answer)
{
    dns_query(check->dns, check->arena, name, type, 0, answer);
    if (answer->status != DNS_TEMPFAIL)
        return true;
    add_finding(check, PROVISION_UNKNOWN, type == DNS_MX ? "MX" : "TXT",
                arena_printf(check->arena, "the lookup of %.*s failed: %s", BYTES_ARG(name),
                             answer->problem));
    return false;
}

static void check_exchanger(struct zone_check *check, const struct dns_answer *answer,
                            const struct config_provisioning_host *host)
{
    bool found = false;
    for (size_t i = 0; i < answer->count; i++) {
        const struct dns_record *record = &answer->records[i];
        if (!bytes_equal_nocase(record->text, host->name))
            continue;
        found = true;
        if (CLAUSE(MX_19_preference, record->preference != host->preference))
            add_finding(check, PROVISION_WRONG, "MX",
                        arena_printf(check->arena, "%.*s has preference %u instead of %u",
                                     BYTES_ARG(host->name), record->preference, host->preference));
    }
    if (CLAUSE(MX_19, !found))
        add_finding(check, PROVISION_MISSING, "MX",
                    arena_printf(check->arena, "%u %.*s is missing", host->preference,
                                 BYTES_ARG(host->name)));
}

static bool is_ours(const struct config_provisioning *provisioning, struct bytes name)
{
    for (size_t i = 0; i < provisioning->host_count; i++)
        if (bytes_equal_nocase(provisioning->hosts[i].name, name))
            return true;
    return false;
}

static void check_exchangers(struct zone_check *check, struct bytes domain)
{
    struct dns_answer answer;
    if (!look_up_records(check, domain, DNS_MX, &answer))
        return;
    for (size_t i = 0; i < check->provisioning->host_count; i++)
        check_exchanger(check, &answer, &check->provisioning->hosts[i]);
    for (size_t i = 0; i < answer.count; i++) {
        const struct dns_record *record = &answer.records[i];
        if (CLAUSE(MX_19_foreign, !is_ours(check->provisioning, record->text)))
            add_finding(check, PROVISION_CONFLICT, "MX",
                        arena_printf(check->arena, "%u %.*s. is not one of the service's hosts",
                                     record->preference, BYTES_ARG(record->text)));
    }
}

/* The domain's SPF records among its TXT records: how many, and the last of them. */
static size_t select_spf(const struct dns_answer *answer, struct bytes *text)
{
    size_t count = 0;
    for (size_t i = 0; i < answer->count; i++) {
        if (!spf_is_record(answer->records[i].text))
            continue;
        *text = answer->records[i].text;
        count++;
    }
    return count;
}

static void walk_record(struct zone_check *check, struct bytes domain, struct bytes text,
                        bool passes);

/* Follows include and redirect. A name that depends on the message cannot be followed. */
static void walk_to(struct zone_check *check, struct bytes target, bool passes)
{
    struct dns_answer answer;
    struct bytes text;
    if (bytes_find(target, '%') != BYTES_NOT_FOUND)
        return;
    if (target.n > 1 && target.p[target.n - 1] == '.') /* RFC 7208 7.1: toplabel [ "." ] */
        target.n--;
    if (passes && bytes_equal_nocase(target, check->provisioning->spf_include))
        check->includes = true;
    if (!look_up_records(check, target, DNS_TXT, &answer))
        return;
    size_t count = select_spf(&answer, &text);
    if (count == 1)
        walk_record(check, target, text, passes);
    else
        add_finding(check, PROVISION_WRONG, "TXT",
                    arena_printf(check->arena, "%.*s, to which the SPF record leads, has %s",
                                 BYTES_ARG(target),
                                 count == 0 ? "no SPF record" : "more than one SPF record"));
}

/* Counts what the record may look up at worst: every mechanism before `all`, and the redirect where
 * there is no `all` (RFC 7208 4.6.4, 5.1, 6.1). */
static void walk_record(struct zone_check *check, struct bytes domain, struct bytes text,
                        bool passes)
{
    struct spf_record record;
    struct spf_term term;
    if (!spf_record_parse(text, &record)) {
        add_finding(check, PROVISION_WRONG, "TXT",
                    arena_printf(check->arena, "the SPF record of %.*s is invalid: %s",
                                 BYTES_ARG(domain), record.problem));
        return;
    }
    bool ends = false;
    while (!ends && check->report->spf_lookups < SPF_LOOKUPS_COUNTED_MAX &&
           spf_next_term(&record.terms, &term)) {
        if (term.kind == SPF_INCLUDE || term.kind == SPF_A || term.kind == SPF_MX ||
            term.kind == SPF_PTR || term.kind == SPF_EXISTS)
            check->report->spf_lookups++;
        if (term.kind == SPF_INCLUDE)
            walk_to(check, term.domain_spec, passes && term.result == SPF_PASS);
        ends = term.kind == SPF_ALL;
    }
    if (!ends && record.redirect.n > 0 && check->report->spf_lookups < SPF_LOOKUPS_COUNTED_MAX) {
        check->report->spf_lookups++;
        walk_to(check, record.redirect, passes);
    }
}

static void check_spf(struct zone_check *check, struct bytes domain)
{
    struct dns_answer answer;
    struct bytes text, include = check->provisioning->spf_include;
    if (!look_up_records(check, domain, DNS_TXT, &answer))
        return;
    size_t count = select_spf(&answer, &text);
    if (count == 0)
        add_finding(check, PROVISION_MISSING, "TXT", BYTES("there is no SPF record"));
    if (count > 1 && unless_broken(MX_19_spf))
        add_finding(
            check, PROVISION_CONFLICT, "TXT",
            arena_printf(check->arena, "there are %zu SPF records; only one is allowed", count));
    if (count != 1)
        return;
    walk_record(check, domain, text, true);
    if (!check->includes)
        add_finding(check, PROVISION_WRONG, "TXT",
                    arena_printf(check->arena,
                                 "the SPF record does not include %.*s with result pass",
                                 BYTES_ARG(include)));
    if (check->report->spf_lookups > SPF_LOOKUPS_MAX)
        add_finding(
            check, PROVISION_CONFLICT, "TXT",
            arena_printf(check->arena, "the SPF record may need %s%u lookups; %d are allowed",
                         check->report->spf_lookups < SPF_LOOKUPS_COUNTED_MAX ? "" : "at least ",
                         check->report->spf_lookups, SPF_LOOKUPS_MAX));
}

void provision_check(struct dns *dns, struct arena *arena,
                     const struct config_provisioning *provisioning, struct bytes domain,
                     struct provision_report *report)
{
    struct zone_check check = {
        .dns = dns, .arena = arena, .provisioning = provisioning, .report = report};
    *report = (struct provision_report){.finding_count = 0};
    check_exchangers(&check, domain);
    check_spf(&check, domain);
}

const char *provision_fault_name(enum provision_fault fault)
{
    static const char *const names[] = {
        [PROVISION_MISSING] = "missing",
        [PROVISION_WRONG] = "wrong",
        [PROVISION_CONFLICT] = "conflict",
        [PROVISION_UNKNOWN] = "unknown",
    };
    return names[fault];
}
