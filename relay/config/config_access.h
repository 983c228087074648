/* Who else may read and write the files of a configuration.
 *
 * As for the keys of OpenSSH and OpenSMTPD: nobody but its owner may write any of them, and nobody
 * but its owner and a group (that of the relay's user, when root owns the file) may read a secret.
 * Owners are not compared: root, the relay's user and a container's each have their reasons. The
 * directories above are not looked at. */
#ifndef FAIRLEAD_CONFIG_ACCESS_H
#define FAIRLEAD_CONFIG_ACCESS_H

#include "config_source.h"

#include <sys/types.h>

enum config_secrecy { CONFIG_PUBLIC, CONFIG_SECRET };

/* Reports at `key` a regular file that is open to others, with the command that closes it. `mode`
 * is that of stat(2). */
void config_check_access(struct config_source *source, struct config_key key, const char *path,
                         mode_t mode, enum config_secrecy secrecy);

#endif
