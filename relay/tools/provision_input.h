/* What `zone` and `check-zone` have in common: the domain, and whose records it should have. */
#ifndef FAIRLEAD_PROVISION_INPUT_H
#define FAIRLEAD_PROVISION_INPUT_H

#include "provision.h"
#include "tool.h"

enum { PROVISION_HOSTS_MOST = 16 };

/* The options --mx and --spf-include, for a service under other names. */
struct provision_options {
    const char *hosts[PROVISION_HOSTS_MOST];
    const char *spf_include;
};

#define PROVISION_OPTIONS(o)                                                                       \
    {"mx", "PREFERENCE:HOST", "an MX record, in place of the default three; may be repeated",      \
     (o).hosts, PROVISION_HOSTS_MOST},                                                             \
    {                                                                                              \
        "spf-include", "NAME", "where the service's SPF record is (_spf.mx.cloudflare.net)",       \
            &(o).spf_include, 1                                                                    \
    }

/* Reads the options, and the domain that is the first operand, into `provision` and the one form of
 * mail/domain.h. TOOL_DONE, or the exit code after having said what is wrong. */
int provision_read(struct tool_context *context, const struct provision_options *options,
                   struct provision *provision, struct bytes *domain);

#endif
