/* Putting the relay's fields on top of a message. See trace_fields.h. */
#include "trace_fields.h"

#include "clause.h"

static const struct bytes FIELD_NAME = BYTES_INIT("Authentication-Results");

/* What is sent: the message without forged fields, and the block on top that grows upwards. */
struct sending {
    struct arena *arena;
    const struct evaluation_request *request;
    const struct evaluation *evaluation;
    struct message kept;
    struct bytes block;
    int64_t now;
};

static bool is_forged(const struct sending *sending, const struct header_field *field)
{
    return !field->malformed && bytes_equal_nocase(field->name, FIELD_NAME) &&
           CLAUSE(MSG_15, authres_claims(sending->arena, field->value,
                                         sending->request->policy->authserv_id));
}

/* Divides the original into the pieces between forged fields, and leaves those out of `kept`.
 * slices[0] stays free for the block. */
static bool take_out_forged(struct sending *sending, struct forwarded *forwarded)
{
    const struct message *message = sending->request->message;
    struct bytes rest = message->raw;
    struct header_field *fields =
        arena_alloc_array(sending->arena, message->field_count + 1, sizeof *fields);
    forwarded->slices =
        arena_alloc_array(sending->arena, message->field_count + 2, sizeof *forwarded->slices);
    forwarded->count = 1;
    if (!fields || !forwarded->slices)
        return false;
    sending->kept = *message;
    sending->kept.fields = fields;
    sending->kept.field_count = 0;
    for (size_t i = 0; i < message->field_count; i++) {
        const struct header_field *field = &message->fields[i];
        if (!is_forged(sending, field)) {
            fields[sending->kept.field_count++] = *field;
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

/* Authentication-Results, Received-SPF, Received. */
static bool add_trace(struct sending *sending, const struct received *received)
{
    struct buffer text = {0};
    struct bytes trace = received_field(sending->arena, received);
    buffer_add(&text, FIELD_NAME);
    buffer_add(&text, BYTES(":"));
    authres_write(&text, &sending->evaluation->results, text.n);
    buffer_add(&text, BYTES("\r\n"));
    spf_write_received(&text, sending->request->envelope, sending->request->spf);
    buffer_add(&text, trace);
    if (!text.failed)
        sending->block = arena_copy(sending->arena, buffer_bytes(&text));
    buffer_free(&text);
    return trace.p && sending->block.p;
}

static bool add_signature(struct sending *sending, const struct signing_identity *identity)
{
    struct message signing;
    if (!message_prepend(sending->arena, &sending->kept, sending->block, &signing))
        return false;
    struct bytes signature = dkim_sign_message(sending->arena, &signing, sending->evaluation->body,
                                               identity, sending->now);
    if (!signature.p)
        return false;
    const struct bytes parts[] = {signature, sending->block};
    sending->block = arena_join(sending->arena, parts, sizeof parts / sizeof *parts);
    return sending->block.p != NULL;
}

static bool add_seal(struct sending *sending, const struct signing_identity *identity)
{
    struct message sealing;
    struct arc_set set;
    const struct arc_sealing how = {.identity = *identity,
                                    .results = &sending->evaluation->results,
                                    .chain = &sending->evaluation->arc,
                                    .now = sending->now};
    if (!message_prepend(sending->arena, &sending->kept, sending->block, &sealing))
        return false;
    switch (arc_seal(sending->arena, &sealing, sending->evaluation->body, &how, &set)) {
    case ARC_NOT_SEALED:
        return true;
    case ARC_SEAL_FAILED:
        return false;
    case ARC_SEALED:
        break;
    }
    const struct bytes parts[] = {set.seal, set.message_signature, set.authentication_results,
                                  sending->block};
    sending->block = arena_join(sending->arena, parts, sizeof parts / sizeof *parts);
    return sending->block.p != NULL;
}

bool trace_prepend(struct arena *arena, const struct evaluation_request *request,
                   const struct evaluation *evaluation, const struct received *received,
                   struct forwarded *forwarded)
{
    struct sending sending = {
        .arena = arena, .request = request, .evaluation = evaluation, .now = received->time};
    const struct signing_identity *signing = &request->policy->signing;
    *forwarded = (struct forwarded){0};
    if (!take_out_forged(&sending, forwarded) || !add_trace(&sending, received))
        return false;
    if (signing->signer && (!add_signature(&sending, signing) || !add_seal(&sending, signing)))
        return false;
    forwarded->slices[0] = sending.block;
    for (size_t i = 0; i < forwarded->count; i++)
        forwarded->size += forwarded->slices[i].n;
    return !arena_failed(arena);
}
