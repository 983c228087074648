/* The Sender Rewriting Scheme. See srs.h. Local parts are handled by their content; writing the
 * address quotes it where a sender's own local part, or address literal, makes that necessary.
 * Clause: SRS-14 */
#include "srs.h"

#include "base64.h"
#include "buffer.h"
#include "clause.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

enum {
    HASH_LENGTH = 4,
    SHA1_SIZE = 20,
    TIMESTAMP_LENGTH = 2,
    SECONDS_A_DAY = 86400,
};

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

enum form { NOT_REWRITTEN, SRS0, SRS1 };

/* The parts of a rewritten local part. */
struct parts {
    enum form form;
    struct bytes hash;
    struct bytes timestamp; /* SRS0 only */
    struct bytes domain;    /* the sender's; of SRS1 the host that made the SRS0 */
    struct bytes local;     /* the sender's; of SRS1 what followed "SRS0", its separator included */
};

static bool is_separator(char c)
{
    return CLAUSE(SRS_15, c == '=' || c == '+' || c == '-');
}

/* Which of the two forms the local part begins as. */
static enum form tag_of(struct bytes local)
{
    const size_t tag = strlen("SRS0");
    if (local.n <= tag || !is_separator(local.p[tag]))
        return NOT_REWRITTEN;
    if (bytes_starts_with_nocase(local, BYTES("SRS0")))
        return SRS0;
    return bytes_starts_with_nocase(local, BYTES("SRS1")) ? SRS1 : NOT_REWRITTEN;
}

/* What lacks a part is no rewritten address. Clauses: SRS-20, NDR-14 */
static struct parts divide(struct bytes local)
{
    const struct parts none = {.form = NOT_REWRITTEN};
    struct parts parts = {.form = tag_of(local)};
    if (parts.form == NOT_REWRITTEN)
        return none;
    struct bytes rest = bytes_from(local, strlen("SRS0="));
    parts.hash = bytes_cut(&rest, '=');
    if (parts.form == SRS0)
        parts.timestamp = bytes_cut(&rest, '=');
    parts.domain = bytes_cut(&rest, '=');
    parts.local = rest;
    if (parts.hash.n == 0 || parts.domain.n == 0 || parts.local.p == NULL)
        return none;
    bool is_marked = parts.form == SRS0 ? parts.timestamp.n > 0
                                        : parts.local.n > 0 && is_separator(parts.local.p[0]);
    return is_marked ? parts : none;
}

bool srs_is_rewritten(struct bytes local)
{
    return divide(local).form != NOT_REWRITTEN;
}

/* The hash of the parts under one secret. */
static bool hash_with(struct arena *arena, struct bytes secret, const struct parts *parts,
                      char hash[HASH_LENGTH])
{
    struct buffer data = {0};
    struct bytes text = {NULL, 0};
    unsigned char mac[SHA1_SIZE];
    size_t mac_size = 0;
    buffer_add(&data, parts->timestamp);
    buffer_add(&data, BREAK(SRS_06_domain, parts->domain, BYTES("")));
    buffer_add(&data, BREAK(SRS_06_local, parts->local, BYTES("")));
    for (size_t i = 0; i < data.n; i++)
        data.p[i] = ascii_lower(data.p[i]);
    if (!data.failed &&
        EVP_Q_mac(NULL, "HMAC", NULL, "SHA1", NULL, secret.p, secret.n,
                  (const unsigned char *)data.p, data.n, mac, sizeof mac, &mac_size))
        text = base64_encode(arena, (struct bytes){(const char *)mac, mac_size});
    buffer_free(&data);
    if (text.n < HASH_LENGTH)
        return false;
    memcpy(hash, text.p, HASH_LENGTH);
    return true;
}

/* Without regard to case: some receivers fold an address before they send to it. */
static bool hash_is_ours(const struct srs *srs, struct arena *arena, const struct parts *parts)
{
    char given[HASH_LENGTH], right[HASH_LENGTH];
    bool matches = false;
    if (parts->hash.n != HASH_LENGTH)
        return false;
    for (size_t i = 0; i < HASH_LENGTH; i++)
        given[i] = ascii_lower(parts->hash.p[i]);
    for (size_t s = 0; s < srs->secret_count; s++) {
        if (!hash_with(arena, srs->secrets[s], parts, right))
            continue;
        for (size_t i = 0; i < HASH_LENGTH; i++)
            right[i] = ascii_lower(right[i]);
        if (CRYPTO_memcmp(given, right, HASH_LENGTH) == 0)
            matches = true;
    }
    return matches;
}

static unsigned day_of(int64_t now)
{
    return (unsigned)((uint64_t)(now / SECONDS_A_DAY) % SRS_DAYS);
}

static struct bytes write_timestamp(struct arena *arena, int64_t now)
{
    unsigned day = BREAK(SRS_07, day_of(now), 0);
    return arena_printf(arena, "%c%c", base32[day >> 5], base32[day & 31]);
}

static bool read_timestamp(struct bytes timestamp, unsigned *day)
{
    *day = 0;
    for (size_t i = 0; i < timestamp.n; i++) {
        char upper = ascii_upper(timestamp.p[i]);
        const char *digit = upper == '\0' ? NULL : strchr(base32, upper);
        if (!digit)
            return false;
        *day = *day * 32 + (unsigned)(digit - base32);
    }
    return timestamp.n == TIMESTAMP_LENGTH;
}

/* What goes into the new address, by the form of the sender's. Its case stays. What another host
 * wrote after its SRS0 need not be in the form of this file: only that host reads it.
 * Clause: SRS-16 */
static struct parts compose(struct arena *arena, const struct address *sender, int64_t now)
{
    struct parts parts = divide(sender->local);
    if (CLAUSE(SRS_09, parts.form == SRS1))
        return parts;
    bool is_foreign_form = parts.form == NOT_REWRITTEN && tag_of(sender->local) == SRS0;
    if (CLAUSE(SRS_08, parts.form == SRS0) || CLAUSE(SRS_17, is_foreign_form))
        return (struct parts){.form = SRS1,
                              .domain = sender->domain,
                              .local = bytes_from(sender->local, strlen("SRS0"))};
    return (struct parts){.form = SRS0,
                          .timestamp = write_timestamp(arena, now),
                          .domain = sender->domain,
                          .local = sender->local};
}

/* Clauses: SRS-02, SRS-18 */
static struct bytes write_parts(const struct srs *srs, struct arena *arena,
                                const struct parts *parts)
{
    char hash[HASH_LENGTH];
    if (!hash_with(arena, srs->secrets[0], parts, hash))
        return (struct bytes){NULL, 0};
    if (parts->form == SRS1)
        return arena_printf(arena, "SRS1=%.*s=%.*s=%.*s", HASH_LENGTH, hash,
                            BYTES_ARG(parts->domain), BYTES_ARG(parts->local));
    return arena_printf(arena, "SRS0=%.*s=%.*s=%.*s=%.*s", HASH_LENGTH, hash,
                        BYTES_ARG(parts->timestamp), BYTES_ARG(parts->domain),
                        BYTES_ARG(parts->local));
}

/* A null reverse-path is forwarded like any other; 64 octets still fit. Clause: NDR-05 */
bool srs_forward(const struct srs *srs, struct arena *arena, const struct address *sender,
                 struct bytes forwarding_domain, int64_t now, struct address *rewritten)
{
    *rewritten = *sender;
    if (CLAUSE(SRS_03, sender->kind == ADDRESS_NULL))
        return true;
    if (CLAUSE(SRS_04, bytes_equal(sender->domain, forwarding_domain)))
        return true;
    struct parts parts = compose(arena, sender, now);
    struct bytes local = write_parts(srs, arena, &parts);
    struct bytes written = local.p ? address_write_local(arena, local) : local;
    if (!written.p)
        return false;
    if (CLAUSE(SRS_10, written.n > ADDRESS_LOCAL_MAX) && unless_broken(SRS_11))
        local = srs->overflow;
    *rewritten =
        (struct address){.kind = ADDRESS_MAILBOX, .local = local, .domain = forwarding_domain};
    return true;
}

/* The address that the parts were made of. */
static enum srs_error restore(struct arena *arena, const struct parts *parts,
                              struct address *original)
{
    struct bytes local = parts->local;
    if (parts->form == SRS1)
        local = arena_printf(arena, "SRS0%.*s", BYTES_ARG(parts->local));
    struct bytes written = local.p ? address_write_local(arena, local) : local;
    struct bytes text =
        arena_printf(arena, "%.*s@%.*s", BYTES_ARG(written), BYTES_ARG(parts->domain));
    enum address_error error = address_parse(arena, text, original);
    if (arena_failed(arena))
        return SRS_NO_MEMORY;
    return error == ADDRESS_OK ? SRS_OK : SRS_MALFORMED;
}

enum srs_error srs_reverse(const struct srs *srs, struct arena *arena,
                           const struct address *rewritten, int64_t now, struct address *original)
{
    struct parts parts = divide(rewritten->local);
    unsigned day;
    if (rewritten->kind != ADDRESS_MAILBOX || parts.form == NOT_REWRITTEN)
        return SRS_NOT_REWRITTEN;
    if (!hash_is_ours(srs, arena, &parts))
        return arena_failed(arena) ? SRS_NO_MEMORY : SRS_WRONG_HASH;
    if (parts.form == SRS0) {
        if (!read_timestamp(parts.timestamp, &day))
            return SRS_MALFORMED;
        if ((day_of(now) + SRS_DAYS - day) % SRS_DAYS > srs->max_age_days)
            return SRS_EXPIRED;
    }
    return restore(arena, &parts, original);
}

bool srs_has_valid_hash(const struct srs *srs, struct arena *arena, const struct address *address)
{
    struct parts parts = divide(address->local);
    return parts.form != NOT_REWRITTEN && hash_is_ours(srs, arena, &parts);
}

struct bytes srs_own_origin(const struct srs *srs, struct arena *arena,
                            const struct address *address)
{
    const struct bytes none = BYTES("");
    struct bytes origin = address->local;
    struct parts parts = divide(origin);
    if (parts.form == SRS1) {
        origin = arena_printf(arena, "SRS0%.*s", BYTES_ARG(parts.local));
        parts = origin.p ? divide(origin) : (struct parts){.form = NOT_REWRITTEN};
    }
    if (parts.form != SRS0 || !hash_is_ours(srs, arena, &parts))
        return none;
    return bytes_from(origin, strlen("SRS0="));
}

const char *srs_error_name(enum srs_error error)
{
    static const char *const names[] = {
        [SRS_OK] = "ok",
        [SRS_NOT_REWRITTEN] = "not-rewritten",
        [SRS_MALFORMED] = "malformed",
        [SRS_WRONG_HASH] = "wrong-hash",
        [SRS_EXPIRED] = "expired",
        [SRS_NO_MEMORY] = "no-memory",
    };
    return names[error];
}
