/* Giving up privileges. See privileges.h. */
#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { USER_NAME_MAX = 64 };

static bool complain(struct buffer *errors, const char *user, const char *why)
{
    buffer_printf(errors, "user: cannot become '%s': %s\n", user, why);
    return false;
}

/* Names of users and groups are looked up before the chroot: their files are outside. */
static bool become(const struct passwd *entry, const char *directory)
{
    return initgroups(entry->pw_name, entry->pw_gid) == 0 &&
           (!directory || (chroot(directory) == 0 && chdir("/") == 0)) &&
           setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) == 0 &&
           setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) == 0;
}

/* Every id is the user's, and root's cannot be regained. */
static bool is_final(const struct passwd *entry)
{
    uid_t real, effective, saved;
    return getresuid(&real, &effective, &saved) == 0 && real == entry->pw_uid &&
           effective == entry->pw_uid && saved == entry->pw_uid &&
           (entry->pw_uid == 0 || (setuid(0) != 0 && seteuid(0) != 0 && setgid(0) != 0));
}

static bool become_final(const char *name, const char *directory, struct buffer *errors)
{
    errno = 0;
    const struct passwd *entry = getpwnam(name);
    if (!entry)
        return complain(errors, name, errno ? strerror(errno) : "no such user");
    if (!directory && geteuid() == entry->pw_uid && getuid() == entry->pw_uid)
        return true;
    if (geteuid() != 0)
        return complain(errors, name,
                        "only root can; start as root or leave out 'user' and 'chroot'");
    if (!become(entry, directory))
        return complain(errors, name, strerror(errno));
    if (!is_final(entry))
        return complain(errors, name, "root's privileges could be regained");
    return true;
}

/* A service manager may have given CAP_NET_BIND_SERVICE for the ports. */
static bool drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct nothing[_LINUX_CAPABILITY_U32S_3] = {{0}};
    return geteuid() == 0 || syscall(SYS_capset, &header, nothing) == 0;
}

bool privileges_hide_memory(void)
{
    const struct rlimit nothing = {0};
    return setrlimit(RLIMIT_CORE, &nothing) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

bool privileges_drop(struct bytes user, const char *directory, struct buffer *errors)
{
    char name[USER_NAME_MAX];
    if (user.n >= sizeof name)
        return complain(errors, "...", "the name is too long");
    if (user.n > 0)
        memcpy(name, user.p, user.n);
    name[user.n] = '\0';
    if (user.n > 0 && !become_final(name, directory, errors))
        return false;
    if (!drop_capabilities() || !privileges_hide_memory() ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return complain(errors, name, strerror(errno));
    return true;
}
