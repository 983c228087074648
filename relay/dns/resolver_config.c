/* Which servers the resolver asks: its defaults, resolv.conf(5), and servers named by hand. See
 * resolver.h. */
#include "file.h"
#include "resolver.h"

enum { RESOLV_CONF_SIZE_MAX = 64 * 1024 };

struct resolver_config resolver_defaults(void)
{
    return (struct resolver_config){.timeout = 5,
                                    .tries = 2,
                                    .cache_octets = (size_t)16 * 1024 * 1024,
                                    .ttl_max = 24 * 3600,
                                    .negative_ttl_max = 3600};
}

/* Splits "[2001:db8::1]:53", "192.0.2.1:53" or a bare address; a bare IPv6 address has colons, but
 * no port. False if brackets or port are malformed. */
static bool split_port(struct bytes text, struct bytes *host, uint16_t *port)
{
    const size_t colon = bytes_find_last(text, ':');
    struct bytes digits = {NULL, 0};
    *host = text;
    if (text.n > 0 && text.p[0] == '[') {
        const size_t bracket = bytes_find(text, ']');
        if (bracket == BYTES_NOT_FOUND)
            return false;
        *host = bytes_from(bytes_first(text, bracket), 1);
        if (bracket + 1 == text.n)
            return true;
        if (colon != bracket + 1)
            return false;
        digits = bytes_from(text, colon + 1);
    } else if (colon == BYTES_NOT_FOUND || bytes_find(text, ':') != colon) {
        return true;
    } else {
        *host = bytes_first(text, colon);
        digits = bytes_from(text, colon + 1);
    }
    uint64_t number;
    if (!bytes_to_number(digits, UINT16_MAX, &number) || number == 0)
        return false;
    *port = (uint16_t)number;
    return true;
}

bool resolver_server_parse(struct bytes text, struct resolver_server *server)
{
    struct resolver_server parsed = {.port = RESOLVER_PORT};
    struct bytes host;
    if (!split_port(text, &host, &parsed.port))
        return false;
    if (bytes_equal_nocase(host, BYTES("localhost")))
        host = BYTES("127.0.0.1");
    if (!ip_parse(host, &parsed.address))
        return false;
    *server = parsed;
    return true;
}

/* The next word of a resolv.conf line, which ends at a comment. */
static struct bytes next_conf_word(struct bytes *line)
{
    size_t start = 0, end;
    while (start < line->n && (line->p[start] == ' ' || line->p[start] == '\t'))
        start++;
    for (end = start; end < line->n && line->p[end] != ' ' && line->p[end] != '\t'; end++)
        if (line->p[end] == '#' || line->p[end] == ';')
            line->n = end;
    const struct bytes word = bytes_from(bytes_first(*line, end), start);
    *line = bytes_from(*line, end);
    return word;
}

static void add_server(struct resolver_config *config, struct bytes text)
{
    struct resolver_server server = {.port = RESOLVER_PORT};
    if (config->server_count < RESOLVER_SERVERS_MAX && ip_parse(text, &server.address))
        config->servers[config->server_count++] = server;
}

static void read_option(struct resolver_config *config, struct bytes option)
{
    enum { TIMEOUT_MAX = 30, TRIES_MAX = 5 }; /* the caps of resolv.conf(5) */
    struct bytes value = option;
    const struct bytes name = bytes_cut(&value, ':');
    uint64_t number;
    if (bytes_equal(name, BYTES("timeout")) && bytes_to_number(value, TIMEOUT_MAX, &number) &&
        number > 0)
        config->timeout = (double)number;
    if (bytes_equal(name, BYTES("attempts")) && bytes_to_number(value, TRIES_MAX, &number) &&
        number > 0)
        config->tries = (unsigned)number;
}

void resolver_read_resolv_conf(struct resolver_config *config, const char *path)
{
    struct buffer text = {0};
    struct bytes rest = {NULL, 0};
    const char *ignored;
    if (file_read(path, RESOLV_CONF_SIZE_MAX, &text, &ignored))
        rest = buffer_bytes(&text);
    while (rest.p) {
        struct bytes line = bytes_trim(bytes_cut(&rest, '\n'));
        const struct bytes keyword = next_conf_word(&line);
        if (bytes_equal(keyword, BYTES("nameserver")))
            add_server(config, next_conf_word(&line));
        else if (bytes_equal(keyword, BYTES("options")))
            for (struct bytes option = next_conf_word(&line); option.n;
                 option = next_conf_word(&line))
                read_option(config, option);
    }
    buffer_free(&text);
    if (config->server_count == 0)
        add_server(config, BYTES("127.0.0.1"));
}
