/* Authentication-Results fields of any octets: what is parsed can be written and parsed again, and
 * a field is recognized by its authserv-id. */
#include "fuzz.h"

#include "authres.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(0);
    struct bytes value = {(const char *)data, size};
    struct authres first, second;
    authres_claims(arena, value, BYTES("email.cloudflare.net"));
    if (authres_parse(arena, value, &first)) {
        struct buffer out = {0};
        require(authres_claims(arena, value, first.authserv_id));
        authres_write(&out, &first, 0);
        require(authres_parse(arena, buffer_bytes(&out), &second));
        require(second.result_count == first.result_count);
        buffer_free(&out);
    }
    arena_free(arena);
    return 0;
}
