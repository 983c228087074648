/* DKIM public keys in DNS. See key_record.h.
 *
 * RFC 6376 3.6.1 requires an RSAPublicKey, while its examples and all records in use hold a
 * SubjectPublicKeyInfo with that key inside (erratum 3017); both are read. */
#include "key_record.h"

#include "base64.h"
#include "clause.h"
#include "crypto_memory.h"
#include "taglist.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

enum {
    /* Verifying costs time in proportion to the square of the one and to the other;
     * specification.md#bounds-keys. */
    RSA_BITS_MAX = 4096,
    RSA_EXPONENT_BITS_MAX = 32,
    RECORDS_MAX = 4 /* tried at one name; RFC 6376 3.6.2.2 allows one */
};

/* What one TXT record says. */
struct key_record {
    enum key_type type;
    bool revoked;        /* p= is empty */
    bool sha256_allowed; /* h= is absent or lists sha256 */
    bool email_allowed;  /* s= is absent or lists "email" or "*" */
    bool testing;        /* t=y */
    bool no_subdomains;  /* t=s */
    struct bytes data;   /* p= decoded; empty when revoked */
};

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

/* What is wrong with the tags of a record, whatever they mean; NULL if nothing is. */
static const char *record_problem(const struct taglist *list)
{
    const struct tag *version = taglist_find(list, "v");
    const struct tag *type = taglist_find(list, "k");
    if (version && (version != list->tags || !bytes_equal(version->value, BYTES("DKIM1"))))
        return "v= is not DKIM1 or not the first tag";
    if (!is_word_list(taglist_find(list, "h")) || !is_word_list(taglist_find(list, "s")) ||
        !is_word_list(taglist_find(list, "t")))
        return "malformed list in h=, s= or t=";
    if (type && !is_hyphenated_word(type->value))
        return "malformed k=";
    return taglist_find(list, "p") ? NULL : "missing p=";
}

/* True if the tag lists the word, or is not there. Words fold case like every literal of the
 * grammar that RFC 6376 does not spell in hexadecimal (RFC 5234 2.3). */
static bool allows(const struct tag *tag, struct bytes word)
{
    return !tag || taglist_has_element(tag->value, word);
}

/* Reads one record, its strings already joined. False, with the reason in *problem, if it is not a
 * key record. */
static bool read_key_record(struct arena *arena, struct bytes text, struct key_record *record,
                            const char **problem)
{
    struct taglist list;
    *problem = taglist_parse(text, &list) ? record_problem(&list) : list.problem;
    if (*problem)
        return false;
    const struct tag *type = taglist_find(&list, "k"), *data = taglist_find(&list, "p");
    const struct tag *service = taglist_find(&list, "s"), *flags = taglist_find(&list, "t");
    *record = (struct key_record){
        .type = !type || bytes_equal_nocase(type->value, BYTES("rsa")) ? KEY_RSA
                : bytes_equal_nocase(type->value, BYTES("ed25519"))    ? KEY_ED25519
                                                                       : KEY_OTHER,
        .revoked = data->value.n == 0,
        .sha256_allowed = CLAUSE(DKIM_04, allows(taglist_find(&list, "h"), BYTES("sha256"))),
        .email_allowed = allows(service, BYTES("email")) || allows(service, BYTES("*")),
        .testing = flags && taglist_has_element(flags->value, BYTES("y")),
        .no_subdomains = flags && taglist_has_element(flags->value, BYTES("s")),
    };
    if (!record->revoked)
        record->data = base64_decode(arena, data->value);
    *problem = "invalid base64 in p=";
    return record->revoked || record->data.p;
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

static void use_ed25519(struct bytes data, struct public_key *key)
{
    key->pkey =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)data.p, data.n);
    if (key->pkey)
        key->bits = ED25519_BITS;
    else
        key->reason = "not an Ed25519 key of 32 octets";
}

/* OpenSSL bounds the exponent only where the modulus has more than 3072 bits. */
static unsigned exponent_bits(const EVP_PKEY *pkey)
{
    BIGNUM *exponent = NULL;
    unsigned bits = UINT_MAX;
    if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1)
        bits = (unsigned)BN_num_bits(exponent);
    BN_free(exponent);
    return bits;
}

static void use_rsa(struct bytes data, struct public_key *key)
{
    EVP_PKEY *pkey = read_rsa(data);
    if (!pkey) {
        key->reason = "not a DER-encoded RSA key";
        return;
    }
    key->bits = (unsigned)EVP_PKEY_get_bits(pkey);
    if (CLAUSE(DKIM_11, key->bits < RSA_BITS_MIN)) {
        key->reason = "RSA key is shorter than 1024 bits (RFC 8301 3.2)";
        EVP_PKEY_free(pkey);
    } else if (CLAUSE(DKIM_21, key->bits > RSA_BITS_MAX)) {
        key->reason = "RSA key is longer than 4096 bits";
        EVP_PKEY_free(pkey);
    } else if (CLAUSE(DKIM_18, exponent_bits(pkey) > RSA_EXPONENT_BITS_MAX)) {
        key->reason = "RSA public exponent is longer than 32 bits";
        EVP_PKEY_free(pkey);
    } else {
        key->pkey = pkey;
    }
}

/* Takes the key out of the record if it can check a sha256 signature of `type`, or says why it
 * cannot: 6.1.2 steps 5 to 8. */
static void use_record(const struct key_record *record, enum key_type type, struct public_key *key)
{
    if (!record->email_allowed) {
        key->reason = "key is not valid for email (s=)";
    } else if (!record->sha256_allowed) {
        key->reason = "key does not allow sha256 (h=)";
    } else if (record->revoked) {
        key->reason = "key has been revoked";
    } else if (record->type != type) {
        key->reason = "key type does not match the signature";
    } else {
        key->testing = record->testing;
        key->no_subdomains = record->no_subdomains;
        if (type == KEY_ED25519)
            use_ed25519(record->data, key);
        else
            use_rsa(record->data, key);
    }
}

static const char *malformed_record(struct arena *arena, const char *problem)
{
    struct bytes reason = arena_printf(arena, "malformed key record: %s", problem);
    return reason.p ? reason.p : "malformed key record";
}

enum key_status key_fetch(struct arena *arena, struct dns *dns, struct bytes selector,
                          struct bytes domain, enum key_type type, struct public_key *key)
{
    *key = (struct public_key){.type = type, .reason = ""};
    struct dns_answer answer;
    struct bytes name =
        arena_printf(arena, "%.*s._domainkey.%.*s", BYTES_ARG(selector), BYTES_ARG(domain));
    dns_query(dns, arena, name, DNS_TXT, 0, &answer);
    if (answer.no_memory)
        return KEY_NO_MEMORY;
    if (CLAUSE(DKIM_15, answer.status == DNS_TEMPFAIL)) {
        key->reason = answer.problem ? answer.problem : "DNS did not answer";
        return KEY_UNAVAILABLE;
    }
    if (answer.status != DNS_OK) {
        key->reason = "no key for signature";
        return BREAK(DKIM_26, KEY_UNUSABLE, KEY_UNAVAILABLE);
    }
    unsigned failures = crypto_memory_failures();
    for (size_t i = 0; i < answer.count && CLAUSE(DKIM_37, i < RECORDS_MAX) && !key->pkey; i++) {
        struct key_record record;
        const char *problem;
        if (CLAUSE(DKIM_20, answer.records[i].text.n > DNS_POLICY_TEXT_MAX))
            key->reason = "key record of more than 8192 octets";
        else if (read_key_record(arena, answer.records[i].text, &record, &problem))
            use_record(&record, type, key);
        else
            key->reason = malformed_record(arena, problem);
    }
    ERR_clear_error(); /* of records that hold no key */
    if (key->pkey)
        return KEY_FOUND;
    return crypto_memory_failures() == failures ? BREAK(DKIM_28, KEY_UNUSABLE, KEY_UNAVAILABLE)
                                                : KEY_NO_MEMORY;
}
