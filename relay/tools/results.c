/* Results as JSON. See results.h. */
#include "results.h"

void tool_add_text(struct json *json, const char *key, struct bytes text)
{
    if (text.n > 0)
        json_string(json, key, text);
    else
        json_null(json, key);
}

void tool_add_spf(struct json *json, const struct spf_outcome *outcome)
{
    json_string(json, "result", bytes_of(spf_result_name(outcome->result)));
    json_string(json, "explanation", outcome->explanation);
    tool_add_text(json, "mechanism", outcome->mechanism);
    json_number(json, "lookups", outcome->lookups);
    json_number(json, "void_lookups", outcome->void_lookups);
    tool_add_text(json, "problem", bytes_of(outcome->problem));
}

void tool_add_dkim(struct json *json, const struct dkim_results *results)
{
    json_open_array(json, "signatures");
    for (size_t i = 0; i < results->count; i++) {
        const struct dkim_signature *signature = &results->signatures[i];
        json_open_object(json, NULL);
        json_string(json, "domain", signature->domain);
        json_string(json, "selector", signature->selector);
        json_string(json, "identity", signature->identity);
        json_string(json, "algorithm", signature->algorithm);
        json_number(json, "bits", signature->bits);
        json_string(json, "result", bytes_of(dkim_result_name(signature->result)));
        json_string(json, "reason", bytes_of(signature->reason));
        json_close_object(json);
    }
    json_close_array(json);
}

void tool_add_arc(struct json *json, const struct arc_result *result)
{
    json_string(json, "cv", bytes_of(arc_status_name(result->status)));
    json_number(json, "instances", result->instances);
    json_number(json, "oldest_pass", result->oldest_pass);
    json_string(json, "reason", bytes_of(result->reason));
}

static void add_policy(struct json *json, const char *key, const struct dmarc_record *record,
                       enum dmarc_policy policy)
{
    tool_add_text(json, key, bytes_of(record->usable ? dmarc_policy_name(policy) : ""));
}

void tool_add_dmarc(struct json *json, const struct dmarc_outcome *outcome)
{
    const struct dmarc_record *record = &outcome->found.record;
    json_string(json, "result", bytes_of(dmarc_result_name(outcome->result)));
    add_policy(json, "policy", record, record->policy);
    add_policy(json, "subdomain_policy", record, record->subdomain_policy);
    add_policy(json, "nonexistent_policy", record, record->nonexistent_policy);
    tool_add_text(json, "applied_tag", bytes_of(outcome->requested_by));
    json_string(json, "disposition", bytes_of(dmarc_policy_name(outcome->disposition)));
    json_string(json, "at_stake", bytes_of(dmarc_policy_name(outcome->at_stake)));
    tool_add_text(json, "organizational_domain", outcome->organizational_domain);
    tool_add_text(json, "record_domain", outcome->found.domain);
    tool_add_text(json, "record", outcome->found.text);
    json_open_object(json, "aligned");
    json_bool(json, "spf", outcome->spf_passes);
    json_bool(json, "dkim", outcome->signature_passes);
    json_close_object(json);
    json_string(json, "reason", outcome->reason);
}
