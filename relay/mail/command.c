/* SMTP command lines. See command.h. */
#include "command.h"

#include "clause.h"

enum argument_rule { ARGUMENT_NONE, ARGUMENT_OPTIONAL, ARGUMENT_REQUIRED };

static const struct {
    struct bytes name;
    enum command_verb verb;
    enum argument_rule argument;
} verbs[] = {
    {BYTES_INIT("EHLO"), COMMAND_EHLO, ARGUMENT_REQUIRED},
    {BYTES_INIT("HELO"), COMMAND_HELO, ARGUMENT_REQUIRED},
    {BYTES_INIT("MAIL"), COMMAND_MAIL, ARGUMENT_REQUIRED},
    {BYTES_INIT("RCPT"), COMMAND_RCPT, ARGUMENT_REQUIRED},
    {BYTES_INIT("DATA"), COMMAND_DATA, ARGUMENT_NONE},
    {BYTES_INIT("RSET"), COMMAND_RSET, ARGUMENT_NONE},
    {BYTES_INIT("NOOP"), COMMAND_NOOP, ARGUMENT_OPTIONAL},
    {BYTES_INIT("QUIT"), COMMAND_QUIT, ARGUMENT_NONE},
    {BYTES_INIT("HELP"), COMMAND_HELP, ARGUMENT_OPTIONAL},
    {BYTES_INIT("VRFY"), COMMAND_VRFY, ARGUMENT_REQUIRED},
    {BYTES_INIT("EXPN"), COMMAND_EXPN, ARGUMENT_REQUIRED},
    {BYTES_INIT("STARTTLS"), COMMAND_STARTTLS, ARGUMENT_NONE},
    {BYTES_INIT("AUTH"), COMMAND_NOT_OFFERED, ARGUMENT_OPTIONAL},
    {BYTES_INIT("BDAT"), COMMAND_NOT_OFFERED, ARGUMENT_OPTIONAL},
    {BYTES_INIT("BURL"), COMMAND_NOT_OFFERED, ARGUMENT_OPTIONAL},
    {BYTES_INIT("ETRN"), COMMAND_NOT_OFFERED, ARGUMENT_OPTIONAL},
    {BYTES_INIT("ATRN"), COMMAND_NOT_OFFERED, ARGUMENT_OPTIONAL},
    {BYTES_INIT("TURN"), COMMAND_NOT_OFFERED, ARGUMENT_OPTIONAL},
    {BYTES_INIT("SEND"), COMMAND_NOT_OFFERED, ARGUMENT_OPTIONAL},
    {BYTES_INIT("SOML"), COMMAND_NOT_OFFERED, ARGUMENT_OPTIONAL},
    {BYTES_INIT("SAML"), COMMAND_NOT_OFFERED, ARGUMENT_OPTIONAL},
};

/* A command is text: no control character but HTAB, which some clients leave at its end. */
static bool is_text(struct bytes line)
{
    for (size_t i = 0; i < line.n; i++)
        if ((unsigned char)line.p[i] < 0x80 && !ascii_is_printable(line.p[i]) && line.p[i] != '\t')
            return false;
    return true;
}

/* Verbs and keywords are recognised in any case. Clause: DLG-06 */
enum command_error command_parse(struct bytes line, struct command *command)
{
    if (!is_text(line))
        return COMMAND_BAD_OCTETS;
    /* RFC 5321 4.1.1: blanks at the end are tolerated. */
    while (line.n > 0 && CLAUSE(DLG_27, line.p[line.n - 1] == ' ' || line.p[line.n - 1] == '\t'))
        line.n--;
    struct bytes rest = line;
    *command = (struct command){.verb = COMMAND_UNKNOWN, .name = bytes_cut(&rest, ' ')};
    command->argument = rest;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (!bytes_equal_nocase(verbs[i].name, command->name))
            continue;
        command->verb = verbs[i].verb;
        bool wrong = verbs[i].argument == ARGUMENT_NONE
                         ? CLAUSE(DLG_32, rest.n > 0)
                         : verbs[i].argument == ARGUMENT_REQUIRED && rest.n == 0;
        return wrong ? COMMAND_SYNTAX : COMMAND_OK;
    }
    return COMMAND_OK;
}

static bool is_printable(struct bytes text)
{
    for (size_t i = 0; i < text.n; i++)
        if (!ascii_is_printable(text.p[i]))
            return false;
    return bytes_trim(text).n > 0;
}

/* RFC 5321 4.1.4: a name that is none is no reason to refuse. */
enum command_error command_parse_client_name(struct arena *arena, struct bytes argument,
                                             struct bytes *name)
{
    struct ip ip;
    if (domain_literal_parse(argument, &ip))
        *name = domain_literal_format(arena, &ip);
    else
        *name = domain_for_lookup(arena, argument);
    if (CLAUSE(DLG_36, !name->p && is_printable(argument)))
        *name = arena_copy(arena, argument);
    if (arena_failed(arena))
        return COMMAND_NO_MEMORY;
    return name->p ? COMMAND_OK : COMMAND_SYNTAX;
}

static enum command_error from_address_error(enum address_error error)
{
    switch (error) {
    case ADDRESS_OK:
        return COMMAND_OK;
    case ADDRESS_SYNTAX:
        return COMMAND_BAD_ADDRESS;
    case ADDRESS_BAD_DOMAIN:
        return COMMAND_BAD_DOMAIN;
    case ADDRESS_TOO_LONG:
        return COMMAND_ADDRESS_TOO_LONG;
    case ADDRESS_NON_ASCII_LOCAL:
        return COMMAND_NON_ASCII_LOCAL;
    case ADDRESS_NO_MEMORY:
        break;
    }
    return COMMAND_NO_MEMORY;
}

/* Reads the keyword with its colon and the path; `rest` becomes the parameters. */
static enum command_error read_path_argument(struct arena *arena, struct bytes keyword,
                                             enum path_role role, struct bytes argument,
                                             struct address *address, struct bytes *rest)
{
    if (!bytes_starts_with_nocase(argument, keyword))
        return COMMAND_SYNTAX;
    argument = bytes_from(argument, keyword.n);
    if (argument.n > 0 && CLAUSE(DLG_58, argument.p[0] == ' '))
        argument = bytes_from(argument, 1);
    enum address_error error = address_read_path(arena, role, argument, address, rest);
    if (error == ADDRESS_OK && rest->n > 0 && rest->p[0] != ' ')
        return COMMAND_SYNTAX;
    return from_address_error(error);
}

struct parameter {
    struct bytes keyword;
    struct bytes value;
    bool has_value;
};

/* esmtp-param of RFC 5321 4.1.2. */
static bool is_parameter(const struct parameter *parameter)
{
    for (size_t i = 0; i < parameter->keyword.n; i++)
        if (!ascii_is_alnum(parameter->keyword.p[i]) && (i == 0 || parameter->keyword.p[i] != '-'))
            return false;
    for (size_t i = 0; i < parameter->value.n; i++)
        if (!ascii_is_printable(parameter->value.p[i]) || parameter->value.p[i] == '=')
            return false;
    return parameter->keyword.n > 0 && parameter->has_value == (parameter->value.n > 0);
}

/* Cuts the next parameter off `rest`; false when none is left. */
static bool next_parameter(struct bytes *rest, struct parameter *parameter)
{
    while (rest->n > 0 && rest->p[0] == ' ')
        *rest = bytes_from(*rest, 1);
    if (rest->n == 0)
        return false;
    struct bytes value = bytes_cut(rest, ' ');
    *parameter = (struct parameter){.keyword = bytes_cut(&value, '=')};
    parameter->has_value = value.p != NULL;
    parameter->value = value;
    return true;
}

static enum command_error take_size(struct mail_arguments *mail, struct bytes value)
{
    enum { SIZE_DIGITS_MAX = 20 }; /* RFC 1870 3 */
    uint64_t size = UINT64_MAX;
    if (mail->size_stated || value.n > BREAK(LIM_37, SIZE_DIGITS_MAX, 19) ||
        CLAUSE(LIM_20, !bytes_is_digits(value)))
        return COMMAND_BAD_PARAMETER;
    bytes_to_number(value, UINT64_MAX, &size);
    mail->size_stated = true;
    mail->size = size;
    return COMMAND_OK;
}

static enum command_error take_body_type(struct mail_arguments *mail, struct bytes value)
{
    if (mail->body != BODY_UNSTATED)
        return COMMAND_BAD_PARAMETER;
    if (bytes_equal_nocase(value, BYTES("7BIT")))
        mail->body = BODY_7BIT;
    else if (CLAUSE(DLG_25, bytes_equal_nocase(value, BYTES("8BITMIME"))))
        mail->body = BODY_8BITMIME;
    else
        return BREAK(DLG_49, COMMAND_BAD_PARAMETER, COMMAND_OK);
    return COMMAND_OK;
}

enum command_error command_parse_mail(struct arena *arena, struct bytes argument,
                                      struct mail_arguments *mail)
{
    *mail = (struct mail_arguments){.body = BODY_UNSTATED};
    struct bytes rest;
    enum command_error error =
        read_path_argument(arena, BYTES("FROM:"), PATH_REVERSE, argument, &mail->sender, &rest);
    struct parameter parameter;
    while (error == COMMAND_OK && next_parameter(&rest, &parameter)) {
        mail->parameter = parameter.keyword;
        if (CLAUSE(DLG_18, !is_parameter(&parameter)))
            error = COMMAND_SYNTAX;
        else if (bytes_equal_nocase(parameter.keyword, BYTES("SIZE")))
            error = take_size(mail, parameter.value);
        else if (bytes_equal_nocase(parameter.keyword, BYTES("BODY")))
            error = take_body_type(mail, parameter.value);
        else if (bytes_equal_nocase(parameter.keyword, BYTES("SMTPUTF8")))
            error = COMMAND_SMTPUTF8_PARAMETER;
        else
            error = COMMAND_UNKNOWN_PARAMETER;
    }
    return error;
}

enum command_error command_parse_rcpt(struct arena *arena, struct bytes argument,
                                      struct rcpt_arguments *rcpt)
{
    *rcpt = (struct rcpt_arguments){0};
    struct bytes rest;
    enum command_error error =
        read_path_argument(arena, BYTES("TO:"), PATH_FORWARD, argument, &rcpt->recipient, &rest);
    struct parameter parameter;
    if (error != COMMAND_OK || !next_parameter(&rest, &parameter))
        return error;
    rcpt->parameter = parameter.keyword;
    return CLAUSE(DLG_19, is_parameter(&parameter)) ? COMMAND_UNKNOWN_PARAMETER : COMMAND_SYNTAX;
}
