/* Every refusal the relay words itself: reply code, enhanced status code, text and clause, in one
 * table. A refusal that an upstream worded is not here: it is handed on as it came (mail/reply.h).
 */
#ifndef FAIRLEAD_VERDICT_H
#define FAIRLEAD_VERDICT_H

#include "reply.h"

enum verdict {
    VERDICT_NONE, /* nothing to refuse */

    /* The dialogue (RFC 5321 4.2, 4.3.2, 4.5.3) */
    VERDICT_UNKNOWN_COMMAND,
    VERDICT_COMMAND_OCTETS,
    VERDICT_COMMAND_TOO_LONG,
    VERDICT_BAD_ARGUMENT,
    VERDICT_BAD_PARAMETER,
    VERDICT_BAD_HELLO,
    VERDICT_HELLO_FIRST,
    VERDICT_MAIL_FIRST,
    VERDICT_MAIL_OPEN,
    VERDICT_RECIPIENT_FIRST,
    VERDICT_NOT_IMPLEMENTED,
    VERDICT_UNKNOWN_PARAMETER,
    VERDICT_TLS_ALREADY,
    VERDICT_TLS_NOT_OFFERED,
    VERDICT_EARLY_TALKER,
    VERDICT_TOO_MANY_BAD_COMMANDS,
    VERDICT_CLIENT_TIMEOUT,
    VERDICT_TOO_MANY_SESSIONS,
    VERDICT_TOO_MANY_SESSIONS_FROM_CLIENT,
    VERDICT_SHUTTING_DOWN,
    VERDICT_NO_MEMORY,

    /* Addresses and routes */
    VERDICT_BAD_SENDER,
    VERDICT_BAD_RECIPIENT,
    VERDICT_INTERNATIONAL_SENDER,
    VERDICT_INTERNATIONAL_RECIPIENT,
    VERDICT_NOT_SERVED,
    VERDICT_UNKNOWN_ADDRESS,
    VERDICT_TOO_MANY_RECIPIENTS,
    VERDICT_OTHER_DESTINATION,

    /* The way to the upstream */
    VERDICT_DESTINATION_DOES_NOT_EXIST,
    VERDICT_DESTINATION_TAKES_NO_MAIL,
    VERDICT_DESTINATION_DNS_FAILED,
    VERDICT_LOOP_TO_SELF,
    VERDICT_UPSTREAM_UNREACHABLE,
    VERDICT_UPSTREAM_LOST,
    VERDICT_UPSTREAM_GARBAGE,
    VERDICT_UPSTREAM_NOT_8BIT,

    /* The message */
    VERDICT_MESSAGE_TOO_BIG,
    VERDICT_HEADER_TOO_BIG,
    VERDICT_MESSAGE_OCTETS,
    VERDICT_MESSAGE_LINE_TOO_LONG,
    VERDICT_LOOP,

    /* Policy */
    VERDICT_DNSBL,
    VERDICT_NO_AUTHOR,
    VERDICT_DMARC_REJECT,
    VERDICT_DMARC_QUARANTINE,
    VERDICT_DMARC_DNS_FAILED,

    VERDICT_COUNT
};

struct verdict_entry {
    uint16_t code;
    const char *enhanced; /* NULL where the page pins a text without one */
    const char *text;     /* each "{}" takes one detail */
    const char *section;  /* NULL, or the anchor on the postmaster page that the text refers to */
    const char *clause;   /* the clause of the catalogue that decides it */
};

const struct verdict_entry *verdict_entry(enum verdict verdict);

enum { VERDICT_DETAILS = 2 };

/* What a client is told: a verdict of ours, or, with VERDICT_NONE, the reply of an upstream. */
struct answer {
    enum verdict verdict;
    struct bytes details[VERDICT_DETAILS]; /* for the "{}" of the verdict's text, in order */
    struct reply reply;
};

/* The reply without code and line end: "5.1.1 No such address here". `page` is the address of the
 * postmaster page. In `arena`; p == NULL when memory is short. */
struct bytes verdict_text(struct arena *arena, const struct answer *answer, struct bytes page);

#endif
