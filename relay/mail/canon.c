/* Canonicalisation and the choice of signed fields. See canon.h. */
#include "canon.h"

#include <stdlib.h>
#include <string.h>

static const struct bytes crlf = {"\r\n", 2};

static bool ends_with_crlf(struct bytes b)
{
    return b.n >= 2 && b.p[b.n - 2] == '\r' && b.p[b.n - 1] == '\n';
}

static void gather_flush(struct canon_gather *gather)
{
    if (gather->n > 0)
        gather->sink.take(gather->sink.context, (struct bytes){gather->octets, gather->n});
    gather->n = 0;
}

static void gather_add(struct canon_gather *gather, struct bytes piece)
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

static void gather_add_char(struct canon_gather *gather, char c)
{
    if (gather->n == sizeof gather->octets)
        gather_flush(gather);
    gather->octets[gather->n++] = c;
}

/* A field value being relaxed (3.4.2), in one piece or in two. */
struct relaxing {
    struct canon_gather *gather;
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
static void relax_field(struct bytes head, struct bytes tail, struct canon_gather *gather)
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
    struct canon_gather gather = {.sink = sink};
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
    struct canon_gather gather = {.sink = sink};
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

void canon_body_start(struct canon_body *state, enum canon canon, struct bytes body,
                      struct canon_sink sink)
{
    *state = (struct canon_body){
        .canon = canon, .body = body, .end = body.n, .at = body.n, .gather.sink = sink};
}

/* Backwards over the lines at the end that hold nothing, or in relaxed form nothing but blanks. */
static void find_end(struct canon_body *state, size_t octets)
{
    const size_t stop = state->at > octets ? state->at - octets : 0;
    while (!state->end_found && state->at >= stop) {
        struct bytes before = bytes_first(state->body, state->at);
        if (state->canon == CANON_RELAXED && before.n > 0 &&
            ascii_is_blank(before.p[before.n - 1])) {
            state->at--;
        } else if (before.n == 0 || ends_with_crlf(before)) {
            state->end = before.n;
            state->end_found = before.n == 0;
            state->at -= before.n == 0 ? 0 : 2;
        } else {
            state->end_found = true; /* a line with something in it, up to `end` */
        }
    }
    if (state->end_found)
        state->at = 0;
}

/* The blanks from `run` to `at`: at the end of a line they vanish, elsewhere they become one SP. */
static void end_run(struct canon_body *state)
{
    const char *p = state->body.p;
    const size_t run = state->run, at = state->at;
    bool at_line_end =
        at == state->end || (p[at] == '\r' && at + 1 < state->end && p[at + 1] == '\n');
    if (!at_line_end && at - run == 1 && p[run] == ' ')
        return; /* it stays as it is */
    gather_add(&state->gather, (struct bytes){p + state->taken, run - state->taken});
    if (!at_line_end)
        gather_add_char(&state->gather, ' ');
    state->taken = at;
}

static void relax_body(struct canon_body *state, size_t octets)
{
    const char *p = state->body.p;
    const size_t stop = octets < state->end - state->at ? state->at + octets : state->end;
    for (; state->at < stop; state->at++) {
        if (ascii_is_blank(p[state->at]))
            continue;
        if (state->run < state->at)
            end_run(state);
        state->run = state->at + 1;
    }
    if (state->at == state->end && state->run < state->at)
        end_run(state);
    if (state->taken < state->run) {
        gather_add(&state->gather, (struct bytes){p + state->taken, state->run - state->taken});
        state->taken = state->run;
    }
}

static void copy_body(struct canon_body *state, size_t octets)
{
    struct bytes piece = bytes_first(bytes_from(state->body, state->at), state->end - state->at);
    piece = bytes_first(piece, octets);
    gather_add(&state->gather, piece);
    state->at += piece.n;
}

/* In simple form an empty body becomes one CRLF (3.4.3), in relaxed form it stays empty (3.4.4). */
static void end_body(struct canon_body *state)
{
    struct bytes body = bytes_first(state->body, state->end);
    if (state->canon == CANON_SIMPLE ? body.n == 0 || !ends_with_crlf(body)
                                     : body.n > 0 && !ends_with_crlf(body))
        gather_add(&state->gather, crlf);
    gather_flush(&state->gather);
}

bool canon_body_step(struct canon_body *state, size_t octets)
{
    if (!state->end_found) {
        find_end(state, octets);
        return true;
    }
    if (state->canon == CANON_RELAXED)
        relax_body(state, octets);
    else
        copy_body(state, octets);
    if (state->at < state->end)
        return true;
    end_body(state);
    return false;
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

/* Any order does that is the same for all. Of thousands of fields most have one name in one case.
 */
static int compare_names(struct bytes a, struct bytes b)
{
    if (a.n != b.n)
        return a.n < b.n ? -1 : 1;
    return memcmp(a.p, b.p, a.n) == 0 ? 0 : bytes_compare_nocase(a, b);
}

static int compare_fields(const void *left, const void *right)
{
    const struct header_field *a = *(const struct header_field *const *)left;
    const struct header_field *b = *(const struct header_field *const *)right;
    int order = compare_names(a->name, b->name);
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
    return compare_names(*(const struct bytes *)name, ((const struct name_group *)group)->name);
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
