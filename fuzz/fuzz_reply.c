/* Upstream replies of any octets: what is passed to the client is a reply in plain text with lines
 * within the limit, and parsing it again changes nothing. */
#include "fuzz.h"

#include "read_reply.h"

static void check_text(struct bytes written)
{
    while (written.n > 0) {
        size_t end = bytes_find_slice(written, BYTES("\r\n"));
        require(end != BYTES_NOT_FOUND && end + 2 <= REPLY_LINE_MAX);
        for (size_t i = 0; i < end; i++)
            require(ascii_is_printable(written.p[i]) || written.p[i] == '\t');
        written = bytes_from(written, end + 2);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(0);
    struct buffer first = {0}, second = {0};
    struct reply reply, again;
    if (read_reply(arena, (struct bytes){(const char *)data, size}, &reply) == REPLY_COMPLETE) {
        reply_read_extensions(&reply);
        reply_adapt_for_client(&reply);
        reply_write(&first, &reply);
        check_text(buffer_bytes(&first));
        /* Folding may have exceeded the number of lines in a reply. */
        if (read_reply(arena, buffer_bytes(&first), &again) == REPLY_COMPLETE) {
            require(again.code == reply.code);
            reply_write(&second, &again);
            require(bytes_equal(buffer_bytes(&first), buffer_bytes(&second)));
        }
    }
    buffer_free(&first);
    buffer_free(&second);
    arena_free(arena);
    return 0;
}
