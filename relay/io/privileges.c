/* Giving up root. See privileges.h. */
#include "io/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { USER_NAME_LIMIT = 64 };

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

bool privileges_drop(struct bytes user, struct buffer *errors)
{
    char name[USER_NAME_LIMIT];
    if (user.n == 0)
        return true;
    if (user.n >= sizeof name)
        return complain(errors, "...", "the name is too long");
    memcpy(name, user.p, user.n);
    name[user.n] = '\0';
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
    if (entry->pw_uid != 0 && setresuid(0, 0, 0) == 0)
        return complain(errors, name, "root's privileges could be regained");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return complain(errors, name, strerror(errno));
    return true;
}
