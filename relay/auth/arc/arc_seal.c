/* Adding this hop's ARC set: RFC 8617 5.1. See arc.h. */
#include "arc.h"
#include "arc_chain.h"
#include "clause.h"
#include "fiber.h"
#include "signature_write.h"

#include <string.h>

bool arc_may_sign(struct bytes field_name)
{
    return !bytes_starts_with_nocase(field_name, BYTES("ARC-")) &&
           !bytes_equal_nocase(field_name, BYTES("Authentication-Results"));
}

/* "ARC-Authentication-Results: i=1; id; spf=pass ..." (4.1.1). */
static struct bytes write_results(struct arena *arena, const struct arc_sealing *sealing,
                                  unsigned instance)
{
    struct buffer text = {0};
    buffer_printf(&text, "ARC-Authentication-Results: i=%u;", instance);
    authres_write(&text, sealing->results, text.n);
    buffer_add(&text, BYTES("\r\n"));
    return arena_take(arena, &text);
}

/* i= comes first (4.1.2, 4.1.3), but where the form is prescribed, to be compared with that of
 * other implementations: those sort all tags for it. */
static const char *leading_tag(const struct arc_sealing *sealing)
{
    return sealing->headers ? "" : "i";
}

static struct bytes write_message_signature(struct arena *arena, const struct message *message,
                                            struct body_hash *body,
                                            const struct arc_sealing *sealing, unsigned instance)
{
    const struct bytes *headers = sealing->headers;
    size_t count = sealing->header_count;
    if (!headers)
        headers = signature_choose_headers(arena, message, true, &count);
    if (!headers)
        return (struct bytes){NULL, 0};
    struct signature_writer writer;
    signature_begin(&writer, arena, &sealing->identity, "ARC-Message-Signature",
                    leading_tag(sealing));
    signature_add(&writer, "i=%u", instance);
    signature_add_identity(&writer);
    signature_add(&writer, "c=relaxed/relaxed");
    signature_add(&writer, "t=%lld", (long long)sealing->now);
    return signature_finish_message(&writer, message, body, headers, count);
}

/* The value of cv=: what was found on arrival, unless it cannot be true of the chain in the
 * message.
 */
static enum arc_status status_to_seal(const struct arc_chain *chain, enum arc_status found)
{
    if (CLAUSE(ARC_04, !chain->present))
        return ARC_NONE;
    return found == ARC_PASS && !chain->problem ? ARC_PASS : BREAK(ARC_16, ARC_FAIL, ARC_PASS);
}

/* The scope is all sets, or this one alone where the chain has failed (5.1.1, 5.1.2). There is no
 * h=. Clause: ARC-08 */
static struct bytes write_seal(struct arena *arena, const struct arc_chain *chain,
                               const struct arc_sealing *sealing, const struct arc_set *set,
                               unsigned instance)
{
    struct bytes fields[3 * (ARC_INSTANCES_MAX + 1)];
    size_t count = 0;
    enum arc_status status = status_to_seal(chain, sealing->chain->status);
    bool alone = CLAUSE(ARC_05, status == ARC_FAIL) || chain->problem;
    for (unsigned i = 0; i + 1 < instance && !alone; i++) {
        fields[count++] = chain->sets[i].authentication_results.field->raw;
        fields[count++] = chain->sets[i].message_signature.field->raw;
        fields[count++] = chain->sets[i].seal.field->raw;
    }
    fields[count++] = set->authentication_results;
    fields[count++] = set->message_signature;
    struct signature_writer writer;
    signature_begin(&writer, arena, &sealing->identity, "ARC-Seal", leading_tag(sealing));
    signature_add(&writer, "i=%u", instance);
    signature_add_identity(&writer);
    signature_add(&writer, "cv=%s", arc_status_name(status));
    signature_add(&writer, "t=%lld", (long long)sealing->now);
    return signature_finish_seal(&writer, fields, count);
}

enum arc_sealed arc_seal(struct arena *arena, const struct message *message, struct body_hash *body,
                         const struct arc_sealing *sealing, struct arc_set *set)
{
    memset(set, 0, sizeof *set);
    struct arc_chain chain;
    struct message with_results;
    arc_chain_collect(message, &chain);
    if (CLAUSE(ARC_06, sealing->chain->marked_failed) ||
        CLAUSE(ARC_07, chain.newest >= ARC_INSTANCES_MAX))
        return ARC_NOT_SEALED;
    unsigned instance = chain.newest + 1;
    set->authentication_results = write_results(arena, sealing, instance);
    /* Older sealers signed this field too, and a caller that names the fields to sign may ask for
     * it. */
    if (!set->authentication_results.p ||
        !message_prepend(arena, message, set->authentication_results, &with_results))
        return ARC_SEAL_FAILED;
    fiber_yield();
    set->message_signature = write_message_signature(arena, &with_results, body, sealing, instance);
    if (!set->message_signature.p)
        return ARC_SEAL_FAILED;
    set->seal = write_seal(arena, &chain, sealing, set, instance);
    return set->seal.p ? ARC_SEALED : ARC_SEAL_FAILED;
}
