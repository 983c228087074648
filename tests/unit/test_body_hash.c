/* Unit tests of auth/dkim/body_hash.c: which passes over a body are made, and that they let others
 * run. */
#include "body_hash.h"
#include "clock.h"
#include "fiber.h"
#include "turns.h"
#include "unit.h"

#include <stdlib.h>

enum { BIG = 24 << 20 };

static enum body_hash_status hash_first(struct body_hash *hash, enum canon canon, uint64_t limit)
{
    uint8_t digest[SHA256_SIZE];
    bool whole;
    return body_hash_get(hash, canon, limit, digest, &whole);
}

static void a_third_value_of_l_is_not_hashed(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct body_hash *hash = body_hash_new(arena, BYTES("one line\r\n"));
    assert_int_equal(hash_first(hash, CANON_SIMPLE, 3), BODY_HASH_DONE);
    assert_int_equal(hash_first(hash, CANON_RELAXED, 3), BODY_HASH_DONE);
    assert_int_equal(hash_first(hash, CANON_SIMPLE, 4), BODY_HASH_TOO_MANY);
    assert_int_equal(hash_first(hash, CANON_SIMPLE, 3), BODY_HASH_DONE);
    assert_int_equal(hash_first(hash, CANON_SIMPLE, 10), BODY_HASH_DONE);
    assert_int_equal(hash_first(hash, CANON_SIMPLE, BODY_HASH_WHOLE), BODY_HASH_DONE);
    assert_int_equal(hash_first(hash, CANON_SIMPLE, 11), BODY_HASH_SHORT);
    arena_free(arena);
}

static void the_hash_of_a_part_is_that_of_its_octets(void **state)
{
    (void)state;
    uint8_t part[SHA256_SIZE], again[SHA256_SIZE], alone[SHA256_SIZE];
    bool whole;
    struct arena *arena = arena_new(0);
    struct body_hash *hash = body_hash_new(arena, BYTES("one\r\ntwo\r\n"));
    assert_int_equal(body_hash_get(hash, CANON_SIMPLE, 5, part, &whole), BODY_HASH_DONE);
    assert_false(whole);
    assert_int_equal(body_hash_get(hash, CANON_SIMPLE, 5, again, &whole), BODY_HASH_DONE);
    assert_int_equal(body_hash_get(body_hash_new(arena, BYTES("one\r\n")), CANON_SIMPLE,
                                   BODY_HASH_WHOLE, alone, &whole),
                     BODY_HASH_DONE);
    assert_true(whole);
    assert_memory_equal(part, alone, SHA256_SIZE);
    assert_memory_equal(again, alone, SHA256_SIZE);
    arena_free(arena);
}

/* Blanks and lines in the worst mixture, of which nothing can be skipped. */
static struct bytes big_body(void)
{
    char *octets = malloc(BIG);
    assert_non_null(octets);
    for (size_t i = 0; i < BIG; i++)
        octets[i] = "a  \tb \r\n"[i % 8];
    return (struct bytes){octets, BIG};
}

static void a_pass_over_a_part_ends_with_it(void **state)
{
    (void)state;
    struct bytes body = big_body();
    struct arena *arena = arena_new(0);
    struct body_hash *hash = body_hash_new(arena, body);
    double began = clock_processor();
    assert_int_equal(hash_first(hash, CANON_RELAXED, BODY_HASH_WHOLE), BODY_HASH_DONE);
    double whole = clock_processor() - began;
    assert_int_equal(hash_first(hash, CANON_RELAXED, 100), BODY_HASH_DONE);
    assert_true(clock_processor() - began - whole < whole / 4);
    arena_free(arena);
    free((void *)body.p);
}

struct shared {
    struct body_hash *hash;
    enum canon canon;
    struct turns turns;
};

static void hashes(void *argument)
{
    struct shared *shared = argument;
    turns_begin(&shared->turns);
    assert_int_equal(hash_first(shared->hash, shared->canon, BODY_HASH_WHOLE), BODY_HASH_DONE);
    turns_end(&shared->turns);
}

static void others_run_while_a_large_body_is_hashed(void **state)
{
    (void)state;
    struct bytes body = big_body();
    struct arena *arena = arena_new(0);
    for (enum canon canon = CANON_SIMPLE; canon <= CANON_RELAXED; canon++) {
        struct shared shared = {.hash = body_hash_new(arena, body), .canon = canon};
        assert_true(fiber_run(hashes, &shared));
        assert_true(shared.turns.count > 2);
    }
    arena_free(arena);
    free((void *)body.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_third_value_of_l_is_not_hashed),
        cmocka_unit_test(the_hash_of_a_part_is_that_of_its_octets),
        cmocka_unit_test(a_pass_over_a_part_ends_with_it),
        cmocka_unit_test(others_run_while_a_large_body_is_hashed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
