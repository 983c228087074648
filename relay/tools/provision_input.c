/* The command line of the tools about a zone's records. See provision_input.h. */
#include "provision_input.h"

#include "domain.h"
#include "load_config.h"

/* A copy of the section: the configuration itself is dropped. */
static int read_section(struct tool_context *context, const char *path,
                        struct config_provisioning *provisioning)
{
    struct config *config = tool_load_config_without_files(path);
    if (!config)
        return TOOL_USAGE;
    *provisioning = config->provisioning;
    struct config_provisioning_host *hosts =
        arena_alloc_array(context->arena, provisioning->host_count, sizeof *hosts);
    for (size_t i = 0; hosts && i < provisioning->host_count; i++) {
        hosts[i] = config->provisioning.hosts[i];
        hosts[i].name = arena_copy(context->arena, hosts[i].name);
    }
    provisioning->hosts = hosts;
    if (provisioning->spf_include.n > 0)
        provisioning->spf_include = arena_copy(context->arena, provisioning->spf_include);
    config_release(config);
    return arena_failed(context->arena) ? tool_unable("out of memory") : TOOL_DONE;
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
            return tool_usage_error("%s: --mx needs a preference and a host, as 10:mx.example.net",
                                    tool);
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

static int report_missing(const char *tool, const char *key, const char *option, const char *path)
{
    if (path)
        return tool_usage_error("%s: records need %s in %s, or %s", tool, key, path, option);
    return tool_usage_error("%s: records need %s: give -c FILE, or %s", tool, key, option);
}

int provision_read(struct tool_context *context, const char *tool,
                   const struct provision_options *options,
                   struct config_provisioning *provisioning, struct bytes *domain)
{
    *provisioning = (struct config_provisioning){.ttl = CONFIG_PROVISIONING_TTL};
    *domain = domain_normalise(context->arena, bytes_of(context->operands[0]));
    if (!domain->p)
        return tool_usage_error("%s: '%s' is not a domain name", tool, context->operands[0]);
    int status = TOOL_DONE;
    if (options->config)
        status = read_section(context, options->config, provisioning);
    if (status == TOOL_DONE)
        status = read_hosts(context, tool, options, provisioning);
    if (status == TOOL_DONE)
        status = read_include(context, tool, options, provisioning);
    if (status != TOOL_DONE)
        return status;
    if (provisioning->host_count == 0)
        return report_missing(tool, "provisioning.mx", "--mx", options->config);
    if (provisioning->spf_include.n == 0)
        return report_missing(tool, "provisioning.spf_include", "--spf-include", options->config);
    return TOOL_DONE;
}
