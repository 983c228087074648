/* Giving up root (relay/io/privileges.c). What changes the process is done in a child of it. */
#include "unit.h"

#include "privileges.h"

#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if COVERAGE
extern void __gcov_dump(void);
#endif

/* Otherwise they are written when a process ends in the ordinary way. */
static void write_coverage_counters(void)
{
#if COVERAGE
    __gcov_dump();
#endif
}

/* Runs the check in a child process; true if it returned true there. */
static bool in_child(bool (*check)(void))
{
    const pid_t child = fork();
    if (child == 0) {
        const int status = check() ? EXIT_SUCCESS : EXIT_FAILURE;
        write_coverage_counters();
        _exit(status);
    }
    int status = -1;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == EXIT_SUCCESS;
}

static bool has_given_up_new_privileges(void)
{
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
}

static bool becomes_nobody(void)
{
    struct buffer errors = {0};
    const struct passwd *nobody = getpwnam("nobody");
    gid_t groups[2] = {0, 0};
    return nobody && privileges_drop(BYTES("nobody"), NULL, &errors) && errors.n == 0 &&
           geteuid() == nobody->pw_uid && getegid() == nobody->pw_gid &&
           getgroups(2, groups) == 1 && groups[0] == nobody->pw_gid && setuid(0) != 0 &&
           has_given_up_new_privileges();
}

static bool stays_who_it_is(void)
{
    struct buffer errors = {0};
    const uid_t before = geteuid();
    return privileges_drop(BYTES(""), NULL, &errors) && errors.n == 0 && geteuid() == before &&
           has_given_up_new_privileges();
}

static bool cannot_without_root(void)
{
    struct buffer errors = {0};
    const struct passwd *nobody = getpwnam("nobody");
    if (!nobody || setresuid(nobody->pw_uid, nobody->pw_uid, nobody->pw_uid) != 0)
        return false;
    const bool refused = !privileges_drop(BYTES("root"), NULL, &errors) && errors.n > 0;
    buffer_free(&errors);
    return refused && privileges_drop(BYTES("nobody"), NULL, &errors);
}

static char confining_directory[] = "/tmp/test_privileges.XXXXXX";

static bool is_confined_to_its_directory(void)
{
    struct buffer errors = {0};
    return privileges_drop(BYTES("nobody"), confining_directory, &errors) &&
           access("/proc/self/status", F_OK) != 0 && access("/", F_OK) == 0 && chdir("..") == 0 &&
           access("etc", F_OK) != 0;
}

static bool is_refused_a_directory_that_is_not_there(void)
{
    struct buffer errors = {0};
    const bool refused = !privileges_drop(BYTES("nobody"), "/nonexistent", &errors);
    buffer_free(&errors);
    return refused;
}

static bool keeps_no_capability(void)
{
    struct buffer errors = {0};
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {{0}};
    const struct passwd *nobody = getpwnam("nobody");
    if (!nobody || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 ||
        setresuid(nobody->pw_uid, nobody->pw_uid, nobody->pw_uid) != 0)
        return false;
    sets[0].permitted = sets[0].effective = sets[0].inheritable = 1U << CAP_NET_BIND_SERVICE;
    if (syscall(SYS_capset, &header, sets) != 0 ||
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0) != 0)
        return false;
    return privileges_drop(BYTES("nobody"), NULL, &errors) &&
           syscall(SYS_capget, &header, sets) == 0 && sets[0].permitted == 0 &&
           sets[0].effective == 0 && sets[0].inheritable == 0 &&
           prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_BIND_SERVICE, 0, 0) == 0;
}

static bool leaves_no_core_dump(void)
{
    struct buffer errors = {0};
    struct rlimit limit;
    return privileges_drop(BYTES("nobody"), NULL, &errors) &&
           prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 && getrlimit(RLIMIT_CORE, &limit) == 0 &&
           limit.rlim_cur == 0 && limit.rlim_max == 0;
}

static void of_a_chroot_only_the_directory_is_left(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_true(mkdtemp(confining_directory) && chmod(confining_directory, 0755) == 0);
    const bool confined = in_child(is_confined_to_its_directory);
    rmdir(confining_directory);
    assert_true(confined);
    assert_true(in_child(is_refused_a_directory_that_is_not_there));
}

static void capabilities_that_were_given_for_the_ports_are_dropped(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_true(in_child(keeps_no_capability));
}

static void memory_is_hidden_from_core_dumps_after_the_change_of_user_too(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_true(in_child(leaves_no_core_dump));
}

static void root_becomes_the_user_irrevocably(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_true(in_child(becomes_nobody));
}

static void without_a_user_only_new_privileges_are_forbidden(void **state)
{
    (void)state;
    assert_true(in_child(stays_who_it_is));
}

static void without_root_only_the_current_user_is_accepted(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_true(in_child(cannot_without_root));
}

static void an_unknown_user_is_named(void **state)
{
    (void)state;
    struct buffer errors = {0};
    assert_false(privileges_drop(BYTES("no-such-user"), NULL, &errors));
    assert_bytes(buffer_bytes(&errors), "user: cannot become 'no-such-user': no such user\n");
    buffer_free(&errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(root_becomes_the_user_irrevocably),
        cmocka_unit_test(without_a_user_only_new_privileges_are_forbidden),
        cmocka_unit_test(without_root_only_the_current_user_is_accepted),
        cmocka_unit_test(of_a_chroot_only_the_directory_is_left),
        cmocka_unit_test(capabilities_that_were_given_for_the_ports_are_dropped),
        cmocka_unit_test(memory_is_hidden_from_core_dumps_after_the_change_of_user_too),
        cmocka_unit_test(an_unknown_user_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
