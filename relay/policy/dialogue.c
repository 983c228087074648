/* Errors of the command grammar and their replies. See dialogue.h. */
#include "dialogue.h"

#include "clause.h"

/* A client that begins mail after mail and ends none costs time without end. */
enum { IDLE_COMMANDS_MAX = 1000 };

/* How each verb is used, and the clause of the catalogue that says so. */
static const struct {
    const char *syntax;
    const char *clause;
} usages[] = {
    [COMMAND_EHLO] = {"EHLO domain", "DLG-21"},
    [COMMAND_HELO] = {"HELO domain", "DLG-21"},
    [COMMAND_MAIL] = {"MAIL FROM:<address>", "DLG-20"},
    [COMMAND_RCPT] = {"RCPT TO:<address>", "DLG-20"},
    [COMMAND_DATA] = {"DATA", "DLG-32"},
    [COMMAND_RSET] = {"RSET", "DLG-32"},
    [COMMAND_NOOP] = {"NOOP", "DLG-07"},
    [COMMAND_QUIT] = {"QUIT", "DLG-32"},
    [COMMAND_HELP] = {"HELP", "CONT-01"},
    [COMMAND_VRFY] = {"VRFY address", "DLG-10"},
    [COMMAND_EXPN] = {"EXPN list", "DLG-11"},
    [COMMAND_STARTTLS] = {"STARTTLS", "TLS-04"},
    [COMMAND_NOT_OFFERED] = {"another command", "DLG-34"},
    [COMMAND_UNKNOWN] = {"another command", "DLG-12"},
};

struct refusal dialogue_refuse_argument(enum command_verb verb)
{
    return REFUSE_WITH(BAD_ARGUMENT, usages[verb].clause, bytes_of(usages[verb].syntax));
}

struct refusal dialogue_refuse_client_name(enum command_error error)
{
    switch (error) {
    case COMMAND_OK:
        return ACCEPT;
    case COMMAND_NO_MEMORY:
        return REFUSE(NO_MEMORY, "LIM-22");
    default:
        return REFUSE(BAD_HELLO, "DLG-21");
    }
}

struct refusal dialogue_refuse_command(const struct command *command)
{
    if (command->verb == COMMAND_EXPN)
        return REFUSE(NOT_IMPLEMENTED, "DLG-11");
    if (bytes_equal_nocase(command->name, BYTES("AUTH")))
        return REFUSE(NOT_IMPLEMENTED, "SEND-02");
    if (bytes_equal_nocase(command->name, BYTES("BDAT")))
        return REFUSE(NOT_IMPLEMENTED, "DLG-05");
    return REFUSE(NOT_IMPLEMENTED, "DLG-34");
}

/* Parameters of extensions that are not offered, and the clause about each. */
static const char *clause_of_parameter(enum command_verb verb, struct bytes parameter)
{
    static const struct {
        struct bytes keyword;
        const char *clause;
    } known[] = {
        {BYTES_INIT("SMTPUTF8"), "EAI-06"}, {BYTES_INIT("AUTH"), "SEND-09"},
        {BYTES_INIT("RET"), "NDR-07"},      {BYTES_INIT("ENVID"), "NDR-07"},
        {BYTES_INIT("NOTIFY"), "NDR-07"},   {BYTES_INIT("ORCPT"), "NDR-07"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (bytes_equal_nocase(known[i].keyword, parameter))
            return known[i].clause;
    return verb == COMMAND_MAIL ? "DLG-18" : "DLG-19";
}

/* RFC 6531 3.5: 550 to MAIL, 553 to RCPT. The domain may be internationalised: the local part alone
 * is at fault. Clause: EAI-09 */
static struct refusal refuse_international(enum command_verb verb)
{
    if (CLAUSE(EAI_02, verb == COMMAND_MAIL))
        return REFUSE(INTERNATIONAL_SENDER, "EAI-02");
    return REFUSE(INTERNATIONAL_RECIPIENT, "EAI-01");
}

static struct refusal refuse_address(enum command_verb verb, const char *clause)
{
    return verb == COMMAND_MAIL ? REFUSE(BAD_SENDER, clause) : REFUSE(BAD_RECIPIENT, clause);
}

struct refusal dialogue_refuse_path(enum command_verb verb, enum command_error error,
                                    struct bytes parameter)
{
    switch (error) {
    case COMMAND_OK:
        return ACCEPT;
    case COMMAND_NO_MEMORY:
        return REFUSE(NO_MEMORY, "LIM-22");
    case COMMAND_NON_ASCII_LOCAL:
        return refuse_international(verb);
    case COMMAND_UNKNOWN_PARAMETER:
    case COMMAND_SMTPUTF8_PARAMETER:
        return REFUSE_WITH(UNKNOWN_PARAMETER, clause_of_parameter(verb, parameter), parameter);
    case COMMAND_BAD_PARAMETER:
        return REFUSE_WITH(BAD_PARAMETER,
                           bytes_equal_nocase(parameter, BYTES("BODY")) ? "DLG-25" : "LIM-20",
                           parameter);
    case COMMAND_SYNTAX:
        return dialogue_refuse_argument(verb);
    case COMMAND_ADDRESS_TOO_LONG:
        return refuse_address(verb, "LIM-06");
    case COMMAND_BAD_DOMAIN:
        return refuse_address(verb, "EAI-11");
    default:
        return refuse_address(verb, "DLG-20");
    }
}

struct refusal dialogue_refuse_idle(const struct policy *policy, size_t commands)
{
    /* Whatever is configured, there is room for a mail with all the recipients it may have. */
    size_t recipients = policy->limits.recipients;
    size_t max = recipients < IDLE_COMMANDS_MAX / 2 ? IDLE_COMMANDS_MAX : 2 * recipients;
    if (CLAUSE(LIM_24, commands > max))
        return REFUSE(TOO_MANY_IDLE_COMMANDS, "LIM-24");
    return ACCEPT;
}

struct answer dialogue_accept(struct arena *arena, struct bytes enhanced, struct bytes text)
{
    struct bytes *line = arena_alloc(arena, sizeof *line);
    if (line)
        *line = arena_printf(arena, "%.*s %.*s", BYTES_ARG(enhanced), BYTES_ARG(text));
    if (!line || !line->p)
        return (struct answer){.refusal = REFUSE(NO_MEMORY, "LIM-22")};
    return (struct answer){
        .reply = {.code = 250, .enhanced = enhanced, .lines = line, .line_count = 1}};
}
