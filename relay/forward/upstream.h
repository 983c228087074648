/* The relay as SMTP client: one session with a host of the destination's domain (RFC 5321 3.3, 4.1,
 * 5.1), opened while the client waits for the reply to its RCPT.
 *
 * Every step ends in an answer: the upstream's own reply, or a failure where there is no reply to
 * return (unreachable, lost, silent, not SMTP). After a failure the connection is gone.
 * Everything waits in the calling fiber. */
#ifndef FAIRLEAD_UPSTREAM_H
#define FAIRLEAD_UPSTREAM_H

#include "dns.h"
#include "mx.h"
#include "reply.h"

#include <openssl/ssl.h>

/* Seconds. RFC 5321 4.5.3.2, within the time that the client waits. */
struct upstream_timeouts {
    double connect; /* one address */
    double banner;
    double command; /* EHLO, STARTTLS, MAIL, RCPT, RSET */
    double data;    /* the answer to DATA */
    double block;   /* one write of the message */
    double final;   /* the answer to the final dot */
};

/* What the configuration says of the relay as a client. */
struct upstream_settings {
    struct bytes ehlo;
    uint16_t port;
    struct ip source_ipv4; /* length 0: the system chooses */
    struct ip source_ipv6;
    SSL_CTX *tls; /* NULL: STARTTLS is not used */
    struct upstream_timeouts timeouts;
    struct mx_settings mx;
};

struct upstream;

enum upstream_failure {
    UPSTREAM_REPLIED, /* no failure: the answer is the upstream's reply */
    UPSTREAM_NO_SUCH_DOMAIN,
    UPSTREAM_NO_HOST, /* the domain exists without MX and address */
    UPSTREAM_NULL_MX,
    UPSTREAM_DNS_FAILED,
    UPSTREAM_IS_SELF, /* the most preferred host is this relay */
    UPSTREAM_UNREACHABLE,
    UPSTREAM_LOST, /* closed, or silent past the deadline */
    UPSTREAM_BROKE_PROTOCOL,
    UPSTREAM_NOT_8BIT, /* 8BITMIME is not offered, and the content needs it */
    UPSTREAM_TOO_BIG,  /* over the size that it declared */
    UPSTREAM_NO_MEMORY,
};

struct upstream_answer {
    enum upstream_failure failure;
    const char *clause;  /* of a failure: the clause of the catalogue that makes it one */
    uint64_t size_limit; /* with UPSTREAM_TOO_BIG: octets */
    struct reply reply;  /* with UPSTREAM_REPLIED; lives until the next step */
};

/* True for a 2xx reply of the upstream. */
bool upstream_accepted(const struct upstream_answer *answer);

/* A session, not yet connected, with a host of `domain` (which is copied). NULL when memory is
 * short; free with upstream_free(). `settings` and `dns` must outlive it. */
struct upstream *upstream_new(const struct upstream_settings *settings, struct dns *dns,
                              struct bytes domain);

/* Drops the connection if there is one, in the middle of whatever it was doing. */
void upstream_free(struct upstream *upstream);

struct bytes upstream_domain(const struct upstream *upstream);
bool upstream_is_connected(const struct upstream *upstream);

/* Tries the hosts in order until one has answered EHLO or HELO with a 2xx
 * (specification.md#hosts-replies). The answer is that 2xx, else the first refusal among the hosts,
 * else a failure. */
void upstream_connect(struct upstream *upstream, double deadline, struct upstream_answer *answer);

/* MAIL FROM and RCPT TO, with the paths in wire form without the angle brackets (an empty reverse
 * path is the null sender). `size` is the client's declared size, 0 for none. */
void upstream_mail(struct upstream *upstream, struct bytes reverse_path, size_t size,
                   bool eight_bit, double deadline, struct upstream_answer *answer);
void upstream_recipient(struct upstream *upstream, struct bytes forward_path, double deadline,
                        struct upstream_answer *answer);

/* True if the upstream waits for the next command. If not, it left meanwhile or spoke out of turn:
 * the connection is gone, and *answer is what the next command would have been answered. */
bool upstream_is_ready(struct upstream *upstream, struct upstream_answer *answer);

/* True for an answer that only says that the connection is over (RFC 5321 3.8). */
bool upstream_has_left(const struct upstream_answer *answer);

/* DATA, the message in pieces that together end in CRLF, the final dot, and the reply to that, all
 * of it until `deadline`. If `abandoned(context)` is true just before the dot, the dot is not sent:
 * the connection is dropped, and the answer is UPSTREAM_LOST. */
void upstream_data(struct upstream *upstream, const struct bytes *pieces, size_t count,
                   bool eight_bit, double deadline, bool (*abandoned)(void *context), void *context,
                   struct upstream_answer *answer);

/* Aborts the transaction with RSET, so that the session can serve another; drops the connection
 * unless the upstream answers 2xx. */
void upstream_reset(struct upstream *upstream);

/* Frees the memory that only a session at work needs. The last answer must not be used any more. */
void upstream_rest(struct upstream *upstream);

/* Sends QUIT, without waiting for the answer, and drops the connection. */
void upstream_quit(struct upstream *upstream);

/* For the log: the host and address in use, or last tried. */
struct bytes upstream_host(const struct upstream *upstream);
struct ip upstream_address(const struct upstream *upstream);
const char *upstream_tls_version(const struct upstream *upstream);

/* Why the connection to that address, or TLS on it, failed; "" if neither did. Lives as long as the
 * upstream. */
const char *upstream_error(const struct upstream *upstream);

#endif
