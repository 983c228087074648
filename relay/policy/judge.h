/* Whether the relay itself accepts a sender, a recipient and a message: the one place where this is
 * decided. The session and `fairlead verify` both call it, so that the tool's answer is the
 * relay's. Every refusal carries the clause that decided.
 *
 * Not here is what only a dialogue can show: the order of commands, memory, the upstream's replies.
 */
#ifndef FAIRLEAD_JUDGE_H
#define FAIRLEAD_JUDGE_H

#include "command.h"
#include "content.h"
#include "evaluate.h"
#include "srs.h"
#include "upstream.h"

struct judge {
    const struct policy *policy;
    struct dns *dns; /* the resolver's own: see dnsbl.h */
    const struct srs *srs;
    bool null_sender; /* the reverse-path is <> */
    struct ip client;
    struct dnsbl_listing *listing; /* of the client; looked up at its first recipient, then kept */
};

/* What matters of one mail for its next recipient. */
struct judge_recipients {
    unsigned asked;                 /* RCPT commands before this one */
    unsigned accepted;              /* of these */
    struct bytes forwarding_domain; /* of those accepted, and of their destination */
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

/* The message whose recipients are, or are not, those of a call-out. */
struct refusal judge_call_out(bool call_out);

/* True after so many RCPT commands in this mail that each further one is refused unseen: a refused
 * recipient costs memory too. */
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

/* Judges the message that `content` has read to its end, and parses it into `message`, which is
 * also request->message. Waits for DNS in the calling fiber. Everything lives in `arena`, in the
 * request or in the message's octets. False only when memory is short. */
bool judge_message(struct arena *arena, const struct content_reader *content,
                   const struct evaluation_request *request, struct message *message,
                   struct judgement *judgement);

/* The refusal where the upstream gave no reply to return; REFUSAL_NONE where it did. Details live
 * in `arena`. */
struct refusal judge_upstream(struct arena *arena, const struct upstream_answer *answer);

#endif
