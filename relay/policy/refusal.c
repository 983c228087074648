/* The table of refusals. See refusal.h.
 *
 * Enhanced codes are those of RFC 3463 and its registry (RFC 5248); RFC 7372 for the results of
 * authentication, RFC 7505 for the null MX, RFC 6531 for internationalised addresses. Every policy
 * refusal refers to the Postmaster page (specification.md#contact-references). */
#include "refusal.h"

#include "buffer.h"
#include "clause.h"

static const struct refusal_entry entries[REFUSAL_COUNT] = {
    [REFUSAL_NONE] = {250, "2.0.0", "OK", NULL},

    [REFUSAL_UNKNOWN_COMMAND] = {500, "5.5.1", "Command not recognized", NULL},
    [REFUSAL_COMMAND_OCTETS] = {500, "5.5.2", "Bare CR, bare LF or control character in a command",
                                NULL},
    [REFUSAL_COMMAND_TOO_LONG] = {500, "5.5.2", "Command line too long (512 octets at most)", NULL},
    [REFUSAL_BAD_ARGUMENT] = {501, "5.5.4", "Syntax: {}", NULL},
    [REFUSAL_BAD_PARAMETER] = {501, "5.5.4", "Invalid value for the parameter {}", NULL},
    [REFUSAL_BAD_HELLO] = {501, "5.5.2",
                           "EHLO and HELO require a domain name or an address literal", NULL},
    [REFUSAL_HELLO_FIRST] = {503, "5.5.1", "Send EHLO or HELO first", NULL},
    [REFUSAL_MAIL_FIRST] = {503, "5.5.1", "Need MAIL before {}", NULL},
    [REFUSAL_MAIL_OPEN] = {503, "5.5.1", "Nested MAIL command; send RSET first", NULL},
    [REFUSAL_RECIPIENT_FIRST] = {554, "5.5.1", "No valid recipients", NULL},
    [REFUSAL_NOT_IMPLEMENTED] = {502, "5.5.1", "Command not implemented", NULL},
    [REFUSAL_UNKNOWN_PARAMETER] = {555, "5.5.4", "Parameter {} not recognized or not implemented",
                                   NULL},
    [REFUSAL_TLS_ALREADY] = {503, "5.5.1", "TLS already active", NULL},
    [REFUSAL_TLS_NOT_OFFERED] = {502, "5.5.1", "STARTTLS not available", NULL},
    [REFUSAL_EARLY_TALKER] = {554, "5.5.0",
                              "SMTP protocol violation: data received before the greeting", NULL},
    [REFUSAL_TOO_MANY_BAD_COMMANDS] = {421, "4.7.0", "Too many errors, closing connection", NULL},
    [REFUSAL_TOO_MANY_IDLE_COMMANDS] = {421, "4.7.0",
                                        "Too many commands without a message, closing connection",
                                        NULL},
    [REFUSAL_CLIENT_TIMEOUT] = {421, "4.4.2", "Timeout exceeded, closing connection", NULL},
    [REFUSAL_TOO_MANY_SESSIONS] = {421, "4.3.2", "Too many connections, try again later", NULL},
    [REFUSAL_TOO_MANY_SESSIONS_FROM_CLIENT] =
        {421, "4.7.0", "Too many connections from your address, try again later", NULL},
    [REFUSAL_SHUTTING_DOWN] = {421, "4.3.2", "Service shutting down, try again later", NULL},
    [REFUSAL_NO_MEMORY] = {452, "4.3.1", "Insufficient system resources, try again later", NULL},

    [REFUSAL_BAD_SENDER] = {501, "5.1.7", "Bad sender address syntax", NULL},
    [REFUSAL_BAD_RECIPIENT] = {501, "5.1.3", "Bad recipient address syntax", NULL},
    [REFUSAL_INTERNATIONAL_SENDER] = {550, "5.6.7",
                                      "Internationalized local parts are not supported", NULL},
    [REFUSAL_INTERNATIONAL_RECIPIENT] = {553, "5.6.7",
                                         "Internationalized local parts are not supported", NULL},
    [REFUSAL_NOT_SERVED] = {550, "5.7.1", "Relay access denied: this domain is not served here.",
                            ""},
    [REFUSAL_UNKNOWN_ADDRESS] = {550, "5.1.1", "No such user here", NULL},
    [REFUSAL_TOO_MANY_RECIPIENTS] = {452, "4.5.3", "Too many recipients", NULL},
    [REFUSAL_OTHER_DESTINATION] = {452, "4.5.3",
                                   "Too many destinations; send this recipient separately", NULL},

    [REFUSAL_DESTINATION_DOES_NOT_EXIST] = {550, "5.1.2", "Destination domain does not exist",
                                            NULL},
    [REFUSAL_DESTINATION_HAS_NO_HOST] = {550, "5.1.2",
                                         "Destination domain has no MX and no address records",
                                         NULL},
    [REFUSAL_DESTINATION_TAKES_NO_MAIL] = {556, "5.1.10",
                                           "Destination domain does not accept mail (null MX)",
                                           NULL},
    [REFUSAL_DESTINATION_DNS_FAILED] =
        {451, "4.4.3", "Temporary DNS failure for the destination domain, try again later", NULL},
    [REFUSAL_LOOP_TO_SELF] = {554, "5.4.6", "Mail loop: the destination host is this relay", NULL},
    [REFUSAL_LOOP_THROUGH_OTHERS] =
        {554, "5.4.6", "Mail loop: this message is being forwarded to the same recipient already",
         NULL},
    [REFUSAL_LOOP_SUSPECTED] =
        {451, "4.4.6", "Mail loop suspected: too many messages to this recipient at the same time",
         NULL},
    [REFUSAL_UPSTREAM_UNREACHABLE] = {451, "4.4.1",
                                      "No destination host could be reached, try again later",
                                      NULL},
    [REFUSAL_UPSTREAM_LOST] = {451, "4.4.2", "Connection to the destination host lost or timed out",
                               NULL},
    [REFUSAL_UPSTREAM_GARBAGE] = {451, "4.5.0", "SMTP protocol error from the destination host",
                                  NULL},
    [REFUSAL_UPSTREAM_NOT_8BIT] =
        {554, "5.6.3", "Destination host does not support 8BITMIME, conversion not supported",
         NULL},

    [REFUSAL_MESSAGE_TOO_BIG] = {552, "5.3.4", "Message size exceeds the limit of {} octets", NULL},
    [REFUSAL_HEADER_TOO_BIG] = {552, "5.3.4", "Message header exceeds the limit of {} octets",
                                NULL},
    [REFUSAL_TOO_MANY_FIELDS] = {552, "5.3.4", "Message has more than {} header fields", NULL},
    [REFUSAL_MESSAGE_OCTETS] = {550, "5.6.0", "Message contains a bare CR, a bare LF or a NUL",
                                NULL},
    [REFUSAL_MESSAGE_CONTINUES_FIELD] = {550, "5.6.0", "Message begins with a space or tab", NULL},
    [REFUSAL_LOOP] = {554, "5.4.6", "Mail loop: {} Received fields", NULL},

    [REFUSAL_DNSBL] = {554, NULL, "{} found on one or more DNSBLs ({}).",
                       "#spam-and-abusive-traffic/"},
    [REFUSAL_NO_AUTHOR] = {550, "5.7.1", "Message must have one From field with one author domain.",
                           ""},
    [REFUSAL_DMARC_REJECT] = {550, "5.7.26", "Message failed DMARC: the policy of {} is reject.",
                              "#dmarc-enforcing"},
    [REFUSAL_DMARC_QUARANTINE] = {550, "5.7.26",
                                  "Message failed DMARC: the policy of {} is quarantine.",
                                  "#dmarc-enforcing"},
    [REFUSAL_DMARC_DNS_FAILED] =
        {451, "4.7.0", "Temporary DNS failure while evaluating DMARC for {}, try again later.",
         "#dmarc-enforcing"},
};

const struct refusal_entry *refusal_entry(enum refusal_kind kind)
{
    return &entries[kind];
}

static void add_filled(struct buffer *out, struct bytes text, const struct bytes *details)
{
    for (size_t used = 0; text.n > 0;) {
        size_t at = bytes_find_slice(text, BYTES("{}"));
        buffer_add(out, bytes_first(text, at));
        if (at == BYTES_NOT_FOUND)
            return;
        if (used < REFUSAL_DETAILS)
            buffer_add(out, details[used++]);
        text = bytes_from(text, at + 2);
    }
}

struct bytes refusal_text(struct arena *arena, const struct refusal *refusal, struct bytes page)
{
    const struct refusal_entry *entry = refusal_entry(refusal->kind);
    struct buffer out = {0};
    if (entry->enhanced && unless_broken(ERR_18))
        buffer_printf(&out, "%s ", entry->enhanced);
    add_filled(&out, bytes_of(entry->text), refusal->details);
    if (CLAUSE(CONT_02, entry->section && page.n > 0))
        buffer_printf(&out, " Refer to %.*s%s", BYTES_ARG(page), entry->section);
    return arena_take(arena, &out);
}
