/* What a fuzz target implements. It must be silent, leak nothing and end soon, whatever it gets. */
#ifndef FAIRLEAD_FUZZ_H
#define FAIRLEAD_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* What must hold for every input; a crash is what a fuzzer reports. */
static inline void require(bool holds)
{
    if (!holds)
        abort();
}

/* libFuzzer's entry point; returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
