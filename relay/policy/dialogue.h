/* Refusals of commands for their grammar (RFC 5321 4.2, 4.3.2; RFC 6531 3.5). */
#ifndef FAIRLEAD_DIALOGUE_H
#define FAIRLEAD_DIALOGUE_H

#include "command.h"
#include "policy.h"
#include "refusal.h"

/* The refusal of an EHLO or HELO for an error of command_parse_client_name(). REFUSAL_NONE for
 * COMMAND_OK. */
struct refusal dialogue_refuse_client_name(enum command_error error);

/* The refusal of a MAIL or RCPT (`verb`) for an error of command_parse_mail() or
 * command_parse_rcpt(); `parameter` is the one that the error is about, if any. REFUSAL_NONE for
 * COMMAND_OK. */
struct refusal dialogue_refuse_path(enum command_verb verb, enum command_error error,
                                    struct bytes parameter);

/* The refusal of a command that some standard defines but that is not offered here. */
struct refusal dialogue_refuse_command(const struct command *command);

/* The refusal of a command with an argument missing, or one too many. */
struct refusal dialogue_refuse_argument(enum command_verb verb);

/* The refusal of one more command where the session has so many since the last message that was
 * accepted. REFUSAL_NONE as long as these are not too many. */
struct refusal dialogue_refuse_idle(const struct policy *policy, size_t commands);

/* A 250 of the relay's own, with its enhanced code and text. Lives in `arena`; a refusal when
 * memory is short. */
struct answer dialogue_accept(struct arena *arena, struct bytes enhanced, struct bytes text);

#endif
