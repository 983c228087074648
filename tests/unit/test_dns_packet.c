/* Unit tests of dns/packet.c: questions as written, answers as judged and read, hostile ones too.
 */
#include "dns_wire.h"
#include "packet.h"
#include "unit.h"

enum { ID = WIRE_ID };

static void a_question_is_written_with_and_without_edns(void **state)
{
    (void)state;
    static const char plain[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
                                "\x02mx\x07"
                                "example\x00\x00\x0f\x00\x01";
    static const char opt[] = "\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00";
    struct dns_question asked = wire_question("mx.example", DNS_MX);
    uint8_t packet[DNS_QUESTION_MAX];
    assert_int_equal(dns_question_write(&asked, false, packet), sizeof plain - 1);
    assert_memory_equal(packet, plain, sizeof plain - 1);
    assert_int_equal(dns_question_write(&asked, true, packet), sizeof plain - 1 + sizeof opt - 1);
    assert_int_equal(packet[11], 1);
    assert_memory_equal(packet + sizeof plain - 1, opt, sizeof opt - 1);
}

static void only_a_packet_that_repeats_id_and_question_is_an_answer(void **state)
{
    (void)state;
    static const struct {
        unsigned id, flags;
        const char *name;
        unsigned type;
        enum dns_reply_kind kind;
    } cases[] = {
        {ID, WIRE_RESPONSE, "example.com", DNS_A, DNS_REPLY_FINAL},
        {ID, WIRE_RESPONSE, "EXAMPLE.com", DNS_A, DNS_REPLY_OTHER_CASE},
        {ID + 1, WIRE_RESPONSE, "example.com", DNS_A, DNS_REPLY_FOREIGN},
        {ID, 0x0100, "example.com", DNS_A, DNS_REPLY_FOREIGN},
        {ID, WIRE_RESPONSE | 0x0800, "example.com", DNS_A, DNS_REPLY_FOREIGN},
        {ID, WIRE_RESPONSE, "example.net", DNS_A, DNS_REPLY_FOREIGN},
        {ID, WIRE_RESPONSE, "example.com.x", DNS_A, DNS_REPLY_FOREIGN},
        {ID, WIRE_RESPONSE, "example.com", DNS_AAAA, DNS_REPLY_FOREIGN},
        {ID, WIRE_RESPONSE, "", DNS_A, DNS_REPLY_FOREIGN},
        {ID, WIRE_RESPONSE | WIRE_TRUNCATED, "example.com", DNS_A, DNS_REPLY_TRUNCATED},
        {ID, WIRE_RESPONSE | 1, "example.com", DNS_A, DNS_REPLY_NO_EDNS},
        {ID, WIRE_RESPONSE | 1, "", DNS_A, DNS_REPLY_NO_EDNS},
        {ID, WIRE_RESPONSE | 4, "example.com", DNS_A, DNS_REPLY_NO_EDNS},
        {ID, WIRE_RESPONSE | 2, "example.com", DNS_A, DNS_REPLY_FAILED},
        {ID, WIRE_RESPONSE | 5, "", DNS_A, DNS_REPLY_FAILED},
        {ID, WIRE_RESPONSE | 3, "", DNS_A, DNS_REPLY_FAILED},
        {ID, WIRE_RESPONSE | 9, "example.com", DNS_A, DNS_REPLY_FAILED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena *arena = arena_new(0);
        struct buffer packet;
        struct dns_reply reply;
        wire_start(&packet, cases[i].id, cases[i].flags, cases[i].name, cases[i].type);
        wire_read_and_free(arena, &packet, "example.com", DNS_A, &reply);
        assert_int_equal(reply.kind, cases[i].kind);
        if (reply.kind == DNS_REPLY_FAILED)
            assert_non_null(reply.answer.problem);
        arena_free(arena);
    }
}

static void a_name_in_mixed_case_is_asked_for_and_answered_in_that_case(void **state)
{
    (void)state;
    static const char sent[] = "\x07"
                               "EXaMPLe"
                               "\x03"
                               "com";
    struct dns_question asked = wire_question("example.com", DNS_CNAME);
    uint8_t random[DNS_WIRE_NAME_MAX] = {0, 0xff, 0x20, 0xdf, 0x20, 0x20, 0x20, 0x1f, 0xff};
    uint8_t packet[DNS_QUESTION_MAX];
    struct arena *arena = arena_new(0);
    struct buffer answer;
    struct dns_reply reply;
    dns_question_mix_case(&asked, random);
    assert_true(dns_question_write(&asked, false, packet) > 12 + sizeof sent);
    assert_memory_equal(packet + 12, sent, sizeof sent);
    wire_start(&answer, ID, WIRE_RESPONSE, "example.com", DNS_CNAME);
    dns_reply_read(arena, buffer_bytes(&answer), &asked, &reply);
    assert_int_equal(reply.kind, DNS_REPLY_OTHER_CASE);
    buffer_free(&answer);
    /* What is compressed against the question comes out as it was asked. */
    wire_start(&answer, ID, WIRE_RESPONSE, "EXaMPLe.com", DNS_CNAME);
    wire_record(&answer, WIRE_ANSWER, "example.com", DNS_CNAME, 60, BYTES("\x01X\xc0\x0c"));
    dns_reply_read(arena, buffer_bytes(&answer), &asked, &reply);
    assert_int_equal(reply.kind, DNS_REPLY_FINAL);
    assert_bytes(reply.answer.canonical_name, "example.com");
    assert_bytes(reply.answer.records[0].text, "X.example.com");
    buffer_free(&answer);
    arena_free(arena);
}

static void records_are_read_in_order_and_only_those_of_the_name_asked(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct buffer packet;
    struct dns_reply reply;
    wire_start(&packet, ID, WIRE_RESPONSE, "example.com", DNS_A);
    wire_a(&packet, "evil.example", 300, "192.0.2.66");
    wire_a(&packet, "Example.COM", 300, "192.0.2.2");
    wire_a(&packet, "example.com", 60, "192.0.2.1");
    wire_read_and_free(arena, &packet, "example.com", DNS_A, &reply);
    assert_int_equal(reply.kind, DNS_REPLY_FINAL);
    assert_int_equal(reply.answer.status, DNS_OK);
    assert_int_equal(reply.answer.count, 2);
    assert_int_equal(reply.answer.records[0].address.octet[3], 2);
    assert_int_equal(reply.answer.records[1].address.octet[3], 1);
    assert_int_equal(reply.answer.ttl, 60);
    assert_bytes(reply.answer.canonical_name, "example.com");
    arena_free(arena);
}

static void each_type_is_read_into_its_fields(void **state)
{
    (void)state;
    static const struct {
        enum dns_type type;
        struct bytes data;
        unsigned preference;
        const char *text;
    } cases[] = {
        {DNS_TXT, {"\x03v=s\x00\x04pf1 ", 10}, 0, "v=spf1 "},
        {DNS_SPF, {"\x01x", 2}, 0, "x"},
        {DNS_MX, {"\x00\x0a\x02mx\x00", 6}, 10, "mx"},
        {DNS_MX, {"\x00\x00\x00", 3}, 0, ""},
        {DNS_PTR,
         {"\x01"
          "a\x03"
          "b.c\x00",
          7},
         0,
         "a.b\\.c"},
        {DNS_NS,
         {"\x03"
          "a\\ \x00",
          5},
         0,
         "a\\\\\\032"},
        {DNS_CNAME,
         {"\x02\xff"
          "b\x00",
          4},
         0,
         "\\255b"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena *arena = arena_new(0);
        struct buffer packet;
        struct dns_reply reply;
        wire_start(&packet, ID, WIRE_RESPONSE, "example.com", cases[i].type);
        wire_record(&packet, WIRE_ANSWER, "example.com", cases[i].type, 300, cases[i].data);
        wire_read_and_free(arena, &packet, "example.com", cases[i].type, &reply);
        assert_int_equal(reply.answer.status, DNS_OK);
        assert_int_equal(reply.answer.records[0].preference, cases[i].preference);
        assert_bytes(reply.answer.records[0].text, cases[i].text);
        arena_free(arena);
    }
}

static void aliases_are_followed_inside_the_answer_in_any_order(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct buffer packet;
    struct dns_reply reply;
    wire_start(&packet, ID, WIRE_RESPONSE, "www.example", DNS_A);
    wire_a(&packet, "c.example", 300, "192.0.2.1");
    wire_cname(&packet, "b.example", 20, "C.example");
    wire_cname(&packet, "www.example", 300, "b.example");
    wire_read_and_free(arena, &packet, "www.example", DNS_A, &reply);
    assert_int_equal(reply.answer.status, DNS_OK);
    assert_int_equal(reply.answer.ttl, 20);
    assert_int_equal(reply.aliases, 2);
    assert_bytes(reply.answer.canonical_name, "C.example");
    arena_free(arena);
}

static void an_alias_without_its_target_asks_for_another_question(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct buffer packet;
    struct dns_reply reply;
    wire_start(&packet, ID, WIRE_RESPONSE, "www.example", DNS_A);
    wire_cname(&packet, "www.example", 20, "b.example");
    wire_read_and_free(arena, &packet, "www.example", DNS_A, &reply);
    assert_int_equal(reply.kind, DNS_REPLY_ALIAS);
    assert_int_equal(reply.answer.ttl, 20);
    assert_int_equal(reply.next.n, sizeof "\x01"
                                          "b\x07"
                                          "example");
    /* With the zone's SOA beside it the answer is complete: the target has no such record. */
    wire_start(&packet, ID, WIRE_RESPONSE, "www.example", DNS_A);
    wire_cname(&packet, "www.example", 20, "b.example");
    wire_soa(&packet, "example", 300, 60);
    wire_read_and_free(arena, &packet, "www.example", DNS_A, &reply);
    assert_int_equal(reply.kind, DNS_REPLY_FINAL);
    assert_int_equal(reply.answer.status, DNS_NODATA);
    assert_bytes(reply.answer.canonical_name, "b.example");
    arena_free(arena);
}

static void a_loop_of_aliases_is_a_failure(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct buffer packet;
    struct dns_reply reply;
    wire_start(&packet, ID, WIRE_RESPONSE, "a.example", DNS_A);
    wire_cname(&packet, "a.example", 300, "b.example");
    wire_cname(&packet, "b.example", 300, "a.example");
    wire_read_and_free(arena, &packet, "a.example", DNS_A, &reply);
    assert_int_equal(reply.kind, DNS_REPLY_FAILED);
    assert_int_equal(reply.answer.status, DNS_TEMPFAIL);
    arena_free(arena);
}

static void negative_answers_live_as_long_as_their_soa_says(void **state)
{
    (void)state;
    static const struct {
        unsigned rcode;
        bool soa;
        uint32_t soa_ttl, minimum, ttl;
        enum dns_status status;
    } cases[] = {
        {3, true, 300, 60, 60, DNS_NXDOMAIN},
        {3, true, 30, 60, 30, DNS_NXDOMAIN},
        {0, true, 300, 60, 60, DNS_NODATA},
        {3, false, 0, 0, 0, DNS_NXDOMAIN},
        {0, false, 0, 0, 0, DNS_NODATA},
        {0, true, 0x80000001, 60, 0, DNS_NODATA},
        {3, true, 300, UINT32_MAX, 0, DNS_NXDOMAIN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena *arena = arena_new(0);
        struct buffer packet;
        struct dns_reply reply;
        wire_start(&packet, ID, WIRE_RESPONSE | cases[i].rcode, "example.com", DNS_A);
        if (cases[i].soa)
            wire_soa(&packet, "com", cases[i].soa_ttl, cases[i].minimum);
        wire_read_and_free(arena, &packet, "example.com", DNS_A, &reply);
        assert_int_equal(reply.kind, DNS_REPLY_FINAL);
        assert_int_equal(reply.answer.status, cases[i].status);
        assert_int_equal(reply.answer.ttl, cases[i].ttl);
        arena_free(arena);
    }
}

/* RFC 2308 2.1 and 2.2, and what looks like a negative answer without being one. */
static void a_negative_answer_is_told_from_a_referral(void **state)
{
    (void)state;
    enum { NXDOMAIN = 3 };
    static const struct {
        unsigned flags;
        const char *soa, *ns; /* their owners; NULL: not there */
        enum dns_status status;
    } cases[] = {
        /* NODATA of type 1, 2 and 3 */
        {WIRE_RESPONSE, "example.com", "example.com", DNS_NODATA},
        {WIRE_RESPONSE, "example.com", NULL, DNS_NODATA},
        {WIRE_RESPONSE, "www.example.com", NULL, DNS_NODATA},
        {WIRE_RESPONSE, "", NULL, DNS_NODATA},
        {WIRE_RESPONSE, NULL, NULL, DNS_NODATA},
        {WIRE_NO_RECURSION | WIRE_AUTHORITATIVE, NULL, NULL, DNS_NODATA},
        /* referrals: to the zone's servers, to the zone above, to the root; and a lame server's */
        {WIRE_RESPONSE, NULL, "example.com", DNS_TEMPFAIL},
        {WIRE_NO_RECURSION, NULL, "com", DNS_TEMPFAIL},
        {WIRE_NO_RECURSION | WIRE_AUTHORITATIVE, NULL, "com", DNS_TEMPFAIL},
        {WIRE_RESPONSE, NULL, "", DNS_TEMPFAIL},
        {WIRE_RESPONSE, "other.example", "example.com", DNS_TEMPFAIL},
        {WIRE_RESPONSE, "w.example.com", NULL, DNS_TEMPFAIL},
        {WIRE_RESPONSE, "a.www.example.com", NULL, DNS_TEMPFAIL},
        /* who neither has the zone nor asks others does not know */
        {WIRE_NO_RECURSION, NULL, NULL, DNS_TEMPFAIL},
        {WIRE_NO_RECURSION, "example.com", NULL, DNS_TEMPFAIL},
        /* NXDOMAIN of type 1 to 4: the rcode decides */
        {WIRE_RESPONSE | NXDOMAIN, "example.com", "example.com", DNS_NXDOMAIN},
        {WIRE_RESPONSE | NXDOMAIN, "example.com", NULL, DNS_NXDOMAIN},
        {WIRE_RESPONSE | NXDOMAIN, NULL, NULL, DNS_NXDOMAIN},
        {WIRE_RESPONSE | NXDOMAIN, NULL, "example.com", DNS_NXDOMAIN},
        {WIRE_NO_RECURSION | WIRE_AUTHORITATIVE | NXDOMAIN, NULL, NULL, DNS_NXDOMAIN},
        {WIRE_NO_RECURSION | NXDOMAIN, "example.com", NULL, DNS_TEMPFAIL},
        {WIRE_NO_RECURSION | NXDOMAIN, NULL, "", DNS_TEMPFAIL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena *arena = arena_new(0);
        struct buffer packet;
        struct dns_reply reply;
        wire_start(&packet, ID, cases[i].flags, "www.example.com", DNS_MX);
        if (cases[i].soa)
            wire_soa(&packet, cases[i].soa, 300, 60);
        if (cases[i].ns)
            wire_ns(&packet, cases[i].ns, 300, "ns.example.net");
        wire_read_and_free(arena, &packet, "www.example.com", DNS_MX, &reply);
        if (reply.answer.status != cases[i].status)
            fail_msg("case %zu: status %d", i, (int)reply.answer.status);
        assert_int_equal(reply.kind,
                         cases[i].status == DNS_TEMPFAIL ? DNS_REPLY_FAILED : DNS_REPLY_FINAL);
        arena_free(arena);
    }
}

static void an_answer_about_other_names_does_not_deny_the_name_asked(void **state)
{
    (void)state;
    static const struct {
        const char *owner;
        unsigned rcode;
        bool soa;
        enum dns_status status;
    } cases[] = {
        {"evil.example", 0, false, DNS_TEMPFAIL}, {"evil.example", 0, true, DNS_NODATA},
        {"example.com", 0, false, DNS_NODATA},  /* an address where MX was asked for */
        {"example.com", 3, true, DNS_TEMPFAIL}, /* it exists and does not exist */
        {"evil.example", 3, true, DNS_NXDOMAIN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum dns_type type = cases[i].rcode ? DNS_A : DNS_MX;
        struct arena *arena = arena_new(0);
        struct buffer packet;
        struct dns_reply reply;
        wire_start(&packet, ID, WIRE_RESPONSE | cases[i].rcode, "example.com", type);
        wire_a(&packet, cases[i].owner, 300, "192.0.2.1");
        if (cases[i].soa)
            wire_soa(&packet, "com", 300, 60);
        wire_read_and_free(arena, &packet, "example.com", type, &reply);
        if (reply.answer.status != cases[i].status)
            fail_msg("case %zu: status %d", i, (int)reply.answer.status);
        assert_int_equal(reply.answer.count, 0);
        arena_free(arena);
    }
}

/* RFC 2308 2.1: nothing is known of the target; RFC 1034 5.3.3 4c: it is asked for. */
static void a_referral_or_a_foreign_soa_after_an_alias_leaves_its_target_open(void **state)
{
    (void)state;
    static const struct {
        unsigned flags;
        const char *soa, *ns;
    } cases[] = {
        {WIRE_RESPONSE, NULL, "example.net"},
        {WIRE_NO_RECURSION, NULL, "net"},
        {WIRE_NO_RECURSION | WIRE_AUTHORITATIVE, NULL, ""},
        {WIRE_RESPONSE, "example.com", NULL},
        {WIRE_RESPONSE, "example.com", "example.com"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena *arena = arena_new(0);
        struct buffer packet;
        struct dns_reply reply;
        wire_start(&packet, ID, cases[i].flags, "www.example.com", DNS_MX);
        wire_cname(&packet, "www.example.com", 20, "b.example.net");
        if (cases[i].soa)
            wire_soa(&packet, cases[i].soa, 300, 60);
        if (cases[i].ns)
            wire_ns(&packet, cases[i].ns, 300, "ns.example.net");
        wire_read_and_free(arena, &packet, "www.example.com", DNS_MX, &reply);
        if (reply.kind != DNS_REPLY_ALIAS)
            fail_msg("case %zu: kind %d", i, (int)reply.kind);
        assert_int_equal(reply.answer.ttl, 20);
        arena_free(arena);
    }
}

static void too_little_memory_is_a_failure(void **state)
{
    (void)state;
    struct arena *arena = arena_new(16);
    struct buffer packet;
    struct dns_reply reply;
    wire_start(&packet, ID, WIRE_RESPONSE, "example.com", DNS_A);
    wire_a(&packet, "example.com", 300, "192.0.2.2");
    wire_read_and_free(arena, &packet, "example.com", DNS_A, &reply);
    assert_int_equal(reply.kind, DNS_REPLY_FAILED);
    assert_true(reply.answer.no_memory);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_is_written_with_and_without_edns),
        cmocka_unit_test(only_a_packet_that_repeats_id_and_question_is_an_answer),
        cmocka_unit_test(a_name_in_mixed_case_is_asked_for_and_answered_in_that_case),
        cmocka_unit_test(records_are_read_in_order_and_only_those_of_the_name_asked),
        cmocka_unit_test(each_type_is_read_into_its_fields),
        cmocka_unit_test(aliases_are_followed_inside_the_answer_in_any_order),
        cmocka_unit_test(an_alias_without_its_target_asks_for_another_question),
        cmocka_unit_test(a_loop_of_aliases_is_a_failure),
        cmocka_unit_test(negative_answers_live_as_long_as_their_soa_says),
        cmocka_unit_test(a_negative_answer_is_told_from_a_referral),
        cmocka_unit_test(an_answer_about_other_names_does_not_deny_the_name_asked),
        cmocka_unit_test(a_referral_or_a_foreign_soa_after_an_alias_leaves_its_target_open),
        cmocka_unit_test(too_little_memory_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
