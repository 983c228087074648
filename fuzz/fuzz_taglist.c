/* Tag lists and base64 of any octets: what is parsed follows the grammar, and base64 round-trips.
 */
#include "fuzz.h"

#include "base64.h"
#include "taglist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(0);
    struct bytes text = {(const char *)data, size};
    struct taglist list;
    if (taglist_parse(text, &list)) {
        require(list.count > 0 && list.count <= TAGLIST_MAX);
        for (size_t i = 0; i < list.count; i++) {
            const struct tag *tag = &list.tags[i];
            require(bytes_equal(tag->value, bytes_trim(tag->between)));
            require(bytes_find(tag->between, ';') == BYTES_NOT_FOUND);
            struct bytes rest = tag->value;
            while (rest.p)
                taglist_cut_element(&rest);
            taglist_without_space(arena, tag->value);
        }
    }
    struct bytes octets = base64_decode(arena, text);
    if (octets.p)
        require(bytes_equal(base64_decode(arena, base64_encode(arena, octets)), octets));
    arena_free(arena);
    return 0;
}
