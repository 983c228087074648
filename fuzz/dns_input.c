/* DNS from the input. See dns_input.h. */
#include "dns_input.h"

static const struct {
    const char *name;
    enum dns_type type;
} types[] = {{"A", DNS_A}, {"AAAA", DNS_AAAA}, {"MX", DNS_MX}, {"PTR", DNS_PTR}, {"TXT", DNS_TXT}};

static bool is_type(struct bytes text, enum dns_type type)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].type == type)
            return bytes_equal(text, bytes_of(types[i].name));
    return false;
}

static void take_preference(struct dns_record *record)
{
    uint64_t preference;
    struct bytes rest = record->text;
    if (!bytes_to_number(bytes_cut(&rest, ' '), UINT16_MAX, &preference) || rest.n == 0)
        return;
    record->preference = (uint16_t)preference;
    record->text = bytes_equal(rest, BYTES(".")) ? BYTES("") : rest;
}

/* False for an address of the other family, and for what is not a value of the type. */
static bool read_record(struct bytes value, enum dns_type type, struct dns_record *record)
{
    *record = (struct dns_record){.text = value};
    if (type == DNS_TXT)
        return true;
    if (type == DNS_A || type == DNS_AAAA)
        return ip_parse(value, &record->address) &&
               record->address.length == (type == DNS_A ? 4 : 16);
    if (type == DNS_MX)
        take_preference(record);
    return value.n > 0;
}

static void look_up(struct dns_input *input, struct bytes name, enum dns_type type,
                    struct dns_record *records, struct dns_answer *answer)
{
    answer->status = DNS_NXDOMAIN;
    for (struct bytes rest = input->lines; rest.p && answer->count < DNS_INPUT_ANSWERS_MAX;) {
        struct bytes value = bytes_cut(&rest, '\n');
        struct bytes owner = bytes_cut(&value, ' ');
        struct bytes kind = bytes_cut(&value, ' ');
        if (!bytes_equal_nocase(owner, name))
            continue;
        if (answer->status == DNS_NXDOMAIN)
            answer->status = DNS_NODATA;
        if (!is_type(kind, type))
            continue;
        if (bytes_equal(value, BYTES("!"))) {
            dns_answer_fail(answer, "the input says so");
            input->failed = true;
            return;
        }
        if (!read_record(value, type, &records[answer->count]))
            continue;
        answer->count++;
        if (type == DNS_TXT && input->text_count < DNS_INPUT_TEXTS_MAX)
            input->texts[input->text_count++] = value;
    }
    if (answer->count > 0)
        answer->status = DNS_OK;
    answer->records = records;
    input->many_answers = input->many_answers || answer->count > 10;
}

/* A question that was asked before is one for the resolver's cache. */
static void count_question(struct dns_input *input, struct bytes name, enum dns_type type)
{
    uint64_t hash = bytes_hash_nocase(name) + (uint64_t)type;
    for (size_t i = 0; i < input->question_count; i++)
        if (input->questions[i] == hash)
            return;
    if (input->question_count < DNS_INPUT_QUESTIONS_MAX)
        input->questions[input->question_count++] = hash;
}

static void query(struct dns *self, struct arena *arena, struct bytes name, enum dns_type type,
                  double deadline, struct dns_answer *answer)
{
    struct dns_input *input = (struct dns_input *)self;
    struct dns_record *records = arena_alloc_array(arena, DNS_INPUT_ANSWERS_MAX, sizeof *records);
    (void)deadline;
    count_question(input, name, type);
    *answer = (struct dns_answer){.ttl = 300, .canonical_name = name};
    if (!records) {
        dns_answer_fail(answer, "out of memory");
        return;
    }
    look_up(input, name, type, records, answer);
    if (answer->status == DNS_NXDOMAIN)
        look_up(input, BYTES("*"), type, records, answer);
}

void dns_input_start(struct dns_input *input, struct bytes lines)
{
    *input = (struct dns_input){.dns.query = query, .lines = lines};
}
