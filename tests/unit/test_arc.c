/* Unit tests of relay/auth/arc on chains built here, set by set. The bulk of the
 * cases is in fixtures/vectors/arc. */
#include "arc.h"
#include "clock.h"
#include "fake_dns.h"
#include "rfc8463.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

static const int64_t NOW = 1528637910;

static struct arc_result verify_with(struct arena *arena, struct bytes octets,
                                     const char *const *zone)
{
    struct message message;
    struct arc_result result;
    struct fake_dns fake = FAKE_DNS(zone);
    clock_fix(NOW);
    assert_true(message_parse(arena, octets, &message));
    assert_true(
        arc_verify(arena, &message, body_hash_new(arena, message.body), &fake.dns, &result));
    return result;
}

static struct arc_result verify(struct arena *arena, struct bytes octets)
{
    return verify_with(arena, octets, rfc8463_zone);
}

/* The message with one more set on top, or as it is where it gets none. */
static struct bytes seal(struct arena *arena, struct bytes octets, const char *pem,
                         const char *selector)
{
    const char *problem = NULL;
    struct message message;
    struct arc_set set;
    struct arc_result chain = verify(arena, octets);
    struct authres_result spf = {.method = BYTES("spf"), .version = 1, .value = BYTES("pass")};
    struct authres results = {BYTES("mx.example.net"), 1, &spf, 1};
    struct signer *signer = signer_from_pem(bytes_of(pem), &problem);
    struct arc_sealing sealing = {
        .identity = {signer, BYTES("football.example.com"), bytes_of(selector)},
        .results = &results,
        .chain = &chain,
        .now = NOW,
    };
    assert_true(message_parse(arena, octets, &message));
    enum arc_sealed sealed =
        arc_seal(arena, &message, body_hash_new(arena, message.body), &sealing, &set);
    signer_free(signer);
    assert_int_not_equal(sealed, ARC_SEAL_FAILED);
    if (sealed == ARC_NOT_SEALED)
        return octets;
    return arena_printf(arena, "%.*s%.*s%.*s%.*s", BYTES_ARG(set.seal),
                        BYTES_ARG(set.message_signature), BYTES_ARG(set.authentication_results),
                        BYTES_ARG(octets));
}

/* `count` sets on the message of RFC 8463, signed with its two keys in turn. */
static struct bytes chain_of(struct arena *arena, unsigned count)
{
    struct bytes octets = BYTES(MESSAGE);
    for (unsigned i = 0; i < count; i++)
        octets = i % 2 ? seal(arena, octets, rfc8463_rsa_pem, "test")
                       : seal(arena, octets, rfc8463_eddsa_pem, "brisbane");
    return octets;
}

/* The octets with the first `old` replaced; `old` has to be there. */
static struct bytes replaced(struct arena *arena, struct bytes octets, const char *old,
                             const char *new)
{
    size_t at = bytes_find_slice(octets, bytes_of(old));
    assert_int_not_equal(at, BYTES_NOT_FOUND);
    return arena_printf(arena, "%.*s%s%.*s", BYTES_ARG(bytes_first(octets, at)), new,
                        BYTES_ARG(bytes_from(octets, at + strlen(old))));
}

static void a_message_without_arc_fields_has_no_chain(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct arc_result result = verify(arena, BYTES(MESSAGE));
    assert_int_equal(result.status, ARC_NONE);
    assert_int_equal(result.instances, 0);
    arena_free(arena);
}

static void chains_of_one_to_fifty_sets_pass_and_fifty_is_the_maximum(void **state)
{
    (void)state;
    static const unsigned counts[] = {1, 2, 3, 10, 49, 50, 51};
    struct arena *arena = arena_new(0);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct arc_result result = verify(arena, chain_of(arena, counts[i]));
        assert_string_equal(result.reason, "");
        assert_int_equal(result.status, ARC_PASS);
        assert_int_equal(result.instances, counts[i] > 50 ? 50 : counts[i]);
        assert_int_equal(result.oldest_pass, 0);
    }
    arena_free(arena);
}

static void every_changed_link_breaks_the_chain(void **state)
{
    (void)state;
    static const char *const changes[][2] = {
        {" i=3;", " i=4;"},
        {"ARC-Seal:", "X-ARC-Seal:"},
        {"ARC-Message-Signature:", "X-ARC-Message-Signature:"},
        {" i=2;", " i=3;"},
        {"ARC-Authentication-Results: i=1;", "ARC-Authentication-Results: i=01; x;"},
        {"spf=pass", "spf=fail"},
        {"cv=none", "cv=pass"},
        {"cv=pass", "cv=none"},
        {"cv=pass", "cv=maybe"},
        {"cv=pass", "h=from; cv=pass"},
        {"Is dinner ready?", "Is dinner over?"},
        {"We lost the game", "We won the game"},
        {"From:", "From: x@y.example\r\nFrom:"},
    };
    struct arena *arena = arena_new(0);
    struct bytes octets = chain_of(arena, 3);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct arc_result result =
            verify(arena, replaced(arena, octets, changes[i][0], changes[i][1]));
        assert_int_equal(result.status, ARC_FAIL);
        assert_string_not_equal(result.reason, "");
    }
    arena_free(arena);
}

static void a_failed_chain_is_sealed_over_the_new_set_only_and_not_extended_again(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct bytes broken = replaced(arena, chain_of(arena, 2), "We lost", "We won");
    struct bytes octets = seal(arena, broken, rfc8463_eddsa_pem, "brisbane");
    assert_int_not_equal(bytes_find_slice(octets, BYTES("cv=fail")), BYTES_NOT_FOUND);
    struct arc_result result = verify(arena, octets);
    assert_int_equal(result.status, ARC_FAIL);
    assert_int_equal(result.instances, 3);
    assert_true(result.marked_failed);
    assert_true(bytes_equal(seal(arena, octets, rfc8463_eddsa_pem, "brisbane"), octets));
    /* The old sets are outside its scope. */
    struct bytes other = replaced(arena, octets, " cv=none;", " cv=none; x=y;");
    assert_true(verify(arena, other).marked_failed);
    arena_free(arena);
}

static void a_body_changed_between_two_sealers_moves_the_oldest_pass(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct bytes first = chain_of(arena, 2);
    const char *problem = NULL;
    struct signer *signer = signer_from_pem(bytes_of(rfc8463_eddsa_pem), &problem);
    struct arc_result found_on_arrival = verify(arena, first);
    struct bytes changed = arena_printf(arena, "%.*sA footer.\r\n", BYTES_ARG(first));
    struct message message;
    struct authres results = {.authserv_id = BYTES("list.example.net"), .version = 1};
    struct arc_sealing sealing = {
        .identity = {signer, BYTES("football.example.com"), BYTES("brisbane")},
        .results = &results,
        .chain = &found_on_arrival,
        .now = NOW,
    };
    struct arc_set set;
    assert_true(message_parse(arena, changed, &message));
    assert_int_equal(arc_seal(arena, &message, body_hash_new(arena, message.body), &sealing, &set),
                     ARC_SEALED);
    signer_free(signer);
    assert_bytes(set.authentication_results,
                 "ARC-Authentication-Results: i=3; list.example.net; none\r\n");
    struct arc_result result =
        verify(arena, arena_printf(arena, "%.*s%.*s%.*s%.*s", BYTES_ARG(set.seal),
                                   BYTES_ARG(set.message_signature),
                                   BYTES_ARG(set.authentication_results), BYTES_ARG(changed)));
    assert_int_equal(result.status, ARC_PASS);
    assert_int_equal(result.oldest_pass, 3);
    arena_free(arena);
}

static void a_dns_failure_is_permanent_but_distinguished(void **state)
{
    (void)state;
    static const char *const silent[] = {"brisbane._domainkey.football.example.com TXT !TEMPFAIL",
                                         NULL};
    static const char *const empty[] = {"football.example.com TXT x", NULL};
    struct arena *arena = arena_new(0);
    struct bytes octets = chain_of(arena, 1);
    struct arc_result result = verify_with(arena, octets, silent);
    assert_int_equal(result.status, ARC_FAIL);
    assert_true(result.temporary);
    result = verify_with(arena, octets, empty);
    assert_int_equal(result.status, ARC_FAIL);
    assert_false(result.temporary);
    arena_free(arena);
}

static void a_chain_whose_check_memory_did_not_suffice_for_has_no_result(void **state)
{
    (void)state;
    static const char *const zone[] = {"brisbane._domainkey.football.example.com TXT !NOMEMORY",
                                       NULL};
    struct arena *arena = arena_new(0);
    struct message message;
    struct arc_result result;
    struct fake_dns fake = FAKE_DNS(zone);
    assert_true(message_parse(arena, chain_of(arena, 1), &message));
    assert_false(
        arc_verify(arena, &message, body_hash_new(arena, message.body), &fake.dns, &result));
    arena_free(arena);
}

static void arc_fields_and_authentication_results_are_never_signed(void **state)
{
    (void)state;
    assert_true(arc_may_sign(BYTES("DKIM-Signature")));
    assert_false(arc_may_sign(BYTES("arc-seal")));
    assert_false(arc_may_sign(BYTES("ARC-Message-Signature")));
    assert_false(arc_may_sign(BYTES("ARC-Authentication-Results")));
    assert_false(arc_may_sign(BYTES("authentication-results")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_without_arc_fields_has_no_chain),
        cmocka_unit_test(chains_of_one_to_fifty_sets_pass_and_fifty_is_the_maximum),
        cmocka_unit_test(every_changed_link_breaks_the_chain),
        cmocka_unit_test(a_failed_chain_is_sealed_over_the_new_set_only_and_not_extended_again),
        cmocka_unit_test(a_body_changed_between_two_sealers_moves_the_oldest_pass),
        cmocka_unit_test(a_dns_failure_is_permanent_but_distinguished),
        cmocka_unit_test(a_chain_whose_check_memory_did_not_suffice_for_has_no_result),
        cmocka_unit_test(arc_fields_and_authentication_results_are_never_signed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
