/* A DNS that has the same record for every question. */
#ifndef FAIRLEAD_FUZZ_ONE_ANSWER_H
#define FAIRLEAD_FUZZ_ONE_ANSWER_H

#include "dns.h"

struct one_answer {
    struct dns dns;
    struct dns_record record;
};

/* The function of a `struct dns`; the record "!" stands for a failure. */
static inline void answer_always(struct dns *self, struct arena *arena, struct bytes name,
                                 enum dns_type type, double deadline, struct dns_answer *answer)
{
    const struct one_answer *one = (const struct one_answer *)self;
    (void)arena, (void)name, (void)type, (void)deadline;
    *answer = (struct dns_answer){.status = DNS_OK, .count = 1, .records = &one->record};
    if (bytes_equal(one->record.text, BYTES("!")))
        dns_answer_fail(answer, "the input says so");
}

#endif
