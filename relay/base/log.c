/* The log. See log.h. Writes with one write(2) a line, so that lines of several processes stay
 * whole; and only where stderr accepts it at once, since a reader that has stopped must not stop
 * the mail. */
#include "log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

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

void log_end(struct log_line *line)
{
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
