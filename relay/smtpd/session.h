/* One client's dialogue, from the banner to the last reply (RFC 5321 3, 4). */
#ifndef FAIRLEAD_SESSION_H
#define FAIRLEAD_SESSION_H

#include "budget.h"
#include "config.h"
#include "dns.h"
#include "progress.h"
#include "refusal.h"
#include "stream.h"

/* What a session works with. Everything must outlive it. */
struct session_setting {
    const struct config *config;
    struct dns *dns;
    struct budget *budget;     /* for messages being held, shared by all sessions */
    const bool *draining;      /* the relay is shutting down: no further mail is begun */
    struct progress *progress; /* what all sessions are forwarding */
};

struct session;

/* A session with the client at `address`, on `stream`, which stays the caller's. NULL when memory
 * is short. */
struct session *session_new(const struct session_setting *setting, struct stream *stream,
                            const struct ip *address);

/* Serves the client until it quits, is lost or is refused; waits in the calling fiber. `refusal`
 * other than REFUSAL_NONE is sent in place of the banner, and nothing else. */
void session_run(struct session *session, struct refusal refusal);

/* True while no mail is open, so that the session may be cut without harm. */
bool session_is_idle(const struct session *session);

/* NULL is ignored. */
void session_free(struct session *session);

#endif
