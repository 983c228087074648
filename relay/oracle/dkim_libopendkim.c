/* DKIM verification by libopendkim 2.11. See oracle.h.
 *
 * The library is given only signatures that signature_read.c accepts, since by itself it accepts:
 *  - rsa-sha1 (RFC 8301 3.1);
 *  - a second From field, without DKIM_LIBFLAGS_STRICTHDRS, and `From :` even with it;
 *  - l= that excludes appended text;
 *  - keys with t=y, and i= in a subdomain under a key with t=s: both only set a flag;
 *  - duplicate tags, and other violations of RFC 6376 3.2 and 6.1.1.
 * Not caught here: it accepts key records with a duplicate tag, with v= last, or with an RSA key
 * under k=ed25519; of several key records it uses the first; x= is compared with the real time, not
 * with the fixed one; t=0 is in the future. tests/harness/test_vectors_dkim.py has the list. It
 * reports the size of an Ed25519 key as 0, and leaks memory when it signs with one; it never signs
 * here. */
#include "clock.h"
#include "dkim_engine.h"
#include "oracle.h"

#include <opendkim/dkim.h>
#include <string.h>

/* For the library's key lookup. */
struct key_lookup {
    struct arena *arena;
    struct dns *dns;
};

/* The library's key lookup, through our resolver. */
static DKIM_CBSTAT look_up_key(DKIM *dkim, DKIM_SIGINFO *sig, unsigned char *text, size_t size)
{
    const struct key_lookup *lookup = dkim_get_user_context(dkim);
    struct dns_answer answer;
    struct bytes name =
        arena_printf(lookup->arena, "%s._domainkey.%s", (const char *)dkim_sig_getselector(sig),
                     (const char *)dkim_sig_getdomain(sig));
    dns_query(lookup->dns, lookup->arena, name, DNS_TXT, 0, &answer);
    if (answer.status == DNS_TEMPFAIL)
        return DKIM_CBSTAT_TRYAGAIN;
    if (answer.status != DNS_OK || answer.records[0].text.n >= size)
        return DKIM_CBSTAT_NOTFOUND;
    memcpy(text, answer.records[0].text.p, answer.records[0].text.n);
    text[answer.records[0].text.n] = '\0';
    return DKIM_CBSTAT_CONTINUE;
}

static DKIM_LIB *open_library(void)
{
    DKIM_LIB *library = dkim_init(NULL, NULL);
    unsigned int flags = DKIM_LIBFLAGS_DELAYSIGPROC; /* verify the others even if one key fails */
    uint64_t now = (uint64_t)clock_wall();
    if (!library)
        return NULL;
    (void)dkim_options(library, DKIM_OP_SETOPT, DKIM_OPTS_FLAGS, &flags, sizeof flags);
    (void)dkim_options(library, DKIM_OP_SETOPT, DKIM_OPTS_FIXEDTIME, &now, sizeof now);
    (void)dkim_set_key_lookup(library, look_up_key);
    return library;
}

/* Passes the message to the library. */
static void feed_library(DKIM *dkim, const struct message *message)
{
    /* The library keeps room for as many signed fields as there are, and then adds the signature:
       too few where h= chooses all fields and DKIM-Signature as well. */
    static const char spare[] = "X-Spare-Field: 1";
    (void)dkim_header(dkim, (unsigned char *)spare, sizeof spare - 1);
    for (size_t i = 0; i < message->field_count; i++) {
        const struct header_field *field = &message->fields[i];
        struct bytes raw = field->raw; /* with trailing whitespace (RFC 6376 3.4.1) */
        if (bytes_ends_with_nocase(raw, BYTES("\r\n")))
            raw.n -= 2;
        if (!field->malformed)
            (void)dkim_header(dkim, (unsigned char *)raw.p, raw.n);
    }
    if (dkim_eoh(dkim) != DKIM_STAT_OK)
        return;
    (void)dkim_body(dkim, (unsigned char *)message->body.p, message->body.n);
    (void)dkim_eom(dkim, NULL);
}

/* The library's handle of the signature, found by its b=. */
static DKIM_SIGINFO *find_signature(DKIM *dkim, struct arena *arena, struct bytes text)
{
    DKIM_SIGINFO **sigs = NULL;
    int count = 0;
    if (dkim_getsiglist(dkim, &sigs, &count) != DKIM_STAT_OK)
        return NULL;
    for (int i = 0; i < count; i++) {
        const char *b = (const char *)dkim_sig_gettagvalue(sigs[i], false, (unsigned char *)"b");
        if (b && bytes_equal(taglist_without_space(arena, bytes_of(b)), text))
            return sigs[i];
    }
    return NULL;
}

static enum signature_status status_of(DKIM *dkim, DKIM_SIGINFO *sig)
{
    DKIM_STAT processed = dkim_sig_process(dkim, sig); /* does nothing if it was processed before */
    if (processed == DKIM_STAT_CBTRYAGAIN)
        return SIGNATURE_UNAVAILABLE;
    if (DKIM_SIG_CHECK(sig))
        return SIGNATURE_GOOD;
    switch (dkim_sig_geterror(sig)) {
    case DKIM_SIGERROR_KEYFAIL:
        return SIGNATURE_UNAVAILABLE;
    case DKIM_SIGERROR_OK: /* only the body hash does not match */
    case DKIM_SIGERROR_BADSIG:
        return SIGNATURE_BAD;
    default:
        return SIGNATURE_REFUSED;
    }
}

/* One verification by the library. */
struct library {
    DKIM *dkim;
    const struct message *message;
};

/* The library stops counting the canonical body at l=, so its whole length is ours. */
static bool covers_whole_body(struct arena *arena, const struct message *message,
                              const struct signature *signature)
{
    uint8_t digest[SHA256_SIZE];
    bool whole = true;
    struct body_hash *body = body_hash_new(arena, message->body);
    if (body)
        (void)body_hash_get(body, signature->body_canon, signature->body_limit, digest, &whole);
    return whole;
}

static void check_signature_by_library(void *context, struct arena *arena,
                                       const struct signature *signature,
                                       struct signature_check *check)
{
    const struct library *library = context;
    DKIM_SIGINFO *sig = find_signature(library->dkim, arena, signature->text);
    *check = (struct signature_check){.status = SIGNATURE_REFUSED,
                                      .reason = "libopendkim rejected the signature"};
    if (!sig || message_count(library->message, BYTES("From")) != 1)
        return;
    check->status = status_of(library->dkim, sig);
    (void)dkim_sig_getkeysize(sig, &check->bits);
    if (signature->key_type == KEY_ED25519)
        check->bits = ED25519_BITS;
    const char *reason = dkim_sig_geterrorstr(dkim_sig_geterror(sig));
    check->reason = check->status == SIGNATURE_GOOD ? "" : reason ? reason : "unknown error";
    check->testing = dkim_sig_getflags(sig) & DKIM_SIGFLAG_TESTKEY;
    if (dkim_sig_getflags(sig) & DKIM_SIGFLAG_NOSUBDOMAIN && signature->below_domain)
        check->status = SIGNATURE_REFUSED;
    check->whole_body = covers_whole_body(arena, library->message, signature);
}

static bool verify_by_library(struct arena *arena, const struct message *message, struct dns *dns,
                              struct dkim_results *results)
{
    struct key_lookup lookup = {arena, dns};
    DKIM_STAT status;
    DKIM_LIB *handle = open_library();
    struct library library = {.message = message};
    bool done = false;
    if (handle)
        library.dkim = dkim_verify(handle, (const unsigned char *)"message", NULL, &status);
    if (library.dkim && dkim_set_user_context(library.dkim, &lookup) == DKIM_STAT_OK) {
        feed_library(library.dkim, message);
        done = dkim_verify_with(arena, message, check_signature_by_library, &library, results);
    }
    if (library.dkim)
        (void)dkim_free(library.dkim);
    if (handle)
        dkim_close(handle);
    return done;
}

dkim_engine *const dkim_libopendkim = verify_by_library;
