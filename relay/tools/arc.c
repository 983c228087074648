/* fairlead arc verify, fairlead arc seal. */
#include "clock.h"
#include "results.h"
#include "sign_input.h"
#include "tools.h"

#include <stdio.h>

struct arc_tool {
    const char *authserv_id;
    const char *headers;
    struct sign_options sign;
};

static int verify(struct tool_context *context, void *user)
{
    (void)user;
    struct message message;
    struct arc_result result;
    int status = tool_read_message(context->arena, context->operands[0], &message);
    if (status != TOOL_DONE)
        return status;
    struct body_hash *body = body_hash_new(context->arena, message.body);
    if (!body || !arc_verify(context->arena, &message, body, context->dns, &result))
        return tool_unable("arc verify: out of memory");
    struct buffer out = {0};
    struct json json = json_start(&out);
    json_open_object(&json, NULL);
    tool_add_arc(&json, &result);
    json_close_object(&json);
    status = tool_print_json(&out);
    buffer_free(&out);
    return status;
}

static int run_verify(int argc, char **argv)
{
    const struct tool_usage usage = {
        .name = "arc verify",
        .operands = "FILE",
        .help =
            "Validates a message's ARC chain (RFC 8617 5.2) and prints its status, the highest\n"
            "instance, the oldest ARC-Message-Signature that still verifies (0: all do), and\n"
            "why the chain fails if it does.\n\n"
            "  fairlead arc verify message.eml\n",
        .operands_least = 1,
        .operands_most = 1,
    };
    return tool_run(&usage, argc, argv, verify, NULL);
}

/* The names in lower case, as others have them in a list that is to be compared. */
static struct bytes in_lower_case(struct arena *arena, const char *text)
{
    struct bytes lower = bytes_of(text);
    char *copy = arena_alloc(arena, lower.n + 1);
    for (size_t i = 0; copy && i < lower.n; i++)
        copy[i] = ascii_lower(text[i]);
    return (struct bytes){copy, lower.n};
}

/* Reads --headers. TOOL_DONE, or the exit code after having said what is wrong. */
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
            return tool_usage_error("arc seal: '%.*s' in --headers is no field name",
                                    BYTES_ARG(name));
        if (bytes_equal_nocase(name, BYTES("ARC-Seal")))
            return tool_usage_error("arc seal: ARC-Seal is made last and cannot be in --headers");
        if (!arc_may_sign(name))
            fprintf(stderr, "arc seal: %.*s is not to be signed (RFC 8617 4.1.2); done as asked\n",
                    BYTES_ARG(name));
        from = from || bytes_equal_nocase(name, BYTES("From"));
        names[sealing->header_count++] = name;
    }
    if (!from)
        return tool_usage_error("arc seal: --headers has to list From (RFC 6376 5.4)");
    sealing->headers = names;
    return TOOL_DONE;
}

/* What this hop's Authentication-Results say of the chain is what it found on arrival, and that is
 * what a seal reports (RFC 8617 5.1, step 4C), whatever a change since has made of the chain: a
 * list that adds a footer breaks the newest ARC-Message-Signature. A failure outweighs all else. */
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
        fputs("arc seal: the chain gets no further set\n", stderr);
        return sign_input_print(input, NULL, 0);
    case ARC_SEAL_FAILED:
        break;
    }
    return tool_unable("arc seal: the message could not be sealed");
}

static int seal(struct tool_context *context, void *user)
{
    const struct arc_tool *tool = user;
    struct sign_input input;
    if (!tool->authserv_id)
        return tool_usage_error("arc seal: --authserv-id is needed");
    int status = sign_input_read(context, &tool->sign, &input);
    if (status == TOOL_DONE)
        status = seal_input(context, tool, &input);
    sign_input_free(&input);
    return status;
}

static int run_seal(int argc, char **argv)
{
    struct arc_tool tool = {0};
    const struct tool_option options[] = {
        SIGN_OPTIONS(tool.sign),
        {"authserv-id", "ID", "whose Authentication-Results become the set's results",
         &tool.authserv_id, 1},
        {"headers", "A:B:C",
         "the fields to sign, h= of the ARC-Message-Signature in this order and lower case; all "
         "tags are sorted then, to be compared with those of other implementations",
         &tool.headers, 1},
        {0},
    };
    const struct tool_usage usage = {
        .name = "arc seal",
        .operands = "FILE",
        .help =
            "Validates the message's ARC chain and prints the message with one more set on\n"
            "top (RFC 8617 5.1). Where the results of ID say arc=pass or arc=fail, that was\n"
            "found on arrival and is sealed. A chain that is marked cv=fail already, or has 50\n"
            "sets, gets none: the message is printed as it is.\n\n"
            "  fairlead arc seal --domain example.com --selector s1 --key s1.pem \\\n"
            "      --authserv-id mx.example.com message.eml\n",
        .options = options,
        .operands_least = 1,
        .operands_most = 1,
    };
    return tool_run(&usage, argc, argv, seal, &tool);
}

static int run(int argc, char **argv)
{
    static const struct tool words[] = {
        {"verify", "validate a message's ARC chain", run_verify},
        {"seal", "add a set to it", run_seal},
        {0},
    };
    return tool_run_word(words, argc, argv);
}

const struct tool tool_arc = {"arc", "validate or extend an ARC chain", run};
