/* The running relay: its listeners, its sessions, and its response to signals. */
#ifndef FAIRLEAD_SERVER_H
#define FAIRLEAD_SERVER_H

#include "config.h"

struct server;

/* Binds the listeners of `config` (whose reference it takes over), drops privileges to its user,
 * and prepares the resolver. NULL with a line appended to `errors` when something of that fails. */
struct server *server_new(struct config *config, struct buffer *errors);

/* Serves until SIGTERM or SIGINT, then drains: new connections are refused, idle sessions get 421,
 * transactions under way are finished within `timeouts.drain` seconds. SIGHUP reads the
 * configuration again; an invalid file leaves the old one in force. */
void server_run(struct server *server);

void server_free(struct server *server);

#endif
