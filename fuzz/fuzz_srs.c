/* Senders of any octets: a rewritten one is a valid address and is reversed to the original; any
 * address that claims to be rewritten has a result. */
#include "fuzz.h"

#include "srs.h"

static const struct bytes secret = BYTES_INIT("secret");
static const struct srs srs = {.secrets = &secret,
                               .secret_count = 1,
                               .max_age_days = SRS_MAX_AGE_DAYS,
                               .overflow = BYTES_INIT("bounces")};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const int64_t now = 1795443923;
    struct arena *arena = arena_new(0);
    struct address sender, rewritten, parsed, original;
    if (address_parse(arena, (struct bytes){(const char *)data, size}, &sender) == ADDRESS_OK) {
        srs_reverse(&srs, arena, &sender, now, &original);
        require(srs_forward(&srs, arena, &sender, BYTES("fwd.example"), now, &rewritten));
        require(address_parse(arena, address_write(arena, &rewritten), &parsed) == ADDRESS_OK);
        enum srs_error error = srs_reverse(&srs, arena, &parsed, now, &original);
        bool goes_back = !srs_is_rewritten(sender.local) &&
                         !bytes_equal(sender.domain, parsed.domain) &&
                         !bytes_equal(parsed.local, srs.overflow);
        require(!goes_back ||
                (error == SRS_OK && bytes_equal_nocase(address_write(arena, &original),
                                                       address_write(arena, &sender))));
    }
    arena_free(arena);
    return 0;
}
