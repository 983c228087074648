/* fairlead verify: what the relay would do with a message, and why. */
#include "verify.h"

#include "address.h"
#include "dialogue.h"
#include "load_config.h"
#include "results.h"
#include "subcommand.h"
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct verify_tool {
    struct config *loaded; /* freed by run_verify() */
    const char *config, *ip, *helo, *mail_from, *size, *rcpt_to, *json;
};

/* The argument of MAIL or RCPT as a client would send it; `text` with or without brackets. */
static struct bytes path_argument(struct arena *arena, const char *keyword, const char *text)
{
    return arena_printf(arena, *text == '<' ? "%s:%s" : "%s:<%s>", keyword, text);
}

/* The first refusal of the dialogue is the one that the client gets. */
static void refuse(struct verify_outcome *outcome, const char *stage, struct refusal refusal,
                   struct bytes reason)
{
    if (outcome->refusal.kind != REFUSAL_NONE || refusal.kind == REFUSAL_NONE)
        return;
    outcome->stage = stage;
    outcome->refusal = refusal;
    outcome->reason = reason;
}

/* TOOL_DONE, or TOOL_USAGE with the mistake named. */
static int check_options(const struct verify_tool *tool, struct spf_request *envelope)
{
    if (!tool->ip || !ip_parse(bytes_of(tool->ip), &envelope->client))
        return tool_usage_error("verify: --ip requires the client's IPv4 or IPv6 address");
    if (!tool->helo)
        return tool_usage_error("verify: --helo requires the name that the client gave in EHLO");
    if (!tool->mail_from)
        return tool_usage_error("verify: --mail-from requires an address, or '<>'");
    if (tool->size && !bytes_is_digits(bytes_of(tool->size)))
        return tool_usage_error("verify: --size requires a number of octets");
    return TOOL_DONE;
}

/* ---- EHLO and MAIL ---- */

static void judge_hello(struct arena *arena, const struct verify_tool *tool,
                        struct verify_outcome *outcome)
{
    struct bytes argument = bytes_of(tool->helo);
    struct refusal refusal = dialogue_refuse_argument(COMMAND_EHLO);
    if (argument.n > 0)
        refusal = dialogue_refuse_client_name(
            command_parse_client_name(arena, argument, &outcome->envelope.helo));
    refuse(outcome, "EHLO", refusal, BYTES("the client's name is not acceptable"));
}

/* The envelope as the session would have it. TOOL_DONE, or TOOL_USAGE with the mistake named. */
static int judge_envelope(struct arena *arena, const struct verify_tool *tool,
                          const struct policy *policy, struct verify_outcome *outcome)
{
    struct spf_request *envelope = &outcome->envelope;
    struct mail_arguments mail = {0};
    int code = check_options(tool, envelope);
    if (code != TOOL_DONE)
        return code;
    judge_hello(arena, tool, outcome);
    struct bytes argument = path_argument(arena, "FROM", tool->mail_from);
    if (tool->size)
        argument = arena_printf(arena, "%.*s SIZE=%s", BYTES_ARG(argument), tool->size);
    enum command_error error = command_parse_mail(arena, argument, &mail);
    refuse(outcome, "MAIL", dialogue_refuse_path(COMMAND_MAIL, error, mail.parameter),
           BYTES("the sender's address is not acceptable"));
    if (error != COMMAND_OK || !envelope->helo.p)
        return TOOL_DONE;
    refuse(outcome, "MAIL", judge_sender(arena, policy, &mail),
           BYTES("the declared size is over the limit"));
    outcome->has_envelope = true;
    envelope->mail_from = address_write(arena, &mail.sender);
    envelope->receiver = policy->hostname;
    envelope->explain = true;
    return TOOL_DONE;
}

/* ---- RCPT ---- */

/* Asked one list after the other, since `dns` may not outlive the tool. */
static struct dnsbl_listing find_listing(const struct policy *policy, struct dns *dns,
                                         const struct ip *client)
{
    struct dnsbl_listing found = {.status = DNSBL_NOT_LISTED};
    for (size_t i = 0; i < policy->dnsbl_count && found.status != DNSBL_LISTED; i++) {
        struct dnsbl_listing listing = dnsbl_look_up(dns, client, &policy->dnsbls[i], 1, 0);
        if (listing.status == DNSBL_LISTED || found.status == DNSBL_NOT_LISTED)
            found = listing;
    }
    return found;
}

static struct bytes reason_for_recipient(struct arena *arena, const struct verify_outcome *outcome,
                                         enum refusal_kind kind)
{
    switch (kind) {
    case REFUSAL_DNSBL:
        return arena_printf(arena, "the client is listed by %.*s",
                            BYTES_ARG(outcome->listing.name));
    case REFUSAL_NOT_SERVED:
        return BYTES("the recipient's domain is not served");
    default:
        return BYTES("no route has the recipient's address");
    }
}

static void judge_rcpt(struct tool_context *context, const struct verify_tool *tool,
                       const struct policy *policy, struct verify_outcome *outcome)
{
    struct arena *arena = context->arena;
    struct rcpt_arguments rcpt = {0};
    const struct judge_recipients earlier = {0};
    const struct judge judge = {.policy = policy,
                                .dns = context->dns,
                                .srs = &tool->loaded->srs,
                                .null_sender = outcome->envelope.mail_from.n == 0,
                                .client = outcome->envelope.client,
                                .listing = &outcome->listing};
    if (!tool->rcpt_to)
        return;
    outcome->has_recipient = true;
    outcome->recipient = bytes_of(tool->rcpt_to);
    outcome->listing = find_listing(policy, context->dns, &outcome->envelope.client);
    enum command_error error =
        command_parse_rcpt(arena, path_argument(arena, "TO", tool->rcpt_to), &rcpt);
    refuse(outcome, "RCPT", dialogue_refuse_path(COMMAND_RCPT, error, rcpt.parameter),
           BYTES("the recipient's address is not acceptable"));
    if (error != COMMAND_OK)
        return;
    outcome->recipient = rcpt.recipient.kind == ADDRESS_POSTMASTER
                             ? BYTES("postmaster")
                             : address_write(arena, &rcpt.recipient);
    struct refusal refusal =
        judge_recipient(&judge, arena, &earlier, &rcpt.recipient, &outcome->route);
    refuse(outcome, "RCPT", refusal, reason_for_recipient(arena, outcome, refusal.kind));
    refuse(outcome, "DATA", judge_call_out(outcome->route.call_out),
           BYTES("the recipient verifies an address, and accepts no mail"));
}

/* ---- DATA ---- */

static void feed_content_reader(void *content, struct bytes run)
{
    content_feed(content, run);
}

/* Has the file read as the relay reads the octets of DATA. A file without any CRLF has the line
 * ends of this system; any other is taken as it came over the wire. */
static void read_content(struct bytes file, const struct policy *policy, struct buffer *message,
                         struct content_reader *content)
{
    const struct bytes crlf = BYTES("\r\n");
    bool at_line_start = true;
    content_start(content, message, judge_content_limits(policy));
    if (bytes_find_slice(file, crlf) != BYTES_NOT_FOUND) {
        content_stuff(file, &at_line_start, feed_content_reader, content);
    } else {
        for (struct bytes rest = file; rest.n > 0;) {
            content_stuff(bytes_cut(&rest, '\n'), &at_line_start, feed_content_reader, content);
            content_stuff(crlf, &at_line_start, feed_content_reader, content);
        }
    }
    if (!at_line_start)
        content_feed(content, crlf);
    content_feed(content, BYTES(".\r\n"));
}

/* A message that is refused for its content alone is evaluated too, for the reader. `octets`
 * receives the message, in which the outcome lives. False when memory is short. */
static bool judge_data(struct tool_context *context, const struct policy *policy, struct bytes file,
                       struct buffer *octets, struct verify_outcome *outcome)
{
    struct arena *arena = context->arena;
    struct content_reader content;
    struct message message;
    struct judgement judgement;
    struct dns *memo = dns_memo(arena, context->dns, DNS_QUESTIONS_MAX);
    const struct evaluation_request request = {.policy = policy,
                                               .dns = memo,
                                               .envelope = &outcome->envelope,
                                               .spf = &outcome->spf,
                                               .message = &message};
    if (!memo)
        return false;
    spf_check(memo, arena, &outcome->envelope, &outcome->spf);
    read_content(file, policy, octets, &content);
    if (octets->failed || !judge_message(arena, &content, &request, &message, &judgement))
        return false;
    if (outcome->refusal.kind == REFUSAL_NONE)
        outcome->reason = judgement.reason;
    refuse(outcome, "DATA", judgement.refusal, judgement.reason);
    outcome->evaluation = judgement.evaluation;
    if (judgement.evaluated)
        return true;
    struct bytes whole = message_with_crlf(arena, file);
    return whole.p && message_parse(arena, whole, &message) &&
           evaluate_message(arena, &request, &outcome->evaluation);
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

static void write_reply(struct arena *arena, struct bytes page, struct verify_outcome *outcome)
{
    struct bytes text = refusal_text(arena, &outcome->refusal, page);
    if (outcome->refusal.kind != REFUSAL_NONE)
        outcome->reply = arena_printf(arena, "%u %.*s", refusal_entry(outcome->refusal.kind)->code,
                                      BYTES_ARG(text));
}

/* ---- The result ---- */

static void add_recipient(struct json *json, const struct verify_outcome *outcome)
{
    const struct mailbox *to = outcome->route.to;
    enum dnsbl_status listed = outcome->listing.status;
    const struct bytes none = BYTES("");
    json_open_object(json, "recipient");
    json_string(json, "address", outcome->recipient);
    tool_add_text(json, "route", to ? to->text : none);
    tool_add_text(json, "dnsbl", listed == DNSBL_LISTED ? outcome->listing.name : none);
    tool_add_text(json, "dnsbl_unanswered",
                  listed == DNSBL_UNANSWERED ? outcome->listing.name : none);
    json_close_object(json);
}

static void add_nothing(struct json *json)
{
    static const char *const keys[] = {"spf",           "dkim",  "arc",
                                       "author_domain", "dmarc", "authentication_results"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        json_null(json, keys[i]);
}

static void add_evaluation(struct json *json, const struct verify_outcome *outcome)
{
    const struct evaluation *evaluation = &outcome->evaluation;
    json_open_object(json, "spf");
    tool_add_spf(json, &outcome->spf);
    json_string(json, "identity",
                outcome->spf.identity == SPF_HELO ? BYTES("helo") : BYTES("mailfrom"));
    json_string(json, "domain", outcome->spf.domain);
    json_close_object(json);
    json_open_object(json, "dkim");
    tool_add_dkim(json, &evaluation->dkim);
    json_close_object(json);
    json_open_object(json, "arc");
    tool_add_arc(json, &evaluation->arc);
    json_close_object(json);
    tool_add_text(json, "author_domain", evaluation->author_domain);
    if (evaluation->dmarc_evaluated) {
        json_open_object(json, "dmarc");
        tool_add_dmarc(json, &evaluation->dmarc);
        json_close_object(json);
    } else {
        json_null(json, "dmarc");
    }
    json_string(json, "authentication_results", outcome->field);
}

static int print_json(const struct verify_outcome *outcome)
{
    bool forwarded = outcome->refusal.kind == REFUSAL_NONE;
    struct tool_object object;
    struct json *json = tool_start_object(&object);
    json_string(json, "verdict", forwarded ? BYTES("forward") : BYTES("refuse"));
    json_string(json, "stage", bytes_of(outcome->stage));
    tool_add_text(json, "reply", outcome->reply);
    tool_add_text(json, "clause", forwarded ? BYTES("") : bytes_of(outcome->refusal.clause));
    json_string(json, "reason", outcome->reason);
    if (outcome->has_recipient)
        add_recipient(json, outcome);
    if (outcome->has_envelope)
        add_evaluation(json, outcome);
    else
        add_nothing(json);
    return tool_print_object(&object);
}

static int print_for_reader(const struct verify_outcome *outcome)
{
    const char *no_colour = getenv("NO_COLOR"); /* https://no-color.org */
    struct buffer out = {0};
    verify_report(&out, outcome, no_colour == NULL || *no_colour == '\0');
    int code = tool_print(&out);
    buffer_free(&out);
    return code;
}

/* Judges as the session does, step by step; what a refusal at one step leaves open is evaluated
 * too, as far as it can be. */
static int judge_all(struct tool_context *context, const struct verify_tool *tool,
                     const struct policy *policy, struct buffer *octets,
                     struct verify_outcome *outcome)
{
    struct bytes file = {NULL, 0};
    int code = judge_envelope(context->arena, tool, policy, outcome);
    if (code == TOOL_DONE)
        code = tool_read_file(context->arena, context->operands.text[0], TOOL_FILE_MAX, &file);
    if (code != TOOL_DONE)
        return code;
    judge_rcpt(context, tool, policy, outcome);
    if (outcome->has_envelope && (!judge_data(context, policy, file, octets, outcome) ||
                                  !write_field(context->arena, outcome)))
        return tool_unable("verify: out of memory");
    write_reply(context->arena, policy->postmaster_page, outcome);
    return TOOL_DONE;
}

static int print_outcome(struct tool_context *context, const struct verify_tool *tool,
                         const struct policy *policy)
{
    struct verify_outcome outcome = {.stage = "DATA"};
    struct buffer octets = {0};
    int code = judge_all(context, tool, policy, &octets, &outcome);
    if (code == TOOL_DONE)
        code = tool->json || !isatty(STDOUT_FILENO) ? print_json(&outcome)
                                                    : print_for_reader(&outcome);
    buffer_free(&octets);
    return code;
}

static int set_verify_resolver(void *user, struct resolver_config *resolver)
{
    struct verify_tool *tool = user;
    if (!tool->config)
        return tool_usage_error("verify: missing -c FILE (the relay's configuration)");
    tool->loaded = tool_load_config(tool->config);
    if (!tool->loaded)
        return TOOL_USAGE;
    *resolver = tool->loaded->resolver;
    return TOOL_DONE;
}

static int verify_message(struct tool_context *context, void *user)
{
    const struct verify_tool *tool = user;
    return print_outcome(context, tool, &tool->loaded->policy);
}

static int run_verify(int argc, char **argv)
{
    struct verify_tool tool = {0};
    const struct tool_option options[] = {
        {"config", "FILE", "the relay's configuration", &tool.config, 1},
        {"ip", "ADDRESS", "the SMTP client's address", &tool.ip, 1},
        {"helo", "NAME", "its name in EHLO or HELO", &tool.helo, 1},
        {"mail-from", "ADDRESS", "the reverse-path; '' or '<>' for a null sender", &tool.mail_from,
         1},
        {"size", "OCTETS", "the size declared in MAIL", &tool.size, 1},
        {"rcpt-to", "ADDRESS", "a recipient, for its route and the DNSBLs", &tool.rcpt_to, 1},
        {"json", NULL, "print JSON on a terminal too", &tool.json, 1},
        {0},
    };
    const struct tool_usage usage = {
        .name = "verify",
        .operands = "FILE",
        .help =
            "Reports what the relay would do with the message in FILE ('-': standard input): the\n"
            "results of SPF, DKIM, ARC and DMARC, the Authentication-Results field, and the\n"
            "reply with the clause that decides it; on a terminal as text, otherwise as JSON.\n"
            "LF line ends are read as CRLF, unless the file has any CRLF: then its octets are\n"
            "those that came over the wire, and a bare LF is the sender's. Either way the file\n"
            "is without the transparency dots of SMTP (RFC 5321 4.5.2).\n\n"
            "  fairlead verify -c /etc/fairlead/fairlead.yaml --ip 192.0.2.1 \\\n"
            "      --helo mail.example.com --mail-from me@example.com message.eml\n",
        .options = options,
        .operands_min = 1,
        .operands_max = 1,
    };
    int code =
        tool_run_with_resolver(&usage, argc, argv, set_verify_resolver, verify_message, &tool);
    config_release(tool.loaded);
    return code;
}

const struct subcommand subcommand_verify = {
    "verify", "report what the relay would do with a message, and why", run_verify};
