/* Unit tests of relay/auth/dkim: keys, signature fields, the signer. Most cases are in
 * fixtures/vectors/dkim. */
#include "buffer.h"
#include "clock.h"
#include "dkim.h"
#include "fake_dns.h"
#include "key_record.h"
#include "rfc8463.h"
#include "unit.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>
#include <string.h>

/* RFC 8463 A.3. */
#define EDDSA_SIGNATURE                                                                            \
    "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"                                \
    " d=football.example.com; i=@football.example.com;\r\n"                                        \
    " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"                                      \
    " subject : date : message-id : from : subject : date;\r\n"                                    \
    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"                                        \
    " b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n"                              \
    " Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n"
#define RSA_SIGNATURE                                                                              \
    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"                                    \
    " d=football.example.com; i=@football.example.com;\r\n"                                        \
    " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"                                \
    " date : message-id : from : subject : date;\r\n"                                              \
    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"                                        \
    " b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n"                              \
    " DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n"                              \
    " dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n"

static struct dkim_results verify(struct arena *arena, struct bytes octets,
                                  const char *const *table)
{
    struct message message;
    struct dkim_results results;
    struct fake_dns fake = FAKE_DNS(table);
    clock_fix(1528637910);
    assert_true(message_parse(arena, octets, &message));
    assert_true(dkim_verify_message(arena, &message, body_hash_new(arena, message.body), &fake.dns,
                                    &results));
    return results;
}

static void the_example_of_rfc_8463_passes_twice(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct dkim_results results =
        verify(arena, BYTES(EDDSA_SIGNATURE RSA_SIGNATURE MESSAGE), rfc8463_zone);
    assert_int_equal(results.count, 2);
    static const struct {
        const char *selector, *algorithm;
        unsigned bits;
    } expected[] = {{"brisbane", "ed25519-sha256", 256}, {"test", "rsa-sha256", 1024}};
    for (size_t i = 0; i < 2; i++) {
        const struct dkim_signature *signature = &results.signatures[i];
        assert_string_equal(signature->reason, "");
        assert_int_equal(signature->result, DKIM_PASS);
        assert_bytes(signature->domain, "football.example.com");
        assert_bytes(signature->selector, expected[i].selector);
        assert_bytes(signature->identity, "@football.example.com");
        assert_bytes(signature->algorithm, expected[i].algorithm);
        assert_int_equal(signature->bits, expected[i].bits);
        assert_true(signature->covers_whole_body);
    }
    arena_free(arena);
}

static void the_key_record_decides(void **state)
{
    (void)state;
    static const struct {
        const char *record;
        enum dkim_result result;
    } cases[] = {
        {"!TEMPFAIL", DKIM_TEMPERROR},
        {"!NODATA", DKIM_PERMERROR},
        {"v=DKIM1; k=ed25519; p=" EDDSA_KEY, DKIM_PASS},
        {"k=ed25519; p=" EDDSA_KEY "; s=email; h=sha256; t=s; n=a note; x=unknown;", DKIM_PASS},
        {"k=ed25519; h=sha1 : sha256; s=other:*; p=" EDDSA_KEY, DKIM_PASS},
        {"k=ed25519; p=", DKIM_PERMERROR},
        {"k=ed25519", DKIM_PERMERROR},
        {"k=ed25519; p=!", DKIM_PERMERROR},
        {"k=ed25519; p=AAAA", DKIM_PERMERROR},
        {"v=DKIM2; k=ed25519; p=" EDDSA_KEY, DKIM_PERMERROR},
        {"k=ed25519; v=DKIM1; p=" EDDSA_KEY, DKIM_PERMERROR},
        {"k=ed25519; k=ed25519; p=" EDDSA_KEY, DKIM_PERMERROR},
        {"v=DKIM1; p=" RSA_KEY, DKIM_PERMERROR},
        {"k=dsa; p=" EDDSA_KEY, DKIM_PERMERROR},
        {"k=ed25519; h=sha1; p=" EDDSA_KEY, DKIM_PERMERROR},
        {"k=ed25519; s=tlsrpt; p=" EDDSA_KEY, DKIM_PERMERROR},
        {"k=ed25519; t=y; p=" EDDSA_KEY, DKIM_NEUTRAL},
        {"k=ed25519; p=1" EDDSA_KEY, DKIM_PERMERROR},
    };
    struct arena *arena = arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[512];
        snprintf(line, sizeof line, "brisbane._domainkey.football.example.com TXT %s",
                 cases[i].record);
        const char *const table[] = {line, NULL};
        struct dkim_results results = verify(arena, BYTES(EDDSA_SIGNATURE MESSAGE), table);
        assert_int_equal(results.signatures[0].result, cases[i].result);
    }
    arena_free(arena);
}

static void the_record_of_the_page_is_read(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct public_key key;
    /* Its two strings, joined as DNS joins them. */
    static const char *const table[] = {
        "cf2024-1._domainkey.example.com TXT v=DKIM1; h=sha256; k=rsa; "
        "p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAnraPy1d8e6+"
        "lzeE1HIoUvYWoAOUSREkNHcwxA/ueVM8f6FKXvPu/9gVpgkn8iUyaCfk2z1MW+OVLuFeH64YRMa39mkaQalgke2"
        "tZ05SnjRUtYEHYvfrqPuMT+Ouk+GecpgvrtMq5gMXm6ZfeUhQkdWxmMQJGf4fdW5I0piUQJMhK/"
        "Qc1dNRSskkTiUtXKnsEdjTN2xcnHhyj985S0xOEAxm9Uj1rykPqVvKpqEdjUkujbXOwR0KmHTvPyFpBjCCfxAVq"
        "Owwo9zBYuvk/nh0qlDgLIpy0SimrYhNFCq2XBxIj4tdUzIl7qZ5Ck6zLCQ+rjzJ4sm/zA+Ov9kDkbcmyrwIDAQAB",
        NULL};
    struct fake_dns fake = FAKE_DNS(table);
    assert_int_equal(
        key_fetch(arena, &fake.dns, BYTES("cf2024-1"), BYTES("example.com"), KEY_RSA, &key),
        KEY_FOUND);
    assert_int_equal(key.bits, 2048);
    assert_false(key.testing || key.no_subdomains);
    EVP_PKEY_free(key.pkey);
    arena_free(arena);
}

static void a_malformed_record_has_its_reason(void **state)
{
    (void)state;
    static const char *const table[] = {"s._domainkey.example.com TXT v=DKIM1; h=sha256", NULL};
    struct arena *arena = arena_new(0);
    struct fake_dns fake = FAKE_DNS(table);
    struct public_key key;
    assert_int_equal(key_fetch(arena, &fake.dns, BYTES("s"), BYTES("example.com"), KEY_RSA, &key),
                     KEY_UNUSABLE);
    assert_string_equal(key.reason, "malformed key record: missing p=");
    arena_free(arena);
}

/* The record of a public key of that modulus and exponent, both of ones at either end only. */
static const char *record_of_size(struct arena *arena, int modulus_bits, int exponent_bits)
{
    BIGNUM *modulus = BN_new(), *exponent = BN_new();
    EVP_PKEY *pkey = NULL;
    unsigned char *der = NULL, *base64;
    assert_true(BN_set_bit(modulus, modulus_bits - 1) && BN_set_bit(modulus, 0));
    assert_true(BN_set_bit(exponent, exponent_bits - 1) && BN_set_bit(exponent, 0));
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    assert_true(OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus));
    assert_true(OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent));
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    assert_int_equal(EVP_PKEY_fromdata_init(context), 1);
    assert_int_equal(EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, parameters), 1);
    int size = i2d_PUBKEY(pkey, &der);
    base64 = arena_alloc(arena, (size_t)size * 2);
    EVP_EncodeBlock(base64, der, size);
    OPENSSL_free(der);
    EVP_PKEY_free(pkey);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(builder);
    BN_free(modulus);
    BN_free(exponent);
    return arena_printf(arena, "s._domainkey.example.com TXT v=DKIM1; p=%s", (char *)base64).p;
}

static void what_a_key_may_cost_is_bounded(void **state)
{
    (void)state;
    static const struct {
        int modulus_bits, exponent_bits;
        const char *reason; /* NULL: the key is good */
    } cases[] = {
        {1024, 2, NULL},
        {2048, 32, NULL},
        {2048, 33, "RSA public exponent is longer than 32 bits"},
        {3072, 3070, "RSA public exponent is longer than 32 bits"},
        {4096, 17, NULL},
        {4097, 17, "RSA key is longer than 4096 bits"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *arena = arena_new(0);
        const char *table[] = {record_of_size(arena, cases[i].modulus_bits, cases[i].exponent_bits),
                               NULL};
        struct fake_dns fake = FAKE_DNS(table);
        struct public_key key;
        enum key_status status =
            key_fetch(arena, &fake.dns, BYTES("s"), BYTES("example.com"), KEY_RSA, &key);
        assert_int_equal(status, cases[i].reason ? KEY_UNUSABLE : KEY_FOUND);
        if (cases[i].reason)
            assert_string_equal(key.reason, cases[i].reason);
        EVP_PKEY_free(key.pkey);
        arena_free(arena);
    }
}

static void a_key_record_of_more_than_8_kib_is_not_read(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    const char *good = record_of_size(arena, 1024, 17);
    int text = (int)(strlen(strstr(good, "v=DKIM1")));
    for (int more = 0; more < 2; more++) {
        const char *table[] = {arena_printf(arena, "%s%*s", good, 8192 - text + more, "; x=x").p,
                               NULL};
        struct fake_dns fake = FAKE_DNS(table);
        struct public_key key;
        assert_int_equal(
            key_fetch(arena, &fake.dns, BYTES("s"), BYTES("example.com"), KEY_RSA, &key),
            more ? KEY_UNUSABLE : KEY_FOUND);
        EVP_PKEY_free(key.pkey);
    }
    arena_free(arena);
}

static void a_signature_whose_check_memory_did_not_suffice_for_has_no_result(void **state)
{
    (void)state;
    static const char *const zone[] = {"brisbane._domainkey.football.example.com TXT !NOMEMORY",
                                       NULL};
    struct arena *arena = arena_new(0);
    struct message message;
    struct dkim_results results;
    struct fake_dns fake = FAKE_DNS(zone);
    clock_fix(1528637910);
    assert_true(message_parse(arena, BYTES(EDDSA_SIGNATURE MESSAGE), &message));
    assert_false(dkim_verify_message(arena, &message, body_hash_new(arena, message.body), &fake.dns,
                                     &results));
    arena_free(arena);
}

static void signatures_past_the_eighth_are_not_verified(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct buffer octets = {0};
    for (int i = 0; i < 10; i++)
        buffer_add(&octets, BYTES(EDDSA_SIGNATURE));
    buffer_add(&octets, BYTES(MESSAGE));
    struct dkim_results results = verify(arena, buffer_bytes(&octets), rfc8463_zone);
    assert_int_equal(results.count, 10);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(results.signatures[i].result, i < 8 ? DKIM_PASS : DKIM_POLICY);
    buffer_free(&octets);
    arena_free(arena);
}

static void what_is_signed_here_verifies_here(void **state)
{
    (void)state;
    static const struct {
        const char *pem, *selector;
    } cases[] = {{rfc8463_rsa_pem, "test"}, {rfc8463_eddsa_pem, "brisbane"}};
    struct arena *arena = arena_new(0);
    for (size_t i = 0; i < 2; i++) {
        const char *problem = NULL;
        struct signer *signer = signer_from_pem(bytes_of(cases[i].pem), &problem);
        assert_non_null(signer);
        const struct signing_identity identity = {signer, BYTES("football.example.com"),
                                                  bytes_of(cases[i].selector)};
        struct message message;
        assert_true(message_parse(arena, BYTES(MESSAGE), &message));
        struct bytes field = dkim_sign_message(arena, &message, body_hash_new(arena, message.body),
                                               &identity, 1528637909);
        struct bytes whole = arena_printf(arena, "%.*s%s", BYTES_ARG(field), MESSAGE);
        struct dkim_results results = verify(arena, whole, rfc8463_zone);
        assert_int_equal(results.count, 1);
        assert_string_equal(results.signatures[0].reason, "");
        assert_int_equal(results.signatures[0].result, DKIM_PASS);
        struct bytes forged =
            arena_printf(arena, "%.*sFrom: x@y.example\r\n%s", BYTES_ARG(field), MESSAGE);
        assert_int_not_equal(verify(arena, forged, rfc8463_zone).signatures[0].result, DKIM_PASS);
        signer_free(signer);
    }
    arena_free(arena);
}

static void a_key_that_cannot_sign_is_refused_with_its_reason(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "nonsense",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        /* P-256 */
        "-----BEGIN PRIVATE KEY-----\n"
        "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2\n"
        "OF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r\n"
        "1RTwjmYSi9R/zpBnuQ4EiMnCqfMPWiZqB4QdbAd0E7oH50VpuZ1P087G\n"
        "-----END PRIVATE KEY-----\n",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *problem = NULL;
        assert_null(signer_from_pem(bytes_of(cases[i]), &problem));
        assert_non_null(problem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_rfc_8463_passes_twice),
        cmocka_unit_test(the_key_record_decides),
        cmocka_unit_test(the_record_of_the_page_is_read),
        cmocka_unit_test(a_malformed_record_has_its_reason),
        cmocka_unit_test(what_a_key_may_cost_is_bounded),
        cmocka_unit_test(a_key_record_of_more_than_8_kib_is_not_read),
        cmocka_unit_test(a_signature_whose_check_memory_did_not_suffice_for_has_no_result),
        cmocka_unit_test(signatures_past_the_eighth_are_not_verified),
        cmocka_unit_test(what_is_signed_here_verifies_here),
        cmocka_unit_test(a_key_that_cannot_sign_is_refused_with_its_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
