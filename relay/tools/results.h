/* The results of the authentication methods as members of the JSON object that is open, for the
 * tool of each method and for `fairlead verify`. */
#ifndef FAIRLEAD_RESULTS_H
#define FAIRLEAD_RESULTS_H

#include "arc.h"
#include "dkim.h"
#include "dmarc.h"
#include "json.h"
#include "spf.h"

void tool_add_spf(struct json *json, const struct spf_outcome *outcome);
void tool_add_dkim(struct json *json, const struct dkim_results *results);
void tool_add_arc(struct json *json, const struct arc_result *result);
void tool_add_dmarc(struct json *json, const struct dmarc_outcome *outcome);

/* The text, or null where it is empty. */
void tool_add_text(struct json *json, const char *key, struct bytes text);

#endif
