/* DKIM. See dkim.h.
 *
 * Verified and signed here, on the canonicalisation, tag lists, keys and signature checks that ARC
 * needs anyway. */
#include "dkim.h"

#include "clause.h"
#include "clock.h"
#include "dkim_engine.h"
#include "signature_write.h"

const char *dkim_result_name(enum dkim_result result)
{
    static const char *const names[] = {"pass",    "fail",      "policy",
                                        "neutral", "temperror", "permerror"};
    return names[result];
}

/* RFC 8601 2.7.1 over the states of RFC 6376 3.9. */
static enum dkim_result result_of_status(enum signature_status status)
{
    switch (status) {
    case SIGNATURE_GOOD:
        return DKIM_PASS;
    case SIGNATURE_BAD:
        return BREAK(DKIM_30, DKIM_FAIL, DKIM_NEUTRAL);
    case SIGNATURE_MALFORMED:
        return BREAK(DKIM_34, DKIM_NEUTRAL, DKIM_FAIL);
    case SIGNATURE_UNKNOWN:
        return DKIM_NEUTRAL;
    case SIGNATURE_REFUSED:
        return BREAK(DKIM_47, DKIM_PERMERROR, DKIM_FAIL);
    case SIGNATURE_UNVERIFIED:
        return DKIM_POLICY;
    case SIGNATURE_UNAVAILABLE:
    case SIGNATURE_NO_MEMORY:
        break;
    }
    return DKIM_TEMPERROR;
}

/* False when memory is short: nothing is known of the signature then, and a result would be one of
 * the message. */
static bool verify_one(struct arena *arena, const struct header_field *field, dkim_check *check,
                       void *context, struct dkim_signature *result)
{
    struct signature signature;
    struct signature_check found = {.reason = ""};
    found.status = signature_read(arena, SIGNATURE_DKIM, field, field->value, clock_wall(),
                                  &signature, &found.reason);
    if (found.status == SIGNATURE_GOOD)
        check(context, arena, &signature, &found);
    *result = (struct dkim_signature){
        .domain = signature.domain,
        .selector = signature.selector,
        .identity = signature.identity,
        .algorithm = signature.algorithm,
        .signature = signature.text,
        .bits = found.bits,
        .result = result_of_status(found.status),
        .reason = found.reason,
        .covers_whole_body = found.whole_body,
    };
    if (found.testing && found.status != SIGNATURE_UNAVAILABLE) {
        /* RFC 6376 3.6.1: not to be treated differently from unsigned mail, pass or not. */
        result->result = BREAK(DKIM_32_testing, DKIM_NEUTRAL, DKIM_PERMERROR);
        result->reason = "domain is testing DKIM (t=y)";
    } else if (found.status == SIGNATURE_GOOD && !found.whole_body) {
        result->reason = "body is only partly signed (l=)";
    }
    return found.status != SIGNATURE_NO_MEMORY;
}

bool dkim_verify_with(struct arena *arena, const struct message *message, dkim_check *check,
                      void *context, struct dkim_results *results)
{
    const struct bytes name = BYTES("DKIM-Signature");
    results->count = message_count(message, name);
    results->signatures = arena_alloc_array(arena, results->count, sizeof *results->signatures);
    if (!results->signatures)
        return false;
    const struct header_field *field = message->fields;
    bool done = true;
    for (size_t i = 0; i < results->count; i++, field++) {
        field = message_find(message, name, (size_t)(field - message->fields));
        struct dkim_signature *result = &results->signatures[i];
        if (CLAUSE(DKIM_12, i < DKIM_SIGNATURES_MAX))
            done = verify_one(arena, field, check, context, result) && done;
        else
            *result =
                (struct dkim_signature){.result = DKIM_POLICY, .reason = "too many signatures"};
    }
    return done && !arena_failed(arena);
}

struct native {
    const struct message *message;
    struct field_index *index;
    struct body_hash *body;
    struct dns *dns;
};

static void check_natively(void *context, struct arena *arena, const struct signature *signature,
                           struct signature_check *check)
{
    const struct native *native = context;
    signature_check_message(arena, signature, native->message, native->index, native->body,
                            native->dns, check);
}

bool dkim_verify_message(struct arena *arena, const struct message *message, struct body_hash *body,
                         struct dns *dns, struct dkim_results *results)
{
    struct native native = {message, field_index_new(arena, message), body, dns};
    return native.index && dkim_verify_with(arena, message, check_natively, &native, results);
}

struct bytes dkim_sign_message(struct arena *arena, const struct message *message,
                               struct body_hash *body, const struct signing_identity *identity,
                               int64_t now)
{
    size_t count = 0;
    const struct bytes *headers = signature_choose_headers(arena, message, false, &count);
    if (!headers)
        return (struct bytes){NULL, 0};
    struct signature_writer writer;
    signature_begin(&writer, arena, identity, "DKIM-Signature", "v");
    signature_add(&writer, "v=1");
    signature_add_identity(&writer);
    signature_add(&writer, "c=%s", BREAK(DKIM_05, "relaxed/relaxed", "relaxed/simple"));
    signature_add(&writer, "t=%lld", (long long)now);
    signature_add(&writer, "x=%lld",
                  (long long)now + BREAK(DKIM_07, DKIM_LIFETIME, 2 * DKIM_LIFETIME));
    return signature_finish_message(&writer, message, body, headers, count);
}
