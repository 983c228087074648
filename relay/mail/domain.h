/* Domain names as SMTP carries them: RFC 5321 4.1.2 and 4.1.3, RFC 5890 to 5893 by libidn2.
 *
 * The relay has one form of a name: A-labels in lower case without the final dot. It is what goes
 * on the wire and what is compared. */
#ifndef FAIRLEAD_DOMAIN_H
#define FAIRLEAD_DOMAIN_H

#include "arena.h"
#include "ip.h"

/* Octets: RFC 5321 4.5.3.1.2, RFC 1035 2.3.4. */
enum {
    DOMAIN_MAX = 255,
    DOMAIN_LABEL_MAX = 63,
    DOMAIN_TEXT_MAX = 4 * DOMAIN_MAX /* UTF-8 has at most 4 where the A-label has at least 1 */
};

/* What may stand in the labels of a name in ASCII. */
enum domain_labels {
    DOMAIN_LDH,        /* letters, digits and inner hyphens: sub-domain of RFC 5321 4.1.2 */
    DOMAIN_UNDERSCORE, /* and underscores: DKIM selectors in use */
    DOMAIN_LOOSE       /* and hyphens anywhere: seen in names that are only looked up, and DNS
                          can hold them (RFC 2181 11) */
};

/* True if the label, of any length but 0, holds nothing else. */
bool domain_is_label(struct bytes label, enum domain_labels labels);

/* True if the name consists of such labels, within the limits above and without a final dot. */
bool domain_is_name(struct bytes name, enum domain_labels labels);

/* The number of labels, empty ones included; 0 for p == NULL. */
size_t domain_count_labels(struct bytes name);

/* The one form of the name `text`, which may be in U-labels, A-labels, or a mix of them: every
 * label is LDH, every A-label decodes to what IDNA2008 allows and encodes back to itself. Lives in
 * `arena`. p == NULL if `text` is no such name (a final dot included) or, see arena_failed(),
 * memory is short. */
struct bytes domain_normalise(struct arena *arena, struct bytes text);

/* The same, more loosely, for names found in messages that are only looked up: '_' and hyphens at
 * the edge of a label are in use there, and what an A-label decodes to does not matter. */
struct bytes domain_for_lookup(struct arena *arena, struct bytes text);

/* The same as domain_normalise() for an ASCII name without A-labels, with underscores allowed. */
struct bytes domain_with_underscores(struct arena *arena, struct bytes text);

/* Reads an address literal with its brackets, "[192.0.2.1]" or "[IPv6:2001:db8::1]". The general
 * form with another tag is refused: no tag has ever been standardised. */
bool domain_literal_parse(struct bytes text, struct ip *ip);

/* The literal of an address, with its brackets. p == NULL when memory is short. */
struct bytes domain_literal_format(struct arena *arena, const struct ip *ip);

/* True if `domain` is `parent` or below it, compared without case, final dots off. */
bool domain_is_within(struct bytes domain, struct bytes parent);

#endif
