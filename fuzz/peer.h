/* The upstream of a fuzz target, played from a script: for targets that are linked with
 * -Wl,--wrap for the functions of stream.h that peer.c replaces. The relay's connection is a memory
 * stream; what it sends is watched by a strict server of its own, and the target is told of each
 * message. Streams other than the upstream's are left alone.
 *
 * The script is turns with `|` between them, sent as they are. A turn is there to be read once the
 * turn before it was read to its end and the relay wants more; several replies in one turn come
 * early. The first turn after a connection is its banner. A turn may begin with
 *     !  the connection is lost when the relay reads (TLS: the handshake fails)
 *     #  it was lost before, so that the relay can see it without reading
 *     ?  the upstream is silent until the relay gives up
 *     -  the connection is refused, where one is made
 * After the last turn every connection is lost, or refused. */
#ifndef FAIRLEAD_FUZZ_PEER_H
#define FAIRLEAD_FUZZ_PEER_H

#include "stream.h"

enum peer_state {
    PEER_BANNER,  /* connected: it is the upstream's turn */
    PEER_READY,   /* a command may come */
    PEER_ASKED,   /* a command has come */
    PEER_TLS,     /* STARTTLS was accepted */
    PEER_CONTENT, /* after the 354 */
    PEER_FINAL,   /* the message has come, with its dot */
    PEER_BROKEN   /* no reply: nothing more may come */
};

enum peer_command {
    PEER_EHLO,
    PEER_HELO,
    PEER_STARTTLS,
    PEER_MAIL,
    PEER_RCPT,
    PEER_DATA,
    PEER_RSET,
    PEER_QUIT
};

struct peer {
    /* What the target wants to know, NULL or not; `context` is the target's. */
    void (*on_message)(struct peer *peer, struct bytes content, bool accepted);
    void (*on_line)(struct peer *peer, struct bytes line); /* read from another stream */
    void (*on_flush)(struct peer *peer);                   /* of another stream */
    void *context;

    struct bytes script, turn; /* what is left of them */
    struct stream *stream;     /* NULL: not connected */
    struct buffer sent;        /* over this connection, flushed or not */
    size_t seen;               /* of it */
    enum peer_command command; /* the last */
    unsigned recipients;       /* accepted in the transaction that is open */
    size_t content;            /* where it begins in `sent` */
    int code;                  /* of the last reply; 0: there is none, or not an SMTP reply */
    bool in_reply;             /* a line of more to come was read */
    enum peer_state state;
};

/* Makes it the upstream of this process. The script must outlive it. */
void peer_start(struct peer *peer, struct bytes script);

/* Requires that the relay has let go of the connection. */
void peer_stop(struct peer *peer);

#endif
