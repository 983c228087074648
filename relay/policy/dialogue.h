/* The refusals that the grammar of a command calls for (RFC 5321 4.2, 4.3.2; RFC 6531 3.5). */
#ifndef FAIRLEAD_DIALOGUE_H
#define FAIRLEAD_DIALOGUE_H

#include "command.h"
#include "refusal.h"

/* What a client is told whose MAIL or RCPT (`verb`) was not accepted by command_parse_mail() or
 * command_parse_rcpt(); `parameter` is the one that the error is about, if any. REFUSAL_NONE for
 * COMMAND_OK. */
struct refusal dialogue_refuse_path(enum command_verb verb, enum command_error error,
                                    struct bytes parameter);

/* What a client is told whose command is known to some standard but not offered here. */
struct refusal dialogue_refuse_command(const struct command *command);

/* What a client is told whose command has an argument missing, or one too many. */
struct refusal dialogue_refuse_argument(enum command_verb verb);

#endif
