/* What an evaluation looks like in Authentication-Results and the AAR: RFC 8601 2.7, RFC 8617 10.2
 * (arc), RFC 9989 9.1 (policy.dmarc). Clauses: ARC-02, SPF-04 */
#include "evaluate_results.h"

#include "clause.h"

#include <string.h>

/* Of b=, enough to tell signatures apart (RFC 6008 4). */
enum { SIGNATURE_SHOWN_MAX = 8 };

/* Octets of a value: as long as a domain can be, and short enough, escaped, for a line (RFC 5321
 * 4.5.3.1.6). What a signature claims beyond that cannot have passed. */
enum { VALUE_MAX = 256 };

/* Signatures reported, of any number that a message may carry. */
enum { SIGNATURES_MAX = 64 };

/* A result gets at most this many properties: header.d, .i, .s, .a, .b. */
enum { PROPERTIES_MAX = 5 };

struct builder {
    struct arena *arena;
    struct authres *results;
};

/* A new result at the end, for which there is room; NULL when memory is short. */
static struct authres_result *append_result(struct builder *builder, const char *method,
                                            const char *value)
{
    struct authres_property *properties =
        arena_alloc_array(builder->arena, PROPERTIES_MAX, sizeof *properties);
    struct authres_result *result = &builder->results->results[builder->results->result_count];
    if (!properties)
        return NULL;
    *result = (struct authres_result){.method = bytes_of(method),
                                      .version = 1,
                                      .value = bytes_of(value),
                                      .properties = properties};
    builder->results->result_count++;
    return result;
}

static void add_property(struct authres_result *result, const char *ptype, const char *name,
                         struct bytes value)
{
    if (result && value.n > 0)
        result->properties[result->property_count++] = (struct authres_property){
            bytes_of(ptype), bytes_of(name), bytes_first(value, VALUE_MAX)};
}

/* Only the domain is authenticated, so only the domain is reported (RFC 8601 2.7.2). */
static void add_spf_result(struct builder *builder, const struct spf_outcome *spf)
{
    struct authres_result *result = append_result(builder, "spf", spf_result_name(spf->result));
    add_property(result, "smtp", CLAUSE(SPF_16, spf->identity == SPF_HELO) ? "helo" : "mailfrom",
                 spf->domain);
}

static void add_signature_result(struct builder *builder, const struct dkim_signature *signature)
{
    struct authres_result *result =
        append_result(builder, "dkim", dkim_result_name(signature->result));
    if (!result)
        return;
    if (signature->bits > 0)
        result->comment = arena_printf(builder->arena, "%u-bit key", signature->bits);
    result->reason = bytes_of(signature->reason);
    if (signature->domain.n > 0)
        add_property(result, "header", "d", dmarc_domain(builder->arena, signature->domain));
    add_property(result, "header", "i", BREAK(DKIM_48, signature->identity, BYTES("")));
    add_property(result, "header", "s", signature->selector);
    add_property(result, "header", "a", signature->algorithm);
    add_property(result, "header", "b", bytes_first(signature->signature, SIGNATURE_SHOWN_MAX));
}

static void add_dkim_results(struct builder *builder, const struct dkim_results *dkim)
{
    if (CLAUSE(DKIM_31, dkim->count == 0))
        append_result(builder, "dkim", "none");
    for (size_t i = 0; i < dkim->count && CLAUSE(MSG_35, i < SIGNATURES_MAX); i++)
        add_signature_result(builder, &dkim->signatures[i]);
}

static void add_dmarc_result(struct builder *builder, const struct evaluation *evaluation)
{
    const struct dmarc_outcome *dmarc = &evaluation->dmarc;
    struct authres_result *result =
        append_result(builder, "dmarc", dmarc_result_name(dmarc->result));
    if (!result)
        return;
    if (*dmarc->requested_by)
        result->comment = arena_printf(builder->arena, "%s=%s", dmarc->requested_by,
                                       dmarc_policy_name(dmarc->requested));
    if (dmarc->result == DMARC_TEMPERROR || dmarc->result == DMARC_PERMERROR)
        result->reason = dmarc->reason;
    add_property(result, "header", "from", BREAK(DMARC_31, evaluation->author_domain, BYTES("")));
    if (dmarc->result == DMARC_FAIL)
        add_property(
            result, "policy", "dmarc",
            bytes_of(dmarc_policy_name(BREAK(DMARC_48, dmarc->disposition, dmarc->requested))));
}

/* Clause: ARC-10 */
static void add_arc_result(struct builder *builder, const struct arc_result *arc,
                           const struct ip *client)
{
    char text[IP_TEXT_SIZE];
    struct authres_result *result = append_result(builder, "arc", arc_status_name(arc->status));
    struct bytes address = arena_copy(builder->arena, bytes_of(ip_format(client, text)));
    if (!result)
        return;
    result->reason = bytes_of(arc->reason);
    add_property(result, "smtp", "remote-ip", address);
    if (CLAUSE(ARC_23, arc->status == ARC_PASS))
        add_property(result, "header", "oldest-pass",
                     arena_printf(builder->arena, "%u", arc->oldest_pass));
}

bool evaluate_results(struct arena *arena, const struct evaluation_request *request,
                      struct evaluation *evaluation)
{
    enum { OTHER_RESULTS_MAX = 4 }; /* spf, dkim=none, dmarc, arc */
    struct builder builder = {arena, &evaluation->results};
    evaluation->results = (struct authres){
        .authserv_id = request->policy->authserv_id,
        .version = 1,
        .results = arena_alloc_array(arena, SIGNATURES_MAX + OTHER_RESULTS_MAX,
                                     sizeof *evaluation->results.results),
    };
    if (!evaluation->results.results)
        return false;
    add_spf_result(&builder, request->spf);
    add_dkim_results(&builder, &evaluation->dkim);
    if (CLAUSE(DMARC_18, evaluation->dmarc_evaluated))
        add_dmarc_result(&builder, evaluation);
    add_arc_result(&builder, &evaluation->arc, &request->envelope->client);
    return !arena_failed(arena);
}
