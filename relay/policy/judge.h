/* What the relay itself says to a sender, a recipient and a message: the one place where it is
 * decided. The session asks it and so does `fairlead verify`, so that the tool says what the relay
 * would. Every refusal carries the clause that decided.
 *
 * What only a dialogue can show (the order of commands, memory, the upstream's own word) is not
 * here. */
#ifndef FAIRLEAD_JUDGE_H
#define FAIRLEAD_JUDGE_H

#include "command.h"
#include "content.h"
#include "evaluate.h"
#include "upstream.h"

struct judge {
    const struct policy *policy;
    struct dns *dns; /* the resolver's own: see dnsbl.h */
    struct ip client;
    struct dnsbl_listing *listing; /* of the client; asked at its first recipient, then kept */
};

/* Of one mail, what matters for its next recipient. */
struct judge_recipients {
    unsigned asked;                 /* RCPT commands before this one */
    unsigned accepted;              /* of these */
    struct bytes forwarding_domain; /* of those accepted, and where they go */
    struct bytes destination_domain;
};

/* MAIL, whose grammar is right. Details live in `arena`. */
struct refusal judge_sender(struct arena *arena, const struct policy *policy,
                            const struct mail_arguments *mail);

/* RCPT, whose grammar is right: may the recipient be asked upstream? With REFUSAL_NONE *route is
 * set. Waits for DNSBLs in the calling fiber. Details live in `arena`. */
struct refusal judge_recipient(const struct judge *judge, struct arena *arena,
                               const struct judge_recipients *earlier,
                               const struct address *recipient, struct route *route);

/* True once so many recipients were asked about in this mail that each further one is refused
 * unseen: a refused recipient takes memory too. */
bool judge_recipients_exhausted(const struct policy *policy,
                                const struct judge_recipients *earlier);

/* The limits that DATA is read with. */
struct content_limits judge_content_limits(const struct policy *policy);

/* The message after the end of DATA. */
struct judgement {
    struct refusal refusal;
    struct bytes reason; /* one sentence without a full stop; printable ASCII */
    bool evaluated;      /* the content was fit to be authenticated: `evaluation` is set */
    struct evaluation evaluation;
};

/* Judges the message that `content` has read to its end. request->message is where it is parsed
 * to. Waits for DNS in the calling fiber. Everything lives in `arena`, in the request or in the
 * message's octets. False only when memory is short. */
bool judge_message(struct arena *arena, const struct content_reader *content,
                   const struct evaluation_request *request, struct message *message,
                   struct judgement *judgement);

/* What the client is answered where the upstream gave no reply that could be handed on.
 * REFUSAL_NONE if it did. Details live in `arena`. */
struct refusal judge_upstream(struct arena *arena, const struct upstream_answer *answer);

#endif
