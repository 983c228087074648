/* fairlead dmarc: the DMARC result for an author domain, given the results of SPF and DKIM (RFC
 * 9989, RFC 7489), as JSON. */
#include "results.h"
#include "subcommand.h"
#include "tool.h"

#include <string.h>

enum { SIGNATURES_MAX = 64 };

struct dmarc_tool {
    const char *from, *edition, *spf, *sample, *suffix_list;
    const char *dkim[SIGNATURES_MAX];
};

/* "pass:example.com". False if the result is not one of RFC 8601 2.7. */
static bool read_identifier(const char *text, struct dmarc_identifier *identifier)
{
    static const char *const others[] = {"none",     "neutral",   "fail",
                                         "softfail", "permerror", "policy"};
    struct bytes domain = bytes_of(text);
    struct bytes result = bytes_cut(&domain, ':');
    *identifier = (struct dmarc_identifier){DMARC_UNAUTHENTICATED, domain};
    if (bytes_equal_nocase(result, BYTES("pass")))
        identifier->authentication = DMARC_AUTHENTICATED;
    else if (bytes_equal_nocase(result, BYTES("temperror")))
        identifier->authentication = DMARC_UNDECIDED;
    else {
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
            if (bytes_equal_nocase(result, bytes_of(others[i])))
                return true;
        return false;
    }
    return true;
}

static bool read_edition(const char *text, enum dmarc_edition *edition)
{
    *edition = strcmp(text, "rfc7489") == 0 ? DMARC_RFC7489 : DMARC_RFC9989;
    return *edition == DMARC_RFC7489 || strcmp(text, "rfc9989") == 0;
}

static int read_request(const struct dmarc_tool *tool, struct arena *arena,
                        struct dmarc_request *request)
{
    uint64_t sample;
    struct bytes from = bytes_of(tool->from);
    struct dmarc_identifier *signatures =
        arena_alloc_array(arena, SIGNATURES_MAX, sizeof *signatures);
    if (!signatures)
        return tool_unable("dmarc: out of memory");
    if (!tool->from || from.n == 0 || bytes_find(from, ' ') != BYTES_NOT_FOUND)
        return tool_usage_error("dmarc: --from requires the author domain");
    if (!read_edition(tool->edition, &request->edition))
        return tool_usage_error("dmarc: unknown edition '%s'; use rfc9989 or rfc7489",
                                tool->edition);
    if (tool->spf && !read_identifier(tool->spf, &request->spf))
        return tool_usage_error("dmarc: --spf requires RESULT:DOMAIN, not '%s'", tool->spf);
    for (size_t i = 0; i < SIGNATURES_MAX && tool->dkim[i]; i++)
        if (!read_identifier(tool->dkim[i], &signatures[request->signature_count++]))
            return tool_usage_error("dmarc: --dkim requires RESULT:DOMAIN, not '%s'",
                                    tool->dkim[i]);
    if (!bytes_to_number(bytes_of(tool->sample), DMARC_SAMPLES - 1, &sample))
        return tool_usage_error("dmarc: --sample requires a number from 0 to 99, not '%s'",
                                tool->sample);
    request->author_domain = dmarc_domain(arena, from);
    request->signatures = signatures;
    request->sample = (unsigned)sample;
    return TOOL_DONE;
}

static int evaluate_dmarc(struct tool_context *context, void *user)
{
    const struct dmarc_tool *tool = user;
    struct dmarc_request request = {0};
    struct dmarc_outcome outcome;
    int code = read_request(tool, context->arena, &request);
    if (code != TOOL_DONE)
        return code;
    psl_ctx_t *suffixes = tool->suffix_list ? psl_load_file(tool->suffix_list) : NULL;
    if (tool->suffix_list && !suffixes)
        return tool_unable("dmarc: %s: cannot read the public suffix list", tool->suffix_list);
    request.suffixes = suffixes;
    bool evaluated = dmarc_evaluate(context->dns, context->arena, &request, &outcome);
    psl_free(suffixes);
    if (!evaluated)
        return tool_unable("dmarc: out of memory");
    struct tool_object object;
    tool_add_dmarc(tool_start_object(&object), &outcome);
    return tool_print_object(&object);
}

static int run_dmarc(int argc, char **argv)
{
    struct dmarc_tool tool = {.edition = "rfc9989", .sample = "0"};
    const struct tool_option options[] = {
        {"from", "DOMAIN", "the author domain (of the From field)", &tool.from, 1},
        {"edition", "NAME", "rfc9989 (the default) or rfc7489", &tool.edition, 1},
        {"spf", "RESULT:DOMAIN",
         "the SPF result for the MAIL FROM domain, such as\n"
         "pass:example.com",
         &tool.spf, 1},
        {"dkim", "RESULT:DOMAIN", "a signature's result and d=; may be repeated", tool.dkim,
         SIGNATURES_MAX},
        {"sample", "0..99", "the message's place among a hundred, for pct= (default: 0)",
         &tool.sample, 1},
        {"public-suffix-list", "FILE", "for rfc7489 (default: libpsl's own)", &tool.suffix_list, 1},
        {0},
    };
    const struct tool_usage usage = {
        .name = "dmarc",
        .operands = "",
        .help =
            "Finds the DMARC record that applies to the author domain, checks which of the\n"
            "domains authenticated by SPF and DKIM are aligned with it, and prints the result,\n"
            "the policy and the disposition of the message.\n\n"
            "  fairlead dmarc --from news.example.com --spf pass:bounce.example.com \\\n"
            "      --dkim fail:example.com\n",
        .options = options,
    };
    return tool_run(&usage, argc, argv, evaluate_dmarc, &tool);
}

const struct subcommand subcommand_dmarc = {"dmarc", "evaluate DMARC for an author domain",
                                            run_dmarc};
