/* Configuration files for the tests of relay/config: the shortest good ones, and a comparison of
 * what is reported about bad ones. */
#ifndef FAIRLEAD_CONFIG_CASES_H
#define FAIRLEAD_CONFIG_CASES_H

#include "unit.h"

#include "config.h"

#define MINIMUM                                                                                    \
    "hostname: mx.example\n"                                                                       \
    "listen: [{address: 192.0.2.25}]\n"                                                            \
    "postmaster: {address: postmaster@elsewhere.example}\n"                                        \
    "srs: {secrets: [0123456789abcdef]}\n"

/* Four lines, then zones from line 5 on. */
#define ONE_ZONE MINIMUM "zones: [{domain: example.com}]\n"

struct bad_file {
    const char *yaml, *errors; /* these without the directory: "f.yaml:3: listen: ..." */
};

static inline void assert_config_errors(const char *path, const char *yaml, const char *expected)
{
    struct buffer errors = {0}, shown = {0};
    const struct bytes directory =
        bytes_first(bytes_of(path), bytes_find_last(bytes_of(path), '/') + 1);
    assert_null(config_parse(bytes_of(yaml), path, &errors));
    struct bytes rest = buffer_bytes(&errors);
    for (size_t at = bytes_find_slice(rest, directory); at != BYTES_NOT_FOUND;
         at = bytes_find_slice(rest, directory)) {
        buffer_add(&shown, bytes_first(rest, at));
        rest = bytes_from(rest, at + directory.n);
    }
    buffer_add(&shown, rest);
    buffer_add_char(&shown, '\0');
    assert_string_equal(shown.p, expected);
    buffer_free(&shown);
    buffer_free(&errors);
}

#define ASSERT_BAD_FILES(path, cases)                                                              \
    for (size_t i = 0; i < sizeof(cases) / sizeof *(cases); i++)                                   \
    assert_config_errors(path, (cases)[i].yaml, (cases)[i].errors)

#endif
