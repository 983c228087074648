/* The content of DATA, divided anywhere into two pieces: its end does not depend on the division
 * and is CRLF "." CRLF only, and an accepted message is unchanged when it is sent and read again.
 */
#include "fuzz.h"

#include "content.h"

static const struct content_limits limits = {4096, 1024, 20};

static size_t read_whole(struct content_reader *reader, struct buffer *message, struct bytes octets,
                         size_t cut)
{
    content_start(reader, message, limits);
    size_t used = content_feed(reader, bytes_first(octets, cut));
    if (!reader->ended)
        used += content_feed(reader, bytes_from(octets, used));
    return used;
}

static void add_run(void *context, struct bytes run)
{
    buffer_add(context, run);
}

static bool is_refused(const struct content_reader *reader)
{
    return reader->bare_cr || reader->bare_lf || reader->nul || reader->too_big ||
           reader->header_too_big || reader->too_many_fields || reader->continues_field;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct content_reader whole, cut;
    struct buffer first = {0}, second = {0}, wire = {0};
    if (size == 0)
        return 0;
    struct bytes octets = {(const char *)data + 1, size - 1};
    size_t used = read_whole(&whole, &first, octets, octets.n);
    require(read_whole(&cut, &second, octets, data[0]) == used && cut.ended == whole.ended &&
            is_refused(&cut) == is_refused(&whole));
    /* What is refused is not stored to its end. */
    require(is_refused(&whole) || bytes_equal(buffer_bytes(&first), buffer_bytes(&second)));
    if (whole.ended) {
        struct bytes seen = bytes_first(octets, used);
        require(bytes_ends_with_nocase(seen, BYTES("\r\n.\r\n")) ||
                bytes_equal(seen, BYTES(".\r\n")));
    }
    if (whole.ended && !is_refused(&whole)) {
        bool at_line_start = true;
        content_stuff(buffer_bytes(&first), &at_line_start, add_run, &wire);
        buffer_add(&wire, BYTES(".\r\n"));
        buffer_clear(&second);
        require(read_whole(&cut, &second, buffer_bytes(&wire), wire.n) == wire.n && cut.ended);
        require(bytes_equal(buffer_bytes(&first), buffer_bytes(&second)));
    }
    buffer_free(&first);
    buffer_free(&second);
    buffer_free(&wire);
    return 0;
}
