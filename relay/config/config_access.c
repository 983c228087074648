/* Permissions of the files of a configuration. See config_access.h. */
#include "config_access.h"

#include <sys/stat.h>

void config_check_access(struct config_source *source, struct config_key key, const char *path,
                         mode_t mode, enum config_secrecy secrecy)
{
    const bool others_write = (mode & (S_IWGRP | S_IWOTH)) != 0;
    const bool others_read = secrecy == CONFIG_SECRET && (mode & S_IROTH) != 0;
    if (S_ISREG(mode) && (others_write || others_read))
        config_error(source, key, "others can %s %s; run 'chmod %s %s'",
                     others_write ? "write" : "read", path,
                     secrecy == CONFIG_SECRET ? "g-w,o-rwx" : "go-w", path);
}
