/* The reader of the configuration's YAML. See config_reader.h.
 *
 * It follows libyaml's events, so that a file of any size costs no tree, and every error has its
 * line. Aliases, merge keys and further documents are rejected. */
#include "config_reader.h"

#include "config_suggestion.h"
#include "config_table.h"
#include "config_values.h"
#include "fiber.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

enum { KEY_SHOWN_MAX = 32 };

struct reader {
    yaml_parser_t parser;
    struct config_draft *draft;
    struct bytes unread;
    struct config_key key; /* of the value being read */
    bool keys_are_good;
};

/* Where the settings of the table are stored: the draft, or one entry of a list. A mapping inside
 * it is a section, which is only a prefix to names. */
struct record {
    const struct config_setting *settings;
    size_t count;
    size_t prefix; /* octets that lead to the record in every name: of "zones[].", say */
    char *base;
    bool seen[CONFIG_SETTINGS_MAX];
    bool section_seen[CONFIG_SETTINGS_MAX]; /* by the section's first setting */
};

/* The settings of a record that the mapping being read may have, by subscript. */
struct scope {
    size_t first, end;
    size_t prefix; /* octets that lead to the mapping in every name */
};

static const struct config_key whole_file = {""};

static const char mapping[] = "a mapping (key: value)";

/* All reading functions return false when the YAML itself is invalid and cannot be read further.
 * They delete the event that they are given. */
static bool read_mapping(struct reader *r, struct record *record, const struct scope *scope,
                         yaml_event_t *event);

static size_t line_of(const yaml_event_t *event)
{
    return event->start_mark.line + 1;
}

static struct bytes scalar_of(const yaml_event_t *event)
{
    return (struct bytes){(const char *)event->data.scalar.value, event->data.scalar.length};
}

static bool next_event(struct reader *r, yaml_event_t *event)
{
    if (yaml_parser_parse(&r->parser, event))
        return true;
    const char *problem = r->parser.problem ? r->parser.problem : "out of memory";
    config_error_at(r->draft->source, r->parser.problem_mark.line + 1, whole_file, "not YAML: %s",
                    problem);
    return false;
}

/* Passes over the rest of the value that `event` begins. */
static bool skip_value(struct reader *r, yaml_event_t *event)
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
        if (!next_event(r, event))
            return false;
    }
}

static bool refuse_value(struct reader *r, yaml_event_t *event, const char *expected)
{
    r->keys_are_good = false;
    if (event->type == YAML_ALIAS_EVENT)
        config_error_at(r->draft->source, line_of(event), r->key, "aliases are not supported");
    else
        config_error_at(r->draft->source, line_of(event), r->key, "must be %s", expected);
    return skip_value(r, event);
}

/* Extends the current key; the caller cuts it back to the length it had. */
static size_t enter_key(struct reader *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static size_t enter_key(struct reader *r, const char *format, ...)
{
    const size_t length = strlen(r->key.text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(r->key.text + length, sizeof r->key.text - length, format, arguments);
    va_end(arguments);
    return length;
}

static size_t enter_member(struct reader *r, struct bytes name)
{
    return enter_key(r, "%s%.*s", *r->key.text ? "." : "", BYTES_ARG(name));
}

static void leave_key(struct reader *r, size_t length)
{
    r->key.text[length] = '\0';
}

static bool read_scalar(struct reader *r, const struct config_setting *setting, void *value,
                        yaml_event_t *event)
{
    if (event->type != YAML_SCALAR_EVENT)
        return refuse_value(r, event, "a single value");
    const struct bytes text = scalar_of(event);
    if (bytes_find(text, '\0') != BYTES_NOT_FOUND)
        return refuse_value(r, event, "text without NUL");
    setting->type->read(r->draft, setting, r->key, text, value);
    yaml_event_delete(event);
    return true;
}

/* What a setting that is absent from the file has. */
static void store_default(struct reader *r, const struct record *record,
                          const struct config_setting *setting)
{
    char *value = record->base + setting->offset;
    if (setting->same_as) {
        for (size_t i = 0; i < record->count; i++)
            if (strcmp(record->settings[i].name, setting->same_as) == 0)
                memcpy(value, record->base + record->settings[i].offset, setting->size);
    } else if (setting->text) {
        setting->type->read(r->draft, setting, r->key, bytes_of(setting->text), value);
    } else if (config_type_is_numeric(setting->type) && !setting->preset) {
        config_store_number(setting, value, setting->number);
    }
}

static void report_missing(struct reader *r, const char *name)
{
    const size_t outer = enter_member(r, bytes_of(name));
    config_error(r->draft->source, r->key, "is missing");
    leave_key(r, outer);
    r->keys_are_good = false;
}

/* At the end of a record: its required settings and its defaults. The entries of a list in it,
 * whose names go on with "[]", are records of their own. */
static void complete_record(struct reader *r, const struct record *record)
{
    for (size_t i = 0; i < record->count; i++) {
        const struct config_setting *setting = &record->settings[i];
        const char *name = setting->name + record->prefix;
        if (record->seen[i] || strstr(name, "[]"))
            continue;
        if (setting->need == CONFIG_REQUIRED)
            report_missing(r, name);
        else
            store_default(r, record, setting);
    }
}

static bool read_settings(struct reader *r, struct record *record, yaml_event_t *event)
{
    const struct scope all = {0, record->count, record->prefix};
    if (event->type != YAML_MAPPING_START_EVENT)
        return refuse_value(r, event, mapping);
    const bool readable = read_mapping(r, record, &all, event);
    if (readable)
        complete_record(r, record);
    return readable;
}

/* One entry of a list: a single value, or a record. `settings` are those of the entry. */
static bool read_entry(struct reader *r, const struct config_setting *settings, size_t count,
                       size_t prefix, void *entry, yaml_event_t *event)
{
    if (settings[0].name[prefix] == '\0')
        return read_scalar(r, settings, entry, event);
    struct record record = {
        .settings = settings, .count = count, .prefix = prefix + strlen("."), .base = entry};
    return read_settings(r, &record, event);
}

/* A list may have a hundred thousand entries. */
static void copy_in_parts(char *to, struct bytes from)
{
    enum { PART = 256 * 1024 };
    while (from.n > 0) {
        const struct bytes part = bytes_first(from, PART);
        memcpy(to, part.p, part.n);
        to += part.n;
        from = bytes_from(from, part.n);
        fiber_yield();
    }
}

/* Moves the entries into the arena, and sees to their number. */
static void store_list(struct reader *r, const struct config_setting *setting, char *base,
                       const struct buffer *entries)
{
    const size_t count = entries->n / setting->size;
    char *copy = arena_alloc_array(r->draft->arena, count, setting->size);
    if (copy)
        copy_in_parts(copy, buffer_bytes(entries));
    memcpy(base + setting->offset, &copy, sizeof copy);
    memcpy(base + setting->count_offset, copy ? &count : &(size_t){0}, sizeof count);
    if (count < setting->min)
        config_error(r->draft->source, r->key, "must have at least %ju entr%s",
                     (uintmax_t)setting->min, setting->min == 1 ? "y" : "ies");
    if (setting->max > 0 && count > setting->max)
        config_error(r->draft->source, r->key, "must have at most %ju entr%s",
                     (uintmax_t)setting->max, setting->max == 1 ? "y" : "ies");
}

/* Until the list's end. An entry is read where it stands in `entries`: a list inside it has a
 * buffer of its own. */
static bool read_entries(struct reader *r, const struct config_setting *setting, size_t count,
                         struct buffer *entries, yaml_event_t *event)
{
    const size_t prefix = strlen(setting->name) + strlen("[]");
    for (size_t i = 0; next_event(r, event); i++) {
        if (event->type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(event);
            return true;
        }
        if (!buffer_reserve(entries, setting->size)) {
            config_error_at(r->draft->source, line_of(event), r->key, "out of memory");
            yaml_event_delete(event);
            return false;
        }
        char *entry = memset(entries->p + entries->n, 0, setting->size);
        const size_t outer = enter_key(r, "[%zu]", i);
        config_source_note(r->draft->source, r->key, line_of(event));
        const bool readable = read_entry(r, setting + 1, count, prefix, entry, event);
        leave_key(r, outer);
        if (!readable)
            return false;
        entries->n += setting->size;
    }
    return false;
}

/* A list, whose entries' settings follow its own in the table. */
static bool read_list(struct reader *r, struct record *record, size_t index, yaml_event_t *event)
{
    const struct config_setting *setting = &record->settings[index];
    const size_t length = strlen(setting->name);
    struct buffer entries = {0};
    size_t count = 0;
    if (event->type != YAML_SEQUENCE_START_EVENT)
        return refuse_value(r, event, "a list");
    yaml_event_delete(event);
    while (index + 1 + count < record->count &&
           strncmp(setting[1 + count].name, setting->name, length) == 0 &&
           setting[1 + count].name[length] == '[')
        count++;
    const bool readable = read_entries(r, setting, count, &entries, event);
    if (readable)
        store_list(r, setting, record->base, &entries);
    buffer_free_in_parts(&entries, fiber_yield);
    return readable;
}

/* The setting of that name in the scope, or the first setting of the section of that name. Without
 * either, the scope's end. */
static size_t find_member(const struct record *record, const struct scope *scope,
                          struct bytes member)
{
    size_t i = scope->first;
    /* A name of the table in full, or of a list's entry, is not a key. */
    if (bytes_find(member, '.') != BYTES_NOT_FOUND || bytes_find(member, '[') != BYTES_NOT_FOUND)
        return scope->end;
    for (; i < scope->end; i++) {
        const struct bytes name = bytes_of(record->settings[i].name + scope->prefix);
        if (bytes_equal(bytes_first(name, member.n), member) &&
            (name.n == member.n || name.p[member.n] == '.'))
            break;
    }
    return i;
}

static bool report_unknown(struct reader *r, const struct record *record, const struct scope *scope,
                           yaml_event_t *event)
{
    const struct bytes written = scalar_of(event);
    struct config_suggestion suggestion = {.written = written};
    for (size_t i = scope->first; i < scope->end; i++) {
        const char *name = record->settings[i].name + scope->prefix;
        config_suggest(&suggestion, bytes_first(bytes_of(name), strcspn(name, ".[")));
    }
    const struct bytes closest = suggestion.closest;
    config_error_at(r->draft->source, line_of(event), r->key, "unknown key '%.*s'%s%.*s%s",
                    BYTES_ARG(bytes_first(written, KEY_SHOWN_MAX)),
                    closest.n ? "; did you mean '" : "", BYTES_ARG(closest), closest.n ? "'?" : "");
    r->keys_are_good = false;
    yaml_event_delete(event);
    return next_event(r, event) && skip_value(r, event);
}

static bool read_section(struct reader *r, struct record *record, const struct scope *outside,
                         size_t first, size_t length, yaml_event_t *event)
{
    const char *name = record->settings[first].name;
    struct scope scope = {first, first, outside->prefix + length + strlen(".")};
    if (event->type != YAML_MAPPING_START_EVENT)
        return refuse_value(r, event, mapping);
    while (scope.end < outside->end &&
           strncmp(record->settings[scope.end].name, name, scope.prefix) == 0)
        scope.end++;
    const bool readable = read_mapping(r, record, &scope, event);
    for (size_t i = scope.first; readable && i < scope.end; i++)
        if (record->settings[i].need == CONFIG_REQUIRED_IN_SECTION && !record->seen[i])
            report_missing(r, record->settings[i].name + scope.prefix);
    return readable;
}

/* One key of a mapping and its value; `event` holds the key. */
static bool read_member(struct reader *r, struct record *record, const struct scope *scope,
                        yaml_event_t *event)
{
    if (event->type != YAML_SCALAR_EVENT)
        return refuse_value(r, event, "a mapping with plain keys") && next_event(r, event) &&
               skip_value(r, event);
    const struct bytes member = scalar_of(event);
    const size_t found = find_member(record, scope, member), length = member.n;
    if (found == scope->end)
        return report_unknown(r, record, scope, event);
    const struct config_setting *setting = &record->settings[found];
    const bool is_section = setting->name[scope->prefix + length] == '.';
    const size_t outer = enter_member(r, member);
    bool *seen = is_section ? &record->section_seen[found] : &record->seen[found];
    if (*seen) {
        config_error_at(r->draft->source, line_of(event), r->key, "is given twice");
        r->keys_are_good = false;
    }
    *seen = true;
    config_source_note(r->draft->source, r->key, line_of(event));
    yaml_event_delete(event);
    bool readable = next_event(r, event);
    if (readable && is_section)
        readable = read_section(r, record, scope, found, length, event);
    else if (readable && setting->type == &config_list)
        readable = read_list(r, record, found, event);
    else if (readable)
        readable = read_scalar(r, setting, record->base + setting->offset, event);
    leave_key(r, outer);
    return readable;
}

/* `event` begins the mapping. */
static bool read_mapping(struct reader *r, struct record *record, const struct scope *scope,
                         yaml_event_t *event)
{
    yaml_event_delete(event);
    while (next_event(r, event)) {
        if (event->type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(event);
            return true;
        }
        if (!read_member(r, record, scope, event))
            return false;
    }
    return false;
}

/* The stream: exactly one document. */
static bool read_stream(struct reader *r, struct record *record)
{
    yaml_event_t event;
    unsigned documents = 0;
    while (next_event(r, &event)) {
        const yaml_event_type_t type = event.type;
        const size_t line = line_of(&event);
        yaml_event_delete(&event);
        if (type == YAML_STREAM_END_EVENT) {
            if (documents == 0)
                config_error_at(r->draft->source, 1, whole_file, "the file is empty");
            return documents > 0;
        }
        if (type != YAML_DOCUMENT_START_EVENT)
            continue;
        if (++documents > 1) {
            config_error_at(r->draft->source, line, whole_file, "more than one YAML document");
            return false;
        }
        if (!next_event(r, &event) || !read_settings(r, record, &event))
            return false;
    }
    return false;
}

void config_preset(struct config_draft *draft)
{
    draft->config.resolver = resolver_defaults();
}

/* Gives libyaml what is next of the file, some KiB at a time: whatever the file holds, values or
 * comments alone, other fibers get their turn in between. */
static int read_piece(void *context, unsigned char *piece, size_t size, size_t *size_read)
{
    struct reader *r = context;
    fiber_yield();
    const struct bytes next = bytes_first(r->unread, size);
    if (next.n > 0)
        memcpy(piece, next.p, next.n);
    r->unread = bytes_from(r->unread, next.n);
    *size_read = next.n;
    return 1;
}

bool config_read(struct config_draft *draft, struct bytes yaml)
{
    struct reader r = {.draft = draft, .unread = yaml, .keys_are_good = true};
    struct record file = {.base = (char *)draft};
    file.settings = config_table(&file.count);
    if (!yaml_parser_initialize(&r.parser)) {
        config_error_at(draft->source, 1, r.key, "out of memory");
        return false;
    }
    config_preset(draft);
    yaml_parser_set_input(&r.parser, read_piece, &r);
    const bool readable = read_stream(&r, &file);
    yaml_parser_delete(&r.parser);
    return readable && r.keys_are_good;
}
