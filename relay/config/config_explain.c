/* The table of keys as text. See config_explain.h. */
#include "config_explain.h"

#include "config_reader.h"
#include "config_table.h"
#include "config_values.h"

#include <inttypes.h>

enum { NAME_WIDTH = 34, VALUES_WIDTH = 34 };

static void add_column(struct buffer *out, size_t start, int width)
{
    do
        buffer_add_char(out, ' ');
    while (out->n - start < (size_t)width);
}

static void add_values(struct buffer *out, const struct config_setting *setting)
{
    const struct config_type *type = setting->type;
    if (type != &config_choice)
        buffer_printf(out, "%s", type->name);
    for (const struct config_choice *choice = setting->choices; choice && choice->name; choice++)
        buffer_printf(out, "%s%s", choice == setting->choices ? "" : " | ", choice->name);
    if (type == &config_list && setting->min > 0)
        buffer_printf(out, " of at least %" PRIu64, setting->min);
    else if (type == &config_list && setting->max > 0)
        buffer_printf(out, " of at most %" PRIu64, setting->max);
    else if (config_type_is_numeric(type) && !setting->choices)
        buffer_printf(out, ", %" PRIu64 " to %" PRIu64, setting->min, setting->max);
    else if (type != &config_list && setting->max > 0)
        buffer_printf(out, " of at most %" PRIu64 " octets", setting->max);
}

static void add_number(struct buffer *out, const struct config_draft *empty,
                       const struct config_setting *setting)
{
    const char *value = (const char *)empty + setting->offset;
    const uint64_t number =
        setting->preset ? config_stored_number(setting, value) : setting->number;
    for (const struct config_choice *choice = setting->choices; choice && choice->name; choice++)
        if (choice->value == number) {
            buffer_printf(out, "default %s", choice->name);
            return;
        }
    buffer_printf(out, "default %" PRIu64, number);
}

static void add_default(struct buffer *out, const struct config_draft *empty,
                        const struct config_setting *setting)
{
    if (bytes_ends_with_nocase(bytes_of(setting->name), BYTES("[]"))) {
        buffer_printf(out, "each entry");
    } else if (setting->need != CONFIG_OPTIONAL) {
        buffer_printf(out, "required%s", setting->need == CONFIG_REQUIRED ? "" : " in its section");
    } else if (setting->same_as) {
        buffer_printf(out, "default that of %s", setting->same_as);
    } else if (setting->text) {
        buffer_printf(out, "default %s", setting->text);
    } else if (config_type_is_numeric(setting->type)) {
        add_number(out, empty, setting);
        if (setting->note)
            buffer_printf(out, ", %s", setting->note);
    } else if (setting->note) {
        buffer_printf(out, "default %s", setting->note);
    } else {
        buffer_printf(out, "optional");
    }
}

void config_explain(struct buffer *out)
{
    size_t count;
    const struct config_setting *table = config_table(&count);
    struct config_draft empty = {.arena = NULL};
    config_preset(&empty);
    for (size_t i = 0; i < count; i++) {
        const size_t line = out->n;
        if (table[i].type == &config_removed)
            continue;
        buffer_printf(out, "%s ", table[i].name);
        add_column(out, line, NAME_WIDTH);
        add_values(out, &table[i]);
        buffer_add_char(out, ' ');
        add_column(out, line, NAME_WIDTH + VALUES_WIDTH);
        add_default(out, &empty, &table[i]);
        buffer_add_char(out, '\n');
    }
}
