/* One question to one server, over UDP and where need be over TCP, inside a fiber. */
#ifndef FAIRLEAD_EXCHANGE_H
#define FAIRLEAD_EXCHANGE_H

#include "packet.h"
#include "resolver.h"

/* Asks with a fresh random id until the monotonic `deadline`. reply->kind is DNS_REPLY_FINAL,
 * DNS_REPLY_ALIAS, or DNS_REPLY_FAILED with the problem; *silent: it was no word from the server at
 * all, so that asking again may help. */
void dns_exchange(struct arena *arena, const struct resolver_server *server,
                  struct dns_question *question, double deadline, struct dns_reply *reply,
                  bool *silent);

#endif
