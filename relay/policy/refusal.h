/* The relay's own refusals: reply code, enhanced status code and text of each in one table, and the
 * clause, which comes with the decision to refuse. An upstream's refusal is not among them: it is
 * returned as it came (mail/reply.h).
 *
 *     if (CLAUSE(LIM_13, hops >= limits->received_fields))
 *         return REFUSE_WITH(LOOP, "LIM-13", number);
 */
#ifndef FAIRLEAD_REFUSAL_H
#define FAIRLEAD_REFUSAL_H

#include "reply.h"

enum refusal_kind {
    REFUSAL_NONE, /* nothing to refuse */

    /* The dialogue (RFC 5321 4.2, 4.3.2, 4.5.3) */
    REFUSAL_UNKNOWN_COMMAND,
    REFUSAL_COMMAND_OCTETS,
    REFUSAL_COMMAND_TOO_LONG,
    REFUSAL_BAD_ARGUMENT,
    REFUSAL_BAD_PARAMETER,
    REFUSAL_BAD_HELLO,
    REFUSAL_HELLO_FIRST,
    REFUSAL_MAIL_FIRST,
    REFUSAL_MAIL_OPEN,
    REFUSAL_RECIPIENT_FIRST,
    REFUSAL_NOT_IMPLEMENTED,
    REFUSAL_UNKNOWN_PARAMETER,
    REFUSAL_TLS_ALREADY,
    REFUSAL_TLS_NOT_OFFERED,
    REFUSAL_EARLY_TALKER,
    REFUSAL_TOO_MANY_BAD_COMMANDS,
    REFUSAL_TOO_MANY_IDLE_COMMANDS,
    REFUSAL_CLIENT_TIMEOUT,
    REFUSAL_TOO_MANY_SESSIONS,
    REFUSAL_TOO_MANY_SESSIONS_FROM_CLIENT,
    REFUSAL_SHUTTING_DOWN,
    REFUSAL_NO_MEMORY,

    /* Addresses and routes */
    REFUSAL_BAD_SENDER,
    REFUSAL_BAD_RECIPIENT,
    REFUSAL_INTERNATIONAL_SENDER,
    REFUSAL_INTERNATIONAL_RECIPIENT,
    REFUSAL_NOT_SERVED,
    REFUSAL_UNKNOWN_ADDRESS,
    REFUSAL_TOO_MANY_RECIPIENTS,
    REFUSAL_OTHER_DESTINATION,

    /* The upstream */
    REFUSAL_DESTINATION_DOES_NOT_EXIST,
    REFUSAL_DESTINATION_HAS_NO_HOST,
    REFUSAL_DESTINATION_TAKES_NO_MAIL,
    REFUSAL_DESTINATION_DNS_FAILED,
    REFUSAL_LOOP_TO_SELF,
    REFUSAL_LOOP_THROUGH_OTHERS,
    REFUSAL_LOOP_SUSPECTED,
    REFUSAL_UPSTREAM_UNREACHABLE,
    REFUSAL_UPSTREAM_LOST,
    REFUSAL_UPSTREAM_GARBAGE,
    REFUSAL_UPSTREAM_NOT_8BIT,

    /* The message */
    REFUSAL_MESSAGE_TOO_BIG,
    REFUSAL_HEADER_TOO_BIG,
    REFUSAL_TOO_MANY_FIELDS,
    REFUSAL_MESSAGE_OCTETS,
    REFUSAL_MESSAGE_CONTINUES_FIELD,
    REFUSAL_LOOP,

    /* Policy */
    REFUSAL_DNSBL,
    REFUSAL_NO_AUTHOR,
    REFUSAL_DMARC_REJECT,
    REFUSAL_DMARC_QUARANTINE,
    REFUSAL_DMARC_DNS_FAILED,

    REFUSAL_COUNT
};

enum { REFUSAL_DETAILS = 2 };

struct refusal {
    enum refusal_kind kind;
    const char *clause; /* of the catalogue: what decided; NULL with REFUSAL_NONE */
    struct bytes details[REFUSAL_DETAILS]; /* for the "{}" of the text, in order */
};

/* A refusal by its name in the enum, without the prefix, and the id of the clause that decides. */
#define REFUSE(name, id) ((struct refusal){.kind = REFUSAL_##name, .clause = (id)})

/* The same with one or two details. */
#define REFUSE_WITH(name, id, ...)                                                                 \
    ((struct refusal){.kind = REFUSAL_##name, .clause = (id), .details = {__VA_ARGS__}})

/* Nothing to refuse. */
#define ACCEPT ((struct refusal){.kind = REFUSAL_NONE})

struct refusal_entry {
    uint16_t code;
    const char *enhanced; /* NULL where the Postmaster page gives a text without one */
    const char *text;     /* each "{}" stands for one detail */
    const char *section;  /* NULL, or the anchor on the Postmaster page that the text refers to */
};

const struct refusal_entry *refusal_entry(enum refusal_kind kind);

/* The reply without code and line end: "5.1.1 No such user here". `page` is the URL of the
 * Postmaster page; where it is empty the text refers to none. In `arena`; p == NULL when memory is
 * short. */
struct bytes refusal_text(struct arena *arena, const struct refusal *refusal, struct bytes page);

/* The answer to a client: a refusal of ours, or, with REFUSAL_NONE, the reply of an upstream. */
struct answer {
    struct refusal refusal;
    struct reply reply;
};

#endif
