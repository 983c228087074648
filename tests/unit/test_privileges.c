/* Giving up root (relay/io/privileges.c). What changes the process is done in a child of it. */
#include "unit.h"

#include "privileges.h"

#include <pwd.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs the check in a child process; true if it returned true there. */
static bool in_child(bool (*check)(void))
{
    const pid_t child = fork();
    if (child == 0)
        _exit(check() ? EXIT_SUCCESS : EXIT_FAILURE);
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
    return nobody && privileges_drop(BYTES("nobody"), &errors) && errors.n == 0 &&
           geteuid() == nobody->pw_uid && getegid() == nobody->pw_gid &&
           getgroups(2, groups) == 1 && groups[0] == nobody->pw_gid && setuid(0) != 0 &&
           has_given_up_new_privileges();
}

static bool stays_who_it_is(void)
{
    struct buffer errors = {0};
    const uid_t before = geteuid();
    return privileges_drop(BYTES(""), &errors) && errors.n == 0 && geteuid() == before &&
           has_given_up_new_privileges();
}

static bool cannot_without_root(void)
{
    struct buffer errors = {0};
    const struct passwd *nobody = getpwnam("nobody");
    if (!nobody || setresuid(nobody->pw_uid, nobody->pw_uid, nobody->pw_uid) != 0)
        return false;
    const bool refused = !privileges_drop(BYTES("root"), &errors) && errors.n > 0;
    buffer_free(&errors);
    return refused && privileges_drop(BYTES("nobody"), &errors);
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
    assert_false(privileges_drop(BYTES("no-such-user"), &errors));
    assert_bytes(buffer_bytes(&errors), "user: cannot become 'no-such-user': no such user\n");
    buffer_free(&errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(root_becomes_the_user_irrevocably),
        cmocka_unit_test(without_a_user_only_new_privileges_are_forbidden),
        cmocka_unit_test(without_root_only_the_current_user_is_accepted),
        cmocka_unit_test(an_unknown_user_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
