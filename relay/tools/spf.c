/* fairlead spf: the SPF result for a client and an envelope sender (RFC 7208), as JSON. */
#include "domain.h"
#include "oracle.h"
#include "results.h"
#include "subcommand.h"
#include "tool.h"

struct spf_tool {
    const char *ip, *helo, *mail_from, *engine, *receiver, *default_explanation;
};

/* The mailbox without <>, its domain as A-labels where it is a name in U-labels (4.3); anything
 * else is left to the evaluation. p == NULL when memory is short. */
static struct bytes normalised(struct arena *arena, struct bytes text)
{
    size_t at = bytes_find_last(text, '@');
    struct bytes domain = at == BYTES_NOT_FOUND ? text : bytes_from(text, at + 1);
    if (bytes_is_ascii(domain))
        return text;
    struct bytes name = domain_normalise(arena, domain);
    if (name.p == NULL)
        return text;
    return arena_printf(arena, "%.*s%.*s", (int)(text.n - domain.n), text.p, BYTES_ARG(name));
}

static int evaluate_spf(struct tool_context *context, void *user)
{
    const struct spf_tool *tool = user;
    if (!tool->ip || !tool->helo || !tool->mail_from)
        return tool_usage_error("spf: --ip, --helo and --mail-from are all required");
    struct bytes sender = bytes_of(tool->mail_from);
    if (sender.n >= 2 && sender.p[0] == '<' && sender.p[sender.n - 1] == '>')
        sender = bytes_first(bytes_from(sender, 1), sender.n - 2);
    struct spf_request request = {
        .helo = normalised(context->arena, bytes_of(tool->helo)),
        .mail_from = normalised(context->arena, sender),
        .receiver = bytes_of(tool->receiver),
        .explain = true,
        .default_explanation = bytes_of(tool->default_explanation),
    };
    if (!ip_parse(bytes_of(tool->ip), &request.client))
        return tool_usage_error("spf: --ip requires an IPv4 or IPv6 address, not '%s'", tool->ip);
    bool native;
    int code = tool_choose_engine("spf", tool->engine, "libspf2", spf_libspf2 != NULL, &native);
    if (code != TOOL_DONE)
        return code;
    struct spf_outcome outcome;
    (native ? spf_check : spf_libspf2)(context->dns, context->arena, &request, &outcome);
    if (arena_failed(context->arena))
        return tool_unable("spf: out of memory");
    struct tool_object object;
    tool_add_spf(tool_start_object(&object), &outcome);
    return tool_print_object(&object);
}

static int run_spf(int argc, char **argv)
{
    struct spf_tool tool = {.engine = "native"};
    const struct tool_option options[] = {
        {"ip", "ADDRESS", "the SMTP client's address", &tool.ip, 1},
        {"helo", "NAME", "its name in HELO or EHLO", &tool.helo, 1},
        {"mail-from", "ADDRESS", "the reverse-path; '' or '<>' for a null sender", &tool.mail_from,
         1},
        {"engine", "NAME", "native (the default) or libspf2, where it is built in", &tool.engine,
         1},
        {"receiver", "NAME", "the receiving host, for %{r}", &tool.receiver, 1},
        {"explain-default", "TEXT", "the explanation of a fail where the domain has none",
         &tool.default_explanation, 1},
        {0},
    };
    const struct tool_usage usage = {
        .name = "spf",
        .operands = "",
        .help =
            "Evaluates SPF (RFC 7208) for the envelope sender, or for HELO when that is null,\n"
            "and prints the result, the domain's explanation of a fail, the mechanism that\n"
            "matched and the DNS lookups made.\n\n"
            "  fairlead spf --ip 192.0.2.1 --helo mail.example.com --mail-from me@example.com\n",
        .options = options,
    };
    return tool_run(&usage, argc, argv, evaluate_spf, &tool);
}

const struct subcommand subcommand_spf = {"spf", "evaluate SPF for a client and an envelope sender",
                                          run_spf};
