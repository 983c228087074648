/* The trace field this relay adds, and the date it carries: RFC 5321 4.4, RFC 5322 3.3 and 3.6.7.
 * Hops already made are counted by message_count(). */
#ifndef FAIRLEAD_RECEIVED_H
#define FAIRLEAD_RECEIVED_H

#include "arena.h"
#include "ip.h"

enum { RECEIVED_MAX = 100 }; /* fields: a message with so many is in a loop (RFC 5321 6.3) */

struct received {
    struct bytes helo;      /* the argument of EHLO or HELO, syntax checked */
    struct ip client;       /* where the connection came from */
    struct bytes host;      /* this relay's name */
    bool esmtp;             /* greeted by EHLO */
    bool tls;               /* RFC 3848: ESMTPS */
    struct bytes id;        /* the transaction's */
    struct bytes recipient; /* wire form, the only recipient's; empty if there are several */
    int64_t time; /* seconds since 1970 UTC; before 1970 or after 9999 it is taken for 1970 */
};

/* The whole field with its CRLF, folded below 78 columns where words allow. p == NULL when memory
 * is short. */
struct bytes received_field(struct arena *arena, const struct received *received);

#endif
