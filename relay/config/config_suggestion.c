/* Closest words by Levenshtein distance. See config_suggestion.h. */
#include "config_suggestion.h"

enum { WORD_MAX = 32, DISTANCE_MAX = 2 };

static size_t minimum(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Words that are too long are far from everything. */
static size_t distance_between(struct bytes a, struct bytes b)
{
    size_t row[WORD_MAX + 1];
    if (a.n > WORD_MAX || b.n > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            const size_t replaced = diagonal + (ascii_lower(a.p[i - 1]) != b.p[j - 1]);
            diagonal = row[j];
            row[j] = minimum(replaced, minimum(row[j], row[j - 1]) + 1);
        }
    }
    return row[b.n];
}

void config_suggest(struct config_suggestion *s, struct bytes word)
{
    const size_t distance = distance_between(s->written, word);
    if (distance <= DISTANCE_MAX && distance < word.n &&
        (s->closest.n == 0 || distance < s->distance)) {
        s->closest = word;
        s->distance = distance;
    }
}
