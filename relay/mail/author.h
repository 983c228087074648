/* The author domain of a message, on which DMARC decides: RFC 5322 3.4, 3.6.2 and the obsolete
 * forms of 4.4, groups of RFC 6854, RFC 9989 and RFC 7489 as far as they say what a usable From is.
 *
 * The grammar decides, not what a reader might see: comments are skipped, quoted strings are one
 * word, encoded words are not decoded, routes are dropped. Where software is known to disagree (two
 * addresses for one author, a field name with octets that a name cannot have) both count. A field
 * that does not follow the grammar still has an author where all readers agree on it
 * (specification.md#dmarc-malformed-from).
 * Clause: DMARC-15 */
#ifndef FAIRLEAD_AUTHOR_H
#define FAIRLEAD_AUTHOR_H

#include "message.h"

enum { AUTHOR_DOMAINS_MAX = 8 }; /* domains listed; two are enough to refuse */

enum author_status {
    AUTHOR_FOUND,     /* exactly one author domain, domains[0] */
    AUTHOR_MISSING,   /* no From field */
    AUTHOR_REPEATED,  /* more than one From field, disguised ones included */
    AUTHOR_MALFORMED, /* not an address list, or an author without a usable domain: `problem` */
    AUTHOR_NOBODY,    /* an address list of empty groups */
    AUTHOR_SEVERAL_DOMAINS, /* in `domains`, as far as there is room */
    AUTHOR_NO_MEMORY,
};

struct author {
    enum author_status status;
    struct bytes domains[AUTHOR_DOMAINS_MAX]; /* distinct, in lower case and A-labels */
    size_t domain_count;
    bool names_no_domain; /* of one that is not found: no reader can see a domain in it */
    const char *problem;  /* what is wrong, in a few words; NULL if nothing is */
};

/* Finds the author domain of a message. Everything lives in `arena`. */
struct author author_of_message(struct arena *arena, const struct message *message);

/* The same for the value of one From field, folded or not. */
struct author author_of_field(struct arena *arena, struct bytes value);

#endif
