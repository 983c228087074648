/* Unit tests of SMTP command lines and their arguments. */
#include "command.h"
#include "unit.h"

static void lines_are_divided_into_verb_and_argument(void **state)
{
    (void)state;
    static const struct {
        struct bytes line;
        enum command_error error;
        enum command_verb verb;
        const char *argument;
    } cases[] = {
        {BYTES_INIT("EHLO client.example"), 0, COMMAND_EHLO, "client.example"},
        {BYTES_INIT("eHlO x"), 0, COMMAND_EHLO, "x"},
        {BYTES_INIT("HELO x \t "), 0, COMMAND_HELO, "x"},
        {BYTES_INIT("EHLO"), COMMAND_SYNTAX, COMMAND_EHLO, ""},
        {BYTES_INIT("HELO "), COMMAND_SYNTAX, COMMAND_HELO, ""},
        {BYTES_INIT("MAIL FROM:<a@b>"), 0, COMMAND_MAIL, "FROM:<a@b>"},
        {BYTES_INIT("MAIL"), COMMAND_SYNTAX, COMMAND_MAIL, ""},
        {BYTES_INIT("DATA"), 0, COMMAND_DATA, ""},
        {BYTES_INIT("DATA "), 0, COMMAND_DATA, ""},
        {BYTES_INIT("DATA now"), COMMAND_SYNTAX, COMMAND_DATA, "now"},
        {BYTES_INIT("RSET x"), COMMAND_SYNTAX, COMMAND_RSET, "x"},
        {BYTES_INIT("QUIT x"), COMMAND_SYNTAX, COMMAND_QUIT, "x"},
        {BYTES_INIT("STARTTLS x"), COMMAND_SYNTAX, COMMAND_STARTTLS, "x"},
        {BYTES_INIT("NOOP"), 0, COMMAND_NOOP, ""},
        {BYTES_INIT("NOOP any thing"), 0, COMMAND_NOOP, "any thing"},
        {BYTES_INIT("HELP"), 0, COMMAND_HELP, ""},
        {BYTES_INIT("VRFY"), COMMAND_SYNTAX, COMMAND_VRFY, ""},
        {BYTES_INIT("VRFY a"), 0, COMMAND_VRFY, "a"},
        {BYTES_INIT("AUTH PLAIN x"), 0, COMMAND_NOT_OFFERED, "PLAIN x"},
        {BYTES_INIT("BDAT 1 LAST"), 0, COMMAND_NOT_OFFERED, "1 LAST"},
        {BYTES_INIT(""), 0, COMMAND_UNKNOWN, ""},
        {BYTES_INIT(" "), 0, COMMAND_UNKNOWN, ""},
        {BYTES_INIT(" DATA"), 0, COMMAND_UNKNOWN, "DATA"},
        {BYTES_INIT("DATA\tx"), 0, COMMAND_UNKNOWN, ""},
        {BYTES_INIT("DATAX"), 0, COMMAND_UNKNOWN, ""},
        {BYTES_INIT("GET / HTTP/1.1"), 0, COMMAND_UNKNOWN, "/ HTTP/1.1"},
        {BYTES_INIT("\xff\xfe"), 0, COMMAND_UNKNOWN, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct command command;
        assert_int_equal(command_parse(cases[i].line, &command), cases[i].error);
        assert_int_equal(command.verb, cases[i].verb);
        assert_bytes(command.argument, cases[i].argument);
    }
}

static void control_characters_are_not_a_command(void **state)
{
    (void)state;
    static const struct bytes lines[] = {
        BYTES_INIT("NOOP\0"),     BYTES_INIT("NO\0OP"),        BYTES_INIT("NOOP \r"),
        BYTES_INIT("NOOP\rQUIT"), BYTES_INIT("NOOP\nQUIT"),    BYTES_INIT("\x16\x03\x01"),
        BYTES_INIT("EHLO a\x7f"), BYTES_INIT("EHLO \x1b[31m"),
    };
    struct command command;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_int_equal(command_parse(lines[i], &command), COMMAND_BAD_OCTETS);
}

static void a_client_names_itself_by_a_domain_a_literal_or_anything_printable(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"Client.Example", "client.example"},
        {"localhost", "localhost"},
        {"[192.0.2.1]", "[192.0.2.1]"},
        {"[IPv6:2001:DB8::1]", "[IPv6:2001:db8::1]"},
        {"pi\xc3\xb1"
         "ata.es",
         "xn--piata-pta.es"},
        {"a b", "a b"},
        {"a.", "a."},
        {"My_PC", "my_pc"},
        {"A..b", "A..b"},
        {"[192.0.2.1", "[192.0.2.1"},
        {"192.0.2.1]", "192.0.2.1]"},
        {"[]", "[]"},
        {"(comment)", "(comment)"},
        {"", NULL},
        {" ", NULL},
        {"a\tb", NULL},
        {"\xff", NULL},
        {"a b \xc3\xb1", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *arena = arena_new(0);
        struct bytes name;
        enum command_error error = command_parse_client_name(arena, bytes_of(cases[i][0]), &name);
        assert_int_equal(error, cases[i][1] ? COMMAND_OK : COMMAND_SYNTAX);
        if (cases[i][1])
            assert_bytes(name, cases[i][1]);
        arena_free(arena);
    }
}

static const struct {
    struct bytes argument;
    enum command_error error;
    const char *sender, *parameter;
    uint64_t size;
    enum body_type body;
} mail_cases[] = {
    {BYTES_INIT("FROM:<a@b>"), 0, "a@b", "", 0, 0},
    {BYTES_INIT("from:<>"), 0, "", "", 0, 0},
    {BYTES_INIT("FROM: <a@b>"), 0, "a@b", "", 0, 0},
    {BYTES_INIT("FROM:<a@b> SIZE=1000"), 0, "a@b", "SIZE", 1000, 0},
    {BYTES_INIT("FROM:<a@b>  size=0   body=8bitmime"), 0, "a@b", "body", 0, BODY_8BITMIME},
    {BYTES_INIT("FROM:<a@b> BODY=7BIT SIZE=7"), 0, "a@b", "SIZE", 7, BODY_7BIT},
    {BYTES_INIT("FROM:<a@b> SIZE=99999999999999999999"), 0, "a@b", "SIZE", UINT64_MAX, 0},
    {BYTES_INIT("FROM:<\"> SIZE=9\"@b> SIZE=1"), 0, "\"> SIZE=9\"@b", "SIZE", 1, 0},
    {BYTES_INIT("FROM:  <a@b>"), COMMAND_BAD_ADDRESS, NULL, "", 0, 0},
    {BYTES_INIT("FROM :<a@b>"), COMMAND_SYNTAX, NULL, "", 0, 0},
    {BYTES_INIT("FROM<a@b>"), COMMAND_SYNTAX, NULL, "", 0, 0},
    {BYTES_INIT("TO:<a@b>"), COMMAND_SYNTAX, NULL, "", 0, 0},
    {BYTES_INIT("FROM:"), COMMAND_BAD_ADDRESS, NULL, "", 0, 0},
    {BYTES_INIT("FROM:a@b"), COMMAND_BAD_ADDRESS, NULL, "", 0, 0},
    {BYTES_INIT("FROM:<postmaster>"), COMMAND_BAD_ADDRESS, NULL, "", 0, 0},
    {BYTES_INIT("FROM:<a@b->"), COMMAND_BAD_DOMAIN, NULL, "", 0, 0},
    {BYTES_INIT("FROM:<\xc3\xb1@b>"), COMMAND_NON_ASCII_LOCAL, NULL, "", 0, 0},
    {BYTES_INIT("FROM:<a@b>SIZE=1"), COMMAND_SYNTAX, NULL, "", 0, 0},
    {BYTES_INIT("FROM:<a@b>\tSIZE=1"), COMMAND_SYNTAX, NULL, "", 0, 0},
    {BYTES_INIT("FROM:<a@b> SIZE"), COMMAND_BAD_PARAMETER, NULL, "SIZE", 0, 0},
    {BYTES_INIT("FROM:<a@b> SIZE="), COMMAND_SYNTAX, NULL, "SIZE", 0, 0},
    {BYTES_INIT("FROM:<a@b> SIZE=-1"), COMMAND_BAD_PARAMETER, NULL, "SIZE", 0, 0},
    {BYTES_INIT("FROM:<a@b> SIZE=1x"), COMMAND_BAD_PARAMETER, NULL, "SIZE", 0, 0},
    {BYTES_INIT("FROM:<a@b> SIZE=100000000000000000000"), COMMAND_BAD_PARAMETER, NULL, "SIZE", 0,
     0},
    {BYTES_INIT("FROM:<a@b> SIZE=1 SIZE=1"), COMMAND_BAD_PARAMETER, NULL, "SIZE", 0, 0},
    {BYTES_INIT("FROM:<a@b> BODY=BINARYMIME"), COMMAND_BAD_PARAMETER, NULL, "BODY", 0, 0},
    {BYTES_INIT("FROM:<a@b> BODY"), COMMAND_BAD_PARAMETER, NULL, "BODY", 0, 0},
    {BYTES_INIT("FROM:<a@b> BODY=7BIT BODY=7BIT"), COMMAND_BAD_PARAMETER, NULL, "BODY", 0, 0},
    {BYTES_INIT("FROM:<a@b> RET=HDRS"), COMMAND_UNKNOWN_PARAMETER, NULL, "RET", 0, 0},
    {BYTES_INIT("FROM:<a@b> AUTH=<>"), COMMAND_UNKNOWN_PARAMETER, NULL, "AUTH", 0, 0},
    {BYTES_INIT("FROM:<a@b> X-Y"), COMMAND_UNKNOWN_PARAMETER, NULL, "X-Y", 0, 0},
    {BYTES_INIT("FROM:<a@b> smtputf8"), COMMAND_SMTPUTF8_PARAMETER, NULL, "smtputf8", 0, 0},
    {BYTES_INIT("FROM:<a@b> -X"), COMMAND_SYNTAX, NULL, "-X", 0, 0},
    {BYTES_INIT("FROM:<a@b> =1"), COMMAND_SYNTAX, NULL, "", 0, 0},
    {BYTES_INIT("FROM:<a@b> X=a=b"), COMMAND_SYNTAX, NULL, "X", 0, 0},
    {BYTES_INIT("FROM:<a@b> X=\xff"), COMMAND_SYNTAX, NULL, "X", 0, 0},
    {BYTES_INIT("FROM:<a@b> \xff"), COMMAND_SYNTAX, NULL, "\xff", 0, 0},
};

static void mail_accepts_a_reverse_path_and_known_parameters(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mail_cases / sizeof *mail_cases; i++) {
        struct arena *arena = arena_new(0);
        struct mail_arguments mail;
        enum command_error error = command_parse_mail(arena, mail_cases[i].argument, &mail);
        if (error != mail_cases[i].error)
            fail_msg("%.*s: %d, not %d", BYTES_ARG(mail_cases[i].argument), error,
                     mail_cases[i].error);
        assert_bytes(mail.parameter, mail_cases[i].parameter);
        if (error == COMMAND_OK) {
            assert_bytes(address_write(arena, &mail.sender), mail_cases[i].sender);
            assert_true(mail.size == mail_cases[i].size);
            assert_int_equal(mail.body, mail_cases[i].body);
        }
        arena_free(arena);
    }
}

static void rcpt_accepts_a_forward_path_and_no_parameter(void **state)
{
    (void)state;
    static const struct {
        struct bytes argument;
        enum command_error error;
        const char *parameter;
    } cases[] = {
        {BYTES_INIT("TO:<a@b>"), 0, ""},
        {BYTES_INIT("to: <@x:a@b>"), 0, ""},
        {BYTES_INIT("TO:<postmaster>"), 0, ""},
        {BYTES_INIT("TO:<a@b> "), 0, ""},
        {BYTES_INIT("TO:<>"), COMMAND_BAD_ADDRESS, ""},
        {BYTES_INIT("TO:<a>"), COMMAND_BAD_ADDRESS, ""},
        {BYTES_INIT("FROM:<a@b>"), COMMAND_SYNTAX, ""},
        {BYTES_INIT("TO:<a@b>, <c@d>"), COMMAND_SYNTAX, ""},
        {BYTES_INIT("TO:<a@b> <c@d>"), COMMAND_SYNTAX, "<c@d>"},
        {BYTES_INIT("TO:<a@b> NOTIFY=NEVER"), COMMAND_UNKNOWN_PARAMETER, "NOTIFY"},
        {BYTES_INIT("TO:<\xc3\xb1@b>"), COMMAND_NON_ASCII_LOCAL, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *arena = arena_new(0);
        struct rcpt_arguments rcpt;
        assert_int_equal(command_parse_rcpt(arena, cases[i].argument, &rcpt), cases[i].error);
        assert_bytes(rcpt.parameter, cases[i].parameter);
        arena_free(arena);
    }
}

static void arguments_fail_without_memory(void **state)
{
    (void)state;
    struct arena *arena = arena_new(8);
    struct mail_arguments mail;
    struct bytes name;
    assert_int_equal(command_parse_mail(arena, BYTES("FROM:<someone@b>"), &mail),
                     COMMAND_NO_MEMORY);
    assert_int_equal(command_parse_client_name(arena, BYTES("b"), &name), COMMAND_NO_MEMORY);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_divided_into_verb_and_argument),
        cmocka_unit_test(control_characters_are_not_a_command),
        cmocka_unit_test(a_client_names_itself_by_a_domain_a_literal_or_anything_printable),
        cmocka_unit_test(mail_accepts_a_reverse_path_and_known_parameters),
        cmocka_unit_test(rcpt_accepts_a_forward_path_and_no_parameter),
        cmocka_unit_test(arguments_fail_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
