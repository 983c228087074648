/* "did you mean": the known word that is closest to a misspelt one. */
#ifndef FAIRLEAD_CONFIG_SUGGESTION_H
#define FAIRLEAD_CONFIG_SUGGESTION_H

#include "bytes.h"

struct config_suggestion {
    struct bytes written;
    struct bytes closest; /* of the words offered; empty if none is close */
    size_t distance;
};

/* Offers a known word. It is kept by reference. */
void config_suggest(struct config_suggestion *suggestion, struct bytes word);

#endif
