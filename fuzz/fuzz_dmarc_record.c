/* DMARC records of any octets, in both editions: values are within their ranges, and text that does
 * not begin with "v=DMARC1" is not a record. */
#include "fuzz.h"

#include "dmarc_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes text = {(const char *)data, size};
    for (enum dmarc_edition edition = DMARC_RFC9989; edition <= DMARC_RFC7489; edition++) {
        struct dmarc_record record;
        if (!dmarc_record_parse(text, edition, &record))
            continue;
        require(bytes_find_slice(text, BYTES("DMARC1")) != BYTES_NOT_FOUND);
        require(record.percent <= 100);
        require(record.policy <= DMARC_POLICY_REJECT);
        require(record.subdomain_policy <= DMARC_POLICY_REJECT);
        require(record.nonexistent_policy <= DMARC_POLICY_REJECT);
        require(record.usable || record.policy == DMARC_POLICY_NONE);
        require(edition == DMARC_RFC9989 || (!record.testing && !record.has_nonexistent_policy));
    }
    return 0;
}
