/* The relay's own names and addresses. See config_self.h. */
#include "config_self.h"

#include "machine.h"

#include <errno.h>
#include <string.h>

static bool is_wildcard(const struct ip *ip)
{
    static const struct ip zero = {0};
    return ip->length > 0 && memcmp(ip->octet, zero.octet, ip->length) == 0;
}

/* The machine's interfaces have these. */
struct machine {
    const struct ip *addresses;
    size_t count;
};

/* Writes the machine's addresses of `length` octets to `addresses`, or none if that is NULL.
 * Returns their number. */
static size_t list_interfaces(const struct machine *machine, uint8_t length, struct ip *addresses)
{
    size_t count = 0;
    for (size_t i = 0; i < machine->count; i++) {
        if (machine->addresses[i].length != length)
            continue;
        if (addresses)
            addresses[count] = machine->addresses[i];
        count++;
    }
    return count;
}

/* Where a listener takes mail that is sent to upstream.port: its address, or all of the machine's
 * in its family. Writes and counts as list_interfaces(). */
static size_t list_listener(const struct config *config, const struct config_listener *listener,
                            const struct machine *machine, struct ip *addresses)
{
    if (listener->port != config->upstream.port)
        return 0;
    if (is_wildcard(&listener->address))
        return list_interfaces(machine, listener->address.length, addresses);
    if (addresses)
        *addresses = listener->address;
    return 1;
}

static size_t list_addresses(const struct config_draft *draft, const struct machine *machine,
                             struct ip *addresses)
{
    const struct config *config = &draft->config;
    size_t count = 0;
    for (size_t i = 0; i < config->listener_count; i++)
        count += list_listener(config, &config->listeners[i], machine,
                               addresses ? addresses + count : NULL);
    for (size_t i = 0; i < draft->self_address_count; i++, count++)
        if (addresses)
            addresses[count] = draft->self_addresses[i];
    return count;
}

static void complete_addresses(struct config_draft *draft, struct mx_self *self)
{
    struct buffer found = {0};
    if (!machine_addresses(&found) || found.failed)
        config_error(draft->source, config_key("listen"),
                     "the machine's addresses cannot be listed: %s", strerror(errno));
    const struct bytes listed = arena_take(draft->arena, &found);
    const struct machine machine = {(const struct ip *)(const void *)listed.p,
                                    listed.n / sizeof(struct ip)};
    size_t count = list_addresses(draft, &machine, NULL);
    struct ip *addresses = arena_alloc_array(draft->arena, count, sizeof *addresses);
    if (addresses)
        self->address_count = list_addresses(draft, &machine, addresses);
    self->addresses = addresses;
}

/* The host name, and those of the MX hosts that the service's zones have. */
static void complete_names(struct config_draft *draft, struct mx_self *self)
{
    const struct config_provisioning *provisioning = &draft->config.provisioning;
    struct bytes *names =
        arena_alloc_array(draft->arena, provisioning->host_count + 1, sizeof *names);
    if (!names)
        return;
    self->names = names;
    names[self->name_count++] = draft->config.hostname;
    for (size_t i = 0; i < provisioning->host_count; i++)
        if (provisioning->hosts[i].name.n > 0)
            names[self->name_count++] = provisioning->hosts[i].name;
}

void config_complete_self(struct config_draft *draft)
{
    struct mx_self *self = &draft->config.upstream.mx.self;
    complete_names(draft, self);
    complete_addresses(draft, self);
}
