/* The zones that the tests of the native SPF evaluation and of libspf2 have in common. */
#ifndef FAIRLEAD_TESTS_SPF_ZONE_H
#define FAIRLEAD_TESTS_SPF_ZONE_H

static const char *const spf_zone[] = {
    "example.com TXT v=spf1 a mx/28 ip6:2001:db8::/32 include:partner.example -all exp=why.%{d}",
    "example.com A 192.0.2.10",
    "example.com MX 10 mail.example.com",
    "mail.example.com A 192.0.2.130",
    "why.example.com TXT %{i} is not ours, says %{r}",
    "partner.example TXT v=spf1 a:partner.example ~all",
    "partner.example A 198.51.100.1",
    "moved.example TXT v=spf1 redirect=example.com",
    "open.example TXT v=spf1 ?ip4:192.0.2.1",
    "two.example TXT v=spf1 -all",
    "two.example TXT v=spf1 +all",
    "broken.example TXT v=spf1 +all ip4:300.0.0.1",
    "loop.example TXT v=spf1 include:loop.example -all",
    "void.example TXT v=spf1 a:no1.example a:no2.example a:no3.example +all",
    "slow.example TXT !TEMPFAIL",
    "all.example TXT v=spf1 -all",
    "bad-why.example TXT v=spf1 -all exp=bell.example",
    "bell.example TXT ring %{l}",
    "odd.example TXT v=spf1 -ip4:192.0.2.1 +all",
    NULL,
};

#endif
