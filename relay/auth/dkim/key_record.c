/* DKIM public keys in DNS. See key_record.h.
 *
 * RFC 6376 3.6.1 speaks of an RSAPublicKey, its examples and everybody's records hold a
 * SubjectPublicKeyInfo with that key inside (erratum 3017); both are read. */
#include "key_record.h"

#include "base64.h"
#include "clause.h"
#include "taglist.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

enum {
    RSA_BITS_MOST = 8192, /* verifying costs time in proportion to the square */
    RECORDS_MOST = 4      /* tried at one name; RFC 6376 3.6.2.2 wants one */
};

/* True if the colon-separated tag is absent or lists one of the two words, which fold case like
 * every literal in the grammar that RFC 6376 does not spell in hexadecimal (RFC 5234 2.3). */
static bool lists(const struct taglist *list, const char *tag_name, struct bytes word,
                  struct bytes other, bool if_absent)
{
    const struct tag *tag = taglist_find(list, tag_name);
    if (!tag)
        return if_absent;
    struct bytes rest = tag->value;
    while (rest.p) {
        struct bytes element = taglist_cut_element(&rest);
        if (bytes_equal_nocase(element, word) || bytes_equal_nocase(element, other))
            return true;
    }
    return false;
}

static bool is_hyphenated_word(struct bytes word)
{
    for (size_t i = 0; i < word.n; i++)
        if (!ascii_is_alnum(word.p[i]) && word.p[i] != '-')
            return false;
    return word.n > 0 && ascii_is_alpha(word.p[0]) && word.p[word.n - 1] != '-';
}

/* h=, s= and t= are lists of words (2.10), s= may have "*". */
static bool is_word_list(const struct tag *tag)
{
    struct bytes rest = tag ? tag->value : (struct bytes){NULL, 0};
    while (rest.p) {
        struct bytes element = taglist_cut_element(&rest);
        if (!is_hyphenated_word(element) && !bytes_equal(element, BYTES("*")))
            return false;
    }
    return true;
}

const char *key_record_parse(struct arena *arena, struct bytes text, struct key_record *record)
{
    struct taglist list;
    const char *problem = taglist_parse(text, &list);
    if (problem)
        return problem;
    const struct tag *version = taglist_find(&list, "v");
    if (version && (version != list.tags || !bytes_equal(version->value, BYTES("DKIM1"))))
        return "v= is not DKIM1, or not the first tag";
    if (!is_word_list(taglist_find(&list, "h")) || !is_word_list(taglist_find(&list, "s")) ||
        !is_word_list(taglist_find(&list, "t")))
        return "a malformed list in h=, s= or t=";
    const struct tag *type = taglist_find(&list, "k");
    if (type && !is_hyphenated_word(type->value))
        return "a malformed k=";
    const struct tag *data = taglist_find(&list, "p");
    if (!data)
        return "no p=";
    *record = (struct key_record){
        .type = !type || bytes_equal_nocase(type->value, BYTES("rsa")) ? KEY_RSA
                : bytes_equal_nocase(type->value, BYTES("ed25519"))    ? KEY_ED25519
                                                                       : KEY_OTHER,
        .revoked = data->value.n == 0,
        .sha256_allowed = lists(&list, "h", BYTES("sha256"), BYTES("sha256"), true),
        .email_allowed = lists(&list, "s", BYTES("email"), BYTES("*"), true),
        .testing = lists(&list, "t", BYTES("y"), BYTES("y"), false),
        .no_subdomains = lists(&list, "t", BYTES("s"), BYTES("s"), false),
    };
    if (record->revoked)
        return NULL;
    record->data = base64_decode(arena, data->value);
    return record->data.p ? NULL : "p= is not base64";
}

static EVP_PKEY *read_rsa(struct bytes data)
{
    const unsigned char *p = (const unsigned char *)data.p;
    const unsigned char *end = p + data.n;
    EVP_PKEY *pkey = d2i_PUBKEY(NULL, &p, (long)data.n);
    if (!pkey) {
        p = (const unsigned char *)data.p;
        pkey = d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, (long)data.n);
    }
    if (pkey && (p != end || !EVP_PKEY_is_a(pkey, "RSA"))) {
        EVP_PKEY_free(pkey);
        return NULL;
    }
    return pkey;
}

/* The key in the record, or the reason why it is none for a sha256 signature of `type`: 6.1.2 steps
 * 5 to 8. */
static const char *use_record(const struct key_record *record, enum key_type type,
                              struct public_key *key)
{
    if (!record->email_allowed)
        return "the key is not for e-mail (s=)";
    if (!record->sha256_allowed)
        return "the key does not allow sha256 (h=)";
    if (record->revoked)
        return "the key is revoked";
    if (record->type != type)
        return "the key is of another type than the signature";
    key->testing = record->testing;
    key->no_subdomains = record->no_subdomains;
    if (type == KEY_ED25519) {
        key->pkey = EVP_PKEY_new_raw_public_key(
            EVP_PKEY_ED25519, NULL, (const unsigned char *)record->data.p, record->data.n);
        key->bits = key->pkey ? 256 : 0;
        return key->pkey ? NULL : "the key is not an Ed25519 key of 32 octets";
    }
    EVP_PKEY *pkey = read_rsa(record->data);
    if (!pkey)
        return "the key is not an RSA key in DER";
    key->bits = (unsigned)EVP_PKEY_get_bits(pkey);
    const char *problem = NULL;
    if (CLAUSE(DKIM_11, key->bits < RSA_BITS_LEAST))
        problem = "the RSA key has fewer than 1024 bits (RFC 8301 3.2)";
    else if (key->bits > RSA_BITS_MOST)
        problem = "the RSA key has more than 8192 bits";
    if (problem)
        EVP_PKEY_free(pkey);
    else
        key->pkey = pkey;
    return problem;
}

enum key_status key_fetch(struct arena *arena, struct dns *dns, struct bytes selector,
                          struct bytes domain, enum key_type type, struct public_key *key)
{
    *key = (struct public_key){.type = type, .reason = ""};
    struct dns_answer answer;
    struct bytes name =
        arena_printf(arena, "%.*s._domainkey.%.*s", BYTES_ARG(selector), BYTES_ARG(domain));
    dns_query(dns, arena, name, DNS_TXT, 0, &answer);
    if (CLAUSE(DKIM_15, answer.status == DNS_TEMPFAIL)) {
        key->reason = answer.problem ? answer.problem : "DNS did not answer";
        return KEY_UNAVAILABLE;
    }
    if (answer.status != DNS_OK) {
        key->reason = "no key record";
        return KEY_UNUSABLE;
    }
    for (size_t i = 0; i < answer.count && i < RECORDS_MOST && !key->pkey; i++) {
        struct key_record record;
        key->reason = "malformed key record";
        if (!key_record_parse(arena, answer.records[i].text, &record))
            key->reason = use_record(&record, type, key);
    }
    ERR_clear_error(); /* records that hold no key leave their reasons behind */
    return key->pkey ? KEY_FOUND : KEY_UNUSABLE;
}
