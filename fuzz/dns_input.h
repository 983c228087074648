/* DNS from a fuzz target's input. Each line is a record, `name TYPE value`, the name `*` standing
 * for every name that has no line of its own. The value of an MX may begin with a preference; `!`
 * as value is a failure of DNS. */
#ifndef FAIRLEAD_FUZZ_DNS_INPUT_H
#define FAIRLEAD_FUZZ_DNS_INPUT_H

#include "dns.h"

enum { DNS_INPUT_ANSWERS_MAX = 16, DNS_INPUT_TEXTS_MAX = 32, DNS_INPUT_QUESTIONS_MAX = 512 };

struct dns_input {
    struct dns dns;
    struct bytes lines;
    struct bytes texts[DNS_INPUT_TEXTS_MAX]; /* TXT records that were answered */
    size_t text_count;
    /* Different questions, by their hashes; to be set to 0 at will. */
    size_t question_count;
    uint64_t questions[DNS_INPUT_QUESTIONS_MAX];
    bool failed;       /* a question met a failure */
    bool many_answers; /* more than ten */
};

/* The input refers to `lines`. */
void dns_input_start(struct dns_input *input, struct bytes lines);

#endif
