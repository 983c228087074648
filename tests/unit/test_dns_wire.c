/* Unit tests of dns/wire.c, through the replies that are read with it: names, compression, data of
 * known and unknown types, and packets that are malformed in any way. */
#include "dns_wire.h"
#include "packet.h"
#include "unit.h"

enum { ID = WIRE_ID };

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
        wire_read_and_free(arena, &packet, "example.com", DNS_PTR, &reply);
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
        wire_read_and_free(arena, &packet, "example.com", DNS_PTR, &reply);
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
        wire_read_and_free(arena, &packet, "example.com", DNS_A, &reply);
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
        wire_read_and_free(arena, &packet, "example.com", DNS_A, &reply);
        assert_int_equal(reply.kind, DNS_REPLY_FAILED);
        assert_string_equal(reply.answer.problem, "malformed packet");
        arena_free(arena);
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
        struct arena *arena = arena_new(0);
        struct buffer packet;
        struct dns_reply reply;
        wire_start(&packet, ID, WIRE_RESPONSE, "example.com", cases[i].type);
        wire_record(&packet, WIRE_ANSWER, "example.com", cases[i].type, 300, cases[i].data);
        wire_read_and_free(arena, &packet, "example.com", cases[i].type, &reply);
        assert_int_equal(reply.kind, DNS_REPLY_FAILED);
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
        struct arena *arena = arena_new(0);
        struct buffer part = {0};
        struct dns_reply reply;
        buffer_add(&part, (struct bytes){whole.p, cut});
        if (part.n > 0)
            wire_read_and_free(arena, &part, "www.example", DNS_TXT, &reply);
        arena_free(arena);
    }
    for (size_t at = 0; at < whole.n; at++) {
        static const char values[] = {0, 1, 0x3f, 0x40, (char)0x80, (char)0xc0, (char)0xff};
        for (size_t i = 0; i < sizeof values; i++) {
            struct arena *arena = arena_new(0);
            struct buffer changed = {0};
            struct dns_reply reply;
            buffer_add(&changed, buffer_bytes(&whole));
            changed.p[at] = values[i];
            wire_read_and_free(arena, &changed, "www.example", DNS_TXT, &reply);
            arena_free(arena);
        }
    }
    buffer_free(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_read_through_pointers_that_lead_back_and_no_others),
        cmocka_unit_test(a_name_is_at_most_255_octets_long_whatever_it_is_made_of),
        cmocka_unit_test(data_of_unknown_types_and_classes_is_opaque_and_of_known_ones_is_not),
        cmocka_unit_test(counts_of_records_that_are_not_there_are_a_failure_and_cost_nothing),
        cmocka_unit_test(records_of_the_wrong_size_are_a_failure),
        cmocka_unit_test(a_packet_truncated_anywhere_or_with_any_octet_changed_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
