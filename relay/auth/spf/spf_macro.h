/* The macro language of SPF (RFC 7208 7, grammar as collected in 12): checking and expanding. */
#ifndef FAIRLEAD_SPF_MACRO_H
#define FAIRLEAD_SPF_MACRO_H

#include "arena.h"
#include "ip.h"

/* The whole of `text` is a macro-string, a domain-spec, an explain-string. The letters c, r and t
 * are refused in a domain-spec: they are for explanations only (RFC 7208 7.2). */
bool spf_is_macro_string(struct bytes text);
bool spf_is_domain_spec(struct bytes text);
bool spf_is_explain_string(struct bytes text);

/* What the letters stand for (RFC 7208 7.2); %{d} is given at each expansion. */
struct spf_macros {
    struct bytes sender;     /* s */
    struct bytes local_part; /* l */
    struct bytes domain;     /* o */
    struct bytes helo;       /* h */
    struct bytes receiver;   /* r */
    struct ip client;        /* i, c, v */
    /* p: the validated name of the client that suits `domain` best, or "unknown". May wait. */
    struct bytes (*validated_name)(void *context, struct bytes domain);
    void *context;
};

/* Expands a string that one of the checks above has accepted, as an explanation. Lives in `arena`;
 * p == NULL when memory is short. Breaks off beyond 64 KiB. */
struct bytes spf_expand(struct arena *arena, const struct spf_macros *macros, struct bytes domain,
                        struct bytes text);

/* The same for a name to query: labels are dropped from the left until 253 octets remain (RFC 7208
 * 7.3), and so is the final dot. Nothing else is corrected: the name may still be impossible. Empty
 * if it goes beyond 64 KiB. */
struct bytes spf_expand_name(struct arena *arena, const struct spf_macros *macros,
                             struct bytes domain, struct bytes text);

/* The name without the dot that may end it (RFC 7208 7.3). Two are an empty label, and stay. */
struct bytes spf_without_final_dot(struct bytes name);

#endif
