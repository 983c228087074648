/* The ARC sets that a message carries, sorted by instance: RFC 8617 4.2, and 5.2 steps 1 and 3 as
 * far as they concern which fields are present. Shared by validation and sealing. */
#ifndef FAIRLEAD_ARC_CHAIN_H
#define FAIRLEAD_ARC_CHAIN_H

#include "arc.h"

/* One set's field, and what follows its instance: the payload of an AAR, the tags of the others. */
struct arc_field {
    const struct header_field *field;
    struct bytes rest;
};

struct arc_chain_set {
    struct arc_field authentication_results;
    struct arc_field message_signature;
    struct arc_field seal;
};

struct arc_chain {
    struct arc_chain_set sets[ARC_INSTANCES_MAX]; /* instance i is sets[i - 1] */
    unsigned newest;                              /* the highest instance found */
    bool present;                                 /* there is at least one ARC field */
    const char *problem;                          /* why this is not a chain; NULL if it is */
};

/* Collects the ARC fields of the message. */
void arc_chain_collect(const struct message *message, struct arc_chain *chain);

#endif
