/* The log. See log.h. A reader that has stopped must not stop the mail, so a line is written only
 * where stderr accepts it at once. O_NONBLOCK would see to that, but it belongs to the open file,
 * which the relay shares with whoever started it. Instead a line has at most PIPE_BUF octets: for
 * as many a pipe that polls as writable has room, they are written in one piece (pipe(7)), and
 * lines of several processes stay whole. Left out: another writer to the same pipe that fills it
 * between the two calls. */
#include "log.h"

#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* For what log_end() adds: "truncated", "lines_lost", the end. */
enum { LINE_END_MAX = 80 };

static bool enabled = true;
static unsigned lost; /* lines that could not be written since the last one that could */

void log_enable(bool on)
{
    enabled = on;
}

void log_begin(struct log_line *line, const char *event)
{
    struct timespec now;
    struct tm utc;
    char stamp[sizeof "2026-11-23T12:34:56"];
    *line = (struct log_line){0};
    line->json = json_start(&line->text);
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    json_open_object(&line->json, NULL);
    buffer_printf(&line->text, "\"time\": \"%s.%03ldZ\"", stamp, now.tv_nsec / 1000000);
    line->json.comma = true;
    json_string(&line->json, "event", bytes_of(event));
}

static void write_line(const struct log_line *line)
{
    struct pollfd output = {.fd = STDERR_FILENO, .events = POLLOUT};
    bool written = !line->text.failed && poll(&output, 1, 0) == 1 &&
                   write(STDERR_FILENO, line->text.p, line->text.n) == (ssize_t)line->text.n;
    lost = written ? 0 : lost + 1;
}

/* The text up to the last member of the line's object that ends within `limit`. Braces and commas
 * in strings do not count. */
static size_t whole_members(struct bytes text, size_t limit)
{
    unsigned depth = 0;
    bool quoted = false;
    size_t end = 0;
    for (size_t i = 0; i <= limit && i < text.n; i++) {
        char c = text.p[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '['))
            depth++;
        else if (!quoted && (c == '}' || c == ']'))
            depth--;
        else if (!quoted && c == ',' && depth == 1)
            end = i;
    }
    return end;
}

static void cut_to_fit(struct log_line *line)
{
    const size_t limit = PIPE_BUF - LINE_END_MAX;
    if (line->text.n <= limit)
        return;
    line->text.n = whole_members(buffer_bytes(&line->text), limit);
    json_bool(&line->json, "truncated", true);
}

void log_end(struct log_line *line)
{
    cut_to_fit(line);
    if (lost > 0)
        json_number(&line->json, "lines_lost", lost);
    json_close_object(&line->json);
    buffer_add_char(&line->text, '\n');
    if (enabled)
        write_line(line);
    buffer_free(&line->text);
}

void log_message(const char *event, const char *format, ...)
{
    char text[512];
    struct log_line line;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    log_begin(&line, event);
    json_string(&line.json, "message", bytes_of(text));
    log_end(&line);
}
