/* SPF by libspf2 1.2, with the interface of spf.h and our resolver (the library's callback suspends
 * the fiber). See oracle.h. It is wrong about one in seven of the vectors in fixtures/vectors/spf:
 * it does not count void lookups, allows eleven terms with lookups, rejects prefix length 0,
 * accepts nearly anything as a domain-spec, prefers redirect to `all`, and does not know every
 * delimiter.
 *
 * Guarded here: its own entry point passes loopback clients without evaluation, so its steps are
 * called one by one; names that cannot be queried (RFC 7208 4.3) are not passed to it; type 99 is
 * never queried (3.1); it reports a record with syntax errors as "not SPF" followed by more errors;
 * it would mangle unescaped blanks in explanations; its explanations are checked; an explanation
 * with so many macros that the library would overrun its stack buffer is made malformed.
 * Not guarded: when an allocation fails, the library ends the process. */
#include "clock.h"
#include "oracle.h"
#include "spf_record.h"

#include <netdb.h>
#include <netinet/in.h>
#include <spf2/spf.h>
#include <spf2/spf_dns.h>
#include <spf2/spf_log.h>
#include <string.h>

enum {
    SECONDS_MAX = 20, /* RFC 7208 4.6.4 */
    /* The library divides an explanation at each percent sign, into a buffer of 511 octets. A macro
       and the text before it take 12 octets for "a%{s}", and more for a longer text. */
    EXPLANATION_MAX = 500,
    PERCENT_OCTETS = 8
};

/* The library's DNS layer for one evaluation; freed by its owner, never by the library. */
struct bridge {
    SPF_dns_server_t layer;
    struct dns *dns;
    struct arena *arena;
    double deadline;
};

static SPF_dns_stat_t h_errno_of(enum dns_status status)
{
    switch (status) {
    case DNS_OK:
        return NETDB_SUCCESS;
    case DNS_NODATA:
        return NO_DATA;
    case DNS_TEMPFAIL:
        return TRY_AGAIN;
    default:
        return HOST_NOT_FOUND;
    }
}

/* `text` as a C string; a NUL becomes another octet that is not allowed in a record. In an
 * explanation the library takes each blank as the start of an escape, so blanks are escaped. */
static const char *library_text(struct arena *arena, struct bytes text, bool explanation)
{
    struct buffer out = {0};
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == ' ' && explanation)
            buffer_add(&out, BYTES("%_"));
        else
            buffer_add_char(&out, text.p[i] != '\0' ? text.p[i] : '\x01');
    }
    const char *string = out.failed ? NULL : arena_string(arena, buffer_bytes(&out));
    buffer_free(&out);
    return string;
}

static bool overruns_library(struct bytes explanation)
{
    size_t percent_signs = 0;
    for (size_t i = 0; i < explanation.n; i++)
        percent_signs += explanation.p[i] == '%';
    return percent_signs > 0 && explanation.n + PERCENT_OCTETS * percent_signs > EXPLANATION_MAX;
}

/* A TXT record for the library; a malformed one for an explanation that would overrun its buffer.
 */
static const char *text_record(struct arena *arena, struct bytes text)
{
    if (spf_is_record(text))
        return library_text(arena, text, false);
    return overruns_library(text) ? "%" : library_text(arena, text, true);
}

static bool put_library_text(SPF_dns_rr_t *rr, int i, const char *text)
{
    size_t size = text ? strlen(text) + 1 : 0;
    if (!text || SPF_dns_rr_buf_realloc(rr, i, size) != SPF_E_SUCCESS)
        return false;
    memcpy(rr->rr[i]->txt, text, size);
    return true;
}

static bool put_address(SPF_dns_rr_t *rr, int i, const struct ip *address, uint8_t length)
{
    if (address->length != length ||
        SPF_dns_rr_buf_realloc(rr, i, sizeof(SPF_dns_rr_data_t)) != SPF_E_SUCCESS)
        return false;
    memcpy(rr->rr[i], address->octet, length);
    return true;
}

static void put_record(struct arena *arena, SPF_dns_rr_t *rr, const struct dns_record *record)
{
    int i = rr->num_rr;
    bool put = false;
    switch (rr->rr_type) {
    case ns_t_a:
        put = put_address(rr, i, &record->address, 4);
        break;
    case ns_t_aaaa:
        put = put_address(rr, i, &record->address, 16);
        break;
    case ns_t_txt:
        put = put_library_text(rr, i, text_record(arena, record->text));
        break;
    default: /* names: all texts are the same member of the union */
        put = put_library_text(rr, i, library_text(arena, record->text, false));
    }
    rr->num_rr += put;
}

static SPF_dns_rr_t *answer_library(SPF_dns_server_t *server, const char *domain, ns_type type,
                                    int should_cache)
{
    struct bridge *bridge = server->hook;
    struct dns_answer answer = {.status = DNS_NODATA};
    (void)should_cache;
    if (type != ns_t_spf)
        dns_query(bridge->dns, bridge->arena, bytes_of(domain), (enum dns_type)type,
                  bridge->deadline, &answer);
    SPF_dns_rr_t *rr =
        SPF_dns_rr_new_init(server, domain, type, (int)answer.ttl, h_errno_of(answer.status));
    for (size_t i = 0; rr && i < answer.count; i++)
        put_record(bridge->arena, rr, &answer.records[i]);
    return rr;
}

/* Without a result, the errors decide: a syntax error is reported before "not SPF". */
static enum spf_result result_of_errors(SPF_response_t *response, SPF_errcode_t code)
{
    enum spf_result result = code == SPF_E_NO_MEMORY ? SPF_TEMPERROR : SPF_NONE;
    for (int i = 0; i < SPF_response_messages(response); i++) {
        SPF_error_t *error = SPF_response_message(response, i);
        if (!SPF_error_errorp(error) || SPF_error_code(error) == SPF_E_NOT_SPF)
            continue;
        if (SPF_error_code(error) == SPF_E_DNS_ERROR || SPF_error_code(error) == SPF_E_NO_MEMORY)
            return SPF_TEMPERROR;
        result = SPF_PERMERROR;
    }
    return result;
}

static enum spf_result result_of_response(SPF_response_t *response, SPF_errcode_t code)
{
    switch (SPF_response_result(response)) {
    case SPF_RESULT_NEUTRAL:
        return SPF_NEUTRAL;
    case SPF_RESULT_PASS:
        return SPF_PASS;
    case SPF_RESULT_FAIL:
        return SPF_FAIL;
    case SPF_RESULT_SOFTFAIL:
        return SPF_SOFTFAIL;
    case SPF_RESULT_NONE:
        return SPF_NONE;
    case SPF_RESULT_TEMPERROR:
        return SPF_TEMPERROR;
    case SPF_RESULT_PERMERROR:
        return SPF_PERMERROR;
    default:
        return result_of_errors(response, code);
    }
}

/* The library's default explanation is a macro string; ours is literal text, truncated to what the
 * library can hold. */
static bool set_default_explanation(SPF_server_t *server, struct arena *arena, struct bytes text)
{
    struct buffer escaped = {0};
    SPF_response_t *response = NULL;
    text = bytes_first(text, SPF_MAX_STR_LEN);
    for (size_t i = 0; i < text.n; i++)
        buffer_add(&escaped, text.p[i] == '%' ? BYTES("%%") : (struct bytes){text.p + i, 1});
    const char *string = escaped.failed ? NULL : library_text(arena, buffer_bytes(&escaped), true);
    bool set = string && SPF_server_set_explanation(server, string, &response) == SPF_E_SUCCESS;
    if (response)
        SPF_response_free(response);
    buffer_free(&escaped);
    return set;
}

/* SPF_request_query_mailfrom() without its exception for loopback clients. */
static SPF_errcode_t evaluate_by_library(SPF_server_t *server, SPF_request_t *request,
                                         SPF_response_t *response)
{
    SPF_record_t *record = NULL;
    request->cur_dom = request->env_from_dp;
    SPF_errcode_t code = SPF_server_get_record(server, request, response, &record);
    response->spf_record_exp = record;
    if (code == SPF_E_SUCCESS)
        code = SPF_record_interpret(record, request, response, 0);
    if (record)
        SPF_record_free(record);
    response->spf_record_exp = NULL;
    return code;
}

static bool prepare_request(SPF_server_t *server, SPF_request_t *library_request,
                            struct arena *arena, const struct spf_request *request,
                            struct bytes sender)
{
    struct bytes receiver = request->receiver.n > 0 ? request->receiver : BYTES("unknown");
    const char *helo = arena_string(arena, request->helo);
    const char *from = arena_string(arena, sender);
    const char *host = arena_string(arena, receiver);
    if (!helo || !from || !host)
        return false;
    if (request->client.length == 4) {
        struct in_addr address;
        memcpy(&address, request->client.octet, sizeof address);
        SPF_request_set_ipv4(library_request, address);
    } else {
        struct in6_addr address;
        memcpy(&address, request->client.octet, sizeof address);
        SPF_request_set_ipv6(library_request, address);
    }
    return set_default_explanation(server, arena, request->default_explanation) &&
           SPF_server_set_rec_dom(server, host) == SPF_E_SUCCESS &&
           SPF_request_set_env_from(library_request, from) == SPF_E_SUCCESS &&
           SPF_request_set_helo_dom(library_request, helo) == SPF_E_SUCCESS;
}

static void take_outcome(struct arena *arena, const struct spf_request *request,
                         SPF_response_t *response, SPF_errcode_t code, struct spf_outcome *outcome)
{
    outcome->result = result_of_response(response, code);
    outcome->lookups = response->num_dns_mech > 0 ? (unsigned)response->num_dns_mech : 0;
    outcome->problem = NULL;
    if (outcome->result == SPF_FAIL) {
        struct bytes text = bytes_of(SPF_response_get_explanation(response));
        outcome->explanation =
            arena_copy(arena, spf_explanation(text, request->default_explanation));
    }
    if (outcome->result == SPF_NONE)
        outcome->problem = "no SPF record";
    if (outcome->result == SPF_TEMPERROR || outcome->result == SPF_PERMERROR)
        outcome->problem = SPF_strerror(code);
}

static void check_by_library(struct dns *dns, struct arena *arena,
                             const struct spf_request *request, struct spf_outcome *outcome)
{
    struct bridge bridge = {
        .layer = {.lookup = answer_library, .name = "fairlead", .hook = &bridge},
        .dns = dns,
        .arena = arena,
        .deadline = clock_monotonic() + SECONDS_MAX,
    };
    spf_identify(arena, request, outcome);
    outcome->problem = "not a multi-label domain name";
    if (!spf_is_checkable(outcome->domain))
        return;
    /* The library would print warnings about other domains' records on stderr. */
    SPF_warning_handler = NULL;
    SPF_info_handler = NULL;
    outcome->result = SPF_TEMPERROR;
    outcome->problem = "out of memory";
    SPF_server_t *server = SPF_server_new_dns(&bridge.layer, 0);
    SPF_request_t *library_request = server ? SPF_request_new(server) : NULL;
    SPF_response_t *response = library_request ? SPF_response_new(library_request) : NULL;
    if (response && prepare_request(server, library_request, arena, request, outcome->sender))
        take_outcome(arena, request, response,
                     evaluate_by_library(server, library_request, response), outcome);
    if (response)
        SPF_response_free(response);
    if (library_request)
        SPF_request_free(library_request);
    if (server)
        SPF_server_free(server);
}

spf_engine *const spf_libspf2 = check_by_library;
