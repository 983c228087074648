/* Validating an ARC chain: RFC 8617 5.2. See arc.h. */
#include "arc.h"

#include "arc_chain.h"
#include "clause.h"
#include "clock.h"
#include "signature.h"

const char *arc_status_name(enum arc_status status)
{
    static const char *const names[] = {"none", "pass", "fail"};
    return names[status];
}

/* A validation under way. */
struct validation {
    struct arena *arena;
    const struct message *message;
    struct field_index *index;
    struct body_hash *body;
    struct dns *dns;
    const struct arc_chain *chain;
    struct arc_result *result;
    bool no_memory; /* the result is not one of the chain */
};

static bool fail_chain(struct validation *v, const char *reason)
{
    v->result->status = ARC_FAIL;
    v->result->reason = reason;
    return false;
}

/* The same for one field, with its instance and the reason the check gives. */
static bool fail_field(struct validation *v, const char *field, unsigned instance,
                       const struct signature_check *check)
{
    v->result->temporary = check->status == SIGNATURE_UNAVAILABLE;
    v->no_memory = v->no_memory || check->status == SIGNATURE_NO_MEMORY;
    struct bytes reason = arena_printf(v->arena, "%s i=%u: %s", field, instance, check->reason);
    return fail_chain(v, reason.p ? reason.p : "");
}

static struct signature_check check_message_signature(struct validation *v, unsigned instance)
{
    const struct arc_field *ams = &v->chain->sets[instance - 1].message_signature;
    struct signature signature;
    struct signature_check check = {.reason = ""};
    check.status = signature_read(v->arena, SIGNATURE_ARC_MESSAGE, ams->field, ams->rest,
                                  clock_wall(), &signature, &check.reason);
    if (check.status == SIGNATURE_GOOD)
        signature_check_message(v->arena, &signature, v->message, v->index, v->body, v->dns,
                                &check);
    /* Without c= the field is simple/simple (RFC 6376 3.5). Others take it for relaxed, the one
     * form a seal has, and leave c= out: what verifies in that form is just as signed. */
    if (check.status == SIGNATURE_BAD && !taglist_find(&signature.tags, "c")) {
        signature.header_canon = signature.body_canon = CANON_RELAXED;
        signature_check_message(v->arena, &signature, v->message, v->index, v->body, v->dns,
                                &check);
    }
    v->no_memory = v->no_memory || check.status == SIGNATURE_NO_MEMORY;
    return check;
}

/* cv= of a tag list; false if it has none or an invalid one. chain-status folds case: the
 * grammar marks "i" and "cv" as case-sensitive, its values not (RFC 8617 3.9, RFC 7405). */
static bool read_chain_status(const struct taglist *tags, enum arc_status *status)
{
    const struct tag *tag = taglist_find(tags, "cv");
    for (unsigned i = ARC_NONE; tag && i <= ARC_FAIL; i++) {
        if (bytes_equal_nocase(tag->value, bytes_of(arc_status_name(i)))) {
            *status = i;
            return true;
        }
    }
    return false;
}

/* 5.2 step 2, which comes before any look at the rest of the chain. */
static bool newest_says_fail(const struct arc_chain *chain)
{
    const struct arc_field *seal = chain->newest ? &chain->sets[chain->newest - 1].seal : NULL;
    struct taglist tags;
    enum arc_status status;
    return seal && seal->field && taglist_parse(seal->rest, &tags) &&
           read_chain_status(&tags, &status) && status == ARC_FAIL;
}

/* What is wrong with a seal that follows the grammar: 4.1.3, 5.2 step 3C. NULL if nothing is. */
static const char *seal_problem(const struct signature *seal, unsigned instance)
{
    enum arc_status status;
    if (taglist_find(&seal->tags, "h"))
        return "h= is not allowed";
    if (!read_chain_status(&seal->tags, &status))
        return "missing or invalid cv=";
    return status == (instance == 1 ? ARC_NONE : ARC_PASS) ? NULL : "wrong cv= for this instance";
}

static bool read_seals(struct validation *v, struct signature *seals)
{
    for (unsigned instance = v->chain->newest; instance >= 1; instance--) {
        const struct arc_field *as = &v->chain->sets[instance - 1].seal;
        struct signature *seal = &seals[instance - 1];
        struct signature_check check;
        check.status = signature_read(v->arena, SIGNATURE_ARC_SEAL, as->field, as->rest,
                                      clock_wall(), seal, &check.reason);
        if (check.status == SIGNATURE_GOOD && (check.reason = seal_problem(seal, instance)))
            check.status = SIGNATURE_REFUSED;
        if (check.status != SIGNATURE_GOOD)
            return fail_field(v, "ARC-Seal", instance, &check);
    }
    return true;
}

/* 5.2 step 6, with the scope of 5.1.1. */
static bool check_seals(struct validation *v, const struct signature *seals)
{
    struct bytes fields[3 * ARC_INSTANCES_MAX];
    for (unsigned i = 0; i < v->chain->newest; i++) {
        fields[3 * i] = v->chain->sets[i].authentication_results.field->raw;
        fields[3 * i + 1] = v->chain->sets[i].message_signature.field->raw;
        fields[3 * i + 2] = v->chain->sets[i].seal.field->raw;
    }
    for (unsigned instance = v->chain->newest; instance >= 1; instance--) {
        struct signature_check check;
        signature_check_seal(v->arena, &seals[instance - 1], fields, 3 * instance - 1, v->dns,
                             &check);
        if (check.status != SIGNATURE_GOOD && unless_broken(ARC_15))
            return fail_field(v, "ARC-Seal", instance, &check);
    }
    return true;
}

/* 5.2 step 5. Only once the chain has passed, so that a forged one costs fewer queries. */
static void find_oldest_pass(struct validation *v)
{
    unsigned instance = v->chain->newest;
    while (instance > 1 && check_message_signature(v, instance - 1).status == SIGNATURE_GOOD)
        instance--;
    v->result->oldest_pass = instance > 1 ? instance : 0;
}

static void validate(struct validation *v)
{
    v->result->marked_failed = newest_says_fail(v->chain);
    if (v->result->marked_failed || v->chain->problem) {
        fail_chain(v, v->result->marked_failed ? "most recent ARC-Seal has cv=fail"
                                               : v->chain->problem);
        return;
    }
    struct signature *seals = arena_alloc_array(v->arena, v->chain->newest, sizeof *seals);
    if (!seals || !read_seals(v, seals))
        return;
    struct signature_check newest = check_message_signature(v, v->chain->newest);
    if (CLAUSE(ARC_11, newest.status != SIGNATURE_GOOD)) {
        fail_field(v, "ARC-Message-Signature", v->chain->newest, &newest);
        return;
    }
    if (!CLAUSE(ARC_03, check_seals(v, seals)))
        return;
    v->result->status = ARC_PASS;
    find_oldest_pass(v);
}

bool arc_verify(struct arena *arena, const struct message *message, struct body_hash *body,
                struct dns *dns, struct arc_result *result)
{
    struct arc_chain chain;
    arc_chain_collect(message, &chain);
    *result = (struct arc_result){.instances = chain.newest, .reason = ""};
    if (!chain.present)
        return true;
    struct validation v = {
        .arena = arena,
        .message = message,
        .index = field_index_new(arena, message),
        .body = body,
        .dns = dns,
        .chain = &chain,
        .result = result,
    };
    if (v.index)
        validate(&v);
    return !v.no_memory && !arena_failed(arena);
}
