/* Reading a small file whole. */
#ifndef FAIRLEAD_FILE_H
#define FAIRLEAD_FILE_H

#include "buffer.h"

#include <sys/types.h>

/* Appends the contents of the file ("-": stdin) to `out`. False on failure, a file of more than
 * `max` octets included, with the system's text for it in *problem. */
bool file_read(const char *path, size_t max, struct buffer *out, const char **problem);

/* The same, with the file's type and permissions in *mode. The buffer grows once for a regular
 * file, so that a secret is nowhere but in the buffer. */
bool file_read_with_mode(const char *path, size_t max, struct buffer *out, mode_t *mode,
                         const char **problem);

/* The same, with `between` called after each part of 64 KiB (NULL: nothing). */
bool file_read_in_parts(const char *path, size_t max, struct buffer *out, mode_t *mode,
                        void (*between)(void), const char **problem);

#endif
