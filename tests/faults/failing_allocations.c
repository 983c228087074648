/* A preload that makes the Nth allocation fail, and those after it as long as the burst lasts.
 *
 * FAILING_ALLOCATIONS names a file of one struct control, which whoever tests maps as well: it sets
 * `first` and `count`, then `armed`, while the program runs. Only glibc has the names that the
 * allocations are passed on to. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct control {
    uint64_t armed;
    uint64_t seen;  /* allocations since it was set to 0 */
    uint64_t first; /* the number of the first that fails, from 1 */
    uint64_t count; /* how many fail in a row */
};

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static volatile struct control *control;

__attribute__((constructor)) static void map_control(void)
{
    const char *path = getenv("FAILING_ALLOCATIONS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped != MAP_FAILED)
        control = mapped;
}

static int fails(void)
{
    if (!control || !control->armed)
        return 0;
    uint64_t number = ++control->seen;
    if (number < control->first || number - control->first >= control->count)
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return size > 0 && fails() ? NULL : __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size);
void *memalign(size_t alignment, size_t size)
{
    return fails() ? NULL : __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    void *allocated = memalign(alignment, size);
    if (!allocated)
        return ENOMEM;
    *memory = allocated;
    return 0;
}
