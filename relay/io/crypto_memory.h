/* Whether OpenSSL failed for want of memory.
 *
 * Many of its functions return the same for a key or signature that is wrong as for an allocation
 * that failed, and the difference is a permanent refusal of somebody's mail. Its error queue does
 * not always say either: where a method cannot be fetched for want of memory the reason is
 * "unsupported", and the queue itself is allocated. So the allocations are watched instead. */
#ifndef FAIRLEAD_CRYPTO_MEMORY_H
#define FAIRLEAD_CRYPTO_MEMORY_H

/* Watches OpenSSL's allocations from now on. To be called before anything else of OpenSSL's: later
 * it has no effect. */
void crypto_memory_watch(void);

/* How many of them have failed so far: if that is more after an operation that failed than it was
 * before, memory was short. */
unsigned crypto_memory_failures(void);

#endif
