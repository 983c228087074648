/* What the tools about a zone's records have in common. See tool_provision.h. */
#include "provision_input.h"

#include "domain.h"

static int read_hosts(struct arena *arena, const struct provision_options *options,
                      struct provision *provision)
{
    struct provision_host *hosts = arena_alloc_array(arena, PROVISION_HOSTS_MOST, sizeof *hosts);
    if (!hosts)
        return tool_unable("out of memory");
    size_t count = 0;
    for (; count < PROVISION_HOSTS_MOST && options->hosts[count]; count++)
        if (!provision_host_parse(arena, bytes_of(options->hosts[count]), &hosts[count]))
            return tool_usage_error("--mx takes a preference and a host, as 13:mx.example.net");
    if (count == 0)
        return TOOL_DONE;
    provision->hosts = hosts;
    provision->host_count = count;
    return TOOL_DONE;
}

int provision_read(struct tool_context *context, const struct provision_options *options,
                   struct provision *provision, struct bytes *domain)
{
    *provision = provision_defaults();
    *domain = domain_normalise(context->arena, bytes_of(context->operands[0]));
    if (!domain->p)
        return tool_usage_error("'%s' is not a domain name", context->operands[0]);
    if (options->spf_include) {
        provision->spf_include = domain_for_lookup(context->arena, bytes_of(options->spf_include));
        if (!provision->spf_include.p)
            return tool_usage_error("'%s' is not a domain name", options->spf_include);
    }
    return read_hosts(context->arena, options, provision);
}
