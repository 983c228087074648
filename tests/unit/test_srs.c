/* Unit tests of the Sender Rewriting Scheme. Expected hashes were computed apart from this code. */
#include "srs.h"
#include "unit.h"

enum { DAY = 86400 };

static const int64_t now = 1795443923; /* 2026-11-23, day JM */
static const struct bytes secrets[] = {BYTES_INIT("secret"), BYTES_INIT("older")};
static const struct srs srs = {.secrets = secrets,
                               .secret_count = 2,
                               .max_age_days = SRS_MAX_AGE_DAYS,
                               .overflow = BYTES_INIT("bounces")};

static struct address address_of(struct arena *arena, const char *text)
{
    struct address address = {.kind = ADDRESS_NULL};
    if (*text)
        assert_int_equal(address_parse(arena, bytes_of(text), &address), ADDRESS_OK);
    return address;
}

static struct bytes forwarded(struct arena *arena, const char *sender)
{
    struct address original = address_of(arena, sender), rewritten;
    assert_true(srs_forward(&srs, arena, &original, BYTES("fwd.example"), now, &rewritten));
    return address_write(arena, &rewritten);
}

static void a_sender_becomes_an_address_at_the_forwarding_domain(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"user@sender.example", "SRS0=yMi4=JM=sender.example=user@fwd.example"},
        {"user@Sender.EXAMPLE", "SRS0=yMi4=JM=sender.example=user@fwd.example"},
        {"User.Name+tag@sender.example", "SRS0=crF8=JM=sender.example=User.Name+tag@fwd.example"},
        {"\"us\\er\"@sender.example", "SRS0=yMi4=JM=sender.example=user@fwd.example"},
        {"\"a b\"@sender.example", "\"SRS0=RSDi=JM=sender.example=a b\"@fwd.example"},
        {"\"a@b\"@sender.example", "\"SRS0=Od9W=JM=sender.example=a@b\"@fwd.example"},
        {"\"\"@sender.example", "SRS0=Mnwc=JM=sender.example=@fwd.example"},
        {"user@[192.0.2.1]", "\"SRS0=RWBb=JM=[192.0.2.1]=user\"@fwd.example"},
        {"", ""},
        {"user@fwd.example", "user@fwd.example"},
        {"SRS0=a=b=c=d@FWD.example", "SRS0=a=b=c=d@fwd.example"},
        {"SRS0=HHHH=TT=origin.example=user@hop.example",
         "SRS1=//VK=hop.example==HHHH=TT=origin.example=user@fwd.example"},
        {"srs0+HHHH=TT=origin.example=user@hop.example",
         "SRS1=oMTj=hop.example=+HHHH=TT=origin.example=user@fwd.example"},
        {"SRS1=XXXX=hop.example==HHHH=TT=origin.example=user@second.example",
         "SRS1=//VK=hop.example==HHHH=TT=origin.example=user@fwd.example"},
        {"srs1-XXXX=hop.example=+HHHH=TT=origin.example=user@second.example",
         "SRS1=oMTj=hop.example=+HHHH=TT=origin.example=user@fwd.example"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *arena = arena_new(0);
        assert_bytes(forwarded(arena, cases[i][0]), cases[i][1]);
        arena_free(arena);
    }
}

static void only_a_whole_srs_form_counts_as_one(void **state)
{
    (void)state;
    static const char *const whole[] = {"SRS0=a=b=c=d",  "srs0+a=b=c=d", "sRs0-a=b=c=d=e",
                                        "SRS0=a=b=c=",   "SRS1=a=b==c",  "SRS1=a=b=+c=d=e=f",
                                        "SRS1-a=b=-c=d="};
    static const char *const other[] = {"",
                                        "SRS0",
                                        "SRS0=",
                                        "SRS0=a=b=c",
                                        "SRS0=a=b",
                                        "SRS0/a=b=c=d",
                                        "SRS00a=b=c=d",
                                        "SRS0-list",
                                        "SRS2=a=b=c=d",
                                        "xSRS0=a=b=c=d",
                                        "SRS1=a=b",
                                        "SRS1=a=b=",
                                        "SRS1=a=b=c=d",
                                        "SRS1==b==c",
                                        "SRS1=a===",
                                        "SRS0==b=c=d"};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        assert_true(srs_is_rewritten(bytes_of(whole[i])));
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        assert_false(srs_is_rewritten(bytes_of(other[i])));
}

static void an_srs0_address_of_another_form_goes_back_through_srs1(void **state)
{
    (void)state;
    static const char *const foreign[] = {"SRS0=opaque+string", "srs0-list", "SRS0=", "SRS0+a=b=c",
                                          "SRS0==b=c=d"};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        struct arena *arena = arena_new(0);
        struct bytes sender = arena_printf(arena, "%s@other.example", foreign[i]);
        struct address rewritten = {.kind = ADDRESS_MAILBOX}, original;
        struct bytes text = forwarded(arena, arena_string(arena, sender));
        assert_true(bytes_starts_with_nocase(text, BYTES("SRS1=")));
        assert_int_equal(address_parse(arena, text, &rewritten), ADDRESS_OK);
        assert_int_equal(srs_reverse(&srs, arena, &rewritten, 0, &original), SRS_OK);
        assert_true(bytes_equal_nocase(address_write(arena, &original), sender));
        arena_free(arena);
    }
}

static void the_relays_own_address_is_known_inside_what_others_made_of_it(void **state)
{
    (void)state;
    static const char *const own[] = {
        "SRS0=yMi4=JM=sender.example=user@fwd.example",
        "srs0+YMI4=jm=sender.example=user@other.example",
        "SRS1=XXXX=fwd.example==yMi4=JM=sender.example=user@hop.example",
        "SRS1-XXXX=fwd.example=+yMi4=JM=sender.example=user@hop.example",
    };
    static const char *const foreign[] = {
        "user@sender.example",
        "SRS0=XXXX=JM=sender.example=user@fwd.example",
        "SRS1=yMi4=fwd.example==XXXX=JM=sender.example=user@hop.example",
        "SRS1=//VK=hop.example==HHHH=TT=origin.example=user@fwd.example",
        "SRS0=opaque@fwd.example",
        "",
    };
    struct arena *arena = arena_new(0);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        struct address address = address_of(arena, own[i]);
        assert_true(bytes_equal_nocase(srs_own_origin(&srs, arena, &address),
                                       BYTES("yMi4=JM=sender.example=user")));
    }
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        struct address address = address_of(arena, foreign[i]);
        assert_int_equal(srs_own_origin(&srs, arena, &address).n, 0);
    }
    arena_free(arena);
}

static void a_local_part_of_64_octets_is_kept_and_a_longer_one_is_replaced(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct bytes fits = forwarded(arena, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx@sender.example");
    assert_int_equal(bytes_find(fits, '@'), 64);
    assert_bytes(forwarded(arena, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx@sender.example"),
                 "bounces@fwd.example");
    /* The quotes that the new local part needs count. */
    assert_bytes(forwarded(arena, "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx x\"@sender.example"),
                 "bounces@fwd.example");
    arena_free(arena);
}

static enum srs_error reversed(struct arena *arena, const char *rewritten, int64_t at,
                               struct bytes *written)
{
    struct address address = address_of(arena, rewritten), original;
    enum srs_error error = srs_reverse(&srs, arena, &address, at, &original);
    if (error == SRS_OK)
        *written = address_write(arena, &original);
    return error;
}

static void a_rewritten_address_is_reversed_or_has_an_error(void **state)
{
    (void)state;
    static const struct {
        const char *rewritten;
        enum srs_error error;
        const char *original;
    } cases[] = {
        {"SRS0=yMi4=JM=sender.example=user@fwd.example", SRS_OK, "user@sender.example"},
        {"SRS0=YMI4=JM=sender.example=user@fwd.example", SRS_OK, "user@sender.example"},
        {"srs0=ymi4=jm=sender.example=user@fwd.example", SRS_OK, "user@sender.example"},
        {"SRS0+yMi4=JM=SENDER.example=user@other.example", SRS_OK, "user@sender.example"},
        {"SRS0=pJfV=JM=sender.example=user@fwd.example", SRS_OK, "user@sender.example"},
        {"\"SRS0=RSDi=JM=sender.example=a b\"@fwd.example", SRS_OK, "\"a b\"@sender.example"},
        {"SRS0=Mnwc=JM=sender.example=@fwd.example", SRS_OK, "\"\"@sender.example"},
        {"\"SRS0=RWBb=JM=[192.0.2.1]=user\"@fwd.example", SRS_OK, "user@[192.0.2.1]"},
        {"SRS1=//VK=hop.example==HHHH=TT=origin.example=user@fwd.example", SRS_OK,
         "SRS0=HHHH=TT=origin.example=user@hop.example"},
        {"SRS1=oMTj=hop.example=+HHHH=TT=origin.example=user@fwd.example", SRS_OK,
         "SRS0+HHHH=TT=origin.example=user@hop.example"},
        {"user@fwd.example", SRS_NOT_REWRITTEN, NULL},
        {"bounces@fwd.example", SRS_NOT_REWRITTEN, NULL},
        {"SRS0=yMi4=JM=sender.example@fwd.example", SRS_NOT_REWRITTEN, NULL},
        {"SRS0=yMi5=JM=sender.example=user@fwd.example", SRS_WRONG_HASH, NULL},
        {"SRS0=yMi=JM=sender.example=user@fwd.example", SRS_WRONG_HASH, NULL},
        {"SRS0=yMi44=JM=sender.example=user@fwd.example", SRS_WRONG_HASH, NULL},
        {"SRS0=yMi4=JL=sender.example=user@fwd.example", SRS_WRONG_HASH, NULL},
        {"SRS0=yMi4=JM=sender.example=users@fwd.example", SRS_WRONG_HASH, NULL},
        {"SRS0=yMi4=JM=other.example=user@fwd.example", SRS_WRONG_HASH, NULL},
        {"SRS1=//VK=hop.example==HHHH=TT=origin.example=users@fwd.example", SRS_WRONG_HASH, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *arena = arena_new(0);
        struct bytes original;
        enum srs_error error = reversed(arena, cases[i].rewritten, now, &original);
        if (error != cases[i].error)
            fail_msg("%s: %s", cases[i].rewritten, srs_error_name(error));
        if (error == SRS_OK)
            assert_bytes(original, cases[i].original);
        arena_free(arena);
    }
    struct arena *arena = arena_new(0);
    struct address null = {.kind = ADDRESS_NULL}, original;
    assert_int_equal(srs_reverse(&srs, arena, &null, now, &original), SRS_NOT_REWRITTEN);
    arena_free(arena);
}

static void an_address_expires_after_the_maximal_age_round_the_end_of_the_calendar_too(void **state)
{
    (void)state;
    static const int64_t starts[] = {1795443923, 1024LL * DAY * 20 - 3 * DAY};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        struct arena *arena = arena_new(0);
        struct address sender = address_of(arena, "user@sender.example"), rewritten, original;
        assert_true(srs_forward(&srs, arena, &sender, BYTES("fwd.example"), starts[i], &rewritten));
        static const struct {
            int days;
            enum srs_error error;
        } ages[] = {{0, SRS_OK},       {21, SRS_OK},        {22, SRS_EXPIRED},  {1, SRS_OK},
                    {-1, SRS_EXPIRED}, {1000, SRS_EXPIRED}, {1023, SRS_EXPIRED}};
        for (size_t j = 0; j < sizeof ages / sizeof *ages; j++)
            assert_int_equal(
                srs_reverse(&srs, arena, &rewritten, starts[i] + ages[j].days * DAY, &original),
                ages[j].error);
        arena_free(arena);
    }
}

static void every_rewritten_address_is_reversed_to_the_original(void **state)
{
    (void)state;
    static const char *const senders[] = {
        "a@b",
        "\"a=b\\\\\\\"c\"@d.e",
        "=@a.b",
        "a@[IPv6:2001:db8::1]",
        "\" \"@x.y",
        "SRS0-x@y.z",
        "a=b=c=d=e@f.g",
        "{|}~@xn--piata-pta.es",
        "SRS1=a=b@c.d",
        "-+=@a",
        "SRS0=a=b=c=d@e",
    };
    for (size_t i = 0; i < sizeof senders / sizeof *senders; i++) {
        struct arena *arena = arena_new(0);
        struct address sender = address_of(arena, senders[i]), rewritten, original;
        assert_true(srs_forward(&srs, arena, &sender, BYTES("fwd.example"), now, &rewritten));
        assert_int_equal(srs_reverse(&srs, arena, &rewritten, now, &original), SRS_OK);
        assert_true(bytes_equal(address_write(arena, &original), address_write(arena, &sender)));
        arena_free(arena);
    }
}

static void a_time_before_1970_and_lack_of_memory_are_harmless(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct address sender = address_of(arena, "user@sender.example"), rewritten, whole, original;
    assert_true(srs_forward(&srs, arena, &sender, BYTES("fwd.example"), INT64_MIN, &rewritten));
    assert_true(srs_forward(&srs, arena, &sender, BYTES("fwd.example"), now, &whole));
    struct arena *small = arena_new(16);
    assert_false(srs_forward(&srs, small, &sender, BYTES("fwd.example"), now, &rewritten));
    assert_int_equal(srs_reverse(&srs, small, &whole, now, &original), SRS_NO_MEMORY);
    arena_free(small);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sender_becomes_an_address_at_the_forwarding_domain),
        cmocka_unit_test(only_a_whole_srs_form_counts_as_one),
        cmocka_unit_test(an_srs0_address_of_another_form_goes_back_through_srs1),
        cmocka_unit_test(the_relays_own_address_is_known_inside_what_others_made_of_it),
        cmocka_unit_test(a_local_part_of_64_octets_is_kept_and_a_longer_one_is_replaced),
        cmocka_unit_test(a_rewritten_address_is_reversed_or_has_an_error),
        cmocka_unit_test(
            an_address_expires_after_the_maximal_age_round_the_end_of_the_calendar_too),
        cmocka_unit_test(every_rewritten_address_is_reversed_to_the_original),
        cmocka_unit_test(a_time_before_1970_and_lack_of_memory_are_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
