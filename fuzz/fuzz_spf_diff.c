/* SPF natively against libspf2, over one DNS. The input's first three lines are the client's
 * address, HELO and the reverse-path; the rest is records (dns_input.h). The results are the same,
 * but where libspf2 is known to depart from RFC 7208. */
#include "dns_input.h"
#include "fuzz.h"
#include "oracle.h"

enum { INPUT_MAX = 4096 };

/* One input through both. */
struct comparison {
    const struct dns_input *dns;
    const struct spf_request *request;
    struct spf_outcome native, library;
};

static bool has(struct bytes text, const char *part)
{
    struct bytes wanted = bytes_of(part);
    for (; text.n >= wanted.n; text = bytes_from(text, 1))
        if (bytes_starts_with_nocase(text, wanted))
            return true;
    return false;
}

static bool any_text(const struct comparison *comparison, bool (*test)(struct bytes text))
{
    for (size_t i = 0; i < comparison->dns->text_count; i++)
        if (test(comparison->dns->texts[i]))
            return true;
    return false;
}

/* 4.6.1, 7.1, 6: it accepts nearly anything as a domain-spec and as the value of a modifier,
 * leading zeros, "redirect:", and a modifier given twice. */
static bool accepts_wrong_syntax(const struct comparison *comparison)
{
    static const char *const accepted[] = {"invalid domain-spec", "invalid modifier value",
                                           "invalid prefix length", "modifier given twice"};
    if (comparison->native.result != SPF_PERMERROR)
        return false;
    struct bytes problem = bytes_of(comparison->native.problem);
    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++)
        if (bytes_ends_with_nocase(problem, bytes_of(accepted[i])))
            return true;
    return has(problem, "redirect:") || has(problem, "exp:");
}

/* 4.6.4: it counts no void lookups. */
static bool counts_no_void_lookups(const struct comparison *comparison)
{
    return comparison->native.void_lookups > 2;
}

/* 4.6.4: it lets eleven terms pass, and does not count all those of included records. */
static bool counts_few_terms(const struct comparison *comparison)
{
    return has(bytes_of(comparison->native.problem), "more than 10 terms");
}

/* 4.6.4: it tries the first ten MX records or addresses, and that is all. */
static bool allows_many_hosts(const struct comparison *comparison)
{
    struct bytes problem = bytes_of(comparison->native.problem);
    return has(problem, "more than 10 MX records") || has(problem, "more than 10 addresses");
}

static bool has_zero_prefix(struct bytes text)
{
    return has(text, "/0");
}

/* 5.6, 12: it refuses a prefix length of 0. */
static bool refuses_prefix_zero(const struct comparison *comparison)
{
    return comparison->library.result == SPF_PERMERROR && any_text(comparison, has_zero_prefix);
}

static bool has_ptr(struct bytes text)
{
    return has(text, "ptr") || has(text, "%{p");
}

/* 5.5: a failure of DNS while it validates names is its temperror. */
static bool fails_with_ptr(const struct comparison *comparison)
{
    return comparison->dns->failed && comparison->library.result == SPF_TEMPERROR &&
           any_text(comparison, has_ptr);
}

/* 4.6.4: more than ten names of a client are its permerror, not ignored. */
static bool refuses_many_names(const struct comparison *comparison)
{
    return comparison->dns->many_answers && comparison->library.result == SPF_PERMERROR &&
           any_text(comparison, has_ptr);
}

static bool has_name_macro(struct bytes text)
{
    return has(text, "%{p");
}

/* 7.3: %{p} is the first validated name, not the one that suits the domain best. */
static bool prefers_no_name(const struct comparison *comparison)
{
    return any_text(comparison, has_name_macro);
}

static bool has_term_after_redirect(struct bytes text)
{
    while (text.p && !bytes_starts_with_nocase(text, BYTES("redirect=")))
        bytes_cut(&text, ' ');
    bytes_cut(&text, ' ');
    return text.n > 0;
}

/* 6.1: it follows a redirect where it stands. */
static bool redirects_early(const struct comparison *comparison)
{
    return any_text(comparison, has_term_after_redirect);
}

/* 7.3: where it keeps as many parts as there are or more, the first loses an octet; it knows no
 * delimiter but dot and hyphen, and no R. It can keep one part of a name of two labels, as %{d} and
 * %{o} are. */
static bool has_transformer(struct bytes text)
{
    for (; text.n > 0; text = bytes_from(text, 1)) {
        if (!bytes_starts_with_nocase(text, BYTES("%{")) || text.n < 4)
            continue;
        struct bytes rest = bytes_from(text, 3);
        if (has(BYTES("do"), (const char[]){text.p[2], 0}) && rest.p[0] == '1' &&
            (rest.n == 1 || !ascii_is_digit(rest.p[1])))
            rest = bytes_from(rest, 1);
        if (rest.n > 0 && rest.p[0] == 'r')
            rest = bytes_from(rest, 1);
        if (rest.n > 0 && rest.p[0] != '}')
            return true;
    }
    return false;
}

static bool transforms_wrongly(const struct comparison *comparison)
{
    return any_text(comparison, has_transformer);
}

static bool has_escaping_macro(struct bytes text)
{
    for (; text.n > 2; text = bytes_from(text, 1))
        if (bytes_starts_with_nocase(text, BYTES("%{")) && text.p[2] >= 'A' && text.p[2] <= 'Z')
            return true;
    return false;
}

/* 7.3: it escapes by an older rule, which leaves "!*'()" as they are. */
static bool escapes_little(const struct comparison *comparison)
{
    return any_text(comparison, has_escaping_macro);
}

/* 7.3: it does not shorten a name beyond 253 octets. The longest macro is %{i} of IPv6. */
static bool leaves_names_long(const struct comparison *comparison)
{
    enum { NAME_MAX_OCTETS = 253, LONGEST_ADDRESS = 63 };
    const struct spf_request *request = comparison->request;
    size_t longest = request->mail_from.n + request->helo.n + LONGEST_ADDRESS;
    for (size_t i = 0; i < comparison->dns->text_count; i++)
        for (struct bytes text = comparison->dns->texts[i]; text.p;) {
            struct bytes word = bytes_cut(&text, ' ');
            size_t length = word.n;
            for (; word.n > 0; word = bytes_from(word, 1))
                length += word.p[0] == '%' ? longest : 0;
            if (length > NAME_MAX_OCTETS)
                return true;
        }
    return false;
}

static bool has_long_term(struct bytes text)
{
    enum { TERM_MAX = 63, NETWORK_MAX = 19 };
    while (text.p) {
        struct bytes word = bytes_cut(&text, ' ');
        if (word.n > TERM_MAX || (word.n > NETWORK_MAX && (has(word, "ip4:") || has(word, "ip6:"))))
            return true;
    }
    return false;
}

/* 4.6.1: it skips what is longer than it can hold, and what follows: terms, and addresses of more
 * octets than any. */
static bool skips_long_terms(const struct comparison *comparison)
{
    return any_text(comparison, has_long_term);
}

static bool has_odd_modifier(struct bytes text)
{
    while (text.p) {
        struct bytes word = bytes_cut(&text, ' '), name = bytes_cut(&word, '=');
        for (size_t i = 0; word.p && i < name.n; i++)
            if (!ascii_is_alnum(name.p[i]))
                return true;
    }
    return false;
}

/* 4.6.1, 12: it knows no dot, hyphen or underscore in the name of a modifier. */
static bool refuses_modifier_names(const struct comparison *comparison)
{
    return comparison->library.result == SPF_PERMERROR && any_text(comparison, has_odd_modifier);
}

/* 4.8 leaves open what a name means that is none; natively it has no record. */
static bool asks_impossible_names(const struct comparison *comparison)
{
    return has(bytes_of(comparison->native.problem), "not a multi-label domain name");
}

static bool (*const departures[])(const struct comparison *comparison) = {
    accepts_wrong_syntax,   counts_no_void_lookups, counts_few_terms,   refuses_prefix_zero,
    fails_with_ptr,         redirects_early,        transforms_wrongly, leaves_names_long,
    skips_long_terms,       allows_many_hosts,      refuses_many_names, prefers_no_name,
    refuses_modifier_names, asks_impossible_names,  escapes_little,
};

static bool is_known(const struct comparison *comparison)
{
    for (size_t i = 0; i < sizeof departures / sizeof departures[0]; i++)
        if (departures[i](comparison))
            return true;
    return false;
}

/* Explanations are compared where both found one. Hexadecimal digits may differ in case; it leaves
 * the final dot of a domain (7.3), and mangles the blanks of an explanation that reads like a
 * record, which spf_libspf2.c can only escape in others. */
static bool is_same(const struct comparison *comparison)
{
    const struct spf_outcome *native = &comparison->native, *library = &comparison->library;
    if (native->result != library->result)
        return false;
    return bytes_equal_nocase(native->explanation, library->explanation) ||
           bytes_equal(native->explanation, comparison->request->default_explanation) ||
           bytes_equal(library->explanation, comparison->request->default_explanation) ||
           bytes_ends_with_nocase(native->domain, BYTES(".")) ||
           bytes_starts_with_nocase(native->explanation, BYTES("v=spf1 "));
}

static void show(const struct comparison *comparison)
{
    const struct spf_outcome *native = &comparison->native, *library = &comparison->library;
    fprintf(stderr,
            "native: %s, \"%.*s\", %u terms, %u void, %s\nlibspf2: %s, \"%.*s\", %u terms, %s\n",
            spf_result_name(native->result), BYTES_ARG(native->explanation), native->lookups,
            native->void_lookups, native->problem ? native->problem : "no problem",
            spf_result_name(library->result), BYTES_ARG(library->explanation), library->lookups,
            library->problem ? library->problem : "no problem");
}

/* As an explanation, which any record can be asked for as, a long one overruns the library's
 * buffers. */
static bool overruns_library(struct bytes records)
{
    enum { HARMLESS = 255 };
    while (records.n > 0) {
        struct bytes line = bytes_cut(&records, '\n');
        if (line.n > HARMLESS && has(line, "%"))
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = {(const char *)data, size};
    struct dns_input dns;
    struct spf_request request = {.receiver = BYTES("mx.example.net"),
                                  .explain = true,
                                  .default_explanation = BYTES("DEFAULT")};
    if (size > INPUT_MAX || !ip_parse(bytes_cut(&input, '\n'), &request.client))
        return 0;
    request.helo = bytes_cut(&input, '\n');
    request.mail_from = bytes_cut(&input, '\n');
    dns_input_start(&dns, input);
    if (overruns_library(input))
        return 0;
    if (bytes_find(request.helo, '\0') != BYTES_NOT_FOUND ||
        bytes_find(request.mail_from, '\0') != BYTES_NOT_FOUND)
        return 0; /* not in SMTP (RFC 5321 4.5.2), and the library takes C strings */
    if (bytes_find(request.helo, '@') != BYTES_NOT_FOUND)
        return 0; /* not in a HELO name (RFC 5321 4.1.1.1); the library takes what follows it */
    struct comparison comparison = {.dns = &dns, .request = &request};
    struct arena *arena = arena_new(0);
    spf_check(&dns.dns, arena, &request, &comparison.native);
    spf_libspf2(&dns.dns, arena, &request, &comparison.library);
    if (!is_same(&comparison) && !is_known(&comparison)) {
        show(&comparison);
        abort();
    }
    arena_free(arena);
    return 0;
}
