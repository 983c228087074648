/* The report of `fairlead verify` on a terminal. See verify.h.
 *
 * Its first lines are the reply, the reason and the clause. A row a method follows (a row a
 * signature for DKIM) with what the result is based on, then the Authentication-Results field. */
#include "verify.h"

enum colour { PLAIN, BOLD, RED, GREEN, YELLOW, DIM };

struct report {
    struct buffer *out;
    bool colour;
};

static void set_colour(struct report *report, enum colour colour)
{
    static const char *const codes[] = {
        [PLAIN] = "0", [BOLD] = "1", [RED] = "31", [GREEN] = "32", [YELLOW] = "33", [DIM] = "2"};
    if (report->colour)
        buffer_printf(report->out, "\033[%sm", codes[colour]);
}

/* Text that came from a message, a record or a client. */
static void put(struct report *report, struct bytes text)
{
    for (size_t i = 0; i < text.n; i++)
        buffer_add_char(report->out, ascii_is_printable(text.p[i]) ? text.p[i] : '?');
}

static void put_string(struct report *report, const char *text)
{
    put(report, bytes_of(text));
}

static void end_line(struct report *report)
{
    buffer_add_char(report->out, '\n');
}

static enum colour colour_of(struct bytes result)
{
    if (bytes_equal(result, BYTES("pass")) || bytes_equal(result, BYTES("found")))
        return GREEN;
    if (bytes_equal(result, BYTES("none")) || bytes_equal(result, BYTES("neutral")))
        return DIM;
    return bytes_equal(result, BYTES("fail")) ? RED : YELLOW;
}

/* "  DKIM   pass       ", after which the details follow. */
static void start_row(struct report *report, const char *method, const char *result)
{
    buffer_printf(report->out, "  %-6s ", method);
    set_colour(report, colour_of(bytes_of(result)));
    buffer_printf(report->out, "%-10s", result);
    set_colour(report, PLAIN);
}

/* Continues the details of a row on the next line. */
static void continue_row(struct report *report)
{
    buffer_printf(report->out, "\n%19s", "");
}

static void put_alignment(struct report *report, const struct verify_outcome *outcome,
                          enum dmarc_alignment alignment, bool strict)
{
    if (outcome->evaluation.dmarc.found.domain.n == 0)
        return;
    put_string(report, alignment == DMARC_ALIGNED       ? "; aligned with From"
                       : alignment == DMARC_NOT_ALIGNED ? "; not aligned with From"
                                                        : "; alignment unknown");
    put_string(report, strict ? " (strict)" : " (relaxed)");
}

static void put_spf(struct report *report, const struct verify_outcome *outcome)
{
    const struct spf_outcome *spf = &outcome->spf;
    const struct dmarc_outcome *dmarc = &outcome->evaluation.dmarc;
    start_row(report, "SPF", spf_result_name(spf->result));
    put(report, spf->domain);
    put_string(report, spf->identity == SPF_HELO ? " (HELO)" : " (MAIL FROM)");
    if (spf->mechanism.n > 0) {
        put_string(report, ", by ");
        put(report, spf->mechanism);
    }
    if (spf->problem && *spf->problem) {
        put_string(report, ": ");
        put_string(report, spf->problem);
    }
    put_alignment(report, outcome, dmarc->spf, dmarc->found.record.strict_spf);
    end_line(report);
}

static void put_signature(struct report *report, const struct verify_outcome *outcome, size_t i)
{
    const struct dkim_signature *signature = &outcome->evaluation.dkim.signatures[i];
    const struct dmarc_outcome *dmarc = &outcome->evaluation.dmarc;
    start_row(report, "DKIM", dkim_result_name(signature->result));
    put(report, signature->domain);
    put_string(report, " (s=");
    put(report, signature->selector);
    put_string(report, ", ");
    put(report, signature->algorithm);
    if (signature->bits > 0)
        buffer_printf(report->out, ", %u bits", signature->bits);
    put_string(report, ")");
    if (*signature->reason) {
        put_string(report, ": ");
        put_string(report, signature->reason);
    }
    if (dmarc->signatures && i < DKIM_SIGNATURES_MAX)
        put_alignment(report, outcome, dmarc->signatures[i], dmarc->found.record.strict_dkim);
    end_line(report);
}

static void put_arc(struct report *report, const struct arc_result *arc)
{
    start_row(report, "ARC", arc_status_name(arc->status));
    if (arc->instances > 0)
        buffer_printf(report->out, "%u set%s", arc->instances, arc->instances == 1 ? "" : "s");
    if (*arc->reason) {
        put_string(report, ": ");
        put_string(report, arc->reason);
    }
    end_line(report);
}

static void put_dmarc(struct report *report, const struct evaluation *evaluation)
{
    const struct dmarc_outcome *dmarc = &evaluation->dmarc;
    if (evaluation->author_domain.n == 0)
        return;
    start_row(report, "DMARC", dmarc_result_name(dmarc->result));
    put_string(report, "From is at ");
    put(report, evaluation->author_domain);
    if (dmarc->organizational_domain.n > 0) {
        put_string(report, ", organizational domain ");
        put(report, dmarc->organizational_domain);
    }
    if (dmarc->found.domain.n > 0) {
        continue_row(report);
        put_string(report, "_dmarc.");
        put(report, dmarc->found.domain);
        put_string(report, ": ");
        put(report, dmarc->found.text);
    }
    if (*dmarc->requested_by) {
        continue_row(report);
        buffer_printf(report->out, "%s=%s applies", dmarc->requested_by,
                      dmarc_policy_name(dmarc->requested));
        if (dmarc->lowered)
            put_string(report, ", lowered by one step");
    }
    end_line(report);
}

static void put_recipient(struct report *report, const struct verify_outcome *outcome)
{
    static const char *const listed[] = {[DNSBL_NOT_ASKED] = "none",
                                         [DNSBL_NOT_LISTED] = "none",
                                         [DNSBL_LISTED] = "listed",
                                         [DNSBL_UNANSWERED] = "no answer"};
    const struct mailbox *to = outcome->route.to;
    if (!outcome->has_recipient)
        return;
    start_row(report, "Route", to ? "found" : "none");
    put(report, outcome->recipient);
    if (to) {
        put_string(report, " -> ");
        put(report, to->text);
    }
    end_line(report);
    start_row(report, "DNSBL", listed[outcome->listing.status]);
    put(report, outcome->listing.name);
    end_line(report);
}

static void put_verdict(struct report *report, const struct verify_outcome *outcome)
{
    bool forwarded = outcome->refusal.kind == REFUSAL_NONE;
    set_colour(report, BOLD);
    set_colour(report, forwarded ? GREEN : RED);
    if (forwarded)
        put_string(report, "Forwarded; the client gets the upstream's reply");
    else {
        buffer_printf(report->out, "Refused at %s: ", outcome->stage);
        put(report, outcome->reply);
    }
    set_colour(report, PLAIN);
    end_line(report);
    put_string(report, "because ");
    put(report, outcome->reason);
    if (!forwarded)
        buffer_printf(report->out, " [%s]", outcome->refusal.clause);
    end_line(report);
    end_line(report);
}

static void put_evaluation(struct report *report, const struct verify_outcome *outcome)
{
    put_spf(report, outcome);
    if (outcome->evaluation.dkim.count == 0) {
        start_row(report, "DKIM", "none");
        end_line(report);
    }
    for (size_t i = 0; i < outcome->evaluation.dkim.count; i++)
        put_signature(report, outcome, i);
    put_arc(report, &outcome->evaluation.arc);
    put_dmarc(report, &outcome->evaluation);
    end_line(report);
    struct bytes rest = outcome->field;
    while (rest.p != NULL) {
        put_string(report, rest.p[0] == '\t' ? "    " : "");
        put(report, bytes_trim(bytes_cut(&rest, '\n')));
        end_line(report);
    }
}

void verify_report(struct buffer *out, const struct verify_outcome *outcome, bool colour)
{
    struct report report = {out, colour};
    put_verdict(&report, outcome);
    put_recipient(&report, outcome);
    if (outcome->has_envelope)
        put_evaluation(&report, outcome);
}
