/* What `zone` and `check-zone` have in common: the domain, and the records it should have. */
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
};

#define PROVISION_OPTIONS(o)                                                                       \
    {"config", "FILE", "the configuration whose section 'provisioning' has the names",             \
     &(o).config, 1},                                                                              \
        {"mx", "PREFERENCE:HOST", "an MX record, in place of provisioning.mx; may be repeated",    \
         (o).hosts, PROVISION_HOSTS_MAX},                                                          \
    {                                                                                              \
        "spf-include", "NAME", "where the service's SPF record is, in place of the file's",        \
            &(o).spf_include, 1                                                                    \
    }

/* Reads the options, and the domain that is the first operand, into `provisioning` and the one form
 * of mail/domain.h. `tool` is the sub-command, for messages. TOOL_DONE, or the exit code after the
 * error has been printed. */
int provision_read(struct tool_context *context, const char *tool,
                   const struct provision_options *options,
                   struct config_provisioning *provisioning, struct bytes *domain);

#endif
