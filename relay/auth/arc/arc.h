/* ARC (RFC 8617): validating the chain that a message carries (5.2) and adding this hop's set
 * to it (5.1). */
#ifndef FAIRLEAD_ARC_H
#define FAIRLEAD_ARC_H

#include "authres.h"
#include "body_hash.h"
#include "dns.h"
#include "message.h"
#include "signer.h"

enum { ARC_INSTANCES_MAX = 50 }; /* 4.2.1 */

enum arc_status { ARC_NONE, ARC_PASS, ARC_FAIL }; /* 4.4 */

struct arc_result {
    enum arc_status status;
    unsigned instances;   /* the highest instance found, 0 without a chain */
    unsigned oldest_pass; /* 5.2 step 5; 0: all pass. Meaningful for a pass only */
    bool marked_failed;   /* the newest seal says cv=fail: the chain gets no further set */
    bool temporary;       /* caused by DNS; permanent all the same (5.2.1) */
    const char *reason;   /* why the chain fails; never NULL, "" unless it does */
};

/* Validates the message's chain. Waits in the calling fiber for DNS. False only when memory is
 * short. */
bool arc_verify(struct arena *arena, const struct message *message, struct body_hash *body,
                struct dns *dns, struct arc_result *result);

/* "none", "pass" or "fail". */
const char *arc_status_name(enum arc_status status);

/* This hop's set: three fields, each with its final CRLF, to be put on top of the message in this
 * order. */
struct arc_set {
    struct bytes seal;
    struct bytes message_signature;
    struct bytes authentication_results;
};

struct arc_sealing {
    struct signing_identity identity;
    const struct authres *results;  /* of this hop, for the AAR (4.1.1) */
    const struct arc_result *chain; /* what arc_verify() found on arrival */
    const struct bytes *headers; /* h= of the ARC-Message-Signature in that order, all tags sorted
                                    for comparison with others; NULL: chosen */
    size_t header_count;
    int64_t now; /* t= */
};

enum arc_sealed {
    ARC_SEALED,
    ARC_NOT_SEALED, /* the chain says cv=fail already, or has its 50 sets: nothing is to be added */
    ARC_SEAL_FAILED /* memory, or the key did not sign */
};

/* Seals `message`, which is complete but for the set: other fields that this hop adds, the
 * DKIM-Signature among them, are in it already (5.1 step 1; see message_prepend()). */
enum arc_sealed arc_seal(struct arena *arena, const struct message *message, struct body_hash *body,
                         const struct arc_sealing *sealing, struct arc_set *set);

/* True if a sealer may list the field in h=: ARC fields and Authentication-Results are not to be
 * signed (4.1.2). */
bool arc_may_sign(struct bytes field_name);

#endif
