/* The system calls that are left to a relay that is serving: a seccomp filter.
 *
 * What an attacker's code may do in a relay that it has taken over is what the relay does itself:
 * read files, talk to other hosts over TCP and UDP, wait, and change its own memory. It can start
 * no program, write no file, open no other kind of socket, make no memory executable, and send no
 * signal. The first other call kills the process (SIGSYS), which the service manager starts
 * again: a relay that does what it never does is no longer the relay.
 *
 * A file is not told from another here: that is for file permissions and `chroot`. The calls are
 * those of glibc, OpenSSL, libev, libldns and libyaml after start; a new one is added to the table
 * in sandbox.c when something that the relay does needs it. */
#ifndef FAIRLEAD_SANDBOX_H
#define FAIRLEAD_SANDBOX_H

#include "buffer.h"

/* Allows this process, irrevocably, only what is listed. False if the system knows no such filter,
 * with a line appended to `errors`: the process must not continue. A build with sanitizers or
 * coverage counters, whose runtimes do a lot more, has no filter (FAIRLEAD_SANDBOX is 0) and
 * returns true. */
bool sandbox_enter(struct buffer *errors);

#endif
