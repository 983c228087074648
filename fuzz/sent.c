/* Messages as they are sent. See sent.h. It shares no parser with the relay. */
#include "sent.h"

#include "fuzz.h"

enum { LINE_MAX = 998 }; /* RFC 5322 2.1.1, without CRLF */

static const struct {
    const char *name;
    unsigned min, max;
} own_fields[] = {
    {"ARC-Seal", 0, 1},
    {"ARC-Message-Signature", 0, 1},
    {"ARC-Authentication-Results", 0, 1},
    {"DKIM-Signature", 0, 1},
    {"Authentication-Results", 1, 1},
    {"Received-SPF", 1, 1},
    {"Received", 1, 1},
};

enum { OWN_FIELDS = sizeof own_fields / sizeof own_fields[0] };

/* The first line with its CRLF, or all. */
static struct bytes first_line(struct bytes text)
{
    size_t end = bytes_find_slice(text, BYTES("\r\n"));
    return end == BYTES_NOT_FOUND ? text : bytes_first(text, end + 2);
}

static bool is_continuation(struct bytes line)
{
    return line.n > 0 && ascii_is_blank(line.p[0]);
}

static bool is_named(struct bytes field, struct bytes name)
{
    if (!bytes_starts_with_nocase(field, name))
        return false;
    size_t i = name.n;
    while (i < field.n && ascii_is_blank(field.p[i]))
        i++;
    return i < field.n && field.p[i] == ':';
}

/* The first field with its continuation lines. */
static struct bytes first_field(struct bytes text)
{
    struct bytes field = first_line(text);
    for (;;) {
        struct bytes line = first_line(bytes_from(text, field.n));
        if (!is_continuation(line))
            return field;
        field.n += line.n;
    }
}

/* Which of the relay's own fields it is; OWN_FIELDS if it is another. */
static size_t own_index(struct bytes field)
{
    for (size_t i = 0; i < OWN_FIELDS; i++)
        if (is_named(field, bytes_of(own_fields[i].name)))
            return i;
    return OWN_FIELDS;
}

static void check_line(struct bytes line)
{
    bool is_blank = true;
    require(line.n >= 2 && line.n - 2 <= LINE_MAX);
    for (size_t i = 0; i + 2 < line.n; i++) {
        require(ascii_is_printable(line.p[i]) || line.p[i] == '\t');
        is_blank = is_blank && ascii_is_blank(line.p[i]);
    }
    require(!is_blank);
}

/* Each field as often as it may come, in this order, and nothing else. */
static void check_own(struct bytes own)
{
    unsigned counts[OWN_FIELDS] = {0};
    size_t last = 0;
    require(own.n > 2 && bytes_ends_with_nocase(own, BYTES("\r\n")) && !is_continuation(own));
    for (struct bytes rest = own; rest.n > 0;) {
        struct bytes line = first_line(rest);
        rest = bytes_from(rest, line.n);
        check_line(line);
        if (is_continuation(line))
            continue;
        size_t index = own_index(line);
        require(index < OWN_FIELDS && index >= last);
        counts[index]++;
        last = index;
    }
    for (size_t i = 0; i < OWN_FIELDS; i++)
        require(counts[i] >= own_fields[i].min && counts[i] <= own_fields[i].max);
    require(counts[0] == counts[1] && counts[1] == counts[2]);
}

static size_t header_size(struct bytes message)
{
    size_t size = 0;
    while (size < message.n) {
        struct bytes line = first_line(bytes_from(message, size));
        if (bytes_equal(line, BYTES("\r\n")))
            break;
        size += line.n;
    }
    return size;
}

static bool ends_with(struct bytes whole, struct bytes end)
{
    return whole.n >= end.n && bytes_equal(bytes_from(whole, whole.n - end.n), end);
}

/* `sent` without the fields at its end that are those of `header`; from the last to the first. */
static struct bytes strip_header(struct bytes sent, struct bytes header)
{
    if (header.n == 0)
        return sent;
    struct bytes field = first_field(header);
    sent = strip_header(sent, bytes_from(header, field.n));
    if (ends_with(sent, field))
        sent.n -= field.n;
    else
        require(is_named(field, BYTES("Authentication-Results")));
    return sent;
}

struct bytes sent_check(struct bytes sent, struct bytes original)
{
    struct bytes own;
    if (ends_with(sent, original)) {
        own = bytes_first(sent, sent.n - original.n);
    } else {
        struct bytes header = bytes_first(original, header_size(original));
        struct bytes rest = bytes_from(original, header.n);
        require(ends_with(sent, rest));
        own = strip_header(bytes_first(sent, sent.n - rest.n), header);
    }
    check_own(own);
    return own;
}
