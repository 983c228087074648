/* The table of keys, printed for an operator. */
#ifndef FAIRLEAD_CONFIG_EXPLAIN_H
#define FAIRLEAD_CONFIG_EXPLAIN_H

#include "buffer.h"

/* Appends a line for every key of the configuration file: its name, the values it may have, and its
 * default or that it is required, in columns divided by two blanks or more. */
void config_explain(struct buffer *out);

#endif
