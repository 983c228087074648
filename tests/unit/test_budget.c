/* Unit tests of base/budget.c: who may take how much, and that all of it comes back. */
#include "arena.h"
#include "budget.h"
#include "unit.h"

enum { MIB = 1024 * 1024, LIMIT = 16 * MIB };

static struct budget_account open_account(struct budget *budget, const char *address)
{
    struct budget_account account;
    struct ip ip;
    assert_true(ip_parse(bytes_of(address), &ip));
    assert_true(budget_open(budget, &ip, &account));
    return account;
}

static void a_client_gets_half_of_the_budget_for_all_its_mails(void **state)
{
    (void)state;
    struct budget budget = {.limit = LIMIT};
    struct budget_account first = open_account(&budget, "2001:db8::1");
    struct budget_account second = open_account(&budget, "2001:db8::ffff:1");
    struct budget_account other = open_account(&budget, "2001:db8:0:1::1");
    assert_true(budget_take(&first, 5 * MIB));
    assert_true(budget_take(&second, 3 * MIB));
    assert_false(budget_take(&first, 1));
    assert_false(budget_take(&second, 1));
    assert_int_equal(budget.used, LIMIT / 2);
    assert_true(budget_take(&other, 1));
    budget_give_back(&first, 1);
    assert_true(budget_take(&second, 1));
    budget_close(&first);
    budget_close(&second);
    budget_close(&other);
    assert_int_equal(budget.used, 0);
    assert_null(budget.clients);
}

static void the_last_eighth_is_for_small_mails(void **state)
{
    (void)state;
    struct budget budget = {.limit = LIMIT};
    struct budget_account first = open_account(&budget, "192.0.2.1");
    struct budget_account second = open_account(&budget, "192.0.2.2");
    struct budget_account small[9];
    assert_true(budget_take(&first, LIMIT / 2));
    assert_true(budget_take(&second, LIMIT / 8 * 3));
    assert_false(budget_take(&second, 1));
    for (size_t i = 0; i < 8; i++) {
        small[i] = open_account(&budget, "192.0.2.3");
        assert_true(budget_take(&small[i], BUDGET_SMALL_MAX));
        assert_false(budget_take(&small[i], 1));
    }
    /* The budget as a whole is exhausted now, for small mails too. */
    assert_int_equal(budget.used, budget.limit);
    small[8] = open_account(&budget, "192.0.2.4");
    assert_false(budget_take(&small[8], 1));
    budget_close(&first);
    assert_true(budget_take(&small[8], 1));
    for (size_t i = 0; i < 9; i++)
        budget_close(&small[i]);
    budget_close(&second);
    assert_int_equal(budget.used, 0);
}

static void a_lower_limit_counts_for_what_is_held_already(void **state)
{
    (void)state;
    struct budget budget = {.limit = LIMIT};
    struct budget_account account = open_account(&budget, "192.0.2.1");
    assert_true(budget_take(&account, 1000));
    budget.limit = 100;
    assert_false(budget_has_room(&account, 0));
    budget.limit = LIMIT;
    assert_true(budget_has_room(&account, 1));
    budget_close(&account);
    budget_close(&account);
}

static void an_arena_takes_its_memory_from_its_account(void **state)
{
    (void)state;
    struct budget budget = {.limit = LIMIT};
    struct budget_account account = open_account(&budget, "192.0.2.1");
    struct arena *arena = arena_new(0);
    arena_charge(arena, &account);
    assert_non_null(arena_alloc(arena, 1000));
    assert_non_null(arena_alloc(arena, MIB));
    assert_true(account.used >= MIB + 1000);
    assert_null(arena_alloc(arena, LIMIT / 2));
    assert_true(arena_failed(arena));
    arena_reset(arena);
    assert_true(account.used < MIB);
    assert_non_null(arena_alloc(arena, MIB));
    arena_free(arena);
    assert_int_equal(account.used, 0);
    budget_close(&account);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_gets_half_of_the_budget_for_all_its_mails),
        cmocka_unit_test(the_last_eighth_is_for_small_mails),
        cmocka_unit_test(a_lower_limit_counts_for_what_is_held_already),
        cmocka_unit_test(an_arena_takes_its_memory_from_its_account),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
