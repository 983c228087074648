/* Reads a whole SMTP reply at once, for the unit tests and the fuzz target. */
#ifndef FAIRLEAD_TESTS_READ_REPLY_H
#define FAIRLEAD_TESTS_READ_REPLY_H

#include "reply.h"

/* Feeds the lines of `text`, each ended by LF, until the reply is done. */
static inline enum reply_progress read_reply(struct arena *arena, struct bytes text,
                                             struct reply *reply)
{
    struct reply_reader reader;
    enum reply_progress progress = REPLY_MORE;
    reply_start(&reader, arena);
    while (progress == REPLY_MORE && text.n > 0) {
        size_t end = bytes_find(text, '\n');
        struct bytes line = end == BYTES_NOT_FOUND ? text : bytes_first(text, end + 1);
        text = bytes_from(text, line.n);
        progress = reply_take_line(&reader, line);
    }
    *reply = reader.reply;
    return progress;
}

#endif
