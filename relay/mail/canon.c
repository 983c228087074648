/* Canonicalisation and the choice of signed fields. See canon.h. */
#include "canon.h"

#include <stdlib.h>
#include <string.h>

static const struct bytes crlf = {"\r\n", 2};

static bool ends_with_crlf(struct bytes b)
{
    return b.n >= 2 && b.p[b.n - 2] == '\r' && b.p[b.n - 1] == '\n';
}

/* Gathers small pieces, since a call of the sink costs as much as hashing some dozens of octets and
 * a body may consist of nothing but blanks between single letters. */
struct gather {
    struct canon_sink sink;
    size_t n;
    char octets[1024];
};

static void gather_flush(struct gather *gather)
{
    if (gather->n > 0)
        gather->sink.take(gather->sink.context, (struct bytes){gather->octets, gather->n});
    gather->n = 0;
}

static void gather_add(struct gather *gather, struct bytes piece)
{
    if (gather->n + piece.n > sizeof gather->octets)
        gather_flush(gather);
    if (piece.n > sizeof gather->octets) {
        gather->sink.take(gather->sink.context, piece);
    } else if (piece.n > 0) {
        memcpy(gather->octets + gather->n, piece.p, piece.n);
        gather->n += piece.n;
    }
}

static void gather_add_char(struct gather *gather, char c)
{
    if (gather->n == sizeof gather->octets)
        gather_flush(gather);
    gather->octets[gather->n++] = c;
}

/* A field value being relaxed (3.4.2), in one piece or in two. */
struct relaxing {
    struct gather *gather;
    bool begun; /* something that is not white space has been seen */
    bool blank; /* white space has been seen since */
};

static void relax_value(struct relaxing *value, struct bytes piece)
{
    for (size_t i = 0; i < piece.n; i++) {
        char c = piece.p[i];
        if (c == '\r' && i + 1 < piece.n && piece.p[i + 1] == '\n') {
            i++; /* unfolding removes the CRLF alone; the blank that follows is counted below */
        } else if (ascii_is_blank(c)) {
            value->blank = true;
        } else {
            if (value->begun && value->blank)
                gather_add_char(value->gather, ' ');
            gather_add_char(value->gather, c);
            value->begun = true;
            value->blank = false;
        }
    }
}

/* The field without its final CRLF, in the two pieces that the cut leaves. */
static void relax_field(struct bytes head, struct bytes tail, struct gather *gather)
{
    size_t colon = bytes_find(head, ':');
    struct bytes name = bytes_first(head, colon);
    while (name.n > 0 && ascii_is_blank(name.p[name.n - 1]))
        name.n--;
    for (size_t i = 0; i < name.n; i++)
        gather_add_char(gather, ascii_lower(name.p[i]));
    if (colon == BYTES_NOT_FOUND)
        return;
    gather_add_char(gather, ':');
    struct relaxing value = {.gather = gather};
    relax_value(&value, bytes_from(head, colon + 1));
    relax_value(&value, tail);
}

static struct bytes without_crlf(struct bytes raw)
{
    return ends_with_crlf(raw) ? bytes_first(raw, raw.n - 2) : raw;
}

void canon_field(enum canon canon, struct bytes raw, struct canon_sink sink)
{
    struct gather gather = {.sink = sink};
    if (canon == CANON_RELAXED)
        relax_field(without_crlf(raw), (struct bytes){NULL, 0}, &gather);
    else
        gather_add(&gather, without_crlf(raw));
    gather_add(&gather, crlf);
    gather_flush(&gather);
}

void canon_signature_field(enum canon canon, struct bytes raw, struct bytes cut,
                           struct canon_sink sink)
{
    struct gather gather = {.sink = sink};
    struct bytes field = without_crlf(raw);
    size_t start = (size_t)(cut.p - raw.p);
    struct bytes head = bytes_first(field, start), tail = bytes_from(field, start + cut.n);
    if (canon == CANON_RELAXED) {
        relax_field(head, tail, &gather);
    } else {
        gather_add(&gather, head);
        gather_add(&gather, tail);
    }
    gather_flush(&gather);
}

static void simple_body(struct bytes body, struct gather *gather)
{
    while (ends_with_crlf(body))
        body.n -= 2;
    gather_add(gather, body);
    gather_add(gather, crlf);
}

/* Without the lines at the end that hold nothing but blanks. */
static struct bytes without_blank_lines(struct bytes body)
{
    for (;;) {
        struct bytes rest = without_crlf(body);
        while (rest.n > 0 && ascii_is_blank(rest.p[rest.n - 1]))
            rest.n--;
        if (rest.n > 0 && !ends_with_crlf(rest))
            return body; /* its last line has something in it */
        if (rest.n == body.n)
            return body;
        body = rest;
    }
}

static void relaxed_body(struct bytes body, struct gather *gather)
{
    body = without_blank_lines(body);
    size_t taken = 0;
    for (size_t i = 0; i < body.n;) {
        if (!ascii_is_blank(body.p[i])) {
            i++;
            continue;
        }
        size_t end = i;
        while (end < body.n && ascii_is_blank(body.p[end]))
            end++;
        bool at_line_end =
            end == body.n || (body.p[end] == '\r' && end + 1 < body.n && body.p[end + 1] == '\n');
        if (at_line_end || end - i > 1 || body.p[i] != ' ') {
            gather_add(gather, (struct bytes){body.p + taken, i - taken});
            if (!at_line_end)
                gather_add_char(gather, ' ');
            taken = end;
        }
        i = end;
    }
    gather_add(gather, bytes_from(body, taken));
    if (body.n > 0 && !ends_with_crlf(body))
        gather_add(gather, crlf);
}

void canon_body(enum canon canon, struct bytes body, struct canon_sink sink)
{
    struct gather gather = {.sink = sink};
    if (canon == CANON_RELAXED)
        relaxed_body(body, &gather);
    else
        simple_body(body, &gather);
    gather_flush(&gather);
}

/* The fields of one name stand together, in the order of the message. */
struct name_group {
    struct bytes name;
    size_t first; /* in `sorted` */
    size_t count;
    size_t left; /* not yet taken by the selection, from the last upwards */
};

struct field_index {
    const struct header_field **sorted;
    struct name_group *groups;
    size_t group_count;
    const struct header_field *own;
};

static int compare_fields(const void *left, const void *right)
{
    const struct header_field *a = *(const struct header_field *const *)left;
    const struct header_field *b = *(const struct header_field *const *)right;
    int order = bytes_compare_nocase(a->name, b->name);
    return order != 0 ? order : (a > b) - (a < b);
}

struct field_index *field_index_new(struct arena *arena, const struct message *message)
{
    struct field_index *index = arena_alloc(arena, sizeof *index);
    const struct header_field **sorted =
        arena_alloc_array(arena, message->field_count + 1, sizeof *sorted);
    struct name_group *groups = arena_alloc_array(arena, message->field_count + 1, sizeof *groups);
    if (!index || !sorted || !groups)
        return NULL;
    *index = (struct field_index){.sorted = sorted, .groups = groups};
    size_t count = 0;
    for (size_t i = 0; i < message->field_count; i++)
        if (!message->fields[i].malformed)
            sorted[count++] = &message->fields[i];
    qsort(sorted, count, sizeof *sorted, compare_fields);
    struct name_group *group = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!group || !bytes_equal_nocase(group->name, sorted[i]->name)) {
            group = &groups[index->group_count++];
            *group = (struct name_group){.name = sorted[i]->name, .first = i};
        }
        group->count++;
    }
    field_index_restart(index, NULL);
    return index;
}

void field_index_restart(struct field_index *index, const struct header_field *own)
{
    index->own = own;
    for (size_t i = 0; i < index->group_count; i++)
        index->groups[i].left = index->groups[i].count;
}

static int compare_group(const void *name, const void *group)
{
    return bytes_compare_nocase(*(const struct bytes *)name,
                                ((const struct name_group *)group)->name);
}

const struct header_field *field_index_take(struct field_index *index, struct bytes name)
{
    struct name_group *group =
        bsearch(&name, index->groups, index->group_count, sizeof *index->groups, compare_group);
    while (group && group->left > 0) {
        const struct header_field *field = index->sorted[group->first + --group->left];
        if (field != index->own)
            return field;
    }
    return NULL;
}
