/* Whole messages through DKIM and ARC: verified, sealed and verified again. A sealed message has
 * one more set, whose signatures verify. */
#include "fuzz.h"

#include "arc.h"
#include "buffer.h"
#include "clock.h"
#include "dkim.h"

static const int64_t NOW = 1700000000; /* of the vectors, from which the seeds are */

/* The keys of RFC 8463 appendix A, by whatever selector. */
static const struct bytes RSA_RECORD =
    BYTES_INIT("p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bd"
               "OKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hst"
               "T5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB");
static const struct bytes EDDSA_RECORD =
    BYTES_INIT("k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
static const char eddsa_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                                "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
                                "-----END PRIVATE KEY-----\n";

static void answer_keys(struct dns *self, struct arena *arena, struct bytes name,
                        enum dns_type type, double deadline, struct dns_answer *answer)
{
    (void)self, (void)name, (void)type, (void)deadline;
    struct dns_record *records = arena_alloc_array(arena, 2, sizeof *records);
    *answer = (struct dns_answer){.status = DNS_TEMPFAIL, .problem = "memory"};
    if (!records)
        return;
    records[0].text = RSA_RECORD;
    records[1].text = EDDSA_RECORD;
    *answer = (struct dns_answer){.status = DNS_OK, .count = 2, .records = records};
}

static struct arc_result verify(struct arena *arena, struct bytes raw, struct dns *dns)
{
    struct message message;
    struct arc_result result;
    require(message_parse(arena, raw, &message));
    require(arc_verify(arena, &message, body_hash_new(arena, message.body), dns, &result));
    require((result.reason[0] != '\0') == (result.status == ARC_FAIL));
    return result;
}

static void seal(struct arena *arena, struct bytes raw, struct dns *dns)
{
    const char *problem;
    struct message message;
    struct arc_set set;
    struct authres results = {.authserv_id = BYTES("mx.example.net"), .version = 1};
    struct arc_result chain = verify(arena, raw, dns);
    struct signer *signer = signer_from_pem(bytes_of(eddsa_pem), &problem);
    struct arc_sealing sealing = {.identity = {signer, BYTES("example.net"), BYTES("s")},
                                  .results = &results,
                                  .chain = &chain,
                                  .now = NOW};
    require(signer && message_parse(arena, raw, &message));
    struct body_hash *body = body_hash_new(arena, message.body);
    enum arc_sealed sealed = arc_seal(arena, &message, body, &sealing, &set);
    require(sealed != ARC_SEAL_FAILED);
    if (sealed == ARC_SEALED) {
        struct buffer whole = {0};
        buffer_add(&whole, set.seal);
        buffer_add(&whole, set.message_signature);
        buffer_add(&whole, set.authentication_results);
        buffer_add(&whole, raw);
        struct arc_result after = verify(arena, buffer_bytes(&whole), dns);
        require(after.instances == chain.instances + 1);
        require(after.marked_failed == (chain.status == ARC_FAIL));
        if (after.status == ARC_PASS)
            require(chain.status != ARC_FAIL);
        buffer_free(&whole);
    }
    signer_free(signer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(0);
    struct bytes raw = {(const char *)data, size};
    struct dns dns = {answer_keys};
    struct message message;
    struct dkim_results results;
    clock_fix(NOW);
    require(message_parse(arena, raw, &message));
    require(
        dkim_verify_message(arena, &message, body_hash_new(arena, message.body), &dns, &results));
    for (size_t i = 0; i < results.count; i++)
        require(results.signatures[i].result != DKIM_PASS ||
                message_count(&message, BYTES("From")) == 1);
    seal(arena, raw, &dns);
    arena_free(arena);
    return 0;
}
