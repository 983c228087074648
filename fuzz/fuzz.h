/* The interface of a fuzz target. It must be silent, not leak, and end soon, whatever the input. */
#ifndef FAIRLEAD_FUZZ_H
#define FAIRLEAD_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* A condition that must hold for every input: the fuzzer reports a crash. */
static inline void require(bool holds)
{
    if (!holds)
        abort();
}

/* libFuzzer's entry point; returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
