/* Reading a small file whole. See file.h. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* 0, or the error number. */
static int read_all(int fd, size_t expected, size_t max, struct buffer *out, void (*between)(void))
{
    enum { CHUNK = 64 * 1024 };
    const size_t before = out->n;
    if (expected < max && !buffer_reserve(out, expected + 1))
        return ENOMEM;
    for (;;) {
        if (out->n == out->capacity && !buffer_reserve(out, CHUNK))
            return ENOMEM;
        const size_t room = out->capacity - out->n;
        const ssize_t n = read(fd, out->p + out->n, room < CHUNK ? room : CHUNK);
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

static int read_open_file(int fd, size_t max, struct buffer *out, mode_t *mode,
                          void (*between)(void))
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return errno;
    *mode = status.st_mode;
    return read_all(fd, S_ISREG(status.st_mode) ? (size_t)status.st_size : 0, max, out, between);
}

bool file_read(const char *path, size_t max, struct buffer *out, const char **problem)
{
    mode_t ignored;
    return file_read_in_parts(path, max, out, &ignored, NULL, problem);
}

bool file_read_with_mode(const char *path, size_t max, struct buffer *out, mode_t *mode,
                         const char **problem)
{
    return file_read_in_parts(path, max, out, mode, NULL, problem);
}

bool file_read_in_parts(const char *path, size_t max, struct buffer *out, mode_t *mode,
                        void (*between)(void), const char **problem)
{
    const bool is_stdin = strcmp(path, "-") == 0;
    const int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    const int error = fd < 0 ? errno : read_open_file(fd, max, out, mode, between);
    if (fd >= 0 && !is_stdin)
        close(fd);
    if (error != 0)
        *problem = strerror(error);
    return error == 0;
}
