/* Unit tests of the trace field and its date. */
#include "received.h"
#include "unit.h"

static const struct received sample = {
    .helo = BYTES_INIT("client.example"),
    .client = {4, {192, 0, 2, 1}},
    .host = BYTES_INIT("mx.example.net"),
    .esmtp = true,
    .id = BYTES_INIT("0123456789"),
    .recipient = BYTES_INIT("info@example.com"),
    .time = 1795443923,
};

static void dates_are_in_utc_and_never_in_the_locales_names(void **state)
{
    (void)state;
    static const struct {
        int64_t time;
        const char *text;
    } cases[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 +0000"},
        {951782399, "Mon, 28 Feb 2000 23:59:59 +0000"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 +0000"},
        {1795443923, "Mon, 23 Nov 2026 14:25:23 +0000"},
        {4102444800, "Fri, 01 Jan 2100 00:00:00 +0000"},
        {253402300799, "Fri, 31 Dec 9999 23:59:59 +0000"},
        {253402300800, "Thu, 01 Jan 1970 00:00:00 +0000"},
        {INT64_MIN, "Thu, 01 Jan 1970 00:00:00 +0000"},
    };
    struct arena *arena = arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct received received = sample;
        received.time = cases[i].time;
        struct bytes field = received_field(arena, &received);
        assert_true(bytes_ends_with_nocase(field, BYTES("\r\n")));
        size_t semicolon = bytes_find_last(field, ';');
        assert_bytes(bytes_trim(bytes_from(field, semicolon + 1)), cases[i].text);
    }
    arena_free(arena);
}

static void assert_field(const struct received *received, const char *expected)
{
    struct arena *arena = arena_new(0);
    assert_bytes(received_field(arena, received), expected);
    arena_free(arena);
}

static void the_field_says_from_by_with_id_and_for(void **state)
{
    (void)state;
    assert_field(&sample, "Received: from client.example ([192.0.2.1])\r\n"
                          "\tby mx.example.net with ESMTP id 0123456789\r\n"
                          "\tfor <info@example.com>; Mon, 23 Nov 2026 14:25:23 +0000\r\n");
}

static void a_client_without_a_name_is_named_by_its_address(void **state)
{
    (void)state;
    struct received received = sample;
    received.helo = BYTES("a) by (b\\");
    assert_field(&received, "Received: from [192.0.2.1] (HELO a\\) by \\(b\\\\) ([192.0.2.1])\r\n"
                            "\tby mx.example.net with ESMTP id 0123456789\r\n"
                            "\tfor <info@example.com>; Mon, 23 Nov 2026 14:25:23 +0000\r\n");
}

static void a_long_name_that_is_none_is_cut(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct received received = sample;
    char name[505];
    memset(name, '(', sizeof name);
    received.helo = (struct bytes){name, sizeof name};
    struct bytes field = received_field(arena, &received);
    assert_true(bytes_find_slice(field, BYTES("\\(...)\r\n")) != BYTES_NOT_FOUND);
    while (field.n > 0)
        assert_true(bytes_cut(&field, '\n').n <= 998);
    arena_free(arena);
}

static void the_protocol_and_the_client_are_stated_as_they_were(void **state)
{
    (void)state;
    struct received received = sample;
    received.esmtp = false;
    received.id = BYTES("0123456789abcdef");
    received.recipient = BYTES("");
    received.client = (struct ip){16, {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};
    assert_field(&received, "Received: from client.example ([IPv6:2001:db8::1])\r\n"
                            "\tby mx.example.net with SMTP id 0123456789abcdef;\r\n"
                            "\tMon, 23 Nov 2026 14:25:23 +0000\r\n");
    received.tls = received.esmtp = true;
    received.helo = BYTES("[192.0.2.9]");
    received.id = BYTES("7");
    assert_field(&received, "Received: from [192.0.2.9] ([IPv6:2001:db8::1])\r\n"
                            "\tby mx.example.net with ESMTPS id 7; Mon, 23 Nov 2026 14:25:23 +0000"
                            "\r\n");
}

static void a_quoted_recipient_is_not_folded_and_long_names_have_lines_of_their_own(void **state)
{
    (void)state;
    char helo[255], recipient[250];
    memset(helo, 'h', sizeof helo);
    memset(recipient, ' ', sizeof recipient);
    struct received received = sample;
    received.helo = (struct bytes){helo, sizeof helo};
    received.recipient = (struct bytes){recipient, sizeof recipient};
    struct arena *arena = arena_new(0);
    struct bytes field = received_field(arena, &received);
    assert_true(bytes_find_slice(field, received.helo) != BYTES_NOT_FOUND);
    assert_true(bytes_find_slice(field, received.recipient) != BYTES_NOT_FOUND);
    while (field.n > 0) {
        size_t end = bytes_find_slice(field, BYTES("\r\n"));
        assert_true(end <= 78 || bytes_find(bytes_first(field, end), 'h') != BYTES_NOT_FOUND ||
                    bytes_find(bytes_first(field, end), '<') != BYTES_NOT_FOUND);
        field = bytes_from(field, end + 2);
        assert_true(field.n == 0 || field.p[0] == '\t');
    }
    arena_free(arena);
}

static void without_memory_there_is_no_field(void **state)
{
    (void)state;
    struct arena *arena = arena_new(100);
    assert_null(received_field(arena, &sample).p);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_are_in_utc_and_never_in_the_locales_names),
        cmocka_unit_test(the_field_says_from_by_with_id_and_for),
        cmocka_unit_test(a_client_without_a_name_is_named_by_its_address),
        cmocka_unit_test(a_long_name_that_is_none_is_cut),
        cmocka_unit_test(the_protocol_and_the_client_are_stated_as_they_were),
        cmocka_unit_test(a_quoted_recipient_is_not_folded_and_long_names_have_lines_of_their_own),
        cmocka_unit_test(without_memory_there_is_no_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
