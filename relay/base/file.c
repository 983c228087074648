/* Reading a small file whole. See file.h. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const char *read_all(int fd, size_t limit, struct buffer *out)
{
    enum { CHUNK = 64 * 1024 };
    const size_t before = out->n;
    for (;;) {
        if (!buffer_reserve(out, CHUNK))
            return strerror(ENOMEM);
        const ssize_t n = read(fd, out->p + out->n, CHUNK);
        if (n == 0)
            return NULL;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return strerror(errno);
        out->n += (size_t)n;
        if (out->n - before > limit)
            return strerror(EFBIG);
    }
}

const char *file_read(const char *path, size_t limit, struct buffer *out)
{
    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, limit, out);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return strerror(errno);
    const char *problem = read_all(fd, limit, out);
    close(fd);
    return problem;
}
