/* What every evaluator of SPF needs: which identity is checked (RFC 7208 2.3, 2.4, 4.3), what may
 * be given out as an explanation (6.2), and the names of the results. */
#include "spf.h"

#include "clause.h"
#include "domain.h"
#include "spf_macro.h"

const char *spf_result_name(enum spf_result result)
{
    static const char *const names[] = {
        [SPF_NONE] = "none",           [SPF_NEUTRAL] = "neutral",   [SPF_PASS] = "pass",
        [SPF_FAIL] = "fail",           [SPF_SOFTFAIL] = "softfail", [SPF_TEMPERROR] = "temperror",
        [SPF_PERMERROR] = "permerror",
    };
    return names[result];
}

bool spf_outcome_copy(struct arena *arena, const struct spf_outcome *from, struct spf_outcome *to)
{
    *to = *from;
    to->sender = arena_copy(arena, from->sender);
    to->domain = arena_copy(arena, from->domain);
    to->explanation = arena_copy(arena, from->explanation);
    to->mechanism = arena_copy(arena, from->mechanism);
    if (from->problem)
        to->problem = arena_string(arena, bytes_of(from->problem));
    return !arena_failed(arena);
}

void spf_identify(struct arena *arena, const struct spf_request *request,
                  struct spf_outcome *outcome)
{
    *outcome = (struct spf_outcome){.identity = SPF_MAIL_FROM, .sender = request->mail_from};
    if (CLAUSE(SPF_05, request->mail_from.n == 0)) {
        outcome->identity = SPF_HELO;
        outcome->sender = request->helo;
    }
    size_t at = bytes_find_last(outcome->sender, '@');
    if (outcome->identity == SPF_MAIL_FROM && at != BYTES_NOT_FOUND && at > 0) {
        outcome->domain = bytes_from(outcome->sender, at + 1);
        return;
    }
    struct bytes domain = outcome->sender;
    if (outcome->identity == SPF_MAIL_FROM && at == 0)
        domain = bytes_from(domain, 1);
    outcome->sender = arena_printf(arena, "postmaster@%.*s", BYTES_ARG(domain));
    bool is_name = domain_is_name(spf_without_final_dot(domain), DOMAIN_LOOSE) ||
                   (domain.n > 0 && domain.p[0] == '[') || !bytes_is_ascii(domain);
    if (outcome->identity == SPF_MAIL_FROM || is_name) /* EHLO takes anything */
        outcome->domain = domain;
}

bool spf_is_checkable(struct bytes domain)
{
    domain = spf_without_final_dot(domain);
    return domain_count_labels(domain) > 1 && domain.p[0] != '[' && bytes_is_ascii(domain);
}

struct bytes spf_explanation(struct bytes text, struct bytes default_explanation)
{
    enum { EXPLANATION_MAX = 2048 }; /* octets */
    if (text.n > EXPLANATION_MAX)
        return default_explanation;
    for (size_t i = 0; i < text.n; i++)
        if (!ascii_is_printable(text.p[i]))
            return default_explanation;
    return text;
}
