/* DNS packets of any octets, as answers to a question for www.example. The first octet chooses the
 * type, and the question has the packet's id, so that the sections are reached. */
#include "fuzz.h"
#include "packet.h"

#include <stdlib.h>

static const enum dns_type types[] = {DNS_A,   DNS_AAAA, DNS_TXT, DNS_MX,
                                      DNS_PTR, DNS_NS,   DNS_SPF, DNS_CNAME};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dns_question question = {.id = 0};
    struct dns_reply reply;
    if (size < 3)
        return 0;
    question.type = types[data[0] % (sizeof types / sizeof types[0])];
    question.id = (uint16_t)(data[1] << 8 | data[2]);
    dns_question_name(&question, BYTES("www.example"));
    struct arena *arena = arena_new(0);
    if (!arena)
        return 0;
    dns_reply_read(arena, (struct bytes){(const char *)data + 1, size - 1}, &question, &reply);
    if (reply.kind == DNS_REPLY_FINAL && reply.answer.status == DNS_TEMPFAIL)
        abort();
    if (reply.kind == DNS_REPLY_FINAL &&
        (reply.answer.status == DNS_OK) != (reply.answer.count > 0))
        abort();
    if (reply.kind == DNS_REPLY_FAILED && !reply.answer.problem)
        abort();
    if (reply.kind == DNS_REPLY_ALIAS && (reply.next.n == 0 || reply.next.n > DNS_WIRE_NAME_MAX))
        abort();
    for (size_t i = 0; i < reply.answer.count; i++)
        if (reply.answer.records[i].text.n > size * 4)
            abort();
    arena_free(arena);
    return 0;
}
