/* SMTP command lines and their arguments: RFC 5321 4.1.1, RFC 1870 (SIZE), RFC 6152 (BODY).
 *
 * The grammar alone: the session decides whether a command is in sequence, and the reply to each
 * error is in policy/dialogue.c. */
#ifndef FAIRLEAD_COMMAND_H
#define FAIRLEAD_COMMAND_H

#include "address.h"

enum command_verb {
    COMMAND_EHLO,
    COMMAND_HELO,
    COMMAND_MAIL,
    COMMAND_RCPT,
    COMMAND_DATA,
    COMMAND_RSET,
    COMMAND_NOOP,
    COMMAND_QUIT,
    COMMAND_HELP,
    COMMAND_VRFY,
    COMMAND_EXPN,
    COMMAND_STARTTLS,
    COMMAND_NOT_OFFERED, /* known to some standard (AUTH, BDAT, ETRN, ...), not offered here: 502 */
    COMMAND_UNKNOWN,     /* 500 */
};

struct command {
    enum command_verb verb;
    struct bytes name;     /* the verb as written, for the log */
    struct bytes argument; /* what follows the first blank, trailing blanks dropped; may be empty */
};

enum command_error {
    COMMAND_OK,
    COMMAND_BAD_OCTETS,         /* a control character: 500 5.5.2 */
    COMMAND_SYNTAX,             /* an argument missing, unexpected or malformed */
    COMMAND_BAD_ADDRESS,        /* the path is malformed */
    COMMAND_BAD_DOMAIN,         /* its domain is not a valid name */
    COMMAND_ADDRESS_TOO_LONG,   /* a limit of RFC 5321 4.5.3.1 */
    COMMAND_NON_ASCII_LOCAL,    /* RFC 6531 3.5: 550 5.6.7 to MAIL, 553 5.6.7 to RCPT */
    COMMAND_BAD_PARAMETER,      /* a known parameter with a malformed value, or given twice: 501 */
    COMMAND_UNKNOWN_PARAMETER,  /* 555 5.5.4 */
    COMMAND_SMTPUTF8_PARAMETER, /* the same, but the client means to send internationalised mail */
    COMMAND_NO_MEMORY,
};

enum body_type { BODY_UNSTATED, BODY_7BIT, BODY_8BITMIME };

struct mail_arguments {
    struct address sender; /* ADDRESS_NULL or ADDRESS_MAILBOX */
    bool size_stated;
    uint64_t size; /* octets; a number beyond 64 bits is UINT64_MAX */
    enum body_type body;
    struct bytes parameter; /* the keyword that an error is about; empty if none is */
};

struct rcpt_arguments {
    struct address recipient; /* ADDRESS_MAILBOX or ADDRESS_POSTMASTER */
    struct bytes parameter;
};

/* Divides `line`, from which the CRLF is gone, and checks that there is an argument where the verb
 * needs one and none where it takes none. `command` is filled in for every error but
 * COMMAND_BAD_OCTETS; its slices point into `line`. Octets above 127 are left to the arguments. */
enum command_error command_parse(struct bytes line, struct command *command);

/* The argument of EHLO or HELO: a domain name or an address literal (RFC 5321 4.1.1.1). `name`
 * becomes the name in A-labels and lower case, or the literal in canonical form. A '_' is
 * tolerated, since client machines are named so: the name is looked up and recorded, not compared.
 */
enum command_error command_parse_client_name(struct arena *arena, struct bytes argument,
                                             struct bytes *name);

/* "FROM:<path> parameters". One blank after the colon is tolerated, since clients send it. */
enum command_error command_parse_mail(struct arena *arena, struct bytes argument,
                                      struct mail_arguments *mail);

/* "TO:<path> parameters". No parameter of RCPT is offered. */
enum command_error command_parse_rcpt(struct arena *arena, struct bytes argument,
                                      struct rcpt_arguments *rcpt);

#endif
