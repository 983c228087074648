/* Tag lists. See taglist.h. */
#include "taglist.h"

#include "utf8.h"

/* RFC 6376 2.8: a CRLF is white space only where a blank follows; CR and LF stand nowhere else. */
static bool folds_properly(struct bytes text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\n')
            return false;
        if (text.p[i] != '\r')
            continue;
        if (i + 2 >= text.n || text.p[i + 1] != '\n' || !ascii_is_blank(text.p[i + 2]))
            return false;
        i += 2;
    }
    return true;
}

static bool is_tag_name(struct bytes name)
{
    if (name.n == 0 || !ascii_is_alpha(name.p[0]))
        return false;
    for (size_t i = 1; i < name.n; i++)
        if (!ascii_is_alnum(name.p[i]) && name.p[i] != '_')
            return false;
    return true;
}

/* VALCHAR, white space, and what RFC 8616 adds; ";" has been cut away. */
static bool is_tag_value(struct bytes value)
{
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        if ((c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
            return false;
    }
    return utf8_is_valid(value);
}

static bool refuse_list(struct taglist *list, const char *problem)
{
    list->problem = problem;
    return false;
}

static bool add_tag(struct taglist *list, struct bytes text)
{
    size_t equals = bytes_find(text, '=');
    if (equals == BYTES_NOT_FOUND)
        return refuse_list(list, bytes_trim(text).n == 0 ? "empty tag" : "tag without \"=\"");
    struct tag tag = {.name = bytes_trim(bytes_first(text, equals)),
                      .between = bytes_from(text, equals + 1)};
    tag.value = bytes_trim(tag.between);
    if (!is_tag_name(tag.name))
        return refuse_list(list, "malformed tag name");
    if (!is_tag_value(tag.value))
        return refuse_list(list, "malformed tag value");
    for (size_t i = 0; i < list->count; i++)
        if (bytes_equal(list->tags[i].name, tag.name))
            return refuse_list(list, "duplicate tag");
    if (list->count == TAGLIST_MAX)
        return refuse_list(list, "too many tags");
    list->tags[list->count++] = tag;
    return true;
}

bool taglist_parse(struct bytes text, struct taglist *list)
{
    list->count = 0;
    list->problem = NULL;
    if (!folds_properly(text))
        return refuse_list(list, "line break that is not folding white space");
    struct bytes rest = text;
    if (bytes_trim(rest).n == 0)
        return refuse_list(list, "empty tag list");
    while (rest.p) {
        struct bytes one = bytes_cut(&rest, ';');
        if (!rest.p && list->count > 0 && bytes_trim(one).n == 0)
            break; /* nothing after the final ";" */
        if (!add_tag(list, one))
            return false;
    }
    return true;
}

const struct tag *taglist_find(const struct taglist *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (bytes_equal(list->tags[i].name, bytes_of(name)))
            return &list->tags[i];
    return NULL;
}

struct bytes taglist_cut_element(struct bytes *rest)
{
    return bytes_trim(bytes_cut(rest, ':'));
}

bool taglist_has_element(struct bytes list, struct bytes element)
{
    while (list.p)
        if (bytes_equal_nocase(taglist_cut_element(&list), element))
            return true;
    return false;
}

struct bytes taglist_without_space(struct arena *arena, struct bytes value)
{
    char *copy = arena_alloc(arena, value.n + 1);
    if (!copy)
        return (struct bytes){NULL, 0};
    size_t n = 0;
    for (size_t i = 0; i < value.n; i++)
        if (!ascii_is_space(value.p[i]))
            copy[n++] = value.p[i];
    return (struct bytes){copy, n};
}
