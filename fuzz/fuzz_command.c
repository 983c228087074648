/* SMTP command lines of any octets: the parts of a command point into its line and add up to it. */
#include "fuzz.h"

#include "command.h"

static bool is_within(struct bytes part, struct bytes whole)
{
    return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(0);
    struct bytes line = {(const char *)data, size}, name;
    struct command command;
    struct mail_arguments mail;
    struct rcpt_arguments rcpt;
    if (command_parse(line, &command) == COMMAND_OK) {
        require(is_within(command.name, line) && is_within(command.argument, line));
        if (command_parse_client_name(arena, command.argument, &name) == COMMAND_OK)
            require(name.n > 0 && bytes_is_ascii(name));
        if (command_parse_mail(arena, command.argument, &mail) == COMMAND_OK)
            require(mail.sender.kind != ADDRESS_POSTMASTER);
        if (command_parse_rcpt(arena, command.argument, &rcpt) == COMMAND_OK)
            require(rcpt.recipient.kind != ADDRESS_NULL && rcpt.parameter.n == 0);
        require(is_within(mail.parameter, line) && is_within(rcpt.parameter, line));
    }
    arena_free(arena);
    return 0;
}
