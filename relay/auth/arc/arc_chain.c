/* Collecting ARC sets. See arc_chain.h. */
#include "arc_chain.h"

#include "cfws.h"
#include "clause.h"
#include "taglist.h"

/* 1*2DIGIT, 1 to 50 (RFC 8617 3.9); 0 for anything else. */
static unsigned read_position(struct bytes digits)
{
    uint64_t position = 0;
    if (digits.n < 1 || digits.n > 2 || !bytes_to_number(digits, ARC_INSTANCES_MAX, &position))
        return 0;
    return (unsigned)position;
}

static void expect_after_cfws(struct cursor *c, char wanted)
{
    cfws_skip(c);
    cursor_expect(c, wanted, "instance not found");
}

/* The instance in front, "i=1;", comments and all, and what follows it; 0 if it is not there. */
static unsigned read_instance(struct bytes value, struct bytes *rest)
{
    struct cursor c = cursor_start(value);
    expect_after_cfws(&c, 'i');
    expect_after_cfws(&c, '=');
    cfws_skip(&c);
    struct bytes digits = cursor_take_while(&c, ascii_is_digit);
    expect_after_cfws(&c, ';');
    if (c.problem)
        return 0;
    *rest = c.rest;
    return read_position(digits);
}

/* Sealers in the field put i= anywhere among the tags of an AMS or AS, not only in front as the
 * grammar of RFC 8617 4.1.2 and 4.1.3 has it. */
static unsigned find_instance(struct bytes value)
{
    struct taglist list;
    const struct tag *tag = taglist_parse(value, &list) ? taglist_find(&list, "i") : NULL;
    return tag ? read_position(tag->value) : 0;
}

/* Where the field belongs in a set; NULL for a field that is not ARC's. */
static struct arc_field *place_of(struct arc_chain_set *set, struct bytes name)
{
    if (bytes_equal_nocase(name, BYTES("ARC-Authentication-Results")))
        return &set->authentication_results;
    if (bytes_equal_nocase(name, BYTES("ARC-Message-Signature")))
        return &set->message_signature;
    if (bytes_equal_nocase(name, BYTES("ARC-Seal")))
        return &set->seal;
    return NULL;
}

static void add_field(struct arc_chain *chain, const struct header_field *field)
{
    struct arc_chain_set unknown;
    struct arc_field *place = place_of(&unknown, field->name);
    if (!place)
        return;
    chain->present = true;
    struct bytes rest = field->value;
    unsigned instance = read_instance(field->value, &rest);
    if (instance == 0 && place != &unknown.authentication_results && unless_broken(ARC_24))
        instance = find_instance(field->value);
    if (instance == 0) {
        chain->problem = "ARC field without an instance from 1 to 50";
        return;
    }
    place = place_of(&chain->sets[instance - 1], field->name);
    if (CLAUSE(ARC_12, place->field != NULL))
        chain->problem = "duplicate ARC field in a set";
    *place = (struct arc_field){field, rest};
    if (instance > chain->newest)
        chain->newest = instance;
}

void arc_chain_collect(const struct message *message, struct arc_chain *chain)
{
    *chain = (struct arc_chain){0};
    for (size_t i = 0; i < message->field_count; i++)
        add_field(chain, &message->fields[i]);
    for (unsigned i = 0; i < chain->newest; i++) {
        const struct arc_chain_set *set = &chain->sets[i];
        if (!chain->problem && (!set->authentication_results.field ||
                                !set->message_signature.field || !set->seal.field))
            chain->problem = "missing or incomplete ARC set";
    }
}
