/* A DNS for unit tests: answers from a table of lines and never waits.
 *
 *     static const char *const zone[] = {
 *         "example.com TXT v=spf1 mx -all",
 *         "example.com MX 10 mx.example.com",
 *         "www.example.com CNAME example.com",
 *         "slow.example * !TEMPFAIL",
 *         NULL,
 *     };
 *     struct fake_dns fake = FAKE_DNS(zone);
 *     dns_query(&fake.dns, arena, BYTES("example.com"), DNS_TXT, 0, &answer);
 *
 * The value of a TXT is the rest of the line as it stands. `!TEMPFAIL`, `!NOMEMORY`, `!NXDOMAIN`
 * and
 * `!NODATA` override the status; the type `*` means every type. A name that is not in the table,
 * and has nothing below it there, does not exist. Names are compared without case; every TTL is
 * 300. */
#ifndef FAIRLEAD_TESTS_FAKE_DNS_H
#define FAIRLEAD_TESTS_FAKE_DNS_H

#include "dns.h"

struct fake_dns {
    struct dns dns;
    const char *const *zone; /* ends with NULL */
    unsigned queries;        /* how often it was asked */
};

void fake_dns_query(struct dns *self, struct arena *arena, struct bytes name, enum dns_type type,
                    double deadline, struct dns_answer *answer);

#define FAKE_DNS(table) ((struct fake_dns){.dns = {.query = fake_dns_query}, .zone = (table)})

#endif
