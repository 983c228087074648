/* The table of refusals. See verdict.h.
 *
 * Enhanced codes are those of RFC 3463 and its registry (RFC 5248); RFC 7372 for the results of
 * authentication, RFC 7505 for the null MX, RFC 6531 for internationalised addresses. Every policy
 * refusal refers to the postmaster page (DECISIONS "Contact"). */
#include "verdict.h"

#include "buffer.h"

static const struct verdict_entry entries[VERDICT_COUNT] = {
    [VERDICT_NONE] = {250, "2.0.0", "OK", NULL, NULL},

    [VERDICT_UNKNOWN_COMMAND] = {500, "5.5.1", "Command not recognised", NULL, "DLG-12"},
    [VERDICT_COMMAND_OCTETS] =
        {500, "5.5.2", "A command is ASCII ended by CRLF, without a bare CR, bare LF or NUL", NULL,
         "SMUG-05"},
    [VERDICT_COMMAND_TOO_LONG] = {500, "5.5.2", "Command line over 512 octets", NULL, "LIM-02"},
    [VERDICT_BAD_ARGUMENT] = {501, "5.5.4", "Syntax error: expected {}", NULL, "DLG-20"},
    [VERDICT_BAD_PARAMETER] = {501, "5.5.4", "Syntax error in the parameter {}", NULL, "LIM-20"},
    [VERDICT_BAD_HELLO] = {501, "5.5.2", "Expected a domain name or an address literal", NULL,
                           "DLG-21"},
    [VERDICT_HELLO_FIRST] = {503, "5.5.1", "Send EHLO or HELO first", NULL, "DLG-13"},
    [VERDICT_MAIL_FIRST] = {503, "5.5.1", "Send MAIL FROM first", NULL, "DLG-14"},
    [VERDICT_MAIL_OPEN] = {503, "5.5.1", "A sender was already given; send RSET to start again",
                           NULL, "DLG-16"},
    [VERDICT_RECIPIENT_FIRST] = {554, "5.5.1", "No valid recipients", NULL, "DLG-15"},
    [VERDICT_NOT_IMPLEMENTED] = {502, "5.5.1", "Command not implemented", NULL, "DLG-11"},
    [VERDICT_UNKNOWN_PARAMETER] = {555, "5.5.4", "Parameter not supported: {}", NULL, "DLG-18"},
    [VERDICT_TLS_ALREADY] = {503, "5.5.1", "TLS is already active", NULL, "TLS-03"},
    [VERDICT_TLS_NOT_OFFERED] = {502, "5.5.1", "TLS is not offered here", NULL, "TLS-03"},
    [VERDICT_EARLY_TALKER] = {554, "5.5.0", "A client waits for the greeting before it speaks",
                              NULL, "DLG-22"},
    [VERDICT_TOO_MANY_BAD_COMMANDS] = {421, "4.7.0", "Too many bad commands, closing", NULL,
                                       "LIM-16"},
    [VERDICT_CLIENT_TIMEOUT] = {421, "4.4.2", "Waited too long for the client, closing", NULL,
                                "DLG-33"},
    [VERDICT_TOO_MANY_SESSIONS] = {421, "4.3.2", "Too many sessions, try again later", NULL,
                                   "LIM-23"},
    [VERDICT_TOO_MANY_SESSIONS_FROM_CLIENT] =
        {421, "4.7.0", "Too many sessions from your address, try again later", NULL, "LIM-18"},
    [VERDICT_SHUTTING_DOWN] = {421, "4.3.2", "Shutting down, try again later", NULL, "DLG-08"},
    [VERDICT_NO_MEMORY] = {452, "4.3.1", "Out of memory for now, try again later", NULL, "LIM-22"},

    [VERDICT_BAD_SENDER] = {501, "5.1.7", "Syntax error in the sender's address", NULL, "DLG-20"},
    [VERDICT_BAD_RECIPIENT] = {501, "5.1.3", "Syntax error in the recipient's address", NULL,
                               "DLG-20"},
    [VERDICT_INTERNATIONAL_SENDER] = {550, "5.6.7", "Non-ASCII local parts are not supported", NULL,
                                      "EAI-02"},
    [VERDICT_INTERNATIONAL_RECIPIENT] = {553, "5.6.7", "Non-ASCII local parts are not supported",
                                         NULL, "EAI-01"},
    [VERDICT_NOT_SERVED] = {550, "5.7.1", "Relaying denied: this domain is not served here.", "",
                            "SEND-03"},
    [VERDICT_UNKNOWN_ADDRESS] = {550, "5.1.1", "No such address here", NULL, "CHAR-07"},
    [VERDICT_TOO_MANY_RECIPIENTS] = {452, "4.5.3", "Too many recipients in one transaction", NULL,
                                     "LIM-09"},
    [VERDICT_OTHER_DESTINATION] = {452, "4.5.3", "Send this recipient in a transaction of its own",
                                   NULL, "INV-16"},

    [VERDICT_DESTINATION_DOES_NOT_EXIST] = {550, "5.1.2", "The destination's domain does not exist",
                                            NULL, "MX-09"},
    [VERDICT_DESTINATION_TAKES_NO_MAIL] = {556, "5.1.10",
                                           "The destination's domain accepts no mail (null MX)",
                                           NULL, "MX-08"},
    [VERDICT_DESTINATION_DNS_FAILED] = {451, "4.4.3",
                                        "The destination's DNS failed, try again later", NULL,
                                        "MX-10"},
    [VERDICT_LOOP_TO_SELF] = {554, "5.4.6", "Mail loop: the destination's host is this relay", NULL,
                              "MX-11"},
    [VERDICT_UPSTREAM_UNREACHABLE] = {451, "4.4.1", "No host of the destination could be reached",
                                      NULL, "MX-11"},
    [VERDICT_UPSTREAM_LOST] = {451, "4.4.2", "The destination's host was lost or fell silent", NULL,
                               "ERR-10"},
    [VERDICT_UPSTREAM_GARBAGE] = {451, "4.5.0", "The destination's host broke the protocol", NULL,
                                  "ERR-12"},
    [VERDICT_UPSTREAM_NOT_8BIT] = {554, "5.6.3", "The destination's host takes no 8-bit content",
                                   NULL, "UPS-07"},

    [VERDICT_MESSAGE_TOO_BIG] = {552, "5.3.4", "Message larger than {} octets", NULL, "LIM-11"},
    [VERDICT_HEADER_TOO_BIG] = {552, "5.3.4", "Header larger than {} octets", NULL, "LIM-15"},
    [VERDICT_MESSAGE_OCTETS] = {550, "5.6.0", "The message holds a bare CR, a bare LF or a NUL",
                                NULL, "SMUG-02"},
    [VERDICT_MESSAGE_LINE_TOO_LONG] = {550, "5.6.0", "The message holds a line over 1000 octets",
                                       NULL, "LIM-04"},
    [VERDICT_LOOP] = {554, "5.4.6", "Mail loop: {} Received fields", NULL, "LIM-13"},

    [VERDICT_DNSBL] = {554, NULL, "{} found on one or more DNSBLs ({}).",
                       "#spam-and-abusive-traffic/", "SPAM-01"},
    [VERDICT_NO_AUTHOR] = {550, "5.7.1", "The message needs one From field with one author domain.",
                           "", "DMARC-10"},
    [VERDICT_DMARC_REJECT] = {550, "5.7.26", "The DMARC policy of {} asks to reject this message.",
                              "#dmarc-enforcing", "DMARC-01"},
    [VERDICT_DMARC_QUARANTINE] = {550, "5.7.26",
                                  "The DMARC policy of {} asks to quarantine this message.",
                                  "#dmarc-enforcing", "DMARC-04"},
    [VERDICT_DMARC_DNS_FAILED] = {451, "4.7.0",
                                  "The DMARC policy of {} could not be evaluated, try again later.",
                                  "#dmarc-enforcing", "DMARC-13"},
};

const struct verdict_entry *verdict_entry(enum verdict verdict)
{
    return &entries[verdict];
}

static void add_filled(struct buffer *out, struct bytes text, const struct bytes *details)
{
    for (size_t used = 0; text.n > 0;) {
        size_t at = bytes_find_slice(text, BYTES("{}"));
        buffer_add(out, bytes_first(text, at));
        if (at == BYTES_NOT_FOUND)
            return;
        if (used < VERDICT_DETAILS)
            buffer_add(out, details[used++]);
        text = bytes_from(text, at + 2);
    }
}

struct bytes verdict_text(struct arena *arena, const struct answer *answer, struct bytes page)
{
    const struct verdict_entry *entry = verdict_entry(answer->verdict);
    struct buffer out = {0};
    if (entry->enhanced)
        buffer_printf(&out, "%s ", entry->enhanced);
    add_filled(&out, bytes_of(entry->text), answer->details);
    if (entry->section)
        buffer_printf(&out, " Refer to %.*s%s", BYTES_ARG(page), entry->section);
    struct bytes text =
        out.failed ? (struct bytes){NULL, 0} : arena_copy(arena, buffer_bytes(&out));
    buffer_free(&out);
    return text;
}
