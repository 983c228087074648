/* The log of one mail. See transaction_log.h. */
#include "transaction_log.h"

#include "clock.h"
#include "log.h"
#include "upstream.h"

enum {
    RECORDED_TEXT_MAX = 200,  /* octets of a reply's text */
    RECIPIENTS_END_MAX = 2000 /* octets of the line with recipients, so that the rest of it fits */
};

struct recipient_record {
    struct recipient_record *next;
    struct bytes recipient;
    struct bytes destination;
    int code;
    struct bytes text;
    const char *clause;
};

static int answer_code(const struct answer *answer)
{
    return answer->refusal.kind == REFUSAL_NONE ? answer->reply.code
                                                : refusal_entry(answer->refusal.kind)->code;
}

/* A refusal's text as the client got it, but for the reference to the Postmaster page. */
static struct bytes answer_text(struct arena *arena, const struct answer *answer)
{
    if (answer->refusal.kind != REFUSAL_NONE)
        return refusal_text(arena, &answer->refusal, BYTES(""));
    return answer->reply.line_count ? bytes_first(answer->reply.lines[0], RECORDED_TEXT_MAX)
                                    : BYTES("");
}

void transaction_record_recipient(struct transaction_record *record, struct arena *arena,
                                  struct bytes recipient, struct bytes destination,
                                  const struct answer *answer)
{
    struct recipient_record *entry = arena_alloc(arena, sizeof *entry);
    if (!entry)
        return;
    entry->next = record->recipients;
    entry->recipient = recipient;
    entry->destination = destination;
    entry->code = answer_code(answer);
    entry->text = arena_copy(arena, answer_text(arena, answer));
    entry->clause = answer->refusal.clause;
    record->recipients = entry;
}

/* `by` is who decided: the upstream, or the relay by the clause named. */
static void write_answer(struct json *json, int code, struct bytes text, const char *clause)
{
    json_number(json, "code", code);
    json_string(json, "text", text);
    json_string(json, "by", clause ? bytes_of(clause) : BYTES("upstream"));
}

static void write_recipients(struct json *json, const struct recipient_record *recipient)
{
    json_open_array(json, "recipients");
    for (; recipient && json->out->n < RECIPIENTS_END_MAX; recipient = recipient->next) {
        json_open_object(json, NULL);
        json_string(json, "address", recipient->recipient);
        json_string(json, "destination", recipient->destination);
        write_answer(json, recipient->code, recipient->text, recipient->clause);
        json_close_object(json);
    }
    json_close_array(json);
    int64_t omitted = 0;
    for (; recipient; recipient = recipient->next)
        omitted++;
    if (omitted > 0)
        json_number(json, "recipients_omitted", omitted);
}

static void write_upstream(struct json *json, const struct upstream *upstream)
{
    char address[IP_TEXT_SIZE];
    struct ip ip = upstream_address(upstream);
    const char *tls = upstream_tls_version(upstream);
    json_open_object(json, "upstream");
    json_string(json, "domain", upstream_domain(upstream));
    json_string(json, "host", upstream_host(upstream));
    json_string(json, "address", bytes_of(ip_format(&ip, address)));
    if (tls)
        json_string(json, "tls", bytes_of(tls));
    if (*upstream_error(upstream))
        json_string(json, "error", bytes_of(upstream_error(upstream)));
    json_close_object(json);
}

static void write_authentication(struct json *json, const struct transaction_record *record)
{
    json_open_object(json, "authentication");
    if (record->spf)
        json_string(json, "spf", bytes_of(record->spf));
    if (record->arc)
        json_string(json, "arc", bytes_of(record->arc));
    if (record->dmarc)
        json_string(json, "dmarc", bytes_of(record->dmarc));
    if (record->reason.n)
        json_string(json, "reason", record->reason);
    json_close_object(json);
}

static void write_span(struct json *json, const char *key, double from, double to)
{
    if (from > 0 && to > 0)
        json_seconds(json, key, to - from);
}

void transaction_record_write(const struct transaction_record *record, struct arena *arena,
                              const struct client *client, const struct upstream *upstream,
                              const struct answer *answer)
{
    struct log_line line;
    char address[IP_TEXT_SIZE];
    double now = clock_monotonic();
    log_begin(&line, "transaction");
    json_string(&line.json, "id", record->id);
    json_string(&line.json, "client", bytes_of(ip_format(&client->address, address)));
    json_string(&line.json, "helo", client->helo);
    json_string(&line.json, "sender", record->sender);
    if (record->rewritten_sender.p)
        json_string(&line.json, "rewritten_sender", record->rewritten_sender);
    write_recipients(&line.json, record->recipients);
    if (upstream)
        write_upstream(&line.json, upstream);
    if (answer) {
        write_authentication(&line.json, record);
        json_number(&line.json, "size", (int64_t)record->size);
        json_open_object(&line.json, "answer");
        write_answer(&line.json, answer_code(answer), answer_text(arena, answer),
                     answer->refusal.clause);
        json_close_object(&line.json);
    }
    json_open_object(&line.json, "seconds");
    write_span(&line.json, "envelope", record->started,
               record->data_started > 0 ? record->data_started : now);
    write_span(&line.json, "receive", record->data_started, record->data_received);
    write_span(&line.json, "deliver", record->data_received, record->finished);
    json_close_object(&line.json);
    log_end(&line);
}
