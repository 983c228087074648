/* A message through SPF, DKIM, ARC, DMARC and the fields put on top, as after DATA. Three parts
 * (parts.h): DNS (dns_input.h); the client's address, HELO and the reverse-path, a line each, then
 * `9989` or `7489`; the message as it is. Signatures of three octets 0 are good
 * (lenient_signatures.c).
 *
 * What must hold: DMARC passes if and only if an identity that is aligned passed; a refusal has its
 * reason in the results; what is sent is the message with the relay's fields on top (sent.h), no
 * other of which claims to be its own; and read again its own signature and seal are good. */
#include "dns_input.h"
#include "fuzz.h"
#include "parts.h"
#include "rfc8463.h"
#include "sent.h"

#include "clock.h"
#include "trace_fields.h"

static const int64_t NOW = 1700000000;
static const struct bytes own_id = BYTES_INIT("mx.example.net");
static const struct bytes own_key_name = BYTES_INIT("s._domainkey.sign.example.net");

/* DNS from the input, and the relay's own key. */
struct world {
    struct dns dns;
    struct dns_input input;
    struct dns_record key;
};

static void query(struct dns *self, struct arena *arena, struct bytes name, enum dns_type type,
                  double deadline, struct dns_answer *answer)
{
    struct world *world = (struct world *)self;
    if (type == DNS_TXT && bytes_equal_nocase(name, own_key_name))
        *answer = (struct dns_answer){
            .status = DNS_OK, .count = 1, .records = &world->key, .canonical_name = name};
    else
        dns_query(&world->input.dns, arena, name, type, deadline, answer);
}

static bool is_text(struct bytes text)
{
    for (size_t i = 0; i < text.n; i++)
        if (!ascii_is_printable(text.p[i]))
            return false;
    return text.n > 0;
}

static void check_dmarc(const struct evaluation *evaluation, const struct spf_outcome *spf)
{
    const struct dmarc_outcome *dmarc = &evaluation->dmarc;
    bool any_signature = false;
    require(is_text(evaluation->reason) && evaluation->refusal.kind < REFUSAL_COUNT);
    if (evaluation->author_domain.n == 0) {
        require(dmarc->result == DMARC_NONE);
        return;
    }
    for (size_t i = 0; i < evaluation->dkim.count; i++) {
        const struct dkim_signature *signature = &evaluation->dkim.signatures[i];
        any_signature =
            any_signature || (signature->result == DKIM_PASS && signature->covers_whole_body &&
                              dmarc->signatures && dmarc->signatures[i] == DMARC_ALIGNED);
    }
    if (dmarc->result == DMARC_NONE || dmarc->result == DMARC_PERMERROR)
        return;
    require(!dmarc->spf_passes || (spf->result == SPF_PASS && dmarc->spf == DMARC_ALIGNED));
    require(!dmarc->signature_passes || any_signature);
    require((dmarc->result == DMARC_PASS) == (dmarc->spf_passes || dmarc->signature_passes));
    require(dmarc->result == DMARC_FAIL || dmarc->disposition == DMARC_POLICY_NONE);
}

/* What the next hop makes of the message sent. */
static void check_again(struct arena *arena, struct world *world, struct bytes sent,
                        const struct evaluation *before)
{
    struct message message;
    struct dkim_results dkim;
    struct arc_result arc;
    unsigned claims = 0;
    require(message_parse(arena, sent, &message));
    struct body_hash *body = body_hash_new(arena, message.body);
    require(body && dkim_verify_message(arena, &message, body, &world->dns, &dkim));
    require(arc_verify(arena, &message, body, &world->dns, &arc));
    require(dkim.count > 0 && bytes_equal(dkim.signatures[0].domain, BYTES("sign.example.net")));
    /* A bare report without one is forwarded, and no signature can pass then (RFC 6376 5.4). */
    bool has_author = message_count(&message, BYTES("From")) == 1;
    if (has_author)
        require(dkim.signatures[0].result == DKIM_PASS && dkim.signatures[0].covers_whole_body);
    for (size_t i = 0; i < message.field_count; i++)
        claims += !message.fields[i].malformed &&
                  bytes_equal_nocase(message.fields[i].name, BYTES("Authentication-Results")) &&
                  authres_claims(arena, message.fields[i].value, own_id);
    require(claims == 1);
    if (before->arc.marked_failed || before->arc.instances >= ARC_INSTANCES_MAX)
        return;
    require(arc.instances == before->arc.instances + 1);
    require(arc.marked_failed == (before->arc.status == ARC_FAIL));
    if (has_author)
        require((arc.status == ARC_PASS) == (before->arc.status != ARC_FAIL));
}

static void check_results(struct arena *arena, const struct evaluation *evaluation)
{
    struct buffer text = {0};
    struct authres read;
    authres_write(&text, &evaluation->results, 0);
    require(!text.failed && authres_parse(arena, buffer_bytes(&text), &read));
    require(bytes_equal(read.authserv_id, own_id));
    require(read.result_count == evaluation->results.result_count);
    buffer_free(&text);
}

static void forward(struct arena *arena, struct world *world,
                    const struct evaluation_request *request, const struct evaluation *evaluation)
{
    const struct received received = {
        .helo = request->envelope->helo,
        .client = request->envelope->client,
        .host = own_id,
        .esmtp = true,
        .id = BYTES("1"),
        .time = NOW,
    };
    struct forwarded forwarded;
    require(trace_prepend(arena, request, evaluation, &received, &forwarded));
    struct bytes sent = arena_join(arena, forwarded.slices, forwarded.count);
    require(sent.p && sent.n == forwarded.size);
    sent_check(sent, request->message->raw);
    check_again(arena, world, sent, evaluation);
}

static bool is_line(struct bytes text)
{
    for (size_t i = 0; i < text.n; i++)
        if (!ascii_is_printable(text.p[i]))
            return false;
    return true;
}

/* As what comes after an SMTP dialogue: lines that end in CRLF, and no first line that continues
 * the field above it. */
static bool is_content(struct bytes message)
{
    if (message.n == 0 || ascii_is_blank(message.p[0]) ||
        !bytes_ends_with_nocase(message, BYTES("\r\n")))
        return false;
    for (size_t i = 0; i < message.n; i++)
        if (message.p[i] == '\0' ||
            (message.p[i] == '\n' && (i == 0 || message.p[i - 1] != '\r')) ||
            (message.p[i] == '\r' && message.p[i + 1] != '\n'))
            return false;
    return true;
}

static struct policy *own_policy(void)
{
    static struct policy policy;
    const char *problem;
    if (!policy.signing.signer)
        policy = (struct policy){
            .hostname = own_id,
            .authserv_id = own_id,
            .signing = {.signer = signer_from_pem(bytes_of(rfc8463_eddsa_pem), &problem),
                        .domain = BYTES("sign.example.net"),
                        .selector = BYTES("s")},
        };
    return &policy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = {(const char *)data, size};
    struct world world = {.dns = {query},
                          .key = {.text = BYTES("v=DKIM1; k=ed25519; p=" EDDSA_KEY)}};
    struct spf_request envelope = {.receiver = own_id};
    struct spf_outcome spf;
    struct message message;
    struct evaluation evaluation;
    struct policy *policy = own_policy();
    dns_input_start(&world.input, parts_cut(&input));
    struct bytes client = parts_cut(&input);
    if (!ip_parse(bytes_cut(&client, '\n'), &envelope.client) || !is_content(input))
        return 0;
    envelope.helo = bytes_cut(&client, '\n');
    envelope.mail_from = bytes_cut(&client, '\n');
    if (!is_line(envelope.helo) || !is_line(envelope.mail_from))
        return 0;
    policy->dmarc_edition =
        bytes_starts_with_nocase(client, BYTES("7489")) ? DMARC_RFC7489 : DMARC_RFC9989;
    clock_fix(NOW);
    struct arena *arena = arena_new(0);
    struct dns *memo = dns_memo(arena, &world.dns, 200);
    require(memo && message_parse(arena, input, &message));
    spf_check(memo, arena, &envelope, &spf);
    const struct evaluation_request request = {policy, memo, &envelope, &spf, &message};
    require(evaluate_message(arena, &request, &evaluation));
    check_dmarc(&evaluation, &spf);
    check_results(arena, &evaluation);
    if (evaluation.refusal.kind == REFUSAL_NONE)
        forward(arena, &world, &request, &evaluation);
    arena_free(arena);
    return 0;
}
