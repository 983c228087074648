/* Reading a signature field: RFC 6376 3.5 and 6.1.1, RFC 8617 4.1. See signature.h.
 *
 * The first fault decides the outcome, but d=, s=, a=, i= and b= are read all the same, since a
 * report names them. Not looked at: z=, which is for diagnosis, and every tag that is not defined
 * for the kind of field, v= of an AMS among them. */
#include "signature.h"

#include "base64.h"
#include "clause.h"
#include "domain.h"

enum {
    CLOCK_SKEW_MAX = 300,  /* seconds that t= may lie ahead */
    TIME_DIGITS_MAX = 12,  /* 3.5, t= and x= */
    LENGTH_DIGITS_MAX = 76 /* 3.5, l= */
};

struct reader {
    struct arena *arena;
    struct signature *signature;
    enum signature_status status; /* sticks to the first fault */
    const char *reason;
};

static void fault(struct reader *reader, enum signature_status status, const char *reason)
{
    if (reader->status != SIGNATURE_GOOD)
        return;
    reader->status = status;
    reader->reason = reason;
}

static void tag_fault(struct reader *reader, enum signature_status status, const char *what,
                      const char *tag)
{
    struct bytes reason = arena_printf(reader->arena, "%s %s=", what, tag);
    fault(reader, reason.p ? status : SIGNATURE_NO_MEMORY, reason.p ? reason.p : "");
}

/* The tag's value, or the empty slice (p == NULL) if it is not there. */
static struct bytes optional(const struct reader *reader, const char *name)
{
    const struct tag *tag = taglist_find(&reader->signature->tags, name);
    return tag ? tag->value : (struct bytes){NULL, 0};
}

static struct bytes required(struct reader *reader, const char *name)
{
    struct bytes value = optional(reader, name);
    if (!value.p)
        tag_fault(reader, SIGNATURE_REFUSED, "missing", name);
    else if (value.n == 0)
        tag_fault(reader, SIGNATURE_MALFORMED, "empty", name);
    return value;
}

static struct bytes in_a_labels(struct arena *arena, struct bytes name)
{
    return bytes_is_ascii(name) ? name : domain_normalise(arena, name);
}

/* The domain of d= or i= in A-labels, of which there are two at least (3.5). p == NULL if it is not
 * a domain name. */
static struct bytes read_domain_name(struct arena *arena, struct bytes text)
{
    struct bytes name = in_a_labels(arena, text);
    bool valid = domain_is_name(name, DOMAIN_LDH) && domain_count_labels(name) >= 2;
    return valid ? name : (struct bytes){NULL, 0};
}

/* The same for s=, where one label is enough (3.1). Selectors with an underscore are published and
 * used, whatever the grammar says. */
static struct bytes read_selector(struct arena *arena, struct bytes text)
{
    struct bytes name = in_a_labels(arena, text);
    return domain_is_name(name, DOMAIN_UNDERSCORE) ? name : (struct bytes){NULL, 0};
}

/* 1*N digits (3.5); what is beyond `max` becomes `max`. */
static bool read_digits(struct bytes value, size_t digits_max, uint64_t max, uint64_t *number)
{
    if (value.n > digits_max || !bytes_is_digits(value))
        return false;
    if (!bytes_to_number(value, max, number))
        *number = max;
    return true;
}

static void read_names(struct reader *reader)
{
    struct signature *s = reader->signature;
    s->domain = required(reader, "d");
    s->dns_domain = read_domain_name(reader->arena, s->domain);
    if (!s->dns_domain.p)
        tag_fault(reader, SIGNATURE_MALFORMED, "invalid domain in", "d");
    s->selector = required(reader, "s");
    s->dns_selector = read_selector(reader->arena, s->selector);
    if (!s->dns_selector.p)
        tag_fault(reader, SIGNATURE_MALFORMED, "invalid selector in", "s");
}

static void read_algorithm(struct reader *reader)
{
    struct signature *s = reader->signature;
    s->algorithm = required(reader, "a");
    if (CLAUSE(DKIM_08, bytes_equal_nocase(s->algorithm, BYTES("rsa-sha256"))))
        s->key_type = KEY_RSA;
    else if (CLAUSE(DKIM_09, bytes_equal_nocase(s->algorithm, BYTES("ed25519-sha256"))))
        s->key_type = KEY_ED25519;
    else if (bytes_equal_nocase(s->algorithm, BYTES("rsa-sha1")))
        /* Clause: DKIM-10 */
        fault(reader, BREAK(DKIM_32_sha1, SIGNATURE_REFUSED, SIGNATURE_UNKNOWN),
              "rsa-sha1 must not be used (RFC 8301 3.1)");
    else
        fault(reader, BREAK(DKIM_32_unknown, SIGNATURE_UNKNOWN, SIGNATURE_REFUSED),
              "unsupported algorithm in a=");
}

static void read_signature_text(struct reader *reader)
{
    struct signature *s = reader->signature;
    struct bytes value = required(reader, "b");
    const struct tag *tag = taglist_find(&s->tags, "b");
    s->text = taglist_without_space(reader->arena, value);
    s->octets = base64_decode(reader->arena, value);
    s->cut = tag ? tag->between : (struct bytes){s->field->raw.p, 0};
    if (!s->octets.p)
        tag_fault(reader, SIGNATURE_MALFORMED, "invalid base64 in", "b");
}

/* Undoes dkim-quoted-printable (2.11) in a value without FWS. p == NULL if it is malformed. */
static struct bytes unquote(struct arena *arena, struct bytes value)
{
    static const char hex[] = "0123456789ABCDEF";
    const struct bytes none = {NULL, 0};
    struct bytes digits = {hex, sizeof hex - 1};
    char *copy = arena_alloc(arena, value.n + 1);
    if (!copy)
        return none;
    size_t n = 0;
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] != '=') {
            copy[n++] = value.p[i];
            continue;
        }
        if (i + 2 >= value.n)
            return none;
        size_t high = bytes_find(digits, value.p[i + 1]), low = bytes_find(digits, value.p[i + 2]);
        if (high == BYTES_NOT_FOUND || low == BYTES_NOT_FOUND)
            return none;
        copy[n++] = (char)(high << 4 | low);
        i += 2;
    }
    return (struct bytes){copy, n};
}

/* i= of a DKIM-Signature: its domain has to be that of d= or below it (6.1.1). */
static void read_auid(struct reader *reader)
{
    struct signature *s = reader->signature;
    struct bytes value = optional(reader, "i");
    if (!value.p) {
        s->identity = arena_printf(reader->arena, "@%.*s", BYTES_ARG(s->domain));
        return;
    }
    s->identity = taglist_without_space(reader->arena, value);
    struct bytes address = unquote(reader->arena, s->identity);
    size_t at = bytes_find_last(address, '@');
    struct bytes domain = {NULL, 0};
    if (at != BYTES_NOT_FOUND)
        domain = read_domain_name(reader->arena, bytes_from(address, at + 1));
    if (!domain.p) {
        tag_fault(reader, SIGNATURE_MALFORMED, "invalid identity in", "i");
        return;
    }
    s->below_domain = domain.n > s->dns_domain.n;
    if (!bytes_ends_with_nocase(domain, s->dns_domain) ||
        (s->below_domain && domain.p[domain.n - s->dns_domain.n - 1] != '.'))
        fault(reader, SIGNATURE_REFUSED, "domain of i= is not within d=");
}

static bool read_canon(struct bytes name, enum canon *canon)
{
    *canon = bytes_equal_nocase(name, BYTES("relaxed")) ? CANON_RELAXED : CANON_SIMPLE;
    return *canon == CANON_RELAXED || bytes_equal_nocase(name, BYTES("simple"));
}

static void read_canons(struct reader *reader)
{
    struct bytes body = optional(reader, "c");
    if (!body.p)
        return; /* simple/simple */
    struct bytes header = bytes_cut(&body, '/');
    if (!read_canon(header, &reader->signature->header_canon) ||
        (body.p && !read_canon(body, &reader->signature->body_canon)))
        fault(reader, SIGNATURE_UNKNOWN, "unsupported canonicalization in c=");
}

static void read_signed_fields(struct reader *reader)
{
    struct signature *s = reader->signature;
    s->headers = required(reader, "h");
    for (struct bytes rest = s->headers; rest.p;)
        if (!message_is_field_name(taglist_cut_element(&rest)))
            fault(reader, SIGNATURE_MALFORMED, "malformed field name in h=");
    if (!taglist_has_element(s->headers, BYTES("From")))
        fault(reader, SIGNATURE_REFUSED, "From field is not signed");
    /* RFC 8617 4.1.2 forbids a sealer to list the ARC fields and Authentication-Results. Chains in
     * use sign their AAR; but no signature can cover a seal that is made after it. */
    if (s->kind == SIGNATURE_ARC_MESSAGE && taglist_has_element(s->headers, BYTES("ARC-Seal")))
        fault(reader, SIGNATURE_REFUSED, "h= lists ARC-Seal (RFC 8617 4.1.2)");
}

static void read_body_tags(struct reader *reader)
{
    struct signature *s = reader->signature;
    s->body_hash = base64_decode(reader->arena, required(reader, "bh"));
    if (!s->body_hash.p)
        tag_fault(reader, SIGNATURE_MALFORMED, "invalid base64 in", "bh");
    struct bytes length = optional(reader, "l");
    s->body_limit = BODY_HASH_WHOLE;
    if (length.p && !read_digits(length, LENGTH_DIGITS_MAX, BODY_HASH_WHOLE - 1, &s->body_limit))
        tag_fault(reader, SIGNATURE_MALFORMED, "invalid number in", "l");
}

static void read_query(struct reader *reader)
{
    struct bytes methods = optional(reader, "q");
    if (methods.p && !taglist_has_element(methods, BYTES("dns/txt")))
        fault(reader, BREAK(DKIM_36, SIGNATURE_UNKNOWN, SIGNATURE_REFUSED),
              "unsupported query method in q=");
}

static void read_times(struct reader *reader, int64_t now)
{
    const uint64_t max = INT64_MAX;
    uint64_t made = 0, expires = max;
    struct bytes t = optional(reader, "t"), x = optional(reader, "x");
    if (t.p && !read_digits(t, TIME_DIGITS_MAX, max, &made))
        tag_fault(reader, SIGNATURE_MALFORMED, "invalid timestamp in", "t");
    if (reader->signature->kind == SIGNATURE_ARC_SEAL)
        return; /* x= is not among its tags; a seal does not age */
    if (x.p && !read_digits(x, TIME_DIGITS_MAX, max, &expires))
        tag_fault(reader, SIGNATURE_MALFORMED, "invalid expiration in", "x");
    if (t.p && x.p && expires <= made)
        fault(reader, SIGNATURE_MALFORMED, "x= is not after t=");
    if (CLAUSE(DKIM_16, x.p && now > (int64_t)expires))
        fault(reader, SIGNATURE_REFUSED, "signature has expired");
    if (t.p && (int64_t)made > now + CLOCK_SKEW_MAX)
        fault(reader, SIGNATURE_REFUSED, "signature timestamp is in the future");
}

static void read_signature_version(struct reader *reader)
{
    uint64_t version = 0;
    struct bytes value = required(reader, "v");
    if (!read_digits(value, LENGTH_DIGITS_MAX, UINT64_MAX, &version))
        tag_fault(reader, SIGNATURE_MALFORMED, "invalid number in", "v");
    if (!bytes_equal(value, BYTES("1")))
        fault(reader, SIGNATURE_REFUSED, "unsupported version in v=");
}

enum signature_status signature_read(struct arena *arena, enum signature_kind kind,
                                     const struct header_field *field, struct bytes tag_text,
                                     int64_t now, struct signature *signature, const char **reason)
{
    *signature = (struct signature){.kind = kind, .field = field};
    struct reader reader = {.arena = arena, .signature = signature, .reason = ""};
    if (!taglist_parse(tag_text, &signature->tags))
        fault(&reader, SIGNATURE_MALFORMED, signature->tags.problem);
    if (kind != SIGNATURE_DKIM && tag_text.p != field->value.p && optional(&reader, "i").p)
        fault(&reader, SIGNATURE_MALFORMED, "duplicate instance (i=)");
    if (kind == SIGNATURE_DKIM)
        read_signature_version(&reader);
    read_names(&reader);
    read_algorithm(&reader);
    read_signature_text(&reader);
    if (kind == SIGNATURE_DKIM)
        read_auid(&reader);
    if (kind != SIGNATURE_ARC_SEAL) {
        read_canons(&reader);
        read_signed_fields(&reader);
        read_body_tags(&reader);
        read_query(&reader);
    }
    read_times(&reader, now);
    *reason = reader.reason;
    return arena_failed(arena) ? SIGNATURE_NO_MEMORY : reader.status;
}
