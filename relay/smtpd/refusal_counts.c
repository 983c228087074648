/* Counting refusals for the log. See refusal_counts.h. */
#include "refusal_counts.h"

#include <string.h>

void refusal_counts_add(struct refusal_counts *counts, const struct refusal *refusal)
{
    struct refusal_count *count = counts->list;
    const struct refusal_count *end = counts->list + counts->n;
    while (count < end &&
           (count->kind != refusal->kind || strcmp(count->clause, refusal->clause) != 0))
        count++;
    if (count == end) {
        if (counts->n == REFUSALS_LOGGED_MAX)
            return;
        *count = (struct refusal_count){.kind = refusal->kind, .clause = refusal->clause};
        counts->n++;
    }
    count->count++;
}

void refusal_counts_write(struct json *json, const struct refusal_counts *counts)
{
    if (counts->n == 0)
        return;
    json_open_array(json, "refusals");
    for (size_t i = 0; i < counts->n; i++) {
        const struct refusal_count *refusal = &counts->list[i];
        json_open_object(json, NULL);
        json_number(json, "code", refusal_entry(refusal->kind)->code);
        json_string(json, "text", bytes_of(refusal_entry(refusal->kind)->text));
        json_string(json, "by", bytes_of(refusal->clause));
        json_number(json, "count", refusal->count);
        json_close_object(json);
    }
    json_close_array(json);
}
