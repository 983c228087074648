/* What the parts of the configuration's second pass share: the file as loaded, the configuration
 * being made of it, and helpers that report what is wrong. */
#ifndef FAIRLEAD_CONFIG_BUILD_H
#define FAIRLEAD_CONFIG_BUILD_H

#include "config.h"
#include "config_schema.h"
#include "config_source.h"

struct config_build {
    struct config *config; /* being filled; its strings live in `arena` */
    struct arena *arena;
    const struct config_file *file;
    struct config_source *source;
};

/* A copy of the string; empty for NULL. */
struct bytes config_text(struct config_build *build, const char *text);

/* The domain in its one form. Reports what is none, and returns the empty slice. */
struct bytes config_domain(struct config_build *build, const char *text, struct config_key key);

/* The number, or `otherwise` where the file has none. Reports one outside its range. */
uint64_t config_number(struct config_build *build, const char *key, const uint64_t *value,
                       uint64_t otherwise, uint64_t least, uint64_t most);

/* The address of a mailbox for mail to go to, which must not be served here. Reports. */
void config_mailbox(struct config_build *build, const char *text, struct config_key key,
                    struct mailbox *mailbox);

/* The whole of a file that the configuration names, relative to its own directory, at most
 * `CONFIG_FILE_LIMIT` octets; NUL-terminated behind its end. Reports; p == NULL then. */
enum { CONFIG_FILE_LIMIT = 1024 * 1024 };
struct bytes config_read_file(struct config_build *build, const char *name, struct config_key key);

/* The path of a file that the configuration names. */
const char *config_resolve_path(struct config_build *build, const char *name);

/* The parts, in this order; each reports its errors and goes on. */
void config_build_zones(struct config_build *build);
void config_build_tls(struct config_build *build);
void config_build_identity(struct config_build *build);
void config_build_secrets(struct config_build *build);

#endif
