/* fairlead arc verify, fairlead arc seal. */
#include "clock.h"
#include "results.h"
#include "sign_input.h"
#include "subcommand.h"
#include "tool.h"

#include <stdio.h>

struct arc_tool {
    const char *authserv_id;
    const char *headers;
    struct sign_options sign;
};

static int verify_chain(struct tool_context *context, void *user)
{
    (void)user;
    struct message message;
    struct arc_result result;
    int status = tool_read_message(context->arena, context->operands.text[0], &message);
    if (status != TOOL_DONE)
        return status;
    struct body_hash *body = body_hash_new(context->arena, message.body);
    if (!body || !arc_verify(context->arena, &message, body, context->dns, &result))
        return tool_unable("arc verify: out of memory");
    struct tool_object object;
    tool_add_arc(tool_start_object(&object), &result);
    return tool_print_object(&object);
}

static int run_arc_verify(int argc, char **argv)
{
    const struct tool_usage usage = {
        .name = "arc verify",
        .operands = "FILE",
        .help =
            "Validates a message's ARC chain (RFC 8617 5.2) and prints its status, the highest\n"
            "instance, the oldest instance whose ARC-Message-Signature verifies (0: all of them\n"
            "do), and the reason if the chain fails.\n\n"
            "  fairlead arc verify message.eml\n",
        .operands_min = 1,
        .operands_max = 1,
    };
    return tool_run(&usage, argc, argv, verify_chain, NULL);
}

/* The names in lower case, as other implementations write them, for comparison. */
static struct bytes in_lower_case(struct arena *arena, const char *text)
{
    struct bytes lower = bytes_of(text);
    char *copy = arena_alloc(arena, lower.n + 1);
    for (size_t i = 0; copy && i < lower.n; i++)
        copy[i] = ascii_lower(text[i]);
    return (struct bytes){copy, lower.n};
}

/* Reads --headers. TOOL_DONE, or the exit code after the error has been printed. */
static int read_headers(struct arena *arena, const char *text, struct arc_sealing *sealing)
{
    struct bytes rest = in_lower_case(arena, text);
    struct bytes *names = arena_alloc_array(arena, rest.n + 1, sizeof *names);
    bool from = false;
    if (!rest.p || !names)
        return tool_unable("arc seal: out of memory");
    while (rest.p) {
        struct bytes name = bytes_trim(bytes_cut(&rest, ':'));
        if (!message_is_field_name(name))
            return tool_usage_error("arc seal: '%.*s' in --headers is not a field name",
                                    BYTES_ARG(name));
        if (bytes_equal_nocase(name, BYTES("ARC-Seal")))
            return tool_usage_error(
                "arc seal: --headers may not list ARC-Seal, which is added last");
        if (!arc_may_sign(name))
            fprintf(stderr, "arc seal: warning: %.*s should not be signed (RFC 8617 4.1.2)\n",
                    BYTES_ARG(name));
        from = from || bytes_equal_nocase(name, BYTES("From"));
        names[sealing->header_count++] = name;
    }
    if (!from)
        return tool_usage_error("arc seal: --headers must list From (RFC 6376 5.4)");
    sealing->headers = names;
    return TOOL_DONE;
}

/* This hop's Authentication-Results hold the chain's status on arrival, which is what a seal
 * reports (RFC 8617 5.1, step 4C) even if the chain no longer validates: a list that adds a footer
 * breaks the newest ARC-Message-Signature. A failure outweighs all else. */
static void heed_results(const struct authres *results, struct arc_result *chain)
{
    for (unsigned status = ARC_PASS; status <= ARC_FAIL; status++)
        for (size_t i = 0; i < results->result_count; i++)
            if (bytes_equal_nocase(results->results[i].method, BYTES("arc")) &&
                bytes_equal_nocase(results->results[i].value, bytes_of(arc_status_name(status))))
                chain->status = status;
}

static int seal_input(struct tool_context *context, const struct arc_tool *tool,
                      const struct sign_input *input)
{
    struct authres results;
    struct arc_result chain;
    struct arc_set set;
    struct arc_sealing sealing = {
        .identity = input->identity, .results = &results, .chain = &chain, .now = clock_wall()};
    if (tool->headers) {
        int status = read_headers(context->arena, tool->headers, &sealing);
        if (status != TOOL_DONE)
            return status;
    }
    if (!authres_merge(context->arena, &input->message, bytes_of(tool->authserv_id), &results) ||
        !arc_verify(context->arena, &input->message, input->body, context->dns, &chain))
        return tool_unable("arc seal: out of memory");
    heed_results(&results, &chain);
    switch (arc_seal(context->arena, &input->message, input->body, &sealing, &set)) {
    case ARC_SEALED:
        return sign_input_print(
            input,
            (const struct bytes[]){set.seal, set.message_signature, set.authentication_results}, 3);
    case ARC_NOT_SEALED:
        fputs("arc seal: the chain cannot be extended; no set was added\n", stderr);
        return sign_input_print(input, NULL, 0);
    case ARC_SEAL_FAILED:
        break;
    }
    return tool_unable("arc seal: the message could not be sealed");
}

static int seal_message(struct tool_context *context, void *user)
{
    const struct arc_tool *tool = user;
    struct sign_input input;
    if (!tool->authserv_id)
        return tool_usage_error("arc seal: --authserv-id is required");
    int status = sign_input_read(context, &tool->sign, &input);
    if (status == TOOL_DONE)
        status = seal_input(context, tool, &input);
    sign_input_free(&input);
    return status;
}

static int run_arc_seal(int argc, char **argv)
{
    struct arc_tool tool = {0};
    const struct tool_option options[] = {
        SIGN_OPTIONS(tool.sign),
        {"authserv-id", "ID", "the host whose Authentication-Results become the set's",
         &tool.authserv_id, 1},
        {"headers", "A:B:C",
         "the fields to sign, as h= of the ARC-Message-Signature,\n"
         "in this order and in lower case; the tags are sorted,\n"
         "for comparison with other implementations",
         &tool.headers, 1},
        {0},
    };
    const struct tool_usage usage = {
        .name = "arc seal",
        .operands = "FILE",
        .help =
            "Validates the message's ARC chain and prints the message with another ARC set on\n"
            "top (RFC 8617 5.1). If ID's results include arc=pass or arc=fail, the chain was\n"
            "validated on arrival, and the seal reports that status. A chain with cv=fail or 50\n"
            "sets cannot be extended: the message is printed unchanged.\n\n"
            "  fairlead arc seal --domain example.com --selector s1 --key s1.pem \\\n"
            "      --authserv-id mx.example.com message.eml\n",
        .options = options,
        .operands_min = 1,
        .operands_max = 1,
    };
    return tool_run(&usage, argc, argv, seal_message, &tool);
}

static int run_arc(int argc, char **argv)
{
    static const struct subcommand verify = {"verify", "validate a message's ARC chain",
                                             run_arc_verify};
    static const struct subcommand seal = {"seal", "add an ARC set to a message", run_arc_seal};
    static const struct subcommand *const subcommands[] = {&verify, &seal, NULL};
    return subcommand_run(
        &(const struct subcommand_table){
            .prefix = "arc ",
            .subcommands = subcommands,
            .examples = "  fairlead arc verify message.eml\n"
                        "  fairlead arc seal --domain example.com --selector s1 --key s1.pem \\\n"
                        "      --authserv-id mx.example.com message.eml\n",
        },
        argc, argv);
}

const struct subcommand subcommand_arc = {"arc", "validate or extend an ARC chain", run_arc};
