/* Reads the YAML of a configuration file into a draft, by the table of its keys. */
#ifndef FAIRLEAD_CONFIG_READER_H
#define FAIRLEAD_CONFIG_READER_H

#include "config_draft.h"

/* What a draft holds before its file is read. */
void config_preset(struct config_draft *draft);

/* Stores every value and every default, notes the line of every key, and reports each key that is
 * unknown, missing or given twice and each value that is not what the table asks for. False if keys
 * were, or the YAML is invalid: the draft cannot be checked further then. */
bool config_read(struct config_draft *draft, struct bytes yaml);

#endif
