/* The command line of the tools about a zone's records. See provision_input.h. */
#include "provision_input.h"

#include "domain.h"
#include "load_config.h"

/* Keys, certificates and secrets are not needed, and may not be readable to this user. */
static int load_options_config(struct provision_options *options)
{
    if (options->config && !options->loaded)
        options->loaded = tool_load_config_without_files(options->config);
    return options->config && !options->loaded ? TOOL_USAGE : TOOL_DONE;
}

static int read_hosts(struct tool_context *context, const char *tool,
                      const struct provision_options *options,
                      struct config_provisioning *provisioning)
{
    struct config_provisioning_host *hosts =
        arena_alloc_array(context->arena, PROVISION_HOSTS_MAX, sizeof *hosts);
    size_t count = 0;
    if (!hosts)
        return tool_unable("out of memory");
    for (; count < PROVISION_HOSTS_MAX && options->hosts[count]; count++)
        if (!provision_host_parse(context->arena, bytes_of(options->hosts[count]), &hosts[count]))
            return tool_usage_error("%s: --mx requires a preference and a host, such as "
                                    "10:mx.example.net, not '%s'",
                                    tool, options->hosts[count]);
    if (count > 0) {
        provisioning->hosts = hosts;
        provisioning->host_count = count;
    }
    return TOOL_DONE;
}

static int read_include(struct tool_context *context, const char *tool,
                        const struct provision_options *options,
                        struct config_provisioning *provisioning)
{
    if (!options->spf_include)
        return TOOL_DONE;
    provisioning->spf_include = domain_for_lookup(context->arena, bytes_of(options->spf_include));
    if (!provisioning->spf_include.p)
        return tool_usage_error("%s: '%s' is not a domain name", tool, options->spf_include);
    return TOOL_DONE;
}

static int complain_of_missing_key(const char *tool, const char *key, const char *option,
                                   const char *path)
{
    if (path)
        return tool_usage_error("%s: records need %s in %s, or %s", tool, key, path, option);
    return tool_usage_error("%s: records need %s: give -c FILE, or %s", tool, key, option);
}

int provision_read(struct tool_context *context, const char *tool,
                   struct provision_options *options, struct config_provisioning *provisioning,
                   struct bytes *domain)
{
    *provisioning = (struct config_provisioning){.ttl = CONFIG_PROVISIONING_TTL};
    *domain = domain_normalise(context->arena, bytes_of(context->operands.text[0]));
    if (!domain->p)
        return tool_usage_error("%s: '%s' is not a domain name", tool, context->operands.text[0]);
    int status = load_options_config(options);
    if (options->loaded)
        *provisioning = options->loaded->provisioning;
    if (status == TOOL_DONE)
        status = read_hosts(context, tool, options, provisioning);
    if (status == TOOL_DONE)
        status = read_include(context, tool, options, provisioning);
    if (status != TOOL_DONE)
        return status;
    if (provisioning->host_count == 0)
        return complain_of_missing_key(tool, "provisioning.mx", "--mx", options->config);
    if (provisioning->spf_include.n == 0)
        return complain_of_missing_key(tool, "provisioning.spf_include", "--spf-include",
                                       options->config);
    return TOOL_DONE;
}

int provision_set_resolver(void *user, struct resolver_config *resolver)
{
    struct provision_options *options = user;
    int status = load_options_config(options);
    if (options->loaded)
        *resolver = options->loaded->resolver;
    return status;
}

void provision_options_release(struct provision_options *options)
{
    config_release(options->loaded);
}
