/* What a session knows about its client. */
#ifndef FAIRLEAD_CLIENT_H
#define FAIRLEAD_CLIENT_H

#include "ip.h"

struct client {
    struct bytes session_id;
    struct ip address;
    struct bytes helo; /* in its one form (mail/domain.h) */
    bool esmtp;
    bool tls;
};

#endif
