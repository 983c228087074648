/* Unit tests of base/log.c: a reader that does not read, and lines that are too long for a pipe. */
#include "log.h"
#include "unit.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A pipe in the place of stderr, with a reader that has not read yet. */
struct reader {
    int from;
    int stderr_before;
};

static struct reader open_reader(void)
{
    int ends[2];
    struct reader reader = {.stderr_before = dup(STDERR_FILENO)};
    assert_int_equal(pipe(ends), 0);
    reader.from = ends[0];
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    close(ends[1]);
    return reader;
}

/* What is in the pipe. */
static void drain(const struct reader *reader, struct buffer *text)
{
    char octets[PIPE_BUF];
    ssize_t n;
    fcntl(reader->from, F_SETFL, O_NONBLOCK);
    while ((n = read(reader->from, octets, sizeof octets)) > 0)
        buffer_add(text, (struct bytes){octets, (size_t)n});
}

static void close_reader(const struct reader *reader)
{
    dup2(reader->stderr_before, STDERR_FILENO);
    close(reader->stderr_before);
    close(reader->from);
}

static void log_long_line(size_t members, const char *value)
{
    struct log_line line;
    log_begin(&line, "long");
    for (size_t i = 0; i < members; i++)
        json_string(&line.json, "member", bytes_of(value));
    json_open_object(&line.json, "last");
    json_string(&line.json, "member", bytes_of(value));
    json_close_object(&line.json);
    log_end(&line);
}

static void a_line_too_long_for_a_pipe_loses_its_last_members(void **state)
{
    (void)state;
    static const char *const values[] = {"plain", "a, \"b\", {c}, [d] \\", "\x01\x80,"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct buffer text = {0};
        struct reader reader = open_reader();
        log_long_line(1000, values[i]);
        drain(&reader, &text);
        close_reader(&reader);
        assert_in_range(text.n, PIPE_BUF - 256, PIPE_BUF);
        assert_true(
            bytes_ends_with_nocase(buffer_bytes(&text), BYTES("\", \"truncated\": true}\n")));
        assert_int_equal(bytes_find(buffer_bytes(&text), '\n'), text.n - 1);
        buffer_free(&text);
    }
}

static void a_member_too_long_for_a_pipe_is_left_out_whole(void **state)
{
    (void)state;
    char *value = calloc(1, 5 * PIPE_BUF);
    struct buffer text = {0};
    memset(value, 'x', 5 * PIPE_BUF - 1);
    struct reader reader = open_reader();
    log_long_line(0, value);
    drain(&reader, &text);
    close_reader(&reader);
    assert_true(bytes_ends_with_nocase(buffer_bytes(&text),
                                       BYTES("\"event\": \"long\", \"truncated\": true}\n")));
    buffer_free(&text);
    free(value);
}

static void lines_that_nobody_reads_are_dropped_and_counted(void **state)
{
    (void)state;
    enum { LINES = 500 };
    struct buffer text = {0};
    size_t written = 0;
    struct reader reader = open_reader();
    alarm(30); /* instead of waiting for ever */
    for (int i = 0; i < LINES; i++)
        log_long_line(100, "value");
    alarm(0);
    drain(&reader, &text);
    for (struct bytes rest = buffer_bytes(&text); rest.n > 0; written++) {
        struct bytes line = bytes_cut(&rest, '\n');
        assert_true(bytes_starts_with_nocase(line, BYTES("{\"time\"")));
        assert_true(bytes_ends_with_nocase(line, BYTES("}")));
    }
    assert_in_range(written, 1, LINES - 1);
    buffer_clear(&text);
    log_message("after", "text");
    drain(&reader, &text);
    close_reader(&reader);
    char counted[64];
    snprintf(counted, sizeof counted, "\"lines_lost\": %zu}\n", LINES - written);
    assert_true(bytes_ends_with_nocase(buffer_bytes(&text), bytes_of(counted)));
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_too_long_for_a_pipe_loses_its_last_members),
        cmocka_unit_test(a_member_too_long_for_a_pipe_is_left_out_whole),
        cmocka_unit_test(lines_that_nobody_reads_are_dropped_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
