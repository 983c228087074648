/* Unit tests of dns/packet.c: questions as written, answers as judged and read, hostile ones too.
 */
#include "arena_fixture.h"
#include "dns_wire.h"
#include "packet.h"
#include "unit.h"

#include <stdlib.h>

enum { ID = 0x1234 };

static struct dns_question question(const char *name, enum dns_type type)
{
    struct dns_question asked = {.id = ID, .type = type};
    dns_question_name(&asked, bytes_of(name));
    return asked;
}

/* Reads the packet into `reply_arena`, given in a block of its exact size, and frees it. */
static struct dns_reply read_into(struct arena *reply_arena, struct buffer *packet,
                                  const char *name, enum dns_type type)
{
    struct dns_question asked = question(name, type);
    struct dns_reply reply;
    char *exact = malloc(packet->n + 1);
    memcpy(exact, packet->p, packet->n);
    dns_reply_read(reply_arena, (struct bytes){exact, packet->n}, &asked, &reply);
    free(exact);
    buffer_free(packet);
    return reply;
}

static struct dns_reply read_and_free(struct buffer *packet, const char *name, enum dns_type type)
{
    return read_into(arena, packet, name, type);
}

static void a_question_is_written_with_and_without_edns(void **state)
{
    (void)state;
    static const char plain[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
                                "\x02mx\x07"
                                "example\x00\x00\x0f\x00\x01";
    static const char opt[] = "\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00";
    struct dns_question asked = question("mx.example", DNS_MX);
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
        {ID, WIRE_RESPONSE, "EXAMPLE.com", DNS_A, DNS_REPLY_FINAL},
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
        struct buffer packet;
        wire_start(&packet, cases[i].id, cases[i].flags, cases[i].name, cases[i].type);
        struct dns_reply reply = read_and_free(&packet, "example.com", DNS_A);
        assert_int_equal(reply.kind, cases[i].kind);
        if (reply.kind == DNS_REPLY_FAILED)
            assert_non_null(reply.answer.problem);
    }
}

static void records_are_read_in_order_and_only_those_of_the_name_asked(void **state)
{
    (void)state;
    struct buffer packet;
    wire_start(&packet, ID, WIRE_RESPONSE, "example.com", DNS_A);
    wire_a(&packet, "evil.example", 300, "192.0.2.66");
    wire_a(&packet, "Example.COM", 300, "192.0.2.2");
    wire_a(&packet, "example.com", 60, "192.0.2.1");
    struct dns_reply reply = read_and_free(&packet, "example.com", DNS_A);
    assert_int_equal(reply.kind, DNS_REPLY_FINAL);
    assert_int_equal(reply.answer.status, DNS_OK);
    assert_int_equal(reply.answer.count, 2);
    assert_int_equal(reply.answer.records[0].address.octet[3], 2);
    assert_int_equal(reply.answer.records[1].address.octet[3], 1);
    assert_int_equal(reply.answer.ttl, 60);
    assert_bytes(reply.answer.canonical_name, "example.com");
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
        struct buffer packet;
        wire_start(&packet, ID, WIRE_RESPONSE, "example.com", cases[i].type);
        wire_record(&packet, WIRE_ANSWER, "example.com", cases[i].type, 300, cases[i].data);
        struct dns_reply reply = read_and_free(&packet, "example.com", cases[i].type);
        assert_int_equal(reply.answer.status, DNS_OK);
        assert_int_equal(reply.answer.records[0].preference, cases[i].preference);
        assert_bytes(reply.answer.records[0].text, cases[i].text);
    }
}

static void aliases_are_followed_inside_the_answer_in_any_order(void **state)
{
    (void)state;
    struct buffer packet;
    wire_start(&packet, ID, WIRE_RESPONSE, "www.example", DNS_A);
    wire_a(&packet, "c.example", 300, "192.0.2.1");
    wire_cname(&packet, "b.example", 20, "C.example");
    wire_cname(&packet, "www.example", 300, "b.example");
    struct dns_reply reply = read_and_free(&packet, "www.example", DNS_A);
    assert_int_equal(reply.answer.status, DNS_OK);
    assert_int_equal(reply.answer.ttl, 20);
    assert_int_equal(reply.aliases, 2);
    assert_bytes(reply.answer.canonical_name, "C.example");
}

static void an_alias_without_its_target_asks_for_another_question(void **state)
{
    (void)state;
    struct buffer packet;
    wire_start(&packet, ID, WIRE_RESPONSE, "www.example", DNS_A);
    wire_cname(&packet, "www.example", 20, "b.example");
    struct dns_reply reply = read_and_free(&packet, "www.example", DNS_A);
    assert_int_equal(reply.kind, DNS_REPLY_ALIAS);
    assert_int_equal(reply.answer.ttl, 20);
    assert_int_equal(reply.next.n, sizeof "\x01"
                                          "b\x07"
                                          "example");
    /* With the zone's SOA beside it the answer is complete: the target has no such record. */
    wire_start(&packet, ID, WIRE_RESPONSE, "www.example", DNS_A);
    wire_cname(&packet, "www.example", 20, "b.example");
    wire_soa(&packet, "example", 300, 60);
    reply = read_and_free(&packet, "www.example", DNS_A);
    assert_int_equal(reply.kind, DNS_REPLY_FINAL);
    assert_int_equal(reply.answer.status, DNS_NODATA);
    assert_bytes(reply.answer.canonical_name, "b.example");
}

static void a_loop_of_aliases_is_a_failure(void **state)
{
    (void)state;
    struct buffer packet;
    wire_start(&packet, ID, WIRE_RESPONSE, "a.example", DNS_A);
    wire_cname(&packet, "a.example", 300, "b.example");
    wire_cname(&packet, "b.example", 300, "a.example");
    struct dns_reply reply = read_and_free(&packet, "a.example", DNS_A);
    assert_int_equal(reply.kind, DNS_REPLY_FAILED);
    assert_int_equal(reply.answer.status, DNS_TEMPFAIL);
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
        struct buffer packet;
        wire_start(&packet, ID, WIRE_RESPONSE | cases[i].rcode, "example.com", DNS_A);
        if (cases[i].soa)
            wire_soa(&packet, "com", cases[i].soa_ttl, cases[i].minimum);
        struct dns_reply reply = read_and_free(&packet, "example.com", DNS_A);
        assert_int_equal(reply.kind, DNS_REPLY_FINAL);
        assert_int_equal(reply.answer.status, cases[i].status);
        assert_int_equal(reply.answer.ttl, cases[i].ttl);
    }
}

/* RFC 2308 2.1 and 2.2, and what looks like a negative answer without being one. */
static void a_negative_answer_is_distinguished_from_a_referral(void **state)
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
        struct buffer packet;
        wire_start(&packet, ID, cases[i].flags, "www.example.com", DNS_MX);
        if (cases[i].soa)
            wire_soa(&packet, cases[i].soa, 300, 60);
        if (cases[i].ns)
            wire_ns(&packet, cases[i].ns, 300, "ns.example.net");
        struct dns_reply reply = read_and_free(&packet, "www.example.com", DNS_MX);
        if (reply.answer.status != cases[i].status)
            fail_msg("case %zu: status %d", i, (int)reply.answer.status);
        assert_int_equal(reply.kind,
                         cases[i].status == DNS_TEMPFAIL ? DNS_REPLY_FAILED : DNS_REPLY_FINAL);
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
        struct buffer packet;
        wire_start(&packet, ID, WIRE_RESPONSE | cases[i].rcode, "example.com", type);
        wire_a(&packet, cases[i].owner, 300, "192.0.2.1");
        if (cases[i].soa)
            wire_soa(&packet, "com", 300, 60);
        struct dns_reply reply = read_and_free(&packet, "example.com", type);
        if (reply.answer.status != cases[i].status)
            fail_msg("case %zu: status %d", i, (int)reply.answer.status);
        assert_int_equal(reply.answer.count, 0);
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
        struct buffer packet;
        wire_start(&packet, ID, cases[i].flags, "www.example.com", DNS_MX);
        wire_cname(&packet, "www.example.com", 20, "b.example.net");
        if (cases[i].soa)
            wire_soa(&packet, cases[i].soa, 300, 60);
        if (cases[i].ns)
            wire_ns(&packet, cases[i].ns, 300, "ns.example.net");
        struct dns_reply reply = read_and_free(&packet, "www.example.com", DNS_MX);
        if (reply.kind != DNS_REPLY_ALIAS)
            fail_msg("case %zu: kind %d", i, (int)reply.kind);
        assert_int_equal(reply.answer.ttl, 20);
    }
}

static void records_of_the_wrong_size_are_a_failure(void **state)
{
    (void)state;
    static const struct {
        enum dns_type type;
        struct bytes data;
    } cases[] = {
        {DNS_A, {"\xc0\x00\x02", 3}},
        {DNS_A, {"", 0}},
        {DNS_AAAA, {"\xc0\x00\x02\x01", 4}},
        {DNS_TXT,
         {"\x05"
          "ab",
          3}},
        {DNS_MX, {"\x00", 1}},
        {DNS_MX, {"\x00\x0a", 2}},
        {DNS_MX, {"\x00\x0a\x05mx", 5}},
        {DNS_PTR, {"", 0}},
        {DNS_PTR, {"\xc0\xff", 2}},
        {DNS_PTR, {"\xc0\x34", 2}},
        {DNS_PTR, {"\x40", 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer packet;
        wire_start(&packet, ID, WIRE_RESPONSE, "example.com", cases[i].type);
        wire_record(&packet, WIRE_ANSWER, "example.com", cases[i].type, 300, cases[i].data);
        struct dns_reply reply = read_and_free(&packet, "example.com", cases[i].type);
        assert_int_equal(reply.kind, DNS_REPLY_FAILED);
    }
}

/* The question's name is at offset 12, "com" in it at 20, the root at 24; the first answer at 29.
 */
static void a_name_is_read_through_pointers_that_lead_back_and_no_others(void **state)
{
    (void)state;
    static const struct {
        struct bytes data;
        const char *text; /* NULL: malformed */
    } cases[] = {
        {{"\xc0\x0c", 2}, "example.com"},
        {{"\x02mx\xc0\x14", 5}, "mx.com"},
        {{"\x02mx\xc0\x18", 5}, "mx"},
        {{"\xc0\x1d", 2}, "example.com"}, /* to the owner, itself a pointer */
        {{"\xc0\x29", 2}, NULL},          /* to itself */
        {{"\x01x\xc0\x29", 4}, NULL},     /* to the label before it */
        {{"\x01x\xc0\x2b", 4}, NULL},     /* to itself again */
        {{"\xc0\x2b\x00", 3}, NULL},      /* forward */
        {{"\xc0\x0c\x00", 3}, NULL},      /* more data than the name */
        {{"\x01x", 2}, NULL},             /* a name that its data cuts off */
        {{"\xc0", 1}, NULL},
        {{"\x80\x0c", 2}, NULL}, /* a kind of label that is not defined */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena *arena = arena_new(0);
        struct buffer packet;
        struct dns_reply reply;
        wire_start(&packet, ID, WIRE_RESPONSE, "example.com", DNS_PTR);
        buffer_add(&packet, BYTES("\xc0\x0c\x00\x0c\x00\x01\x00\x00\x00\x3c"));
        wire_16(&packet, (unsigned)cases[i].data.n);
        buffer_add(&packet, cases[i].data);
        packet.p[WIRE_ANSWER + 1] = 1;
        read_and_free(arena, &packet, "example.com", DNS_PTR, &reply);
        if (reply.kind != (cases[i].text ? DNS_REPLY_FINAL : DNS_REPLY_FAILED))
            fail_msg("case %zu: kind %d", i, (int)reply.kind);
        if (cases[i].text)
            assert_bytes(reply.answer.records[0].text, cases[i].text);
        arena_free(arena);
    }
}

/* RFC 1035 2.3.4: 255 octets, here 3 of 63 with their lengths, the last label and the root. */
static void a_name_is_at_most_255_octets_long_whatever_it_is_made_of(void **state)
{
    (void)state;
    for (unsigned last = 61; last <= 62; last++) {
        struct arena *arena = arena_new(0);
        struct buffer packet, data = {0};
        struct dns_reply reply;
        for (int i = 0; i < 3; i++)
            buffer_printf(&data, "\x3f%063d", i);
        buffer_add_char(&data, (char)last);
        buffer_printf(&data, "%0*d%c", (int)last, 0, 0);
        wire_start(&packet, ID, WIRE_RESPONSE, "example.com", DNS_PTR);
        wire_record(&packet, WIRE_ANSWER, "example.com", DNS_PTR, 60, buffer_bytes(&data));
        read_and_free(arena, &packet, "example.com", DNS_PTR, &reply);
        assert_int_equal(reply.kind, last == 61 ? DNS_REPLY_FINAL : DNS_REPLY_FAILED);
        buffer_free(&data);
        arena_free(arena);
    }
}

static void data_of_unknown_types_and_classes_is_opaque_and_of_known_ones_is_not(void **state)
{
    (void)state;
    static const struct {
        unsigned type, class;
        struct bytes data;
        enum dns_reply_kind kind;
    } cases[] = {
        {65280, 1, {"\xff", 1}, DNS_REPLY_FINAL}, /* RFC 3597 */
        {33, 1, {"", 0}, DNS_REPLY_FINAL},
        {DNS_A, 3, {"\x01x\x00\x00\x01", 5}, DNS_REPLY_FINAL}, /* CHAOS has another A */
        {DNS_TXT, 1, {"", 0}, DNS_REPLY_FINAL},
        {DNS_A, 1, {"\xff", 1}, DNS_REPLY_FAILED},
        {DNS_SOA, 1, {"\x00\x00", 2}, DNS_REPLY_FAILED},
        {DNS_MX, 1, {"", 0}, DNS_REPLY_FAILED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena *arena = arena_new(0);
        struct buffer packet;
        struct dns_reply reply;
        wire_start(&packet, ID, WIRE_RESPONSE, "example.com", DNS_A);
        wire_a(&packet, "example.com", 60, "192.0.2.1");
        size_t at = packet.n;
        wire_record(&packet, WIRE_ADDITIONAL, "x.example", cases[i].type, 60, cases[i].data);
        packet.p[at +
                 sizeof "\x01x\x07"
                        "example" +
                 3] = (char)cases[i].class;
        read_and_free(arena, &packet, "example.com", DNS_A, &reply);
        if (reply.kind != cases[i].kind)
            fail_msg("case %zu: kind %d", i, (int)reply.kind);
        arena_free(arena);
    }
}

static void counts_of_records_that_are_not_there_are_a_failure_and_cost_nothing(void **state)
{
    (void)state;
    for (size_t at = WIRE_ANSWER; at <= WIRE_ADDITIONAL; at += 2) {
        struct arena *arena = arena_new(4096);
        struct buffer packet;
        struct dns_reply reply;
        wire_start(&packet, ID, WIRE_RESPONSE, "example.com", DNS_A);
        wire_a(&packet, "example.com", 60, "192.0.2.1");
        packet.p[at] = packet.p[at + 1] = (char)0xff;
        read_and_free(arena, &packet, "example.com", DNS_A, &reply);
        assert_int_equal(reply.kind, DNS_REPLY_FAILED);
        assert_string_equal(reply.answer.problem, "malformed packet");
        arena_free(arena);
    }
}

static void a_packet_truncated_anywhere_or_with_any_octet_changed_is_harmless(void **state)
{
    (void)state;
    struct buffer whole;
    wire_start(&whole, ID, WIRE_RESPONSE, "www.example", DNS_TXT);
    wire_cname(&whole, "www.example", 300, "b.example");
    wire_record(&whole, WIRE_ANSWER, "b.example", DNS_TXT, 300,
                BYTES("\x02"
                      "ab\x01"
                      "c"));
    wire_soa(&whole, "example", 300, 60);
    wire_record(&whole, WIRE_ADDITIONAL, "", 41, 0, BYTES(""));
    for (size_t cut = 0; cut <= whole.n; cut++) {
        struct buffer part = {0};
        buffer_add(&part, (struct bytes){whole.p, cut});
        if (part.n > 0)
            (void)read_and_free(&part, "www.example", DNS_TXT);
    }
    for (size_t at = 0; at < whole.n; at++) {
        static const char values[] = {0, 1, 0x3f, 0x40, (char)0x80, (char)0xc0, (char)0xff};
        for (size_t i = 0; i < sizeof values; i++) {
            struct buffer changed = {0};
            buffer_add(&changed, buffer_bytes(&whole));
            changed.p[at] = values[i];
            (void)read_and_free(&changed, "www.example", DNS_TXT);
        }
    }
    buffer_free(&whole);
}

static void too_little_memory_is_a_failure(void **state)
{
    (void)state;
    struct arena *small = arena_new(16);
    struct buffer packet;
    wire_start(&packet, ID, WIRE_RESPONSE, "example.com", DNS_A);
    wire_a(&packet, "example.com", 300, "192.0.2.2");
    struct dns_reply reply = read_into(small, &packet, "example.com", DNS_A);
    assert_int_equal(reply.kind, DNS_REPLY_FAILED);
    assert_string_equal(reply.answer.problem, "out of memory");
    arena_free(small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_is_written_with_and_without_edns),
        cmocka_unit_test(only_a_packet_that_repeats_id_and_question_is_an_answer),
        cmocka_unit_test(records_are_read_in_order_and_only_those_of_the_name_asked),
        cmocka_unit_test(each_type_is_read_into_its_fields),
        cmocka_unit_test(aliases_are_followed_inside_the_answer_in_any_order),
        cmocka_unit_test(an_alias_without_its_target_asks_for_another_question),
        cmocka_unit_test(a_loop_of_aliases_is_a_failure),
        cmocka_unit_test(negative_answers_live_as_long_as_their_soa_says),
        cmocka_unit_test(a_negative_answer_is_distinguished_from_a_referral),
        cmocka_unit_test(an_answer_about_other_names_does_not_deny_the_name_asked),
        cmocka_unit_test(a_referral_or_a_foreign_soa_after_an_alias_leaves_its_target_open),
        cmocka_unit_test(records_of_the_wrong_size_are_a_failure),
        cmocka_unit_test(a_name_is_read_through_pointers_that_lead_back_and_no_others),
        cmocka_unit_test(a_name_is_at_most_255_octets_long_whatever_it_is_made_of),
        cmocka_unit_test(data_of_unknown_types_and_classes_is_opaque_and_of_known_ones_is_not),
        cmocka_unit_test(counts_of_records_that_are_not_there_are_a_failure_and_cost_nothing),
        cmocka_unit_test(a_packet_truncated_anywhere_or_with_any_octet_changed_is_harmless),
        cmocka_unit_test(too_little_memory_is_a_failure),
    };
    return cmocka_run_group_tests(tests, make_arena, drop_arena);
}
