/* Collecting ARC sets. See arc_chain.h. */
#include "arc_chain.h"

#include "clause.h"
#include "taglist.h"

/* Skips white space and comments (RFC 5322 3.2.2, CFWS); an unclosed comment takes all the rest. */
static struct bytes skip_cfws(struct bytes text)
{
    size_t i = 0, depth = 0;
    for (; i < text.n; i++) {
        if (depth > 0 && text.p[i] == '\\')
            i++;
        else if (text.p[i] == '(')
            depth++;
        else if (depth > 0 && text.p[i] == ')')
            depth--;
        else if (depth == 0 && !ascii_is_space(text.p[i]))
            break;
    }
    return bytes_from(text, i);
}

/* Takes the octet after any CFWS. */
static bool take(struct bytes *text, char wanted)
{
    struct bytes rest = skip_cfws(*text);
    if (rest.n == 0 || rest.p[0] != wanted)
        return false;
    *text = bytes_from(rest, 1);
    return true;
}

/* 1*2DIGIT, 1 to 50 (RFC 8617 3.9); 0 for anything else. */
static unsigned read_position(struct bytes digits)
{
    uint64_t position = 0;
    if (digits.n < 1 || digits.n > 2 || !bytes_to_number(digits, ARC_INSTANCES_MOST, &position))
        return 0;
    return (unsigned)position;
}

/* The instance in front, "i=1;", comments and all, and what follows it; 0 if it is not there. */
static unsigned read_instance(struct bytes value, struct bytes *rest)
{
    if (!take(&value, 'i') || !take(&value, '='))
        return 0;
    value = skip_cfws(value);
    size_t digits = 0;
    while (digits < value.n && ascii_is_digit(value.p[digits]))
        digits++;
    unsigned instance = read_position(bytes_first(value, digits));
    value = bytes_from(value, digits);
    if (!take(&value, ';'))
        return 0;
    *rest = value;
    return instance;
}

/* Sealers in the field put i= anywhere among the tags of an AMS or AS, not only in front as the
 * grammar of RFC 8617 4.1.2 and 4.1.3 has it. */
static unsigned find_instance(struct bytes value)
{
    struct taglist list;
    const struct tag *tag = taglist_parse(value, &list) ? NULL : taglist_find(&list, "i");
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
    if (instance == 0 && place != &unknown.authentication_results)
        instance = find_instance(field->value);
    if (instance == 0) {
        chain->problem = "an ARC field without an instance from 1 to 50";
        return;
    }
    place = place_of(&chain->sets[instance - 1], field->name);
    if (CLAUSE(ARC_12, place->field != NULL))
        chain->problem = "an ARC field twice in one set";
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
            chain->problem = "a set that is missing or not complete";
    }
}
