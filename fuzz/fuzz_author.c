/* Messages of any octets: their parts add up to the message, and an author domain that is found can
 * be looked up and is in normal form. */
#include "fuzz.h"

#include "author.h"
#include "domain.h"

static void check(struct arena *arena, const struct author *author)
{
    require((author->status == AUTHOR_FOUND) ==
            (author->domain_count == 1 && author->problem == NULL));
    for (size_t i = 0; i < author->domain_count; i++) {
        struct bytes domain = author->domains[i];
        require(bytes_equal(domain_for_lookup(arena, domain), domain));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(0);
    struct bytes text = {(const char *)data, size};
    struct message message;
    size_t n = 0;
    struct author author = author_of_field(arena, text);
    check(arena, &author);
    if (message_parse(arena, text, &message)) {
        for (size_t i = 0; i < message.field_count; i++)
            n += message.fields[i].raw.n;
        require(n == message.header.n);
        author = author_of_message(arena, &message);
        check(arena, &author);
    }
    arena_free(arena);
    return 0;
}
