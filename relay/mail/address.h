/* Paths and mailboxes of the envelope: RFC 5321 4.1.2, 4.1.3, the limits of 4.5.3.1, and the
 * internationalised forms of RFC 6531 3.3 as far as they must be distinguished.
 *
 * A local part is kept and compared by its content: a quoted form stands for what is in the quotes,
 * and is written back quoted only where the content needs it. Source routes are read and dropped
 * (RFC 5321 3.6.1, appendix C). */
#ifndef FAIRLEAD_ADDRESS_H
#define FAIRLEAD_ADDRESS_H

#include "domain.h"

/* Octets: RFC 5321 4.5.3.1.1 and 4.5.3.1.3. */
enum { ADDRESS_LOCAL_MAX = 64, ADDRESS_PATH_MAX = 256 };

enum address_kind {
    ADDRESS_NULL,       /* the null reverse-path <> */
    ADDRESS_MAILBOX,    /* local@domain */
    ADDRESS_POSTMASTER, /* <postmaster>, the one forward-path without a domain */
};

struct address {
    enum address_kind kind;
    struct bytes local;  /* the content: unquoted, unescaped, case as given; may be empty */
    struct bytes domain; /* A-labels in lower case, or an address literal with its brackets */
    bool literal;        /* the domain is an address literal, `ip` its address */
    struct ip ip;
};

enum address_error {
    ADDRESS_OK,
    ADDRESS_SYNTAX,          /* malformed; malformed UTF-8 and control characters included */
    ADDRESS_BAD_DOMAIN,      /* well-formed, but its domain is neither LDH nor valid IDNA2008 */
    ADDRESS_TOO_LONG,        /* over a maximum above */
    ADDRESS_NON_ASCII_LOCAL, /* a well-formed address that needs SMTPUTF8 (RFC 6531) */
    ADDRESS_NO_MEMORY,
};

enum path_role { PATH_REVERSE, PATH_FORWARD };

/* Reads the path at the start of `text`, angle brackets required; `rest` becomes what follows it.
 * <> is a reverse-path only, <postmaster> a forward-path only. The address lives in `arena`; it and
 * `rest` are meaningful for ADDRESS_OK only. */
enum address_error address_read_path(struct arena *arena, enum path_role role, struct bytes text,
                                     struct address *address, struct bytes *rest);

/* Reads `text`, the whole of it, as local@domain without angle brackets. */
enum address_error address_parse(struct arena *arena, struct bytes text, struct address *address);

/* The address as the wire has it, without angle brackets, quoted where needed; empty for the null
 * path. p == NULL when memory is short. */
struct bytes address_write(struct arena *arena, const struct address *address);

/* The local part as the wire has it, quoted where the content needs it. */
struct bytes address_write_local(struct arena *arena, struct bytes local);

/* atext of RFC 5322 3.2.3: what an unquoted word may hold besides dots. */
bool address_is_atext(char c);

#endif
