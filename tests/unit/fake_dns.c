/* A DNS for unit tests. See fake_dns.h. */
#include "fake_dns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORDS_MAX = 256, CHAIN_MAX = 16 };

static const struct {
    const char *name;
    enum dns_type type;
} types[] = {
    {"A", DNS_A},   {"NS", DNS_NS},   {"CNAME", DNS_CNAME}, {"PTR", DNS_PTR},
    {"MX", DNS_MX}, {"TXT", DNS_TXT}, {"AAAA", DNS_AAAA},   {"SPF", DNS_SPF},
};

struct line {
    struct bytes name, type, value;
};

static struct line split(const char *text)
{
    struct line line;
    line.value = bytes_of(text);
    line.name = bytes_cut(&line.value, ' ');
    line.type = bytes_cut(&line.value, ' ');
    return line;
}

static bool is_type(struct bytes text, enum dns_type type)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].type == type)
            return bytes_equal(text, bytes_of(types[i].name));
    return false;
}

static bool is_at_or_below(struct bytes name, struct bytes ancestor)
{
    if (bytes_equal_nocase(name, ancestor))
        return true;
    return name.n > ancestor.n && name.p[name.n - ancestor.n - 1] == '.' &&
           bytes_ends_with_nocase(name, ancestor);
}

/* A mistake in a test's table ends the test. */
static void require(bool good, const char *line)
{
    if (good)
        return;
    fprintf(stderr, "fake_dns: cannot use '%s'\n", line);
    abort();
}

static struct dns_record read_record(struct arena *arena, struct line line, enum dns_type type,
                                     const char *text)
{
    struct dns_record record = {0};
    uint64_t preference = 0;
    if (type == DNS_A || type == DNS_AAAA) {
        require(ip_parse(line.value, &record.address), text);
        return record;
    }
    if (type == DNS_MX)
        require(bytes_to_number(bytes_cut(&line.value, ' '), UINT16_MAX, &preference), text);
    record.preference = (uint16_t)preference;
    if (type != DNS_TXT && type != DNS_SPF && bytes_ends_with_nocase(line.value, BYTES(".")))
        line.value.n--;
    record.text = arena_copy(arena, line.value);
    return record;
}

static void override(struct dns_answer *answer, struct bytes value, const char *text)
{
    if (bytes_equal(value, BYTES("!TEMPFAIL"))) {
        answer->status = DNS_TEMPFAIL;
        answer->problem = "the table says so";
    } else if (bytes_equal(value, BYTES("!NOMEMORY"))) {
        dns_answer_fail_memory(answer);
    } else if (bytes_equal(value, BYTES("!NXDOMAIN"))) {
        answer->status = DNS_NXDOMAIN;
    } else {
        require(bytes_equal(value, BYTES("!NODATA")), text);
        answer->status = DNS_NODATA;
    }
}

/* Answers for one owner. True when a CNAME leads on to *name. */
static bool answer_for_owner(const struct fake_dns *fake, struct arena *arena, struct bytes *name,
                             enum dns_type type, struct dns_answer *answer)
{
    struct dns_record *records = arena_alloc_array(arena, RECORDS_MAX, sizeof *records);
    answer->status = DNS_NXDOMAIN;
    for (size_t i = 0; fake->zone[i]; i++) {
        struct line line = split(fake->zone[i]);
        if (answer->status == DNS_NXDOMAIN && is_at_or_below(line.name, *name))
            answer->status = DNS_NODATA;
        if (!bytes_equal_nocase(line.name, *name))
            continue;
        bool overrides = line.value.n > 0 && line.value.p[0] == '!';
        if (overrides && (bytes_equal(line.type, BYTES("*")) || is_type(line.type, type))) {
            override(answer, line.value, fake->zone[i]);
            return false;
        }
        if (is_type(line.type, DNS_CNAME) && type != DNS_CNAME) {
            *name = read_record(arena, line, DNS_CNAME, fake->zone[i]).text;
            return true;
        }
        if (is_type(line.type, type) && records) {
            require(answer->count < RECORDS_MAX, fake->zone[i]);
            records[answer->count++] = read_record(arena, line, type, fake->zone[i]);
            answer->status = DNS_OK;
        }
    }
    answer->records = records;
    return false;
}

void fake_dns_query(struct dns *self, struct arena *arena, struct bytes name, enum dns_type type,
                    double deadline, struct dns_answer *answer)
{
    struct fake_dns *fake = (struct fake_dns *)self;
    (void)deadline;
    fake->queries++;
    if (bytes_ends_with_nocase(name, BYTES(".")))
        name.n--;
    *answer = (struct dns_answer){.ttl = 300, .canonical_name = name};
    for (int links = 0; answer_for_owner(fake, arena, &answer->canonical_name, type, answer);
         links++) {
        answer->aliases++;
        if (links < CHAIN_MAX)
            continue;
        answer->status = DNS_TEMPFAIL;
        answer->problem = "CNAME loop";
        return;
    }
}
