/* Reading a small file whole. See file.h. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* 0, or the error number. */
static int read_all(int fd, size_t max, struct buffer *out, void (*between)(void))
{
    enum { CHUNK = 64 * 1024 };
    const size_t before = out->n;
    for (;;) {
        if (!buffer_reserve(out, CHUNK))
            return ENOMEM;
        const ssize_t n = read(fd, out->p + out->n, CHUNK);
        if (n == 0)
            return 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        out->n += (size_t)n;
        if (out->n - before > max)
            return EFBIG;
        if (between)
            between();
    }
}

bool file_read(const char *path, size_t max, struct buffer *out, const char **problem)
{
    return file_read_in_parts(path, max, out, NULL, problem);
}

bool file_read_in_parts(const char *path, size_t max, struct buffer *out, void (*between)(void),
                        const char **problem)
{
    const bool is_stdin = strcmp(path, "-") == 0;
    const int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    const int error = fd < 0 ? errno : read_all(fd, max, out, between);
    if (fd >= 0 && !is_stdin)
        close(fd);
    if (error != 0)
        *problem = strerror(error);
    return error == 0;
}
