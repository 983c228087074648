/* One client's dialogue, top to bottom. See session.h.
 *
 * RFC 5321 3 and 4 for a receiving relay, PIPELINING (RFC 2920: replies are sent when nothing more
 * is there to read), SIZE (RFC 1870), 8BITMIME (RFC 6152), STARTTLS (RFC 3207). What is not
 * advertised, and why: SMTPUTF8 and DSN (the page's limitations), ENHANCEDSTATUSCODES (foreign
 * replies are handed on), CHUNKING and AUTH (no use for them here). */
#include "session.h"

#include "clause.h"
#include "clock.h"
#include "command.h"
#include "log.h"
#include "transaction.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
    COMMAND_LINE = 512, /* octets with CRLF: RFC 5321 4.5.3.1.4 */
    LINE_MEMORY = 1 << 20,
    ID_SIZE = sizeof "0123456789abcdef",
    LAST_WORDS = 5 /* seconds for the reply before the relay closes */
};

struct session {
    struct session_setting setting;
    struct stream *stream;
    struct arena *greeting; /* lives until the next EHLO or HELO */
    struct arena *line;     /* lives as long as one command */
    char id[ID_SIZE];
    struct client client;
    struct transaction *transaction;
    bool greeted;
    bool closing;
    bool quit; /* the client ended the session itself */
    unsigned commands;
    unsigned bad_commands;
    unsigned mails;
    double started;
};

static bool draw_id(struct session *session)
{
    uint64_t random = 0;
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        return false;
    snprintf(session->id, sizeof session->id, "%016" PRIx64, random);
    session->client.session_id = bytes_of(session->id);
    return true;
}

struct session *session_new(const struct session_setting *setting, struct stream *stream,
                            const struct ip *address)
{
    struct session *session = calloc(1, sizeof *session);
    if (!session)
        return NULL;
    session->setting = *setting;
    session->stream = stream;
    session->started = clock_monotonic();
    session->client.address = *address;
    session->greeting = arena_new(0);
    session->line = arena_new(LINE_MEMORY);
    session->transaction =
        transaction_new(setting->config, setting->dns, setting->budget, &session->client);
    if (session->greeting && session->line && session->transaction && draw_id(session))
        return session;
    session_free(session);
    return NULL;
}

void session_free(struct session *session)
{
    if (!session)
        return;
    transaction_free(session->transaction);
    arena_free(session->greeting);
    arena_free(session->line);
    free(session);
}

bool session_is_idle(const struct session *session)
{
    return !transaction_is_open(session->transaction);
}

/* ---- Replies ---- */

static void say(struct session *session, int code, struct bytes text)
{
    reply_write_line(stream_output(session->stream), code, text);
}

static void say_answer(struct session *session, struct answer *answer)
{
    if (answer->verdict == VERDICT_NONE) {
        reply_adapt_for_client(&answer->reply);
        reply_write(stream_output(session->stream), &answer->reply);
        return;
    }
    const struct verdict_entry *entry = verdict_entry(answer->verdict);
    say(session, entry->code,
        verdict_text(session->line, answer, session->setting.config->policy.postmaster_page));
    if (entry->code == 421)
        session->closing = true;
}

static void say_verdict(struct session *session, enum verdict verdict)
{
    say_answer(session, &(struct answer){.verdict = verdict});
}

/* A refusal that the client's own mistake has earned; too many of them end the session. */
static void say_mistake(struct session *session, struct answer answer)
{
    session->bad_commands++;
    if (CLAUSE(LIM_16, session->bad_commands >= session->setting.config->limits.bad_commands))
        answer = (struct answer){.verdict = VERDICT_TOO_MANY_BAD_COMMANDS};
    say_answer(session, &answer);
}

static void say_expected(struct session *session, const char *expected)
{
    say_mistake(session,
                (struct answer){.verdict = VERDICT_BAD_ARGUMENT, .details = {bytes_of(expected)}});
}

static void say_mistaken_verdict(struct session *session, enum verdict verdict)
{
    say_mistake(session, (struct answer){.verdict = verdict});
}

/* ---- Commands ---- */

/* EHLO and HELO start over (RFC 5321 4.1.4). False when the name was refused. */
static bool greet(struct session *session, const struct command *command, bool esmtp)
{
    struct bytes name;
    switch (command_parse_client_name(session->line, command->argument, &name)) {
    case COMMAND_OK:
        break;
    case COMMAND_NO_MEMORY:
        say_verdict(session, VERDICT_NO_MEMORY);
        return false;
    default:
        say_mistaken_verdict(session, VERDICT_BAD_HELLO);
        return false;
    }
    transaction_end(session->transaction);
    arena_reset(session->greeting);
    session->client.helo = arena_copy(session->greeting, name);
    session->client.esmtp = esmtp;
    session->greeted = session->client.helo.p != NULL;
    if (!session->greeted)
        say_verdict(session, VERDICT_NO_MEMORY);
    return session->greeted;
}

static void do_helo(struct session *session, const struct command *command)
{
    if (greet(session, command, false))
        say(session, 250, session->setting.config->hostname);
}

static bool offers_tls(const struct session *session)
{
    return session->setting.config->tls_server != NULL && !CLAUSE(TLS_02, session->client.tls);
}

static struct bytes limit_text(const struct session *session)
{
    return arena_printf(session->line, "%zu", session->setting.config->policy.limits.message_size);
}

static void do_ehlo(struct session *session, const struct command *command)
{
    const struct config *config = session->setting.config;
    struct bytes lines[6];
    size_t count = 0;
    if (!greet(session, command, true))
        return;
    lines[count++] = config->hostname;
    lines[count++] = BYTES("PIPELINING");
    lines[count++] = arena_printf(session->line, "SIZE %.*s", BYTES_ARG(limit_text(session)));
    lines[count++] = BYTES("8BITMIME");
    if (CLAUSE(TLS_01, offers_tls(session)))
        lines[count++] = BYTES("STARTTLS");
    lines[count++] = BYTES("HELP");
    say_answer(session,
               &(struct answer){.reply = {.code = 250, .lines = lines, .line_count = count}});
}

/* What the grammar found wrong with MAIL or RCPT, as the client is told. */
static void say_command_error(struct session *session, enum command_error error,
                              enum command_verb verb, struct bytes parameter)
{
    bool is_mail = verb == COMMAND_MAIL;
    struct answer answer = {.details = {parameter}};
    switch (error) {
    case COMMAND_NO_MEMORY:
        say_verdict(session, VERDICT_NO_MEMORY);
        return;
    case COMMAND_NON_ASCII_LOCAL:
        /* RFC 6531 3.5. No mistake: the client may well go on with another address. */
        say_verdict(session, CLAUSE(EAI_02, is_mail) ? VERDICT_INTERNATIONAL_SENDER
                                                     : VERDICT_INTERNATIONAL_RECIPIENT);
        return;
    case COMMAND_UNKNOWN_PARAMETER:
    case COMMAND_SMTPUTF8_PARAMETER:
        answer.verdict = VERDICT_UNKNOWN_PARAMETER;
        break;
    case COMMAND_BAD_PARAMETER:
        answer.verdict = VERDICT_BAD_PARAMETER;
        break;
    case COMMAND_SYNTAX:
        answer.verdict = VERDICT_BAD_ARGUMENT;
        answer.details[0] = is_mail ? BYTES("MAIL FROM:<address>") : BYTES("RCPT TO:<address>");
        break;
    default:
        answer.verdict = is_mail ? VERDICT_BAD_SENDER : VERDICT_BAD_RECIPIENT;
    }
    say_mistake(session, answer);
}

static void say_too_big(struct session *session)
{
    say_answer(session, &(struct answer){.verdict = VERDICT_MESSAGE_TOO_BIG,
                                         .details = {limit_text(session)}});
}

static void do_mail(struct session *session, const struct command *command)
{
    struct mail_arguments mail;
    if (CLAUSE(DLG_13, !session->greeted)) {
        say_mistaken_verdict(session, VERDICT_HELLO_FIRST);
        return;
    }
    if (CLAUSE(DLG_16, transaction_is_open(session->transaction))) {
        say_mistaken_verdict(session, VERDICT_MAIL_OPEN);
        return;
    }
    enum command_error error = command_parse_mail(session->line, command->argument, &mail);
    if (error != COMMAND_OK) {
        say_command_error(session, error, COMMAND_MAIL, mail.parameter);
        return;
    }
    enum verdict verdict = transaction_mail(session->transaction, &mail);
    if (verdict == VERDICT_NONE)
        say(session, 250, BYTES("2.1.0 Sender noted"));
    else if (verdict == VERDICT_MESSAGE_TOO_BIG)
        say_too_big(session);
    else
        say_verdict(session, verdict);
}

static void do_rcpt(struct session *session, const struct command *command)
{
    struct rcpt_arguments rcpt;
    struct answer answer;
    if (CLAUSE(DLG_14, !transaction_is_open(session->transaction))) {
        say_mistaken_verdict(session, session->greeted ? VERDICT_MAIL_FIRST : VERDICT_HELLO_FIRST);
        return;
    }
    enum command_error error = command_parse_rcpt(session->line, command->argument, &rcpt);
    if (error != COMMAND_OK) {
        say_command_error(session, error, COMMAND_RCPT, rcpt.parameter);
        return;
    }
    transaction_recipient(session->transaction, &rcpt.recipient, &answer);
    say_answer(session, &answer);
}

static enum stream_status flush(struct session *session)
{
    return stream_flush(session->stream,
                        clock_monotonic() + session->setting.config->timeouts.client_command);
}

/* The client is lost, too slow, or the relay is to end: says so if anybody can hear it. */
static void say_farewell(struct session *session, enum stream_status status)
{
    session->closing = true;
    if (status == STREAM_TIMEOUT)
        say_verdict(session, VERDICT_CLIENT_TIMEOUT);
    else if (status == STREAM_CANCELLED)
        say_verdict(session, VERDICT_SHUTTING_DOWN);
    else if (status == STREAM_TOO_LONG)
        say_too_big(session);
}

static void do_data(struct session *session, const struct command *command)
{
    struct answer answer;
    (void)command;
    if (!transaction_is_open(session->transaction)) {
        say_mistaken_verdict(session, session->greeted ? VERDICT_MAIL_FIRST : VERDICT_HELLO_FIRST);
        return;
    }
    if (CLAUSE(DLG_15, !transaction_has_recipient(session->transaction))) {
        say_mistaken_verdict(session, VERDICT_RECIPIENT_FIRST);
        return;
    }
    say(session, 354, BYTES("Send the message, end with CRLF . CRLF"));
    enum stream_status status = flush(session);
    if (status == STREAM_OK)
        status = transaction_receive(session->transaction, session->stream);
    if (status != STREAM_OK) {
        say_farewell(session, status);
        return;
    }
    transaction_deliver(session->transaction, session->stream, &answer);
    session->mails++;
    say_answer(session, &answer);
    /* Now, since ending the mail may have to wait for the upstream. */
    status = flush(session);
    transaction_end(session->transaction);
    if (status != STREAM_OK)
        say_farewell(session, status);
}

static void do_rset(struct session *session, const struct command *command)
{
    (void)command;
    transaction_end(session->transaction);
    say(session, 250, BYTES("2.0.0 Started over"));
}

static void do_noop(struct session *session, const struct command *command)
{
    (void)command;
    say(session, 250, BYTES("2.0.0 OK"));
}

static void do_quit(struct session *session, const struct command *command)
{
    (void)command;
    transaction_close(session->transaction);
    say(session, 221, BYTES("2.0.0 Goodbye"));
    session->quit = true;
    session->closing = true;
}

static void do_help(struct session *session, const struct command *command)
{
    (void)command;
    say(session, 214,
        arena_printf(session->line, "2.0.0 This relay forwards mail; see %.*s",
                     BYTES_ARG(session->setting.config->policy.postmaster_page)));
}

static void do_vrfy(struct session *session, const struct command *command)
{
    (void)command;
    say(session, 252, BYTES("2.5.2 Not verified; RCPT will tell"));
}

static void do_not_implemented(struct session *session, const struct command *command)
{
    (void)command;
    say_mistaken_verdict(session, VERDICT_NOT_IMPLEMENTED);
}

static void do_unknown(struct session *session, const struct command *command)
{
    (void)command;
    say_mistaken_verdict(session, VERDICT_UNKNOWN_COMMAND);
}

/* RFC 3207 4.2: what the client said in the clear, and what it sent behind STARTTLS without
 * waiting, is forgotten. */
static void do_starttls(struct session *session, const struct command *command)
{
    const struct config *config = session->setting.config;
    (void)command;
    if (!offers_tls(session)) {
        say_mistaken_verdict(session,
                             session->client.tls ? VERDICT_TLS_ALREADY : VERDICT_TLS_NOT_OFFERED);
        return;
    }
    say(session, 220, BYTES("2.0.0 Ready to start TLS"));
    transaction_end(session->transaction);
    session->closing = true;
    if (flush(session) != STREAM_OK)
        return;
    if (stream_start_tls_server(session->stream, config->tls_server,
                                clock_monotonic() + config->timeouts.client_command) != STREAM_OK)
        return;
    session->closing = false;
    session->client.tls = true;
    session->greeted = CLAUSE(TLS_05, false);
}

/* ---- The dialogue ---- */

static const struct {
    void (*serve)(struct session *session, const struct command *command);
    const char *usage; /* what the client is told when the argument is wrong */
} verbs[] = {
    [COMMAND_EHLO] = {do_ehlo, "EHLO and a name"},
    [COMMAND_HELO] = {do_helo, "HELO and a name"},
    [COMMAND_MAIL] = {do_mail, "MAIL FROM:<address>"},
    [COMMAND_RCPT] = {do_rcpt, "RCPT TO:<address>"},
    [COMMAND_DATA] = {do_data, "DATA without an argument"},
    [COMMAND_RSET] = {do_rset, "RSET without an argument"},
    [COMMAND_NOOP] = {do_noop, "NOOP"},
    [COMMAND_QUIT] = {do_quit, "QUIT without an argument"},
    [COMMAND_HELP] = {do_help, "HELP"},
    [COMMAND_VRFY] = {do_vrfy, "VRFY and an address"},
    [COMMAND_EXPN] = {do_not_implemented, "EXPN and a list"},
    [COMMAND_STARTTLS] = {do_starttls, "STARTTLS without an argument"},
    [COMMAND_NOT_OFFERED] = {do_not_implemented, "another command"},
    [COMMAND_UNKNOWN] = {do_unknown, "another command"},
};

/* Neither a bare CR, a bare LF nor a NUL may hide in a command line. */
static bool holds_octets_refused(struct bytes line, bool bare_lf)
{
    return CLAUSE(SMUG_06, bare_lf) || CLAUSE(SMUG_05, bytes_find(line, '\r') != BYTES_NOT_FOUND) ||
           CLAUSE(SMUG_07, bytes_find(line, '\0') != BYTES_NOT_FOUND);
}

/* `line` without its CRLF. */
static void serve_line(struct session *session, struct bytes line, bool bare_lf)
{
    struct command command;
    arena_reset(session->line);
    if (holds_octets_refused(line, bare_lf)) {
        say_mistaken_verdict(session, VERDICT_COMMAND_OCTETS);
        return;
    }
    switch (command_parse(line, &command)) {
    case COMMAND_OK:
        verbs[command.verb].serve(session, &command);
        break;
    case COMMAND_BAD_OCTETS:
        say_mistaken_verdict(session, VERDICT_COMMAND_OCTETS);
        break;
    default:
        say_expected(session, verbs[command.verb].usage);
    }
}

/* Reads a command line, without its end. Only CRLF is one (RFC 5321 2.3.8): what follows a bare LF
 * belongs to the same line, which cannot be a command then; its last part alone is given back. */
static enum stream_status read_command_line(struct session *session, struct bytes *line,
                                            bool *bare_lf)
{
    double deadline = clock_monotonic() + session->setting.config->timeouts.client_command;
    *bare_lf = false;
    for (;;) {
        enum stream_status status = stream_read_line(session->stream, COMMAND_LINE, deadline, line);
        if (status != STREAM_OK)
            return status;
        if (bytes_ends_with_nocase(*line, BYTES("\r\n"))) {
            line->n -= 2;
            return STREAM_OK;
        }
        *bare_lf = true;
    }
}

/* Reads one command and answers it. Replies wait while further commands are there already. */
static void serve_command(struct session *session)
{
    struct bytes line = {NULL, 0};
    bool bare_lf = false;
    enum stream_status status = STREAM_OK;
    if (!stream_has_line(session->stream))
        status = flush(session);
    if (status == STREAM_OK && *session->setting.draining && session_is_idle(session))
        status = STREAM_CANCELLED;
    if (status == STREAM_OK)
        status = read_command_line(session, &line, &bare_lf);
    session->commands++;
    if (status == STREAM_OK)
        serve_line(session, line, bare_lf);
    else if (CLAUSE(LIM_02, status == STREAM_TOO_LONG))
        say_mistaken_verdict(session, VERDICT_COMMAND_TOO_LONG);
    else
        say_farewell(session, status);
}

static void log_session(const struct session *session)
{
    struct log_line line;
    char address[IP_TEXT_SIZE];
    const char *tls = stream_tls_version(session->stream);
    log_begin(&line, "session");
    json_string(&line.json, "id", session->client.session_id);
    json_string(&line.json, "client", bytes_of(ip_format(&session->client.address, address)));
    json_string(&line.json, "helo", session->client.helo);
    if (tls)
        json_string(&line.json, "tls", bytes_of(tls));
    json_number(&line.json, "commands", session->commands);
    json_number(&line.json, "bad_commands", session->bad_commands);
    json_number(&line.json, "mails", session->mails);
    json_seconds(&line.json, "seconds", clock_monotonic() - session->started);
    log_end(&line);
}

/* The banner, or what is said in its place: a client that spoke before it is no mail client
 * (RFC 5321 4.3.1). */
static void say_banner(struct session *session, enum verdict refusal)
{
    if (refusal == VERDICT_NONE && stream_input_waiting(session->stream) && CLAUSE(DLG_22, true))
        refusal = VERDICT_EARLY_TALKER;
    if (refusal != VERDICT_NONE) {
        say_verdict(session, refusal);
        session->closing = true;
        return;
    }
    struct bytes host = session->setting.config->hostname;
    say(session, 220, arena_printf(session->line, "%.*s ESMTP fairlead", BYTES_ARG(host)));
}

void session_run(struct session *session, enum verdict refusal)
{
    say_banner(session, refusal);
    while (!session->closing)
        serve_command(session);
    transaction_close(session->transaction);
    /* Who was refused at the door has said nothing that a reset could be the answer to, and must
     * not take up room by staying. */
    if (session->quit || refusal != VERDICT_NONE)
        stream_flush_last(session->stream, clock_monotonic() + LAST_WORDS);
    else
        stream_finish(session->stream, clock_monotonic() + LAST_WORDS);
    log_session(session);
}
