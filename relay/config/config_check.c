/* The first pass over a configuration file: its YAML against the schema, every error reported, the
 * line of every key noted. See config_source.h.
 *
 * Aliases, merge keys and further documents are refused: a configuration says what it says once. */
#include "config_schema.h"
#include "config_source.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

enum { KEY_SIZE_MAX = 32, SUGGESTION_DISTANCE = 2 };

struct check {
    yaml_parser_t parser;
    struct config_source *source;
    struct config_key key; /* of the value being looked at */
};

/* All walking functions return false when the YAML itself is broken and nothing can follow. */
static bool check_value(struct check *c, const cyaml_schema_value_t *schema, yaml_event_t *event);

static size_t line_of(const yaml_event_t *event)
{
    return event->start_mark.line + 1;
}

static bool next_event(struct check *c, yaml_event_t *event)
{
    if (yaml_parser_parse(&c->parser, event))
        return true;
    const char *problem = c->parser.problem ? c->parser.problem : "out of memory";
    config_error_at(c->source, c->parser.problem_mark.line + 1, "", "not YAML: %s", problem);
    return false;
}

/* Passes over the rest of the value that `event` begins, and deletes the event. */
static bool skip_value(struct check *c, yaml_event_t *event)
{
    size_t depth = 0;
    for (;;) {
        const yaml_event_type_t type = event->type;
        yaml_event_delete(event);
        if (type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT)
            depth++;
        else if (type == YAML_MAPPING_END_EVENT || type == YAML_SEQUENCE_END_EVENT)
            depth--;
        if (depth == 0)
            return true;
        if (!next_event(c, event))
            return false;
    }
}

static bool refuse_value(struct check *c, yaml_event_t *event, const char *expected)
{
    if (event->type == YAML_ALIAS_EVENT)
        config_error_at(c->source, line_of(event), c->key.text, "aliases are not supported");
    else
        config_error_at(c->source, line_of(event), c->key.text, "must be %s", expected);
    return skip_value(c, event);
}

/* Extends the current key; the caller cuts it back to the length it had. */
static size_t enter(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

static size_t enter(struct check *c, const char *format, ...)
{
    const size_t length = strlen(c->key.text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(c->key.text + length, sizeof(c->key.text) - length, format, arguments);
    va_end(arguments);
    return length;
}

static void leave(struct check *c, size_t length)
{
    c->key.text[length] = '\0';
}

static size_t minimum(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein distance; words that are too long are far from everything. */
static size_t distance(struct bytes a, struct bytes b)
{
    size_t row[KEY_SIZE_MAX + 1];
    if (a.n > KEY_SIZE_MAX || b.n > KEY_SIZE_MAX)
        return KEY_SIZE_MAX;
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

/* The closest word offered so far, for "did you mean". */
struct suggestion {
    struct bytes written;
    const char *closest;
    size_t distance;
};

static void suggest(struct suggestion *s, const char *word)
{
    const size_t d = distance(s->written, bytes_of(word));
    if (d <= SUGGESTION_DISTANCE && d < bytes_of(word).n && (!s->closest || d < s->distance)) {
        s->closest = word;
        s->distance = d;
    }
}

static void report_unknown_key(struct check *c, const cyaml_schema_field_t *fields,
                               const yaml_event_t *event, struct bytes key)
{
    struct suggestion s = {.written = key};
    for (; fields->key; fields++)
        suggest(&s, fields->key);
    config_error_at(c->source, line_of(event), c->key.text, "unknown key '%.*s'%s%s%s",
                    BYTES_ARG(bytes_first(key, KEY_SIZE_MAX)), s.closest ? "; did you mean '" : "",
                    s.closest ? s.closest : "", s.closest ? "'?" : "");
}

static void report_bad_choice(struct check *c, const cyaml_schema_value_t *schema,
                              const yaml_event_t *event, struct bytes written)
{
    struct suggestion s = {.written = written};
    char choices[128] = "";
    for (uint32_t i = 0; i < schema->enumeration.count; i++) {
        const char *word = schema->enumeration.strings[i].str;
        const size_t used = strlen(choices);
        snprintf(choices + used, sizeof(choices) - used, "%s%s", used ? ", " : "", word);
        suggest(&s, word);
    }
    config_error_at(c->source, line_of(event), c->key.text, "must be one of %s%s%s%s", choices,
                    s.closest ? "; did you mean '" : "", s.closest ? s.closest : "",
                    s.closest ? "'?" : "");
}

static bool is_choice(const cyaml_schema_value_t *schema, struct bytes written)
{
    for (uint32_t i = 0; i < schema->enumeration.count; i++)
        if (bytes_equal(written, bytes_of(schema->enumeration.strings[i].str)))
            return true;
    return false;
}

static bool check_scalar(struct check *c, const cyaml_schema_value_t *schema, yaml_event_t *event)
{
    if (event->type != YAML_SCALAR_EVENT)
        return refuse_value(c, event, schema->type == CYAML_UINT ? "a number" : "a single value");
    const struct bytes value = {(const char *)event->data.scalar.value, event->data.scalar.length};
    uint64_t number;
    if (bytes_find(value, '\0') != BYTES_NOT_FOUND)
        return refuse_value(c, event, "text without NUL");
    if (schema->type == CYAML_UINT && !bytes_to_number(value, UINT64_MAX, &number))
        return refuse_value(c, event, "a number: decimal digits and nothing else");
    if (schema->type == CYAML_ENUM && !is_choice(schema, value))
        report_bad_choice(c, schema, event, value);
    yaml_event_delete(event);
    return true;
}

static bool check_sequence(struct check *c, const cyaml_schema_value_t *schema, yaml_event_t *event)
{
    if (event->type != YAML_SEQUENCE_START_EVENT)
        return refuse_value(c, event, "a list");
    yaml_event_delete(event);
    for (size_t i = 0; next_event(c, event); i++) {
        if (event->type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(event);
            return true;
        }
        const size_t outer = enter(c, "[%zu]", i);
        config_source_note(c->source, c->key.text, line_of(event));
        const bool sound = check_value(c, schema->sequence.entry, event);
        leave(c, outer);
        if (!sound)
            return false;
    }
    return false;
}

static const cyaml_schema_field_t *find_field(const cyaml_schema_field_t *fields, struct bytes key)
{
    for (; fields->key; fields++)
        if (bytes_equal(key, bytes_of(fields->key)))
            return fields;
    return NULL;
}

/* One key of a mapping and its value; `event` holds the key. `seen` has a bit for every field. */
static bool check_field(struct check *c, const cyaml_schema_field_t *fields, uint64_t *seen,
                        yaml_event_t *event)
{
    if (event->type != YAML_SCALAR_EVENT)
        return refuse_value(c, event, "a mapping with plain keys") && next_event(c, event) &&
               skip_value(c, event);
    const struct bytes key = {(const char *)event->data.scalar.value, event->data.scalar.length};
    const cyaml_schema_field_t *field = find_field(fields, key);
    if (!field) {
        report_unknown_key(c, fields, event, key);
        yaml_event_delete(event);
        return next_event(c, event) && skip_value(c, event);
    }
    const size_t outer = enter(c, "%s%s", *c->key.text ? "." : "", field->key);
    const uint64_t bit = UINT64_C(1) << (field - fields);
    if (*seen & bit)
        config_error_at(c->source, line_of(event), c->key.text, "is given twice");
    *seen |= bit;
    config_source_note(c->source, c->key.text, line_of(event));
    yaml_event_delete(event);
    const bool sound = next_event(c, event) && check_value(c, &field->value, event);
    leave(c, outer);
    return sound;
}

static void report_missing(struct check *c, const cyaml_schema_field_t *fields, uint64_t seen,
                           size_t line)
{
    for (const cyaml_schema_field_t *field = fields; field->key; field++)
        if (!(field->value.flags & CYAML_FLAG_OPTIONAL) && !(seen >> (field - fields) & 1)) {
            const size_t outer = enter(c, "%s%s", *c->key.text ? "." : "", field->key);
            config_error_at(c->source, line, c->key.text, "is missing");
            leave(c, outer);
        }
}

static bool check_mapping(struct check *c, const cyaml_schema_value_t *schema, yaml_event_t *event)
{
    if (event->type != YAML_MAPPING_START_EVENT)
        return refuse_value(c, event, "a mapping (key: value)");
    const size_t line = line_of(event);
    uint64_t seen = 0;
    yaml_event_delete(event);
    while (next_event(c, event)) {
        if (event->type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(event);
            report_missing(c, schema->mapping.fields, seen, line);
            return true;
        }
        if (!check_field(c, schema->mapping.fields, &seen, event))
            return false;
    }
    return false;
}

static bool check_value(struct check *c, const cyaml_schema_value_t *schema, yaml_event_t *event)
{
    if (schema->type == CYAML_MAPPING)
        return check_mapping(c, schema, event);
    if (schema->type == CYAML_SEQUENCE)
        return check_sequence(c, schema, event);
    return check_scalar(c, schema, event);
}

/* The stream: exactly one document. */
static void check_stream(struct check *c)
{
    yaml_event_t event;
    unsigned documents = 0;
    while (next_event(c, &event)) {
        const yaml_event_type_t type = event.type;
        const size_t line = line_of(&event);
        yaml_event_delete(&event);
        if (type == YAML_STREAM_END_EVENT) {
            if (documents == 0)
                config_error_at(c->source, 1, "", "the file is empty");
            return;
        }
        if (type != YAML_DOCUMENT_START_EVENT)
            continue;
        if (++documents > 1) {
            config_error_at(c->source, line, "", "more than one YAML document");
            return;
        }
        if (!next_event(c, &event) || !check_value(c, &config_schema, &event))
            return;
    }
}

bool config_check(struct config_source *source, struct bytes yaml)
{
    struct check c = {.source = source};
    if (!yaml_parser_initialize(&c.parser)) {
        config_error_at(source, 1, "", "out of memory");
        return false;
    }
    yaml_parser_set_input_string(&c.parser, (const unsigned char *)yaml.p, yaml.n);
    const size_t before = source->error_count;
    check_stream(&c);
    yaml_parser_delete(&c.parser);
    return source->error_count == before;
}
