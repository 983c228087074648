/* Dropping root privileges. See privileges.h. */
#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { USER_NAME_MAX = 64 };

static bool complain(struct buffer *errors, const char *user, const char *why)
{
    buffer_printf(errors, "user: cannot become '%s': %s\n", user, why);
    return false;
}

static bool become(const struct passwd *entry)
{
    return initgroups(entry->pw_name, entry->pw_gid) == 0 &&
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

static bool become_final(const char *name, struct buffer *errors)
{
    errno = 0;
    const struct passwd *entry = getpwnam(name);
    if (!entry)
        return complain(errors, name, errno ? strerror(errno) : "no such user");
    if (geteuid() == entry->pw_uid && getuid() == entry->pw_uid)
        return true;
    if (geteuid() != 0)
        return complain(errors, name, "only root can; start as root or leave out 'user'");
    if (!become(entry))
        return complain(errors, name, strerror(errno));
    if (!is_final(entry))
        return complain(errors, name, "root's privileges could be regained");
    return true;
}

bool privileges_drop(struct bytes user, struct buffer *errors)
{
    char name[USER_NAME_MAX];
    if (user.n >= sizeof name)
        return complain(errors, "...", "the name is too long");
    if (user.n > 0)
        memcpy(name, user.p, user.n);
    name[user.n] = '\0';
    if (user.n > 0 && !become_final(name, errors))
        return false;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return complain(errors, name, strerror(errno));
    return true;
}
