/* What `zone` and `check-zone` share: the domain, and the records it should have. */
#ifndef FAIRLEAD_PROVISION_INPUT_H
#define FAIRLEAD_PROVISION_INPUT_H

#include "provision.h"
#include "tool.h"

enum { PROVISION_HOSTS_MAX = 16 };

/* The names come from the section `provisioning` of a configuration; each of the other two options
 * stands in for a key of it. */
struct provision_options {
    const char *config;
    const char *hosts[PROVISION_HOSTS_MAX];
    const char *spf_include;
    struct config *loaded; /* once needed; freed by provision_options_release() */
};

#define PROVISION_OPTIONS(o)                                                                       \
    {"config", "FILE", "the configuration, for its section provisioning", &(o).config, 1},         \
        {"mx", "PREFERENCE:HOST", "an MX host, in place of provisioning.mx; may be repeated",      \
         (o).hosts, PROVISION_HOSTS_MAX},                                                          \
    {                                                                                              \
        "spf-include", "NAME",                                                                     \
            "the name of the service's SPF record, in place of\n"                                  \
            "provisioning.spf_include",                                                            \
            &(o).spf_include, 1                                                                    \
    }

/* Reads the options, and the domain that is the first operand, into `provisioning` and the one form
 * of mail/domain.h; both live as long as the arena and the options. `tool` is the sub-command, for
 * messages. TOOL_DONE, or the exit code after the error has been printed. */
int provision_read(struct tool_context *context, const char *tool,
                   struct provision_options *options, struct config_provisioning *provisioning,
                   struct bytes *domain);

/* A tool_set_resolver whose `user` is the options: the resolver of the configuration, if there is
 * one. */
int provision_set_resolver(void *user, struct resolver_config *resolver);

void provision_options_release(struct provision_options *options);

#endif
