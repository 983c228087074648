/* Prepending the relay's fields to a message. See trace_fields.h. */
#include "trace_fields.h"

#include "clause.h"
#include "fiber.h"

static const struct bytes FIELD_NAME = BYTES_INIT("Authentication-Results");

/* What is sent: the message without forged fields, and the block on top, which grows upwards. */
struct outgoing {
    struct arena *arena;
    const struct evaluation_request *request;
    const struct evaluation *evaluation;
    struct message kept;
    struct bytes block;
    int64_t now;
};

static bool is_forged(const struct outgoing *outgoing, const struct header_field *field)
{
    if (field->malformed || !bytes_equal_nocase(field->name, FIELD_NAME))
        return false;
    return CLAUSE(MSG_15, authres_claims(outgoing->arena, field->value,
                                         outgoing->request->policy->authserv_id)) ||
           CLAUSE(RFC8601_03, authres_has_other_version(outgoing->arena, field->value));
}

/* Divides the original into the pieces between forged fields, and omits those from `kept`.
 * slices[0] is left for the block. */
static bool remove_forged(struct outgoing *outgoing, struct forwarded *forwarded)
{
    const struct message *message = outgoing->request->message;
    struct bytes rest = message->raw;
    struct header_field *fields =
        arena_alloc_array(outgoing->arena, message->field_count + 1, sizeof *fields);
    forwarded->slices =
        arena_alloc_array(outgoing->arena, message->field_count + 2, sizeof *forwarded->slices);
    forwarded->count = 1;
    if (!fields || !forwarded->slices)
        return false;
    outgoing->kept = *message;
    outgoing->kept.fields = fields;
    outgoing->kept.field_count = 0;
    for (size_t i = 0; i < message->field_count; i++) {
        const struct header_field *field = &message->fields[i];
        fiber_yield();
        if (!is_forged(outgoing, field)) {
            fields[outgoing->kept.field_count++] = *field;
            continue;
        }
        size_t before = (size_t)(field->raw.p - rest.p);
        if (before > 0)
            forwarded->slices[forwarded->count++] = bytes_first(rest, before);
        rest = bytes_from(rest, before + field->raw.n);
    }
    forwarded->slices[forwarded->count++] = rest;
    return true;
}

/* Authentication-Results, Received-SPF, Received. Clause: MSG-01 */
static bool prepend_results(struct outgoing *outgoing, const struct received *received)
{
    struct buffer text = {0};
    struct bytes trace = received_field(outgoing->arena, received);
    buffer_add(&text, FIELD_NAME);
    buffer_add(&text, BYTES(":"));
    authres_write(&text, &outgoing->evaluation->results, text.n);
    buffer_add(&text, BYTES("\r\n"));
    spf_write_received(&text, outgoing->request->envelope, outgoing->request->spf);
    buffer_add(&text, trace);
    outgoing->block = arena_take(outgoing->arena, &text);
    return trace.p && outgoing->block.p;
}

/* Every message is signed, whether or not its sender signed it. Clauses: DKIM-01, DKIM-02 */
static bool prepend_signature(struct outgoing *outgoing, const struct signing_identity *identity)
{
    struct message signing;
    fiber_yield();
    if (!message_prepend(outgoing->arena, &outgoing->kept, outgoing->block, &signing))
        return false;
    struct bytes signature = dkim_sign_message(outgoing->arena, &signing,
                                               outgoing->evaluation->body, identity, outgoing->now);
    if (!signature.p)
        return false;
    const struct bytes parts[] = {signature, outgoing->block};
    outgoing->block = arena_join(outgoing->arena, parts, sizeof parts / sizeof *parts);
    return outgoing->block.p != NULL;
}

/* Clause: ARC-01 */
static bool prepend_seal(struct outgoing *outgoing, const struct signing_identity *identity)
{
    struct message sealing;
    fiber_yield();
    struct arc_set set;
    const struct arc_sealing how = {.identity = *identity,
                                    .results = &outgoing->evaluation->results,
                                    .chain = &outgoing->evaluation->arc,
                                    .now = outgoing->now};
    if (!message_prepend(outgoing->arena, &outgoing->kept, outgoing->block, &sealing))
        return false;
    switch (arc_seal(outgoing->arena, &sealing, outgoing->evaluation->body, &how, &set)) {
    case ARC_NOT_SEALED:
        return true;
    case ARC_SEAL_FAILED:
        return false;
    case ARC_SEALED:
        break;
    }
    const struct bytes parts[] = {set.seal, set.message_signature, set.authentication_results,
                                  outgoing->block};
    outgoing->block = arena_join(outgoing->arena, parts, sizeof parts / sizeof *parts);
    return outgoing->block.p != NULL;
}

bool trace_prepend(struct arena *arena, const struct evaluation_request *request,
                   const struct evaluation *evaluation, const struct received *received,
                   struct forwarded *forwarded)
{
    struct outgoing outgoing = {
        .arena = arena, .request = request, .evaluation = evaluation, .now = received->time};
    const struct signing_identity *signing = &request->policy->signing;
    *forwarded = (struct forwarded){0};
    if (!remove_forged(&outgoing, forwarded) || !prepend_results(&outgoing, received))
        return false;
    if (signing->signer &&
        (!prepend_signature(&outgoing, signing) || !prepend_seal(&outgoing, signing)))
        return false;
    forwarded->slices[0] = outgoing.block;
    for (size_t i = 0; i < forwarded->count; i++)
        forwarded->size += forwarded->slices[i].n;
    return !arena_failed(arena);
}
