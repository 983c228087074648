/* The seccomp filter of a serving relay. See sandbox.h. */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Calls whose arguments do not matter. libseccomp knows those of all architectures, and passes over
 * what this one does not have. */
static const int allowed[] = {
    /* descriptors and sockets */
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(write), SCMP_SYS(writev),
    SCMP_SYS(close), SCMP_SYS(lseek), SCMP_SYS(_llseek), SCMP_SYS(fcntl), SCMP_SYS(fcntl64),
    SCMP_SYS(bind), SCMP_SYS(connect), SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(shutdown),
    SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
    SCMP_SYS(send), SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg), SCMP_SYS(recv),
    SCMP_SYS(recvfrom), SCMP_SYS(recvmsg),
    /* the loop; libev makes the descriptors by which signals arrive when the first is watched */
    SCMP_SYS(epoll_create), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(poll), SCMP_SYS(ppoll),
    SCMP_SYS(ppoll_time64), SCMP_SYS(select), SCMP_SYS(_newselect), SCMP_SYS(pselect6),
    SCMP_SYS(pselect6_time64), SCMP_SYS(eventfd2), SCMP_SYS(pipe), SCMP_SYS(pipe2),
    SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_settime64),
    /* what a reload asks about files */
    SCMP_SYS(stat), SCMP_SYS(stat64), SCMP_SYS(lstat), SCMP_SYS(lstat64), SCMP_SYS(fstat),
    SCMP_SYS(fstat64), SCMP_SYS(newfstatat), SCMP_SYS(fstatat64), SCMP_SYS(statx), SCMP_SYS(access),
    SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat),
    SCMP_SYS(getcwd),
    /* memory: mmap() and mprotect() are below */
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(sysinfo),
    /* time and randomness */
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_gettime64), SCMP_SYS(clock_getres),
    SCMP_SYS(clock_getres_time64), SCMP_SYS(clock_nanosleep), SCMP_SYS(clock_nanosleep_time64),
    SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom),
    /* itself */
    SCMP_SYS(futex), SCMP_SYS(futex_time64), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn), SCMP_SYS(sigreturn), SCMP_SYS(restart_syscall), SCMP_SYS(getpid),
    SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(getuid32), SCMP_SYS(geteuid), SCMP_SYS(geteuid32),
    SCMP_SYS(getgid), SCMP_SYS(getgid32), SCMP_SYS(getegid), SCMP_SYS(getegid32), SCMP_SYS(uname),
    SCMP_SYS(sched_yield), SCMP_SYS(exit), SCMP_SYS(exit_group)};

/* Each returns 0, or an error number below it, as libseccomp does. */

static int allow_listed(scmp_filter_ctx filter)
{
    int error = 0;
    for (size_t i = 0; error == 0 && i < sizeof allowed / sizeof *allowed; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    return error;
}

/* What the argument of that number must be, of its 32 bits those in `mask`. */
static struct scmp_arg_cmp argument(unsigned number, unsigned mask, unsigned value)
{
    return (struct scmp_arg_cmp){
        .arg = number, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

static int allow_if(scmp_filter_ctx filter, int call, struct scmp_arg_cmp condition)
{
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &condition);
}

/* TCP and UDP over IP; and the kernel is asked for the addresses of this machine (machine.h). */
static int allow_sockets(scmp_filter_ctx filter)
{
    static const unsigned families[] = {AF_INET, AF_INET6}, types[] = {SOCK_STREAM, SOCK_DGRAM};
    const unsigned type_mask = ~(unsigned)(SOCK_NONBLOCK | SOCK_CLOEXEC);
    int error = 0;
    for (size_t i = 0; error == 0 && i < 4; i++) {
        const struct scmp_arg_cmp conditions[] = {argument(0, UINT32_MAX, families[i / 2]),
                                                  argument(1, type_mask, types[i % 2])};
        error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, conditions);
    }
    const struct scmp_arg_cmp addresses[] = {argument(0, UINT32_MAX, AF_NETLINK),
                                             argument(1, type_mask, SOCK_RAW),
                                             argument(2, UINT32_MAX, NETLINK_ROUTE)};
    if (error == 0)
        error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 3, addresses);
    if (error == 0)
        error = allow_if(filter, SCMP_SYS(ioctl), argument(1, UINT32_MAX, SIOCGIFCONF));
    return error;
}

static int allow_reading_files(scmp_filter_ctx filter)
{
    const unsigned mask = O_ACCMODE | O_CREAT | O_TRUNC;
    const int error = allow_if(filter, SCMP_SYS(open), argument(1, mask, O_RDONLY));
    return error ? error : allow_if(filter, SCMP_SYS(openat), argument(2, mask, O_RDONLY));
}

/* What is mapped after start is data: heap, stacks of fibers, buffers of files. */
static int allow_data_memory(scmp_filter_ctx filter)
{
    static const int calls[] = {SCMP_SYS(mmap), SCMP_SYS(mmap2), SCMP_SYS(mprotect)};
    int error = 0;
    for (size_t i = 0; error == 0 && i < sizeof calls / sizeof *calls; i++)
        error = allow_if(filter, calls[i], argument(2, PROT_EXEC, 0));
    return error;
}

/* abort() remains what it is, and stdio may ask whether it writes to a terminal. */
static int allow_the_c_library(scmp_filter_ctx filter)
{
    const unsigned self = (unsigned)getpid();
    const int error = allow_if(filter, SCMP_SYS(tgkill), argument(0, UINT32_MAX, self));
    return error ? error : allow_if(filter, SCMP_SYS(ioctl), argument(1, UINT32_MAX, TCGETS));
}

static int install(scmp_filter_ctx filter)
{
    static int (*const steps[])(scmp_filter_ctx) = {allow_listed,        allow_sockets,
                                                    allow_reading_files, allow_data_memory,
                                                    allow_the_c_library, seccomp_load};
    int error = 0;
    for (size_t i = 0; error == 0 && i < sizeof steps / sizeof *steps; i++)
        error = steps[i](filter);
    return error;
}

bool sandbox_enter(struct buffer *errors)
{
    if (!FAIRLEAD_SANDBOX)
        return true;
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    const int error = filter ? install(filter) : -ENOMEM;
    if (filter)
        seccomp_release(filter);
    if (error)
        buffer_printf(errors,
                      "sandbox: the system calls cannot be restricted: %s; 'sandbox: false' runs "
                      "without\n",
                      strerror(-error));
    return error == 0;
}
