/* fairlead dkim verify, fairlead dkim sign. */
#include "clock.h"
#include "oracle.h"
#include "results.h"
#include "sign_input.h"
#include "subcommand.h"
#include "tool.h"

struct dkim_tool {
    const char *engine;
    struct sign_options sign;
};

static int verify_signatures(struct tool_context *context, void *user)
{
    const struct dkim_tool *tool = user;
    struct message message;
    struct dkim_results results;
    bool native;
    int status = tool_choose_engine("dkim verify", tool->engine, "libopendkim",
                                    dkim_libopendkim != NULL, &native);
    if (status == TOOL_DONE)
        status = tool_read_message(context->arena, context->operands.text[0], &message);
    if (status != TOOL_DONE)
        return status;
    struct body_hash *body = body_hash_new(context->arena, message.body);
    bool done =
        body &&
        (native ? dkim_verify_message(context->arena, &message, body, context->dns, &results)
                : dkim_libopendkim(context->arena, &message, context->dns, &results));
    if (!done)
        return tool_unable("dkim verify: out of memory");
    struct tool_object object;
    tool_add_dkim(tool_start_object(&object), &results);
    return tool_print_object(&object);
}

static int run_dkim_verify(int argc, char **argv)
{
    struct dkim_tool tool = {.engine = "native"};
    const struct tool_option options[] = {
        {"engine", "NAME", "native (the default) or libopendkim, where it is built in",
         &tool.engine, 1},
        {0}};
    const struct tool_usage usage = {
        .name = "dkim verify",
        .operands = "FILE",
        .help = "Verifies every DKIM signature of a message (RFC 6376, 8301, 8463) and prints\n"
                "domain, selector, identity, algorithm, key size, result and reason of each.\n\n"
                "  fairlead dkim verify message.eml\n",
        .options = options,
        .operands_min = 1,
        .operands_max = 1,
    };
    return tool_run(&usage, argc, argv, verify_signatures, &tool);
}

static int sign_message(struct tool_context *context, void *user)
{
    const struct dkim_tool *tool = user;
    struct sign_input input;
    int status = sign_input_read(context, &tool->sign, &input);
    if (status == TOOL_DONE) {
        struct bytes field = dkim_sign_message(context->arena, &input.message, input.body,
                                               &input.identity, clock_wall());
        status = field.p ? sign_input_print(&input, &field, 1)
                         : tool_unable("dkim sign: the message could not be signed");
    }
    sign_input_free(&input);
    return status;
}

static int run_dkim_sign(int argc, char **argv)
{
    struct dkim_tool tool = {.engine = NULL};
    const struct tool_option options[] = {SIGN_OPTIONS(tool.sign), {0}};
    const struct tool_usage usage = {
        .name = "dkim sign",
        .operands = "FILE",
        .help = "Prints the message with a DKIM-Signature on top, as the relay signs: relaxed,\n"
                "From signed once more than it occurs, valid for seven days.\n\n"
                "  fairlead dkim sign --domain example.com --selector s1 --key s1.pem mail.eml\n",
        .options = options,
        .operands_min = 1,
        .operands_max = 1,
    };
    return tool_run(&usage, argc, argv, sign_message, &tool);
}

static int run_dkim(int argc, char **argv)
{
    static const struct subcommand verify = {"verify", "verify a message's DKIM signatures",
                                             run_dkim_verify};
    static const struct subcommand sign = {"sign", "sign a message", run_dkim_sign};
    static const struct subcommand *const subcommands[] = {&verify, &sign, NULL};
    return subcommand_run(
        &(const struct subcommand_table){
            .prefix = "dkim ",
            .subcommands = subcommands,
            .examples =
                "  fairlead dkim verify message.eml\n"
                "  fairlead dkim sign --domain example.com --selector s1 --key s1.pem mail.eml\n",
        },
        argc, argv);
}

const struct subcommand subcommand_dkim = {"dkim", "verify or add DKIM signatures", run_dkim};
