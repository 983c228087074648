/* The loop meter: how long a program with an event loop computes between two waits.
 *
 * Preloaded into the relay (LD_PRELOAD), it stands in front of epoll_wait() and measures the CPU
 * time of the thread from the end of one wait to the beginning of the next: for so long everybody
 * else is kept waiting, on a core that nobody else uses. What it found is in the file that
 * LOOP_METER names, which the reader maps as well and may set to zero at any time. It knows one
 * thread only, and nothing of what is computed before the first wait.
 *
 * load/relay.py has the same layout. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct meter {
    _Atomic uint64_t rounds;
    _Atomic uint64_t held_max_ns;
    _Atomic uint64_t held_ns; /* all rounds together */
};

typedef int wait_function(int, struct epoll_event *, int, int);

static struct meter unread; /* where there is no file */
static struct meter *meter = &unread;
static wait_function *next_wait;
static uint64_t began_ns; /* 0 before the first wait */

static uint64_t cpu_ns(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* Before main(), as the program may forbid itself to open files later. */
__attribute__((constructor)) static void prepare(void)
{
    const char *path = getenv("LOOP_METER");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd >= 0) {
        void *mapped = mmap(NULL, sizeof *meter, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (mapped != MAP_FAILED)
            meter = mapped;
        close(fd);
    }
    /* POSIX promises that this works; ISO C has no conversion. */
    void *symbol = dlsym(RTLD_NEXT, "epoll_wait");
    if (!symbol)
        abort();
    memcpy(&next_wait, &symbol, sizeof next_wait);
}

static void round_ends(void)
{
    if (began_ns == 0)
        return;
    uint64_t held = cpu_ns() - began_ns;
    atomic_fetch_add(&meter->rounds, 1);
    atomic_fetch_add(&meter->held_ns, held);
    if (held > atomic_load(&meter->held_max_ns))
        atomic_store(&meter->held_max_ns, held);
}

int epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout)
{
    round_ends();
    int count = next_wait(epfd, events, maxevents, timeout);
    began_ns = cpu_ns();
    return count;
}
