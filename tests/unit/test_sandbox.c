/* The filter of system calls (relay/io/sandbox.c). Each call is made in a child that has it. */
#include "unit.h"

#include "clock.h"
#include "fiber.h"
#include "sandbox.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SANDBOX_FAILED = 97, PAGE = 4096 };

/* The status of a child that has entered the sandbox and then made the call. */
static int status_of(void (*call)(void))
{
    const pid_t child = fork();
    if (child == 0) {
        struct buffer errors = {0};
        if (!sandbox_enter(&errors))
            _exit(SANDBOX_FAILED);
        call();
        _exit(EXIT_SUCCESS);
    }
    int status = -1;
    assert_true(child > 0 && waitpid(child, &status, 0) == child);
    return status;
}

static void execute(void)
{
    execl("/bin/true", "true", NULL);
}

static void fork_again(void)
{
    if (fork() == 0)
        _exit(EXIT_SUCCESS);
}

static void trace(void)
{
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static void open_packet_socket(void)
{
    close(socket(AF_PACKET, SOCK_DGRAM, 0));
}

static void open_raw_socket(void)
{
    close(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}

static void open_local_socket(void)
{
    close(socket(AF_UNIX, SOCK_STREAM, 0));
}

static void open_for_writing(void)
{
    close(open("/dev/null", O_WRONLY));
}

static void open_for_both(void)
{
    close(open("/dev/null", O_RDWR));
}

static void create_file(void)
{
    close(open("/tmp/test_sandbox.never", O_RDONLY | O_CREAT, 0600));
}

static void change_mode(void)
{
    chmod("/tmp/test_sandbox.never", 0600);
}

static void remove_file(void)
{
    unlink("/tmp/test_sandbox.never");
}

static void map_code(void)
{
    (void)mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void make_data_code(void)
{
    void *data = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(data, PAGE, PROT_READ | PROT_EXEC);
}

static void signal_the_parent(void)
{
    kill(getppid(), 0);
}

static void regain_root(void)
{
    if (setuid(0) != 0)
        _exit(EXIT_FAILURE);
}

static void ask_for_io_uring(void)
{
    syscall(SYS_io_uring_setup, 1, NULL);
}

static void every_other_call_kills_the_process(void **state)
{
    static void (*const calls[])(void) = {
        execute,          fork_again,        trace,         open_packet_socket,
        open_raw_socket,  open_local_socket, open_for_both, create_file,
        open_for_writing, change_mode,       remove_file,   map_code,
        make_data_code,   signal_the_parent, regain_root,   ask_for_io_uring};
    (void)state;
    if (!FAIRLEAD_SANDBOX) { /* the sanitizers make calls of their own */
        assert_int_equal(status_of(fork_again), 0);
        return;
    }
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        const int status = status_of(calls[i]);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
            fail_msg("call %zu: status %#x", i, (unsigned)status);
    }
}

static void must(bool worked)
{
    if (!worked)
        _exit(EXIT_FAILURE);
}

static void read_a_file(void)
{
    char line[16];
    FILE *file = fopen("/etc/passwd", "r");
    must(file && fgets(line, sizeof line, file));
    must(fclose(file) == 0);
}

static void use_the_network(void)
{
    static const int families[] = {AF_INET, AF_INET6}, types[] = {SOCK_STREAM, SOCK_DGRAM};
    for (size_t i = 0; i < 4; i++)
        close(socket(families[i / 2], types[i % 2] | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

static void use_memory(void)
{
    enum { LARGE = 1 << 22 };
    char octets[16];
    char *block = malloc(LARGE);
    must(block != NULL);
    block = realloc(block, (size_t)2 * LARGE);
    must(block && getrandom(octets, sizeof octets, 0) == sizeof octets);
    free(block);
}

static void sleep_a_moment(void *argument)
{
    (void)argument;
    fiber_sleep_until(clock_monotonic() + 0.001);
}

static void run_fibers(void)
{
    must(fiber_run(sleep_a_moment, NULL));
}

static void what_the_relay_does_is_allowed(void **state)
{
    static void (*const calls[])(void) = {read_a_file, use_the_network, use_memory, run_fibers};
    (void)state;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        assert_int_equal(status_of(calls[i]), 0);
}

static void abort_is_still_seen_as_such(void **state)
{
    (void)state;
    const int status = status_of(abort);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_other_call_kills_the_process),
        cmocka_unit_test(what_the_relay_does_is_allowed),
        cmocka_unit_test(abort_is_still_seen_as_such),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
