/* Envelope paths of any octets: an address that is parsed is within the limits, and what is written
 * parses as the same address. */
#include "fuzz.h"

#include "address.h"

static void check(struct arena *arena, enum path_role role, struct bytes text)
{
    struct address first, second;
    struct bytes rest;
    if (address_read_path(arena, role, text, &first, &rest) != ADDRESS_OK)
        return;
    struct bytes written = address_write(arena, &first);
    struct bytes path = arena_printf(arena, "<%.*s>", BYTES_ARG(written));
    require(rest.n < text.n);
    require(path.n <= ADDRESS_PATH_MAX);
    require(address_write_local(arena, first.local).n <= ADDRESS_LOCAL_MAX ||
            first.kind == ADDRESS_NULL);
    require(address_read_path(arena, role, path, &second, &rest) == ADDRESS_OK);
    require(rest.n == 0);
    require(first.kind == second.kind && bytes_equal(first.local, second.local) &&
            bytes_equal(first.domain, second.domain));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(0);
    struct bytes text = {(const char *)data, size};
    struct address mailbox;
    check(arena, PATH_REVERSE, text);
    check(arena, PATH_FORWARD, text);
    address_parse(arena, text, &mailbox);
    arena_free(arena);
    return 0;
}
