/* Writing JSON into a buffer: one value after the other, with commas and escapes.
 *
 * Octets that are not printable ASCII are written as \u00XX, so that hostile input can break
 * neither a log line nor a terminal. */
#ifndef FAIRLEAD_JSON_H
#define FAIRLEAD_JSON_H

#include "buffer.h"

struct json {
    struct buffer *out;
    bool comma; /* the next member needs a comma before it */
};

/* A writer appending to `out`, which stays the caller's. */
struct json json_start(struct buffer *out);

/* `key` is NULL inside arrays and at the top. */
void json_open_object(struct json *json, const char *key);
void json_close_object(struct json *json);
void json_open_array(struct json *json, const char *key);
void json_close_array(struct json *json);
void json_string(struct json *json, const char *key, struct bytes value);
void json_number(struct json *json, const char *key, int64_t value);
void json_seconds(struct json *json, const char *key, double value);
void json_bool(struct json *json, const char *key, bool value);
void json_null(struct json *json, const char *key);

#endif
