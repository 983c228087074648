/* SPF records: RFC 7208 4.5 (selecting), 4.6.1 (terms), 5 and 6 (their arguments), by the collected
 * grammar of section 12. See spf_record.h. */
#include "spf_record.h"

#include "clause.h"
#include "cursor.h"
#include "spf_macro.h"

#include <arpa/inet.h>
#include <string.h>

static const struct bytes version = {"v=spf1", 6};

/* What may follow a mechanism's name. */
enum argument {
    TAKES_NOTHING,
    NEEDS_DOMAIN,          /* ":" domain-spec */
    TAKES_DOMAIN,          /* [":" domain-spec] */
    TAKES_DOMAIN_AND_CIDR, /* [":" domain-spec] [dual-cidr-length] */
    NEEDS_IP4_NETWORK,
    NEEDS_IP6_NETWORK
};

static const struct {
    const char *name;
    enum spf_term_kind kind;
    enum argument argument;
} mechanisms[] = {
    {"all", SPF_ALL, TAKES_NOTHING},     {"include", SPF_INCLUDE, NEEDS_DOMAIN},
    {"a", SPF_A, TAKES_DOMAIN_AND_CIDR}, {"mx", SPF_MX, TAKES_DOMAIN_AND_CIDR},
    {"ptr", SPF_PTR, TAKES_DOMAIN},      {"ip4", SPF_IP4, NEEDS_IP4_NETWORK},
    {"ip6", SPF_IP6, NEEDS_IP6_NETWORK}, {"exists", SPF_EXISTS, NEEDS_DOMAIN},
};

static bool is_name_octet(char c)
{
    return ascii_is_alnum(c) || c == '-' || c == '_' || c == '.';
}

/* "/" and a number without leading zeros at the end of `text`: cuts it off and sets *bits. Leaves
 * both alone when there is none. False when the number is malformed or too large. */
static bool take_cidr(struct bytes *text, unsigned max, uint8_t *bits)
{
    size_t digits = 0;
    while (digits < text->n && ascii_is_digit(text->p[text->n - 1 - digits]))
        digits++;
    if (digits == text->n || text->p[text->n - 1 - digits] != '/')
        return true;
    struct bytes number = bytes_from(*text, text->n - digits);
    uint64_t value;
    if (!bytes_to_number(number, max, &value) || (number.n > 1 && number.p[0] == '0'))
        return false;
    *bits = (uint8_t)value;
    text->n -= digits + 1;
    return true;
}

/* [ip4-cidr-length] ["/" ip6-cidr-length]: "/24", "//64" or "/24//64". The domain-spec before it
 * cannot end in "/" and digits, so it is found from the right. */
static bool take_dual_cidr(struct bytes *text, struct spf_term *term)
{
    struct bytes whole = *text;
    uint8_t bits = 0;
    if (!take_cidr(text, 128, &bits))
        return false;
    if (text->n < whole.n && text->n > 0 && text->p[text->n - 1] == '/') {
        term->bits6 = bits;
        text->n--;
    } else {
        *text = whole;
    }
    return take_cidr(text, 32, &term->bits4);
}

static bool refuse_term(struct spf_term *term, const char *problem)
{
    term->problem = problem;
    return false;
}

static bool parse_network(struct bytes text, int family, struct spf_term *term)
{
    char string[INET6_ADDRSTRLEN];
    bool is_v4 = family == AF_INET;
    if (!take_cidr(&text, is_v4 ? 32 : 128, is_v4 ? &term->bits4 : &term->bits6))
        return refuse_term(term, "invalid prefix length");
    if (text.n == 0 || text.n >= sizeof string || bytes_find(text, '\0') != BYTES_NOT_FOUND)
        return refuse_term(term, "invalid address");
    memcpy(string, text.p, text.n);
    string[text.n] = '\0';
    /* Not ip_parse(): a mapped address in ip6 must not become an IPv4 one (RFC 7208 5: those are
     * listed with ip4 only). */
    if (inet_pton(family, string, term->network.octet) != 1)
        return refuse_term(term, "invalid address");
    term->network.length = is_v4 ? 4 : 16;
    return true;
}

static bool parse_domain(struct bytes text, struct spf_term *term)
{
    if (!spf_is_domain_spec(text))
        return refuse_term(term, "invalid domain-spec");
    term->domain_spec = text;
    return true;
}

/* `text` is what follows the mechanism's name. */
static bool parse_argument(enum argument argument, struct bytes text, struct spf_term *term)
{
    if (argument == TAKES_DOMAIN_AND_CIDR && !take_dual_cidr(&text, term))
        return refuse_term(term, "invalid prefix length");
    if (text.n == 0) {
        bool needed = argument != TAKES_NOTHING && argument != TAKES_DOMAIN &&
                      argument != TAKES_DOMAIN_AND_CIDR;
        return !needed || refuse_term(term, "missing argument");
    }
    if (argument == TAKES_NOTHING || text.p[0] != ':')
        return refuse_term(term, "unexpected text after the mechanism");
    text = bytes_from(text, 1);
    switch (argument) {
    case NEEDS_IP4_NETWORK:
        return parse_network(text, AF_INET, term);
    case NEEDS_IP6_NETWORK:
        return parse_network(text, AF_INET6, term);
    default:
        return parse_domain(text, term);
    }
}

static bool parse_directive(struct bytes text, struct spf_term *term)
{
    switch (text.p[0]) {
    case '-':
        term->result = BREAK(SPF_06_fail, SPF_FAIL, SPF_SOFTFAIL);
        break;
    case '~':
        term->result = BREAK(SPF_02, SPF_SOFTFAIL, SPF_FAIL);
        break;
    case '?':
        term->result = BREAK(SPF_06_neutral, SPF_NEUTRAL, SPF_NONE);
        break;
    default:
        term->result = SPF_PASS;
    }
    if (term->result != SPF_PASS || text.p[0] == '+')
        text = bytes_from(text, 1);
    term->bits4 = 32;
    term->bits6 = 128;
    struct cursor c = cursor_start(text);
    struct bytes name = cursor_take_while(&c, ascii_is_alnum);
    for (size_t i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++) {
        if (!bytes_equal_nocase(name, bytes_of(mechanisms[i].name)))
            continue;
        term->kind = mechanisms[i].kind;
        return parse_argument(mechanisms[i].argument, c.rest, term);
    }
    return refuse_term(term, "unknown mechanism");
}

static bool parse_term(struct bytes text, struct spf_term *term)
{
    *term = (struct spf_term){.text = text};
    struct cursor c = cursor_start(text);
    struct bytes name = cursor_take_while(&c, is_name_octet);
    /* 4.6.1: a modifier has its "=" right after the name. */
    if (!cursor_take(&c, '=') || !ascii_is_alpha(text.p[0]))
        return parse_directive(text, term);
    if (bytes_equal_nocase(name, BYTES("redirect"))) {
        term->kind = SPF_REDIRECT;
        return parse_domain(c.rest, term);
    }
    if (bytes_equal_nocase(name, BYTES("exp"))) {
        term->kind = SPF_EXPLANATION;
        return parse_domain(c.rest, term);
    }
    term->kind = SPF_UNKNOWN_MODIFIER;
    return spf_is_macro_string(c.rest) || refuse_term(term, "invalid modifier value");
}

/* The next term's text; empty at the end. Terms are divided by SP alone, never by tabs. */
static struct bytes next_term_text(struct bytes *terms)
{
    struct bytes word = {0};
    while (terms->p && word.n == 0)
        word = bytes_cut(terms, ' ');
    return word;
}

bool spf_is_record(struct bytes text)
{
    return bytes_starts_with_nocase(text, version) &&
           CLAUSE(SPF_06_version, text.n == version.n || text.p[version.n] == ' ');
}

static bool refuse_record(struct spf_record *record, struct bytes term, const char *problem)
{
    record->problem = problem;
    record->bad_term = term;
    return false;
}

bool spf_record_parse(struct bytes text, struct spf_record *record)
{
    *record = (struct spf_record){.terms = bytes_from(text, version.n)};
    struct bytes rest = record->terms;
    for (;;) {
        struct spf_term term;
        struct bytes word = next_term_text(&rest);
        if (word.n == 0)
            return true;
        if (!parse_term(word, &term))
            return refuse_record(record, word, term.problem);
        if (term.kind != SPF_REDIRECT && term.kind != SPF_EXPLANATION)
            continue;
        struct bytes *modifier =
            term.kind == SPF_REDIRECT ? &record->redirect : &record->explanation;
        if (modifier->n > 0)
            return refuse_record(record, word, "modifier given twice"); /* 6 */
        *modifier = term.domain_spec;
    }
}

bool spf_is_mechanism(const struct spf_term *term)
{
    return term->kind <= SPF_EXISTS;
}

bool spf_next_term(struct bytes *terms, struct spf_term *term)
{
    struct bytes word = next_term_text(terms);
    return word.n > 0 && parse_term(word, term);
}
