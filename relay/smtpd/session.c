/* One client's dialogue, top to bottom. See session.h.
 *
 * RFC 5321 3 and 4 for a receiving relay, PIPELINING (RFC 2920: replies are sent when nothing more
 * is there to read), SIZE (RFC 1870), 8BITMIME (RFC 6152), STARTTLS (RFC 3207). What is not
 * advertised, and why: SMTPUTF8 and DSN (limitations on the Postmaster page), ENHANCEDSTATUSCODES
 * (the replies of other servers are returned), CHUNKING and AUTH (a forwarder needs neither).
 */
#include "session.h"

#include "clause.h"
#include "clock.h"
#include "command.h"
#include "dialogue.h"
#include "fiber.h"
#include "idle.h"
#include "log.h"
#include "refusal_counts.h"
#include "transaction.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
    COMMAND_LINE_MAX = 512, /* octets with CRLF: RFC 5321 4.5.3.1.4 */
    COMMAND_MEMORY_MAX = 1 << 20,
    ID_SIZE = sizeof "0123456789abcdef",
    HANDSHAKE_TIMEOUT = 30, /* seconds; a client that begins one has all it needs */
    GOODBYE_TIMEOUT = 5     /* seconds for the reply before the relay closes */
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
    size_t idle_commands; /* since the last message that was accepted */
    unsigned mails;
    struct refusal_counts refusals;
    struct bytes error; /* why the connection failed, for the log */
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
    session->line = arena_new(COMMAND_MEMORY_MAX);
    session->transaction = transaction_new(setting->config, setting->dns, setting->budget,
                                           setting->progress, &session->client);
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
    if (answer->refusal.kind == REFUSAL_NONE) {
        reply_adapt_for_client(&answer->reply);
        reply_write(stream_output(session->stream), &answer->reply);
        return;
    }
    int code = refusal_entry(answer->refusal.kind)->code;
    refusal_counts_add(&session->refusals, &answer->refusal);
    say(session, code,
        refusal_text(session->line, &answer->refusal,
                     session->setting.config->policy.postmaster_page));
    if (code == 421)
        session->closing = true;
}

static void say_refusal(struct session *session, struct refusal refusal)
{
    say_answer(session, &(struct answer){.refusal = refusal});
}

/* A refusal for a mistake of the client's; too many of them end the session. Only mistakes count.
 * Clause: LIM-17 */
static void say_mistake(struct session *session, struct refusal refusal)
{
    session->bad_commands++;
    if (CLAUSE(LIM_16, session->bad_commands >= session->setting.config->limits.bad_commands))
        refusal = REFUSE(TOO_MANY_BAD_COMMANDS, "LIM-16");
    say_refusal(session, refusal);
}

/* ---- Commands ---- */

/* EHLO and HELO start over (RFC 5321 4.1.4), and the name is not verified. False when it was
 * refused as malformed. Clauses: DLG-17, DLG-26, DLG-40 */
static bool accept_hello(struct session *session, const struct command *command, bool esmtp)
{
    struct bytes name;
    enum command_error error = command_parse_client_name(session->line, command->argument, &name);
    struct refusal refusal = dialogue_refuse_client_name(error);
    if (error == COMMAND_NO_MEMORY) {
        say_refusal(session, refusal);
        return false;
    }
    if (error != COMMAND_OK) {
        say_mistake(session, refusal);
        return false;
    }
    if (unless_broken(INV_12))
        transaction_end(session->transaction);
    arena_reset(session->greeting);
    session->client.helo = arena_copy(session->greeting, name);
    session->client.esmtp = esmtp;
    session->greeted = session->client.helo.p != NULL;
    if (!session->greeted)
        say_refusal(session, REFUSE(NO_MEMORY, "LIM-22"));
    return session->greeted;
}

/* One line without extensions, whatever EHLO offers. Clauses: DLG-03, DLG-39 */
static void do_helo(struct session *session, const struct command *command)
{
    if (accept_hello(session, command, false))
        say(session, 250, session->setting.config->hostname);
}

static bool offers_tls(const struct session *session)
{
    return session->setting.config->tls_server != NULL && !CLAUSE(TLS_02, session->client.tls);
}

static struct bytes limit_text(const struct session *session)
{
    size_t limit = session->setting.config->policy.limits.message_size;
    return arena_printf(session->line, "%zu", BREAK(LIM_21, limit, limit + 1));
}

/* The whole of what is advertised; the head of this file says what is not, and why.
 * Clauses: EAI-05, ERR-17, NDR-06, SEND-01 */
static void do_ehlo(struct session *session, const struct command *command)
{
    const struct config *config = session->setting.config;
    struct bytes lines[6];
    size_t count = 0;
    if (!accept_hello(session, command, true))
        return;
    lines[count++] = BREAK(DLG_38_ehlo, config->hostname, BYTES("localhost"));
    lines[count++] = BREAK(DLG_04_pipelining, BYTES("PIPELINING"), BYTES("XPIPELINING"));
    lines[count++] = arena_printf(session->line, "SIZE %.*s", BYTES_ARG(limit_text(session)));
    lines[count++] = BREAK(DLG_04_8bitmime, BYTES("8BITMIME"), BYTES("X8BITMIME"));
    if (CLAUSE(TLS_01, offers_tls(session)))
        lines[count++] = BYTES("STARTTLS");
    lines[count++] = BYTES("HELP");
    say_answer(session, &(struct answer){.reply = {.code = BREAK(DLG_02, 250, 220),
                                                   .lines = lines,
                                                   .line_count = count}});
}

/* What the grammar found wrong with MAIL or RCPT. A local part outside ASCII does not count as a
 * mistake: the client may well have other recipients. */
static void say_path_refusal(struct session *session, enum command_verb verb,
                             enum command_error error, struct bytes parameter)
{
    struct refusal refusal = dialogue_refuse_path(verb, error, parameter);
    if (error == COMMAND_NO_MEMORY || CLAUSE(LIM_47, error == COMMAND_NON_ASCII_LOCAL))
        say_refusal(session, refusal);
    else
        say_mistake(session, refusal);
}

/* For a command that needs an open transaction where there is none. */
static void say_mail_first(struct session *session, const char *command, const char *clause)
{
    if (!session->greeted)
        say_mistake(session, REFUSE(HELLO_FIRST, clause));
    else
        say_mistake(session, REFUSE_WITH(MAIL_FIRST, clause, bytes_of(command)));
}

static void do_mail(struct session *session, const struct command *command)
{
    struct mail_arguments mail;
    if (CLAUSE(DLG_13, !session->greeted)) {
        say_mistake(session, REFUSE(HELLO_FIRST, session->client.tls ? "TLS-05" : "DLG-13"));
        return;
    }
    if (CLAUSE(DLG_16, transaction_is_open(session->transaction))) {
        say_mistake(session, REFUSE(MAIL_OPEN, "DLG-16"));
        return;
    }
    enum command_error error = command_parse_mail(session->line, command->argument, &mail);
    if (error != COMMAND_OK) {
        say_path_refusal(session, COMMAND_MAIL, error, mail.parameter);
        return;
    }
    struct refusal refusal = transaction_mail(session->transaction, &mail);
    if (refusal.kind == REFUSAL_NONE)
        say(session, 250, BYTES("2.1.0 Sender OK"));
    else
        say_refusal(session, refusal);
}

static void do_rcpt(struct session *session, const struct command *command)
{
    struct rcpt_arguments rcpt;
    struct answer answer;
    if (CLAUSE(DLG_14, !transaction_is_open(session->transaction))) {
        say_mail_first(session, "RCPT", "DLG-14");
        return;
    }
    enum command_error error = command_parse_rcpt(session->line, command->argument, &rcpt);
    if (error != COMMAND_OK) {
        say_path_refusal(session, COMMAND_RCPT, error, rcpt.parameter);
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

/* Keeps why the connection failed: the next operation on the stream forgets it. */
static void keep_client_error(struct session *session)
{
    session->error = arena_copy(session->greeting, bytes_of(stream_failure(session->stream)));
}

/* The client is lost or too slow, or the relay is shutting down: says so if anyone may read it. */
static void say_farewell(struct session *session, enum stream_status status)
{
    session->closing = true;
    if (status == STREAM_ERROR)
        keep_client_error(session);
    if (status == STREAM_TIMEOUT && unless_broken(DLG_33))
        say_refusal(session, REFUSE(CLIENT_TIMEOUT, "DLG-33"));
    else if (status == STREAM_CANCELLED && unless_broken(DLG_35))
        say_refusal(session, REFUSE(SHUTTING_DOWN, "DLG-35"));
    else if (status == STREAM_TOO_LONG)
        say_refusal(session, REFUSE_WITH(MESSAGE_TOO_BIG, "LIM-39", limit_text(session)));
}

static bool is_acceptance(const struct answer *answer)
{
    return answer->refusal.kind == REFUSAL_NONE && answer->reply.code / 100 == 2;
}

static void do_data(struct session *session, const struct command *command)
{
    struct answer answer;
    (void)command;
    /* After a refusal what follows is read as commands. Clause: DLG-24 */
    if (!transaction_is_open(session->transaction)) {
        say_mail_first(session, "DATA", "DLG-15");
        return;
    }
    if (CLAUSE(DLG_15, !transaction_has_recipient(session->transaction))) {
        say_mistake(session, REFUSE(RECIPIENT_FIRST, "DLG-15"));
        return;
    }
    say(session, 354, BYTES("Start mail input; end with <CRLF>.<CRLF>"));
    enum stream_status status = flush(session);
    if (status == STREAM_OK)
        status = transaction_receive(session->transaction, session->stream);
    if (status != STREAM_OK) {
        say_farewell(session, status);
        return;
    }
    /* Only now that the message is there as a whole. Its outcome is its own answer, and the session
     * is ready for another. Clauses: DLG-29, INV-02, INV-14, INV-19 */
    transaction_deliver(session->transaction, session->stream, &answer);
    session->mails++;
    if (is_acceptance(&answer))
        session->idle_commands = 0;
    say_answer(session, &answer);
    /* At once, since ending the mail may have to wait for the upstream. */
    status = flush(session);
    transaction_end(session->transaction);
    if (status != STREAM_OK)
        say_farewell(session, status);
}

/* In any state, even before EHLO. Clause: DLG-31 */
static void do_rset(struct session *session, const struct command *command)
{
    (void)command;
    if (unless_broken(INV_10))
        transaction_end(session->transaction);
    say(session, BREAK(DLG_09, 250, 500), BYTES("2.0.0 Reset OK"));
}

static void do_noop(struct session *session, const struct command *command)
{
    (void)command;
    say(session, BREAK(DLG_07, 250, 502), BYTES("2.0.0 OK"));
}

/* Clause: INV-11 */
static void do_quit(struct session *session, const struct command *command)
{
    (void)command;
    transaction_close(session->transaction);
    say(session, BREAK(DLG_08, 221, 250), BYTES("2.0.0 Bye"));
    session->quit = true;
    session->closing = unless_broken(DLG_08_close);
}

static void do_help(struct session *session, const struct command *command)
{
    (void)command;
    struct bytes page = session->setting.config->policy.postmaster_page;
    say(session, BREAK(CONT_01, 214, 211),
        arena_printf(session->line, "2.0.0 This is a mail forwarding relay%s%.*s",
                     page.n > 0 ? "; see " : "", BYTES_ARG(page)));
}

static void do_vrfy(struct session *session, const struct command *command)
{
    (void)command;
    say(session, BREAK(DLG_10, 252, 502),
        BYTES("2.5.2 Cannot VRFY user, but will accept message and attempt delivery"));
}

static void do_not_implemented(struct session *session, const struct command *command)
{
    say_mistake(session, dialogue_refuse_command(command));
}

static void do_unknown(struct session *session, const struct command *command)
{
    (void)command;
    say_mistake(session, REFUSE(UNKNOWN_COMMAND, "DLG-12"));
}

/* RFC 3207 4.2: what the client said in the clear is forgotten, its transaction included, and what
 * it sent after STARTTLS without waiting is discarded. A handshake that fails ends this session
 * alone. Clauses: TLS-06, TLS-09, TLS-15 */
static void do_starttls(struct session *session, const struct command *command)
{
    const struct config *config = session->setting.config;
    (void)command;
    if (!offers_tls(session)) {
        say_mistake(session, session->client.tls ? REFUSE(TLS_ALREADY, "TLS-03")
                                                 : REFUSE(TLS_NOT_OFFERED, "DLG-34"));
        return;
    }
    say(session, 220, BYTES("2.0.0 Ready to start TLS"));
    transaction_end(session->transaction);
    session->closing = true;
    if (flush(session) != STREAM_OK)
        return;
    double patience = config->timeouts.client_command;
    if (patience > HANDSHAKE_TIMEOUT)
        patience = HANDSHAKE_TIMEOUT;
    if (stream_start_tls_server(session->stream, config->tls_server,
                                clock_monotonic() + patience) != STREAM_OK) {
        keep_client_error(session);
        return;
    }
    session->closing = false;
    session->client.tls = true;
    session->greeted = CLAUSE(TLS_05, false);
}

/* ---- The dialogue ---- */

static void (*const verbs[])(struct session *session, const struct command *command) = {
    [COMMAND_EHLO] = do_ehlo,
    [COMMAND_HELO] = do_helo,
    [COMMAND_MAIL] = do_mail,
    [COMMAND_RCPT] = do_rcpt,
    [COMMAND_DATA] = do_data,
    [COMMAND_RSET] = do_rset,
    [COMMAND_NOOP] = do_noop,
    [COMMAND_QUIT] = do_quit,
    [COMMAND_HELP] = do_help,
    [COMMAND_VRFY] = do_vrfy,
    [COMMAND_EXPN] = do_not_implemented,
    [COMMAND_STARTTLS] = do_starttls,
    [COMMAND_NOT_OFFERED] = do_not_implemented,
    [COMMAND_UNKNOWN] = do_unknown,
};

/* Neither a bare CR, a bare LF nor a NUL may hide in a command line. */
static struct refusal judge_line(struct bytes line, bool bare_lf)
{
    if (CLAUSE(SMUG_06, bare_lf))
        return REFUSE(COMMAND_OCTETS, "SMUG-06");
    if (CLAUSE(SMUG_05, bytes_find(line, '\r') != BYTES_NOT_FOUND))
        return REFUSE(COMMAND_OCTETS, "SMUG-05");
    if (CLAUSE(SMUG_07, bytes_find(line, '\0') != BYTES_NOT_FOUND))
        return REFUSE(COMMAND_OCTETS, "SMUG-07");
    return ACCEPT;
}

/* `line` without its CRLF. */
static void serve_line(struct session *session, struct bytes line, bool bare_lf)
{
    struct command command;
    if (unless_broken(LIM_42))
        arena_reset(session->line);
    struct refusal idle =
        dialogue_refuse_idle(&session->setting.config->policy, ++session->idle_commands);
    if (idle.kind != REFUSAL_NONE) {
        say_refusal(session, idle);
        return;
    }
    struct refusal refusal = judge_line(line, bare_lf);
    if (refusal.kind != REFUSAL_NONE) {
        say_mistake(session, refusal);
        return;
    }
    switch (command_parse(line, &command)) {
    case COMMAND_OK:
        verbs[command.verb](session, &command);
        break;
    case COMMAND_BAD_OCTETS: /* a control character other than these three */
        say_mistake(session, REFUSE(COMMAND_OCTETS, "DLG-12"));
        break;
    default:
        say_mistake(session, dialogue_refuse_argument(command.verb));
    }
}

/* Reads a command line of up to 512 octets, in however many packets it comes, without its end. Only
 * CRLF ends it (RFC 5321 2.3.8): what follows a bare LF belongs to the same line, which is not a
 * command then; only its last part is returned. Clauses: DLG-30, SMUG-14 */
static enum stream_status read_command_line(struct session *session, double deadline,
                                            struct bytes *line, bool *bare_lf)
{
    *bare_lf = false;
    for (;;) {
        enum stream_status status =
            stream_read_line(session->stream, BREAK(LIM_01, COMMAND_LINE_MAX, 511), deadline, line);
        if (status != STREAM_OK)
            return status;
        if (bytes_ends_with_nocase(*line, BYTES("\r\n"))) {
            line->n -= 2;
            return STREAM_OK;
        }
        *bare_lf = true;
    }
}

/* Reads one command and answers it. Replies are held back while further commands have arrived
 * already, and sent in the order of the commands. Clauses: DLG-23, DLG-48 */
static void serve_command(struct session *session)
{
    struct bytes line = {NULL, 0};
    bool bare_lf = false;
    enum stream_status status = STREAM_OK;
    if (!stream_has_line(session->stream))
        status = flush(session);
    else
        fiber_yield(); /* a long pipeline does not keep others waiting */
    double deadline = clock_monotonic() + session->setting.config->timeouts.client_command;
    if (status == STREAM_OK && *session->setting.draining && session_is_idle(session))
        status = STREAM_CANCELLED;
    if (status == STREAM_OK && !stream_has_line(session->stream))
        status = idle_wait(session->stream, session->transaction, session->line, deadline);
    if (status == STREAM_OK)
        status = read_command_line(session, deadline, &line, &bare_lf);
    session->commands++;
    if (status == STREAM_OK)
        serve_line(session, line, bare_lf);
    else if (CLAUSE(LIM_02, status == STREAM_TOO_LONG))
        say_mistake(session, REFUSE(COMMAND_TOO_LONG, "LIM-02"));
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
    if (session->error.n > 0)
        json_string(&line.json, "error", session->error);
    json_number(&line.json, "commands", session->commands);
    json_number(&line.json, "bad_commands", session->bad_commands);
    json_number(&line.json, "mails", session->mails);
    refusal_counts_write(&line.json, &session->refusals);
    json_seconds(&line.json, "seconds", clock_monotonic() - session->started);
    log_end(&line);
}

/* The banner, or the refusal in its place: a client that talks before it is not a mail client
 * (RFC 5321 4.3.1). */
static void say_banner(struct session *session, struct refusal refusal)
{
    if (refusal.kind == REFUSAL_NONE && stream_input_waiting(session->stream) &&
        unless_broken(DLG_22))
        refusal = REFUSE(EARLY_TALKER, "DLG-22");
    if (refusal.kind != REFUSAL_NONE) {
        say_refusal(session, refusal);
        session->closing = true;
        return;
    }
    struct bytes host = BREAK(DLG_38, session->setting.config->hostname, BYTES("localhost"));
    say(session, 220, arena_printf(session->line, "%.*s ESMTP fairlead", BYTES_ARG(host)));
}

/* Sends what is left to be sent and closes. A client refused instead of greeted has sent nothing
 * that a reset could cut off a reply to, and must not occupy a connection by staying, nor by
 * queueing: whoever accepts it pays for it, so that no more come than go. After QUIT there is no
 * transaction left. */
static void say_goodbye(struct session *session, bool refused)
{
    if (session->quit || refused) {
        stream_flush_last(session->stream, clock_monotonic() + GOODBYE_TIMEOUT);
        return;
    }
    fiber_take_lane(FIBER_LEAVES);
    transaction_close(session->transaction);
    stream_finish(session->stream, clock_monotonic() + GOODBYE_TIMEOUT);
}

void session_run(struct session *session, struct refusal refusal)
{
    say_banner(session, refusal);
    while (!session->closing)
        serve_command(session);
    say_goodbye(session, refusal.kind != REFUSAL_NONE);
    log_session(session);
}
