/* SPF (RFC 7208): is this client authorised to use this envelope sender? */
#ifndef FAIRLEAD_SPF_H
#define FAIRLEAD_SPF_H

#include "buffer.h"
#include "dns.h"

/* RFC 7208 2.6 */
enum spf_result {
    SPF_NONE,
    SPF_NEUTRAL,
    SPF_PASS,
    SPF_FAIL,
    SPF_SOFTFAIL,
    SPF_TEMPERROR,
    SPF_PERMERROR
};

/* What was checked: MAIL FROM, or HELO because the reverse-path is null (RFC 7208 2.4). */
enum spf_identity { SPF_MAIL_FROM, SPF_HELO };

struct spf_request {
    struct ip client;
    struct bytes helo;                /* as given in HELO or EHLO */
    struct bytes mail_from;           /* the reverse-path without <>; empty: null */
    struct bytes receiver;            /* our name, for %{r}; empty: "unknown" */
    bool explain;                     /* ask for the explanation of a fail (6.2) */
    struct bytes default_explanation; /* for a fail whose domain explains nothing; may be empty */
};

struct spf_outcome {
    enum spf_result result;
    enum spf_identity identity;
    struct bytes
        sender; /* the mailbox checked, "postmaster" supplied where there was no local part */
    struct bytes domain;      /* the domain checked: the right side of `sender` */
    struct bytes explanation; /* SPF_FAIL, if asked for: printable US-ASCII, the domain's or the
                                 default one */
    struct bytes mechanism;   /* what matched, as written ("-all"), or "default"
                                 when none did; empty for none, temperror and permerror */
    unsigned lookups;         /* terms that cause DNS queries, of at most 10 */
    unsigned void_lookups;    /* queries that found nothing, of at most 2 */
    const char *problem;      /* none, temperror and permerror: why, never NULL; else NULL */
};

/* Evaluates check_host() (RFC 7208 4) for MAIL FROM, or for HELO when that is null. Waits in the
 * calling fiber, 20 s at most. Everything in *outcome lives in `arena` or in the request. Memory
 * running out gives SPF_TEMPERROR. */
void spf_check(struct dns *dns, struct arena *arena, const struct spf_request *request,
               struct spf_outcome *outcome);

/* Copies an outcome with everything it points to. False when memory is short. */
bool spf_outcome_copy(struct arena *arena, const struct spf_outcome *from, struct spf_outcome *to);

/* "pass", "fail", ... as Received-SPF and Authentication-Results write it. */
const char *spf_result_name(enum spf_result result);

/* For evaluators: fills in identity, sender and domain of a fresh outcome (RFC 7208 2.4, 4.3). */
void spf_identify(struct arena *arena, const struct spf_request *request,
                  struct spf_outcome *outcome);

/* For evaluators: a multi-label name in ASCII and not an address literal, as 4.3 wants it. Whether
 * it can be asked for (RFC 1035 2.3.4) is for dns_query() to say. */
bool spf_is_checkable(struct bytes domain);

/* For evaluators: the domain's explanation, or the default one where it is not printable US-ASCII
 * (macros bring in what the client gave, and a reply must not break) or beyond what a reply of some
 * lines holds (RFC 7208 6.2). */
struct bytes spf_explanation(struct bytes text, struct bytes default_explanation);

/* Appends a Received-SPF field (RFC 7208 9.1), folded, with its CRLF. Nothing that the client or a
 * record supplied can break the field. */
void spf_write_received(struct buffer *out, const struct spf_request *request,
                        const struct spf_outcome *outcome);

#endif
