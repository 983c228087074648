/* The relay's log: one JSON object a line on stderr, with the time and an event name.
 *
 *     struct log_line line;
 *     log_begin(&line, "session");
 *     json_string(&line.json, "client", ...);
 *     log_end(&line);
 *
 * Message content never goes into the log. */
#ifndef FAIRLEAD_LOG_H
#define FAIRLEAD_LOG_H

#include "json.h"

struct log_line {
    struct buffer text;
    struct json json;
};

/* Starts a line; `line` is filled in place because the writer points into it. */
void log_begin(struct log_line *line, const char *event);

/* Writes the line and frees it. Of a line over PIPE_BUF octets the last members are left out, and
 * "truncated" says so. A line that could not be built, or that stderr has no room for, is dropped;
 * the next one that is written counts them in "lines_lost". */
void log_end(struct log_line *line);

/* One line with a single "message", for start-up and operating-system errors. */
void log_message(const char *event, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Turns logging off, for a fuzz target that has to be silent, or on again. */
void log_enable(bool on);

#endif
