/* SPF over a DNS made of the fuzzer's octets: the first line is the client's address, then HELO,
 * the reverse-path, and the record of the domain; each further answer is the next line, round and
 * round. The limits hold, and the field that records the outcome is well-formed. */
#include "fuzz.h"
#include "spf.h"

#include <string.h>

enum { ANSWERS_MAX = 16 };

struct fuzz_dns {
    struct dns dns;
    struct bytes lines, rest;
    unsigned queries;
};

static struct bytes next_line(struct fuzz_dns *fuzz)
{
    if (fuzz->rest.p == NULL)
        fuzz->rest = fuzz->lines;
    return bytes_cut(&fuzz->rest, '\n');
}

/* A line is one TXT record, or blank-separated names, or octets of addresses. A failure is told by
 * its first octet. */
static void query(struct dns *self, struct arena *arena, struct bytes name, enum dns_type type,
                  double deadline, struct dns_answer *answer)
{
    struct fuzz_dns *fuzz = (struct fuzz_dns *)self;
    struct bytes line = next_line(fuzz);
    (void)name;
    (void)deadline;
    fuzz->queries++;
    answer->status = DNS_NXDOMAIN;
    if (line.n > 0 && line.p[0] == '!')
        dns_answer_fail(answer, "fuzzed");
    struct dns_record *records = arena_alloc_array(arena, ANSWERS_MAX, sizeof *records);
    if (line.n == 0 || line.p[0] == '!' || !records)
        return;
    answer->status = DNS_OK;
    answer->records = records;
    while (line.p != NULL && answer->count < ANSWERS_MAX) {
        struct dns_record *record = &records[answer->count++];
        record->text = type == DNS_TXT ? line : bytes_cut(&line, ' ');
        record->address.length = type == DNS_AAAA ? 16 : 4;
        if (record->text.n > 0)
            memcpy(record->address.octet, record->text.p, record->text.n < 4 ? record->text.n : 4);
        if (type == DNS_TXT)
            return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_dns fuzz = {.dns.query = query, .lines = {(const char *)data, size}};
    struct arena *arena = arena_new(0);
    struct spf_request request = {.receiver = BYTES("mx.example.net"), .explain = true};
    struct spf_outcome outcome;
    struct buffer field = {0};
    fuzz.rest = fuzz.lines;
    if (!ip_parse(next_line(&fuzz), &request.client))
        request.client = (struct ip){4, {192, 0, 2, 1}};
    request.helo = next_line(&fuzz);
    request.mail_from = next_line(&fuzz);
    spf_check(&fuzz.dns, arena, &request, &outcome);
    require(outcome.lookups <= 11 && outcome.void_lookups <= 3);
    /* Ten MX or PTR names, each with its addresses, for each term; the records; the explanation. */
    require(fuzz.queries <= 10 * 11 + 11 + 1 + 11);
    require(outcome.explanation.n == 0 || outcome.result == SPF_FAIL);
    spf_write_received(&field, &request, &outcome);
    require(!field.failed && field.n > 2);
    for (size_t i = 0; i + 2 < field.n; i++)
        require(field.p[i] != '\n' || (field.p[i - 1] == '\r' && field.p[i + 1] == ' '));
    buffer_free(&field);
    arena_free(arena);
    return 0;
}
