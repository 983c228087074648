/* SMTP replies: reading an upstream's line by line, and writing one to our client.
 *
 * RFC 5321 4.2, the reply line limit of 4.5.3.1.5, enhanced codes of RFC 3463 and 2034. What an
 * upstream said is kept as it was; what could break the dialogue is replaced on the way out. */
#ifndef FAIRLEAD_REPLY_H
#define FAIRLEAD_REPLY_H

#include "arena.h"
#include "buffer.h"

enum {
    REPLY_LINE_MAX = 512,  /* octets with CRLF of a line we write: RFC 5321 4.5.3.1.5 */
    REPLY_READ_MAX = 2048, /* octets kept of a line that we read */
    REPLY_LINES_MAX = 128  /* lines of one reply that we read */
};

struct reply {
    int code;              /* 200 to 599 */
    struct bytes enhanced; /* "5.1.1" if the first line has one whose class agrees; else empty */
    struct bytes *lines;   /* texts after the code and its separator, enhanced code included */
    size_t line_count;     /* at least 1 */
};

enum reply_progress {
    REPLY_MORE,       /* a further line belongs to this reply */
    REPLY_COMPLETE,   /* `reply` holds it */
    REPLY_UNPARSABLE, /* not an SMTP reply: wrong code or separator, codes that disagree, no end */
};

struct reply_reader {
    struct arena *arena;
    struct reply reply;
};

/* Begins a reply whose memory comes from `arena`. */
void reply_start(struct reply_reader *reader, struct arena *arena);

/* Takes the next line, with its line end (CRLF or bare LF) or without. Text beyond REPLY_READ_MAX
 * is dropped. Memory running out gives REPLY_UNPARSABLE, and arena_failed(). After REPLY_COMPLETE
 * or REPLY_UNPARSABLE start again. */
enum reply_progress reply_take_line(struct reply_reader *reader, struct bytes line);

/* Makes the reply fit to be passed on: the upstream's 421 is about its own connection, not about
 * our client's, and becomes 451. */
void reply_adapt_for_client(struct reply *reply);

/* Appends the reply to `out`, ready for the wire: control characters and octets above 127 become
 * '?', a line over the limit continues on the next, so that no text is lost. */
void reply_write(struct buffer *out, const struct reply *reply);

/* The same for a reply of one line. */
void reply_write_line(struct buffer *out, int code, struct bytes text);

/* What an EHLO reply offers of what the relay would use (RFC 5321 4.1.1.1). */
struct reply_extensions {
    bool size;           /* SIZE offered (RFC 1870) */
    uint64_t size_limit; /* octets; 0: no fixed limit, or none stated */
    bool eight_bit_mime;
    bool pipelining;
    bool starttls;
};

struct reply_extensions reply_read_extensions(const struct reply *ehlo);

#endif
