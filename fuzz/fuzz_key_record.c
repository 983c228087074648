/* DKIM key records of any octets, as both kinds of key. */
#include "fuzz.h"

#include "key_record.h"
#include "one_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(0);
    struct one_answer one = {{answer_always}, {.text = {(const char *)data, size}}};
    for (enum key_type type = KEY_RSA; type <= KEY_ED25519; type++) {
        struct public_key key;
        enum key_status status =
            key_fetch(arena, &one.dns, BYTES("s"), BYTES("example.com"), type, &key);
        require((status == KEY_FOUND) == (key.pkey != NULL));
        require(status != KEY_FOUND || type == KEY_ED25519 || key.bits >= 1024);
        EVP_PKEY_free(key.pkey);
    }
    arena_free(arena);
    return 0;
}
