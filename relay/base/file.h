/* Reading a small file whole. */
#ifndef FAIRLEAD_FILE_H
#define FAIRLEAD_FILE_H

#include "buffer.h"

/* Appends the contents of the file ("-": stdin) to `out`. NULL, or a short text that says what went
 * wrong: the system's own, or that the file has more than `limit` octets. */
const char *file_read(const char *path, size_t limit, struct buffer *out);

#endif
