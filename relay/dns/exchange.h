/* One question to one server, over UDP and if necessary over TCP, inside a fiber. */
#ifndef FAIRLEAD_EXCHANGE_H
#define FAIRLEAD_EXCHANGE_H

#include "packet.h"
#include "resolver.h"

/* Asks with a fresh random id, and the name in a random case, until the monotonic `deadline`.
 * reply->kind is DNS_REPLY_FINAL, DNS_REPLY_ALIAS, or DNS_REPLY_FAILED with the problem; *silent:
 * nothing at all came from the server, so that asking again may help. An answer that repeats the
 * name in another case is dropped, and the question asked once more in the case given, with another
 * id from another port. */
void dns_exchange(struct arena *arena, const struct resolver_server *server,
                  struct dns_question *question, double deadline, struct dns_reply *reply,
                  bool *silent);

#endif
