/* What every unit test includes: cmocka with what it needs before it, and assertions on slices. */
#ifndef FAIRLEAD_TESTS_UNIT_H
#define FAIRLEAD_TESTS_UNIT_H

/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bytes.h"

/* The slice holds exactly the octets of the C string. */
#define assert_bytes(actual, expected)                                                             \
    do {                                                                                           \
        struct bytes actual_ = (actual);                                                           \
        assert_int_equal(actual_.n, strlen(expected));                                             \
        assert_memory_equal(actual_.n ? actual_.p : "", (expected), actual_.n);                    \
    } while (0)

#endif
