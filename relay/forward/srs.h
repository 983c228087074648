/* The Sender Rewriting Scheme, as the Guarnieri/Meng drafts, Mail::SRS, libsrs2 and postsrsd have
 * it:
 *
 *     SRS0=HHHH=TT=domain=local@forwarding-domain      of local@domain
 *     SRS1=HHHH=host==HHHH=TT=domain=local@forwarding-domain      of SRS0=HHHH=TT=domain=local@host
 *
 * HHHH is the start of base64(HMAC-SHA1(secret, what follows it, in lower case, separators left
 * out)), TT the day in base32. No DNS, no database: the address has all that the way back needs. */
#ifndef FAIRLEAD_SRS_H
#define FAIRLEAD_SRS_H

#include "address.h"

/* The local part that stands in for senders too long to rewrite, where a zone names no other. */
#define SRS_OVERFLOW_LOCAL_PART "bounces"

enum {
    SRS_DAYS = 1024,      /* after so many the timestamp begins again */
    SRS_MAX_AGE_DAYS = 21 /* the default of the common implementations */
};

struct srs {
    const struct bytes *secrets; /* none empty: the first signs, all verify */
    size_t secret_count;         /* at least 1 */
    unsigned max_age_days;       /* how old an address may be when it comes back; below SRS_DAYS */
    struct bytes overflow;       /* content of the local part that stands in for one too long */
};

/* Rewrites the reverse-path `sender` to `forwarding_domain` (in the one form of domain.h) on the
 * day of `now`, seconds since 1970. The null path, and a sender at that domain, stay as they are.
 * The result lives in `arena` or is shared with `sender`. False when memory is short or HMAC fails.
 */
bool srs_forward(const struct srs *srs, struct arena *arena, const struct address *sender,
                 struct bytes forwarding_domain, int64_t now, struct address *rewritten);

enum srs_error {
    SRS_OK,
    SRS_NOT_REWRITTEN, /* the local part is not in SRS form */
    SRS_MALFORMED,     /* it is, but its timestamp or the address inside cannot be read */
    SRS_WRONG_HASH,    /* made with none of the secrets */
    SRS_EXPIRED,       /* older than max_age_days, or from the future */
    SRS_NO_MEMORY,
};

/* Goes back one hop: to the original sender from SRS0, to the first forwarder's SRS0 from SRS1
 * (which has no timestamp of its own). */
enum srs_error srs_reverse(const struct srs *srs, struct arena *arena,
                           const struct address *rewritten, int64_t now, struct address *original);

/* True if `address` was made with one of the secrets, however long ago. False when memory is short.
 */
bool srs_has_valid_hash(const struct srs *srs, struct arena *arena, const struct address *address);

/* What marks `address` as one that these secrets have rewritten, whatever others have made of it
 * since: the content of the SRS0 that it is or, as SRS1, carries, its hash and all that follows.
 * Its age does not matter. Empty if there is none with a valid hash, or memory is short. */
struct bytes srs_own_origin(const struct srs *srs, struct arena *arena,
                            const struct address *address);

/* "wrong-hash" and the like, for the tool and the log. */
const char *srs_error_name(enum srs_error error);

/* True if the local part (content) is in SRS0 or SRS1 form, whatever its hash. */
bool srs_is_rewritten(struct bytes local);

#endif
