/* fairlead verify: what the relay would do with a message, and why. */
#include "verify.h"

#include "dnsbl.h"
#include "load_config.h"
#include "results.h"
#include "tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct verify_tool {
    const char *config, *ip, *helo, *mail_from, *rcpt_to, *json;
};

static bool read_path(struct arena *arena, enum path_role role, const char *text,
                      struct address *address)
{
    struct bytes given = bytes_of(text), rest;
    bool bracketed = given.n > 0 && given.p[0] == '<';
    struct bytes path = arena_printf(arena, bracketed ? "%s" : "<%s>", text);
    return address_read_path(arena, role, path, address, &rest) == ADDRESS_OK && rest.n == 0;
}

/* The envelope as the session would have it. TOOL_DONE, or TOOL_USAGE with the mistake named. */
static int read_envelope(struct arena *arena, const struct verify_tool *tool,
                         const struct config *config, struct spf_request *envelope)
{
    struct address sender;
    struct ip literal;
    if (!tool->ip || !ip_parse(bytes_of(tool->ip), &envelope->client))
        return tool_usage_error("verify: --ip wants the client's IPv4 or IPv6 address");
    if (!tool->helo)
        return tool_usage_error("verify: --helo wants what the client gave in EHLO");
    if (!tool->mail_from || !read_path(arena, PATH_REVERSE, tool->mail_from, &sender))
        return tool_usage_error("verify: --mail-from wants an address the relay takes, or '<>'");
    envelope->helo = domain_literal_parse(bytes_of(tool->helo), &literal)
                         ? bytes_of(tool->helo)
                         : domain_normalise(arena, bytes_of(tool->helo));
    if (!envelope->helo.p)
        return tool_usage_error("verify: '%s' is no name for EHLO", tool->helo);
    envelope->mail_from = address_write(arena, &sender);
    envelope->receiver = config->hostname;
    return TOOL_DONE;
}

/* The name of the first list that has the client; asked one after the other, since `dns` may
 * not outlive the tool. */
static struct bytes find_listing(const struct config *config, struct dns *dns,
                                 const struct ip *client)
{
    struct bytes name = {NULL, 0};
    for (size_t i = 0; i < config->policy.dnsbl_count && name.n == 0; i++)
        name = dnsbl_listed(dns, client, &config->policy.dnsbls[i], 1, 0);
    return name;
}

static int look_up_recipient(struct tool_context *context, const struct verify_tool *tool,
                             const struct config *config, struct verify_outcome *outcome)
{
    struct address recipient;
    if (!tool->rcpt_to)
        return TOOL_DONE;
    if (!read_path(context->arena, PATH_FORWARD, tool->rcpt_to, &recipient))
        return tool_usage_error("verify: --rcpt-to wants an address the relay takes");
    outcome->has_recipient = true;
    outcome->recipient = recipient.kind == ADDRESS_POSTMASTER
                             ? BYTES("postmaster")
                             : address_write(context->arena, &recipient);
    outcome->route_status = route_find(&config->policy.routing, &recipient, &outcome->route);
    outcome->listed_by = find_listing(config, context->dns, &outcome->envelope.client);
    return TOOL_DONE;
}

/* What RCPT is refused for, or VERDICT_NONE. Postmaster hears even listed clients. */
static enum verdict recipient_refusal(const struct verify_outcome *outcome)
{
    bool postmaster = outcome->route_status == ROUTE_FOUND && outcome->route.postmaster;
    if (!outcome->has_recipient)
        return VERDICT_NONE;
    if (outcome->listed_by.n > 0 && !postmaster)
        return VERDICT_DNSBL;
    switch (outcome->route_status) {
    case ROUTE_NOT_SERVED:
        return VERDICT_NOT_SERVED;
    case ROUTE_UNKNOWN_ADDRESS:
        return VERDICT_UNKNOWN_ADDRESS;
    case ROUTE_FOUND:
        break;
    }
    return VERDICT_NONE;
}

static void write_reply(struct arena *arena, const struct config *config,
                        struct verify_outcome *outcome, const struct answer *answer)
{
    struct bytes text = verdict_text(arena, answer, config->policy.postmaster_page);
    outcome->reply =
        arena_printf(arena, "%u %.*s", verdict_entry(answer->verdict)->code, BYTES_ARG(text));
    outcome->clause = verdict_entry(answer->verdict)->clause;
}

/* The limits that DATA has before anything is evaluated. */
static bool exceeds_limit(struct arena *arena, const struct policy_limits *limits,
                          const struct message *message, struct answer *answer)
{
    size_t hops = message_count(message, BYTES("Received"));
    size_t detail = hops;
    if (message->raw.n > limits->message_size) {
        answer->verdict = VERDICT_MESSAGE_TOO_BIG;
        detail = limits->message_size;
    } else if (message->header.n > limits->header_size) {
        answer->verdict = VERDICT_HEADER_TOO_BIG;
        detail = limits->header_size;
    } else if (hops >= limits->received_fields) {
        answer->verdict = VERDICT_LOOP;
    } else {
        return false;
    }
    answer->details[0] = arena_printf(arena, "%zu", detail);
    return true;
}

/* The first refusal of the dialogue is the one the client sees. */
static void conclude(struct arena *arena, const struct config *config,
                     const struct message *message, struct verify_outcome *outcome)
{
    char address[IP_TEXT_SIZE];
    struct answer answer = {.verdict = recipient_refusal(outcome)};
    outcome->stage = "RCPT";
    outcome->clause = "";
    switch (answer.verdict) {
    case VERDICT_DNSBL:
        outcome->reason =
            arena_printf(arena, "the client is listed by %.*s", BYTES_ARG(outcome->listed_by));
        answer.details[0] =
            arena_copy(arena, bytes_of(ip_format(&outcome->envelope.client, address)));
        answer.details[1] = outcome->listed_by;
        break;
    case VERDICT_NOT_SERVED:
        outcome->reason = BYTES("the recipient's domain is not served");
        break;
    case VERDICT_UNKNOWN_ADDRESS:
        outcome->reason = BYTES("no route has the recipient's address");
        break;
    default:
        outcome->stage = "DATA";
        outcome->reason = BYTES("the message is beyond a limit of this relay");
        if (exceeds_limit(arena, &config->policy.limits, message, &answer))
            break;
        outcome->reason = outcome->evaluation.reason;
        answer.verdict = outcome->evaluation.verdict;
        answer.details[0] = outcome->evaluation.detail;
    }
    outcome->verdict = answer.verdict;
    if (answer.verdict != VERDICT_NONE)
        write_reply(arena, config, outcome, &answer);
}

static bool write_field(struct arena *arena, struct verify_outcome *outcome)
{
    struct buffer text = {0};
    buffer_add(&text, BYTES("Authentication-Results:"));
    authres_write(&text, &outcome->evaluation.results, text.n);
    if (!text.failed)
        outcome->field = arena_copy(arena, buffer_bytes(&text));
    buffer_free(&text);
    return outcome->field.p != NULL;
}

static void add_recipient(struct json *json, const struct verify_outcome *outcome)
{
    bool found = outcome->route_status == ROUTE_FOUND;
    json_open_object(json, "recipient");
    json_string(json, "address", outcome->recipient);
    tool_add_text(json, "route", found ? outcome->route.to->text : BYTES(""));
    tool_add_text(json, "dnsbl", outcome->listed_by);
    json_close_object(json);
}

static int print_json(const struct verify_outcome *outcome)
{
    const struct evaluation *evaluation = &outcome->evaluation;
    struct buffer out = {0};
    struct json json = json_start(&out);
    json_open_object(&json, NULL);
    json_string(&json, "verdict",
                outcome->verdict == VERDICT_NONE ? BYTES("forward") : BYTES("refuse"));
    json_string(&json, "stage", bytes_of(outcome->stage));
    tool_add_text(&json, "reply", outcome->reply);
    tool_add_text(&json, "clause", bytes_of(outcome->clause));
    json_string(&json, "reason", outcome->reason);
    if (outcome->has_recipient)
        add_recipient(&json, outcome);
    json_open_object(&json, "spf");
    tool_add_spf(&json, &outcome->spf);
    json_string(&json, "identity",
                outcome->spf.identity == SPF_HELO ? BYTES("helo") : BYTES("mailfrom"));
    json_string(&json, "domain", outcome->spf.domain);
    json_close_object(&json);
    json_open_object(&json, "dkim");
    tool_add_dkim(&json, &evaluation->dkim);
    json_close_object(&json);
    json_open_object(&json, "arc");
    tool_add_arc(&json, &evaluation->arc);
    json_close_object(&json);
    tool_add_text(&json, "author_domain", evaluation->author_domain);
    if (evaluation->author_domain.n > 0) {
        json_open_object(&json, "dmarc");
        tool_add_dmarc(&json, &evaluation->dmarc);
        json_close_object(&json);
    } else {
        json_null(&json, "dmarc");
    }
    json_string(&json, "authentication_results", outcome->field);
    json_close_object(&json);
    int code = tool_print_json(&out);
    buffer_free(&out);
    return code;
}

static int print_report(const struct verify_outcome *outcome)
{
    const char *no_colour = getenv("NO_COLOR"); /* https://no-color.org */
    struct buffer out = {0};
    verify_report(&out, outcome, no_colour == NULL || *no_colour == '\0');
    int code = tool_print(&out);
    buffer_free(&out);
    return code;
}

static int evaluate(struct tool_context *context, const struct verify_tool *tool,
                    const struct config *config)
{
    struct verify_outcome outcome = {0};
    struct message message;
    const struct evaluation_request request = {.policy = &config->policy,
                                               .dns = context->dns,
                                               .envelope = &outcome.envelope,
                                               .spf = &outcome.spf,
                                               .message = &message};
    int code = read_envelope(context->arena, tool, config, &outcome.envelope);
    if (code == TOOL_DONE)
        code = look_up_recipient(context, tool, config, &outcome);
    if (code == TOOL_DONE)
        code = tool_read_message(context->arena, context->operands[0], &message);
    if (code != TOOL_DONE)
        return code;
    evaluate_envelope(context->arena, context->dns, &outcome.envelope, &outcome.spf);
    if (!evaluate_message(context->arena, &request, &outcome.evaluation) ||
        !write_field(context->arena, &outcome))
        return tool_unable("verify: out of memory");
    conclude(context->arena, config, &message, &outcome);
    return tool->json || !isatty(STDOUT_FILENO) ? print_json(&outcome) : print_report(&outcome);
}

static int verify(struct tool_context *context, void *user)
{
    const struct verify_tool *tool = user;
    if (!tool->config)
        return tool_usage_error("verify: -c wants the relay's configuration");
    struct config *config = tool_load_config(tool->config);
    int code = config ? evaluate(context, tool, config) : TOOL_USAGE;
    config_release(config);
    return code;
}

static int run(int argc, char **argv)
{
    struct verify_tool tool = {0};
    const struct tool_option options[] = {
        {"config", "FILE", "the relay's configuration (-c)", &tool.config, 1},
        {"ip", "ADDRESS", "the SMTP client's address", &tool.ip, 1},
        {"helo", "NAME", "what it gave in EHLO or HELO", &tool.helo, 1},
        {"mail-from", "ADDRESS", "the reverse-path; '<>' for the null one", &tool.mail_from, 1},
        {"rcpt-to", "ADDRESS",
         "a recipient: also tell its route, and whether a DNSBL lists the client", &tool.rcpt_to,
         1},
        {"json", NULL, "print JSON on a terminal too", &tool.json, 1},
        {0},
    };
    const struct tool_usage usage = {
        .name = "verify",
        .operands = "FILE",
        .help = "Says what the relay would do with the message in FILE ('-': standard input): the\n"
                "results of SPF, DKIM, ARC and DMARC, the Authentication-Results field, and the\n"
                "reply with its clause. On a terminal a report, otherwise JSON.\n\n"
                "  fairlead verify -c /etc/fairlead/fairlead.yaml --ip 192.0.2.1 \\\n"
                "      --helo mail.example.com --mail-from me@example.com message.eml\n",
        .options = options,
        .operands_least = 1,
        .operands_most = 1,
    };
    return tool_run(&usage, argc, argv, verify, &tool);
}

const struct tool tool_verify = {"verify", "say what the relay would do with a message, and why",
                                 run};
