/* What the relay knows about one key of the configuration file: a row of config_table.c. */
#ifndef FAIRLEAD_CONFIG_SETTING_H
#define FAIRLEAD_CONFIG_SETTING_H

#include "config_draft.h"

struct config_setting;

/* A kind of value: how it is described, and how it is read. */
struct config_type {
    const char *name; /* "domain" */

    /* Stores the value of `text`. Reports what is wrong with it and leaves the default, or nothing,
     * in its place. NULL for a list, which is no single value. */
    void (*read)(struct config_draft *draft, const struct config_setting *setting,
                 struct config_key key, struct bytes text, void *value);
};

enum config_need {
    CONFIG_OPTIONAL,
    CONFIG_REQUIRED,           /* in every file, or in every entry of its list */
    CONFIG_REQUIRED_IN_SECTION /* where its section is given */
};

/* A word that stands for a value; a list of them ends with name NULL. */
struct config_choice {
    const char *name;
    unsigned value;
};

struct config_setting {
    const char *name; /* "limits.memory", "zones[].routes[].to"; "resolver.servers[]" for the
                         entries of a list of single values */
    const struct config_type *type;
    enum config_need need;
    bool preset;         /* the default is what the draft holds before the file is read */
    size_t offset;       /* of the value in struct config_draft, or in the entry of its list */
    size_t size;         /* of the value; of one entry for a list */
    size_t count_offset; /* of a list's number of entries */

    uint64_t min, max; /* of a number; of a list's entries, where max is not 0; max alone: octets */
    const struct config_choice *choices;

    /* The default, unless preset: the first of these that is given, and `number` for a number or a
     * choice. */
    const char *same_as; /* the value of that key */
    const char *text;    /* what the file might say */
    uint64_t number;

    const char *note; /* more about the default; of a removed key: what to do about it */
};

#endif
