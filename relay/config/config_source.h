/* The lines of the configuration file's keys, and errors that name them.
 *
 * The line of every key is noted as the file is read. Later checks name the key, and its line is
 * looked up here. */
#ifndef FAIRLEAD_CONFIG_SOURCE_H
#define FAIRLEAD_CONFIG_SOURCE_H

#include "buffer.h"

/* A key's place in the file: "zones[0].routes[2].to"; the empty text is the whole file. */
struct config_key {
    char text[96];
};

struct config_source {
    const char *path;      /* the file, as errors name it */
    struct buffer *errors; /* one line for each */
    size_t error_count;
    struct buffer lines; /* of struct key_line; freed by config_source_free() */
};

struct config_key config_key(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Notes that `key` is in that line, counted from 1. */
void config_source_note(struct config_source *source, struct config_key key, size_t line);

/* True if the key has been noted, that is, if the file has it. */
bool config_source_has(const struct config_source *source, struct config_key key);

/* Reports an error at the line of `key`, or of the innermost key around it that the file has. After
 * the first CONFIG_ERRORS_MAX errors they are only counted. */
enum { CONFIG_ERRORS_MAX = 50 };
void config_error(struct config_source *source, struct config_key key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a line that is known. */
void config_error_at(struct config_source *source, size_t line, struct config_key key,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

void config_source_free(struct config_source *source);

#endif
