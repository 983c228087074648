/* How each kind of value is read. See config_values.h. */
#include "config_values.h"

#include "address.h"

#include <string.h>

#define VALUE_SHOWN_MAX 100 /* octets of a bad value that an error repeats */

static void report_bad(struct config_draft *draft, struct config_key key, struct bytes text,
                       const char *problem)
{
    config_error(draft->source, key, "'%.*s' %s", BYTES_ARG(bytes_first(text, VALUE_SHOWN_MAX)),
                 problem);
}

bool config_type_is_numeric(const struct config_type *type)
{
    return type == &config_number || type == &config_octets || type == &config_seconds ||
           type == &config_choice;
}

void config_store_number(const struct config_setting *setting, void *value, uint64_t number)
{
    const double real = (double)number;
    const uint16_t small = (uint16_t)number;
    const uint32_t middle = (uint32_t)number;
    if (setting->type == &config_seconds)
        memcpy(value, &real, sizeof real);
    else if (setting->size == sizeof small)
        memcpy(value, &small, sizeof small);
    else if (setting->size == sizeof middle)
        memcpy(value, &middle, sizeof middle);
    else
        memcpy(value, &number, sizeof number);
}

uint64_t config_stored_number(const struct config_setting *setting, const void *value)
{
    double real;
    uint16_t small;
    uint32_t middle;
    uint64_t number;
    if (setting->type == &config_seconds)
        return (uint64_t) * (const double *)memcpy(&real, value, sizeof real);
    if (setting->size == sizeof small)
        return *(const uint16_t *)memcpy(&small, value, sizeof small);
    if (setting->size == sizeof middle)
        return *(const uint32_t *)memcpy(&middle, value, sizeof middle);
    return *(const uint64_t *)memcpy(&number, value, sizeof number);
}

static void read_number(struct config_draft *draft, const struct config_setting *setting,
                        struct config_key key, struct bytes text, void *value)
{
    uint64_t number;
    config_store_number(setting, value, setting->number);
    if (!bytes_to_number(text, UINT64_MAX, &number))
        config_error(draft->source, key, "must be a number: decimal digits and nothing else");
    else if (number < setting->min || number > setting->max)
        config_error(draft->source, key, "must be between %ju and %ju", (uintmax_t)setting->min,
                     (uintmax_t)setting->max);
    else
        config_store_number(setting, value, number);
}

static void read_choice(struct config_draft *draft, const struct config_setting *setting,
                        struct config_key key, struct bytes text, void *value)
{
    char words[128] = "";
    for (const struct config_choice *choice = setting->choices; choice->name; choice++) {
        if (bytes_equal(text, bytes_of(choice->name))) {
            config_store_number(setting, value, choice->value);
            return;
        }
        if (*words)
            strncat(words, ", ", sizeof words - strlen(words) - 1);
        strncat(words, choice->name, sizeof words - strlen(words) - 1);
    }
    config_store_number(setting, value, setting->number);
    config_error(draft->source, key, "must be one of %s", words);
}

static void read_text(struct config_draft *draft, const struct config_setting *setting,
                      struct config_key key, struct bytes text, void *value)
{
    struct bytes *copy = value;
    (void)setting, (void)key;
    *copy = arena_copy(draft->arena, text);
}

static void read_single_word(struct config_draft *draft, const struct config_setting *setting,
                             struct config_key key, struct bytes text, void *value)
{
    bool is_word = text.n > 0 && text.n <= setting->max;
    for (size_t i = 0; i < text.n; i++)
        is_word = is_word && ascii_is_printable(text.p[i]) && text.p[i] != ' ';
    if (is_word)
        read_text(draft, setting, key, text, value);
    else
        config_error(draft->source, key,
                     "must be a %s of printable ASCII without blanks, at most %ju octets",
                     setting->type->name, (uintmax_t)setting->max);
}

static void read_domain(struct config_draft *draft, const struct config_setting *setting,
                        struct config_key key, struct bytes text, void *value)
{
    struct bytes *domain = value;
    *domain = setting->type == &config_domain ? domain_normalise(draft->arena, text)
                                              : domain_for_lookup(draft->arena, text);
    if (!domain->p)
        report_bad(draft, key, text, "is not a domain name");
}

static void read_local_part(struct config_draft *draft, const struct config_setting *setting,
                            struct config_key key, struct bytes text, void *value)
{
    struct bytes *local = value;
    struct address address;
    const struct bytes whole = arena_printf(draft->arena, "%.*s@example.com", BYTES_ARG(text));
    (void)setting;
    if (bytes_find(text, '@') != BYTES_NOT_FOUND ||
        address_parse(draft->arena, whole, &address) != ADDRESS_OK)
        report_bad(draft, key, text, "is not a local part (what stands before the @)");
    else
        *local = address.local;
}

static void read_file_name(struct config_draft *draft, const struct config_setting *setting,
                           struct config_key key, struct bytes text, void *value)
{
    const char **name = value;
    const struct bytes path = draft->config.path;
    const size_t slash = bytes_find_last(path, '/');
    if (text.n == 0)
        config_error(draft->source, key, "must be the name of a %s", setting->type->name);
    else if (text.p[0] == '/' || slash == BYTES_NOT_FOUND)
        *name = arena_copy(draft->arena, text).p;
    else
        *name = arena_printf(draft->arena, "%.*s%.*s", (int)slash + 1, path.p, BYTES_ARG(text)).p;
}

static void read_ip_address(struct config_draft *draft, const struct config_setting *setting,
                            struct config_key key, struct bytes text, void *value)
{
    (void)setting;
    if (!ip_parse(text, value))
        report_bad(draft, key, text, "is not an IP address");
}

static void read_prefix(struct config_draft *draft, const struct config_setting *setting,
                        struct config_key key, struct bytes text, void *value)
{
    (void)setting;
    if (!ip_prefix_parse(text, value))
        report_bad(draft, key, text, "is not an IP address or prefix");
}

static void read_server(struct config_draft *draft, const struct config_setting *setting,
                        struct config_key key, struct bytes text, void *value)
{
    (void)setting;
    if (!resolver_server_parse(text, value))
        report_bad(draft, key, text, "is neither an IP address nor [address]:port");
}

static const char *explain_address(enum address_error error)
{
    switch (error) {
    case ADDRESS_OK:
        return NULL;
    case ADDRESS_SYNTAX:
        return "is not an address (local-part@domain)";
    case ADDRESS_BAD_DOMAIN:
        return "does not have a valid domain";
    case ADDRESS_TOO_LONG:
        return "is too long for an address";
    case ADDRESS_NON_ASCII_LOCAL:
        return "has a local part outside ASCII, which is not supported";
    case ADDRESS_NO_MEMORY:
        return "could not be kept: out of memory";
    }
    return NULL;
}

static bool read_address(struct config_draft *draft, struct config_key key, struct bytes text,
                         struct address *address)
{
    const char *problem = explain_address(address_parse(draft->arena, text, address));
    if (problem)
        report_bad(draft, key, text, problem);
    return !problem;
}

static void read_mailbox(struct config_draft *draft, const struct config_setting *setting,
                         struct config_key key, struct bytes text, void *value)
{
    struct mailbox *mailbox = value;
    struct address address;
    (void)setting;
    if (!read_address(draft, key, text, &address))
        return;
    mailbox->text = address_write(draft->arena, &address);
    mailbox->domain = address.domain;
}

static void read_route_address(struct config_draft *draft, const struct config_setting *setting,
                               struct config_key key, struct bytes text, void *value)
{
    struct zone_route *route = value;
    struct address address;
    (void)setting;
    if (!read_address(draft, key, text, &address))
        return;
    /* A quoted "*" is a local part like any other. */
    route->catch_all = bytes_starts_with_nocase(text, BYTES("*@"));
    route->local_part = address.local;
    route->domain = address.domain;
}

static void refuse_removed(struct config_draft *draft, const struct config_setting *setting,
                           struct config_key key, struct bytes text, void *value)
{
    (void)text, (void)value;
    config_error(draft->source, key, "was removed: %s", setting->note);
}

const struct config_type config_number = {"number", read_number};
const struct config_type config_octets = {"octets", read_number};
const struct config_type config_seconds = {"seconds", read_number};
const struct config_type config_choice = {"choice", read_choice};
const struct config_type config_text = {"text", read_text};
const struct config_type config_word = {"word", read_single_word};
const struct config_type config_url = {"URL", read_single_word};
const struct config_type config_domain = {"domain", read_domain};
const struct config_type config_dns_name = {"domain", read_domain};
const struct config_type config_local_part = {"local part", read_local_part};
const struct config_type config_file = {"file", read_file_name};
const struct config_type config_directory = {"directory", read_file_name};
const struct config_type config_ip = {"IP address", read_ip_address};
const struct config_type config_prefix = {"IP address or prefix", read_prefix};
const struct config_type config_server = {"IP address, optional port", read_server};
const struct config_type config_mailbox = {"address", read_mailbox};
const struct config_type config_route_address = {"address or *@domain", read_route_address};
const struct config_type config_list = {"list", NULL};
const struct config_type config_removed = {"removed", refuse_removed};
