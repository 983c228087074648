/* Tag lists, "v=1; a=rsa-sha256; ...", as DKIM signatures, ARC fields and key records use them:
 * RFC 6376 3.2, with non-ASCII values as RFC 8616 allows them.
 *
 * The grammar is applied literally: a name is a letter and then letters, digits and underscores; a
 * value is printable, with white space only inside and CRLF only where it folds; a name given twice
 * makes the whole list invalid; an empty tag is an error, except nothing after a final ";". */
#ifndef FAIRLEAD_TAGLIST_H
#define FAIRLEAD_TAGLIST_H

#include "arena.h"

enum { TAGLIST_MAX = 64 }; /* tags in one list; no known list has a third as many */

struct tag {
    struct bytes name;
    struct bytes value;   /* without the white space round it; may be folded inside */
    struct bytes between; /* everything between "=" and ";" or the end */
};

struct taglist {
    struct tag tags[TAGLIST_MAX]; /* in the order written */
    size_t count;
    const char *problem; /* why this is not a tag list; NULL if it is */
};

/* Reads `text`, the value of a header field without its final CRLF, or a DNS record. False when it
 * is not a tag list; `list` then holds the tags up to the fault. The slices point into `text`. */
bool taglist_parse(struct bytes text, struct taglist *list);

/* The tag of that name, compared with case (3.2); NULL if it is not there. */
const struct tag *taglist_find(const struct taglist *list, const char *name);

/* The next element of a colon-separated list, FWS round it removed; see bytes_cut(). */
struct bytes taglist_cut_element(struct bytes *rest);

/* True if the colon-separated list has the element, compared without case. */
bool taglist_has_element(struct bytes list, struct bytes element);

/* Copies `value` without its FWS (2.8), as the tags d=, s=, i=, b= are to be read. p == NULL when
 * memory is short. */
struct bytes taglist_without_space(struct arena *arena, struct bytes value);

#endif
