/* Reading DMARC policy records. See dmarc_record.h. */
#include "dmarc_record.h"

#include "clause.h"
#include "dns.h"

enum dmarc_tag {
    TAG_P,
    TAG_SP,
    TAG_NP,
    TAG_ADKIM,
    TAG_ASPF,
    TAG_PSD,
    TAG_T,
    TAG_PCT,
    TAG_RUA,
    TAG_COUNT
};

static const struct {
    struct bytes name;
    bool in_rfc9989, in_rfc7489;
} known_tags[TAG_COUNT] = {
    [TAG_P] = {BYTES_INIT("p"), true, true},       [TAG_SP] = {BYTES_INIT("sp"), true, true},
    [TAG_NP] = {BYTES_INIT("np"), true, false},    [TAG_ADKIM] = {BYTES_INIT("adkim"), true, true},
    [TAG_ASPF] = {BYTES_INIT("aspf"), true, true}, [TAG_PSD] = {BYTES_INIT("psd"), true, false},
    [TAG_T] = {BYTES_INIT("t"), true, false},      [TAG_PCT] = {BYTES_INIT("pct"), false, true},
    [TAG_RUA] = {BYTES_INIT("rua"), true, true},
};

/* The values of the tags that matter, p == NULL where a tag is not there. */
struct values {
    struct bytes of[TAG_COUNT];
};

const char *dmarc_policy_name(enum dmarc_policy policy)
{
    static const char *const names[] = {"none", "quarantine", "reject"};
    return names[policy];
}

static enum dmarc_tag find_tag(struct bytes name, enum dmarc_edition edition)
{
    for (enum dmarc_tag tag = 0; tag < TAG_COUNT; tag++)
        if ((edition == DMARC_RFC9989 ? known_tags[tag].in_rfc9989 : known_tags[tag].in_rfc7489) &&
            bytes_equal_nocase(name, known_tags[tag].name))
            return tag;
    return TAG_COUNT;
}

/* dmarc-version, which nothing may precede, not even a blank. */
static bool is_version(struct bytes first)
{
    size_t equals = bytes_find(first, '=');
    return equals != BYTES_NOT_FOUND && first.n > 0 && ascii_lower(first.p[0]) == 'v' &&
           bytes_trim(bytes_first(bytes_from(first, 1), equals - 1)).n == 0 &&
           bytes_equal(bytes_trim(bytes_from(first, equals + 1)), BYTES("DMARC1"));
}

static struct values read_values(struct bytes rest, enum dmarc_edition edition)
{
    struct values values = {0};
    while (rest.p) {
        struct bytes part = bytes_cut(&rest, ';');
        size_t equals = bytes_find(part, '=');
        enum dmarc_tag tag = find_tag(bytes_trim(bytes_first(part, equals)), edition);
        if (equals != BYTES_NOT_FOUND && tag != TAG_COUNT && !values.of[tag].p)
            values.of[tag] = bytes_trim(bytes_from(part, equals + 1));
    }
    return values;
}

static bool read_policy(struct bytes value, enum dmarc_policy *policy)
{
    for (enum dmarc_policy i = DMARC_POLICY_NONE; i <= DMARC_POLICY_REJECT; i++)
        if (bytes_equal_nocase(value, bytes_of(dmarc_policy_name(i)))) {
            *policy = i;
            return true;
        }
    return false;
}

static bool is_uri_octet(char octet)
{
    return ascii_is_alnum(octet) ||
           bytes_find(BYTES("-._~:/?#[]@$&'()*+;=%"), octet) != BYTES_NOT_FOUND;
}

/* An absolute URI by the octets RFC 3986 allows, commas and exclamation marks excluded (RFC 9989
 * 4.8), with the size limit that used to follow one. */
static bool is_reporting_uri(struct bytes uri)
{
    struct bytes rest = uri;
    struct bytes bare = bytes_cut(&rest, '!');
    size_t colon = bytes_find(bare, ':');
    if (colon == BYTES_NOT_FOUND || colon == 0 || colon + 1 == bare.n || !ascii_is_alpha(bare.p[0]))
        return false;
    for (size_t i = 0; i < bare.n; i++) {
        bool in_scheme =
            ascii_is_alnum(bare.p[i]) || bytes_find(BYTES("+-."), bare.p[i]) != BYTES_NOT_FOUND;
        if (i < colon ? !in_scheme : !is_uri_octet(bare.p[i]))
            return false;
    }
    return true;
}

static bool has_reporting_uri(struct bytes list)
{
    while (list.p)
        if (is_reporting_uri(bytes_trim(bytes_cut(&list, ','))))
            return true;
    return false;
}

/* Where p= is missing RFC 9989 4.7 has a default for it, and RFC 7489 6.6.3 has not. */
static void read_policies(const struct values *values, enum dmarc_edition edition,
                          struct dmarc_record *record)
{
    bool valid = CLAUSE(DMARC_26, edition == DMARC_RFC9989) && !values->of[TAG_P].p;
    if (values->of[TAG_P].p)
        valid = read_policy(values->of[TAG_P], &record->policy);
    record->subdomain_policy = record->policy;
    if (values->of[TAG_SP].p)
        valid &= read_policy(values->of[TAG_SP], &record->subdomain_policy);
    record->nonexistent_policy = record->subdomain_policy;
    if (values->of[TAG_NP].p)
        valid &= read_policy(values->of[TAG_NP], &record->nonexistent_policy);

    record->usable = valid || has_reporting_uri(values->of[TAG_RUA]);
    record->has_subdomain_policy = valid && values->of[TAG_SP].p;
    record->has_nonexistent_policy = valid && values->of[TAG_NP].p;
    if (!valid) {
        record->policy = DMARC_POLICY_NONE;
        record->subdomain_policy = DMARC_POLICY_NONE;
        record->nonexistent_policy = DMARC_POLICY_NONE;
    }
}

bool dmarc_record_parse(struct bytes text, enum dmarc_edition edition, struct dmarc_record *record)
{
    static const unsigned ALL = 100;
    const size_t size = text.n;
    if (!is_version(bytes_cut(&text, ';')))
        return false;
    *record = (struct dmarc_record){.percent = ALL};
    if (CLAUSE(DMARC_27, size > DNS_POLICY_TEXT_MAX))
        return true; /* it is one, and not usable */
    struct values values = read_values(text, edition);
    *record = (struct dmarc_record){
        .strict_dkim = bytes_equal_nocase(values.of[TAG_ADKIM], BYTES("s")),
        .strict_spf = bytes_equal_nocase(values.of[TAG_ASPF], BYTES("s")),
        .testing = bytes_equal_nocase(values.of[TAG_T], BYTES("y")),
        .percent = ALL,
    };
    if (bytes_equal_nocase(values.of[TAG_PSD], BYTES("y")))
        record->psd = DMARC_PSD_YES;
    else if (bytes_equal_nocase(values.of[TAG_PSD], BYTES("n")))
        record->psd = DMARC_PSD_NO;
    uint64_t percent;
    if (bytes_to_number(values.of[TAG_PCT], ALL, &percent))
        record->percent = (unsigned)percent;
    read_policies(&values, edition, record);
    return true;
}
