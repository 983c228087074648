#!/usr/bin/python3
"""Writes fixtures/vectors/dkim: signed messages, and what RFC 6376, 8301, 8463, 8601 and 8616 say of
them.

Every expected value stands here as the RFCs give it; reference.py has to agree, and where dkimpy
does not, the case says so. `make_dkim.py DIRECTORY` writes elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace

import dkim

from arc_maker import BODY, HEADER, plain
from maker import (
    ED25519,
    NOW,
    RSA_1024,
    RSA_2048,
    RSA_4096,
    RSA_768,
    SIGNED_AT,
    Key,
    add,
    crlf,
    freeze_dkimpy,
    mail,
    needed_zone,
    ordered,
    output_directory,
    put,
    rename,
    without,
    write_scenario,
)
from dkim_cases import (
    DOMAIN,
    ZONE,
    signature,
    signed,
    Cases,
    RFC_8463_A3,
    RFC_6376_A2,
    EXAMPLE_ZONE,
)


def examples(cases: Cases) -> None:
    both = crlf(RFC_8463_A3)
    cases.add(
        "the-message-of-rfc-8463-passes-twice",
        "RFC 8463 A.3",
        both,
        "pass",
        "pass",
        domain="football.example.com",
        selector="brisbane",
        identity="@football.example.com",
        algorithm="ed25519-sha256",
        bits=256,
    )
    for old, new, what in (
        ("Joe.", "Joe!", "a-changed-body"),
        ("dinner ready", "dinner over", "a-changed-subject"),
        ("t=1528637909", "t=1528637908", "a-changed-time"),
    ):
        edited = both.replace(crlf(old), crlf(new))
        cases.add(f"{what}-fails-twice", "RFC 8463 A.3", edited, "fail", "fail")
    simple = crlf(RFC_6376_A2)
    cases.add(
        "the-message-of-rfc-6376-passes",
        "A.2",
        simple,
        "pass",
        domain="example.com",
        selector="brisbane",
        identity="joe@football.example.com",
        algorithm="rsa-sha256",
        bits=1024,
    )
    for old, new, what in (
        ("game. Are", "game.  Are", "a-blank-added-to-its-body"),
        ("\n      by", "\n     by", "a-blank-taken-from-its-header"),
        ("Joe.\n", "Joe.", "its-last-line-end-taken"),
    ):
        result = "pass" if what.startswith("its") else "fail"
        edited = simple.replace(crlf(old), crlf(new))
        cases.add(f"the-message-of-rfc-6376-with-{what}", "3.4", edited, result)


REQUIRED = ("v", "a", "b", "bh", "d", "h", "s")


def tags(cases: Cases) -> None:
    cases.add("an-unsigned-message-has-no-signature", "6.1", plain())
    for tag in REQUIRED:
        cases.add(
            f"without-{tag}-is-permerror", "6.1.1", signed(without(tag)), "permerror"
        )
        value = {
            "v": "1",
            "a": "rsa-sha256",
            "d": DOMAIN,
            "h": "from",
            "s": "rsa",
        }.get(tag, "AAAA")
        twice = signed(add(tag, value))
        cases.add(f"{tag}-twice-is-neutral", "3.2", twice, "neutral")
        if tag not in ("b", "bh", "a"):
            empty = signed(put(tag, ""))
            cases.add(f"an-empty-{tag}-is-neutral", "6.1.1", empty, "neutral")
    for tag, value, what in (
        ("y", "unknown", "an-unknown-tag"),
        ("q", "dns/txt", "the-known-query-method"),
        ("q", "other/x:dns/txt", "an-unknown-query-method-beside-it"),
        ("z", "From:x|To:y", "copied-fields"),
        ("x", str(NOW + 1), "an-expiration-to-come"),
        ("x", str(NOW), "an-expiration-at-this-second"),
        ("t", "0", "a-time-of-zero"),
        ("a", "Rsa-Sha256", "an-algorithm-in-capitals"),
        ("d", "EXAMPLE.Com", "a-domain-in-capitals"),
        ("s", "sub.rsa", "a-selector-of-two-labels"),
        ("i", "ann@example.com", "an-identity-at-the-domain"),
        ("i", "@sub.example.com", "an-identity-below-the-domain"),
        ("i", "ann=40home@sub.EXAMPLE.com", "a-quoted-identity"),
        ("i", "an\r\n n@example.com", "a-folded-identity"),
        ("i", '"a@b"@example.com', "an-identity-with-a-quoted-at"),
    ):
        cases.add(f"{what}-passes", "3.5", signed(put(tag, value)), "pass")
    for tag, value, what, result in (
        ("v", "2", "another-version", "permerror"),
        ("v", "01", "a-version-with-a-zero", "permerror"),
        ("v", "one", "a-version-that-is-no-number", "neutral"),
        ("a", "rsa-sha512", "an-unknown-hash", "neutral"),
        ("a", "dsa-sha256", "an-unknown-key-type", "neutral"),
        ("a", "ed25519-sha256", "another-algorithm-than-the-key", "permerror"),
        ("bh", "?", "a-body-hash-that-is-not-base64", "neutral"),
        ("bh", "AAAA", "a-short-body-hash", "fail"),
        ("c", "relaxed/other", "an-unknown-body-canonicalisation", "neutral"),
        ("c", "other", "an-unknown-header-canonicalisation", "neutral"),
        ("d", "com", "a-domain-of-one-label", "neutral"),
        ("d", "example.com.", "a-domain-with-a-final-dot", "neutral"),
        ("d", "example..com", "a-domain-with-an-empty-label", "neutral"),
        ("d", "exam ple.com", "a-domain-with-a-blank", "neutral"),
        ("d", "[192.0.2.1]", "a-domain-literal", "neutral"),
        ("d", "example.net", "a-domain-without-key", "permerror"),
        ("h", "to:subject", "from-unsigned", "permerror"),
        ("h", "from::to", "an-empty-name-in-h", "neutral"),
        ("h", "from:to:", "a-colon-at-the-end-of-h", "neutral"),
        ("h", "from to", "a-blank-in-h", "neutral"),
        ("i", "ann@example.net", "an-identity-elsewhere", "permerror"),
        ("i", "ann@notexample.com", "an-identity-that-only-ends-alike", "permerror"),
        ("i", "ann@com", "an-identity-of-one-label", "neutral"),
        ("i", "ann", "an-identity-without-at", "neutral"),
        ("i", "", "an-empty-identity", "neutral"),
        ("i", "a=zz@example.com", "an-identity-quoted-wrongly", "neutral"),
        ("i", "a=4a@example.com", "an-identity-quoted-in-lower-case", "neutral"),
        ("l", "x", "a-length-that-is-no-number", "neutral"),
        ("l", "-1", "a-negative-length", "neutral"),
        ("l", "1" * 77, "a-length-of-77-digits", "neutral"),
        ("l", "9" * 76, "a-length-of-76-digits", "permerror"),
        ("l", "9999", "a-length-beyond-the-body", "permerror"),
        ("q", "other", "an-unknown-query-method", "neutral"),
        ("q", "dns", "a-query-method-without-its-option", "neutral"),
        ("s", "rsa.", "a-selector-with-a-final-dot", "neutral"),
        ("s", "a..b", "a-selector-with-an-empty-label", "neutral"),
        ("s", "missing", "a-selector-without-key", "permerror"),
        ("t", "yesterday", "a-time-that-is-no-number", "neutral"),
        ("t", "1234567890123", "a-time-of-13-digits", "neutral"),
        ("t", "", "an-empty-time", "neutral"),
        ("x", "soon", "an-expiration-that-is-no-number", "neutral"),
        ("x", str(SIGNED_AT), "an-expiration-at-its-time", "neutral"),
        ("x", "12", "an-expiration-before-its-time", "neutral"),
        ("x", str(NOW - 1), "a-signature-that-has-expired", "permerror"),
        ("t", str(NOW + 86400), "a-signature-of-tomorrow", "permerror"),
    ):
        cases.add(f"{what}-is-{result}", "3.5", signed(put(tag, value)), result)
    sha1 = signed(put("a", "rsa-sha1"))
    cases.add("rsa-sha1-is-permerror", "RFC 8301 3.1", sha1, "permerror")
    cases.add(
        "a-capital-tag-is-another-tag", "3.2", signed(rename("a", "A")), "permerror"
    )
    cases.add("without-time-passes", "3.5", signed(without("t")), "pass")
    back = signed(ordered("b", "bh", "h", "t", "c", "s", "d", "a", "v"))
    cases.add("tags-in-any-order-pass", "3.5", back, "pass")
    for value, what, result in (
        ("", "an-empty-tag", "neutral"),
        ("nonsense", "a-tag-without-value", "neutral"),
        ("1y=2", "a-tag-name-that-begins-with-a-digit", "neutral"),
        ("y-z=2", "a-hyphen-in-a-tag-name", "neutral"),
        ("y=a\x01", "a-control-character", "neutral"),
        ("y=a=b", "an-equals-sign-in-a-value", "pass"),
        ("y=a\r\n\tb", "a-folded-value", "pass"),
        ("y=caf\u00e9", "utf-8-in-a-value", "pass"),
    ):
        made = signed(add("", value))
        cases.add(
            f"{what}-{'passes' if result == 'pass' else 'is-' + result}",
            "3.2",
            made,
            result,
        )
    closed = signed(lambda t: t + [("", "")])
    cases.add("a-final-semicolon-passes", "3.2", closed, "pass")
    closed = signed(lambda t: t + [("", ""), ("", "")])
    cases.add("two-final-semicolons-are-neutral", "3.2", closed, "neutral")
    first = signed()
    text = first.octets.decode().replace("\r\n", "\n")
    at = text.index("b=\n\t") + len("b=\n\t")
    for new, what, result in (
        ("\n\t \n\t", "b-folded-anew-passes", "pass"),
        ("!", "b-that-is-not-base64-is-neutral", "neutral"),
        ("=", "padding-at-the-start-of-b-is-neutral", "neutral"),
        ("AAAA", "another-b-fails", "fail"),
    ):
        cases.add(what, "3.5", crlf(text[:at] + new.lstrip("\n\t") + text[at:]), result)
    cases.add(
        "a-domain-in-u-labels-passes",
        "RFC 8616 5",
        signed(put("d", "b\u00fccher.example")),
        "pass",
    )
    cases.add(
        "a-selector-and-an-identity-in-u-labels-pass",
        "RFC 8616 5",
        signed(
            lambda t: put("i", "\u00e4@p\u00f6.b\u00fccher.example")(
                put("s", "p\u00e4r")(put("d", "b\u00fccher.example")(t))
            )
        ),
        "pass",
    )


def several(cases: Cases) -> None:
    message = plain()
    one = signature(message)
    other = signature(message, key=ED25519, selector="ed")
    broken = signature(message, put("bh", "AAAA"))
    cases.add("two-signatures-pass", "6.1", message.on_top(one, other), "pass", "pass")
    cases.add(
        "a-broken-signature-does-not-matter-to-another",
        "6.1",
        message.on_top(broken, one),
        "fail",
        "pass",
    )
    cases.add(
        "every-signature-has-its-own-result",
        "6.1",
        message.on_top(
            one,
            broken,
            signature(message, without("h")),
            signature(message, selector="failing"),
            signature(message, put("y", ";")),
        ),
        "pass",
        "fail",
        "permerror",
        "temperror",
        "neutral",
    )
    cases.add(
        "signatures-past-the-eighth-are-policy",
        "6.1",
        message.on_top(*[one] * 10),
        *["pass"] * 8,
        *["policy"] * 2,
    )
    inner = message.on_top(one)
    outer = signature(inner, headers="from:dkim-signature")
    cases.add(
        "a-signature-may-sign-another", "3.5", inner.on_top(outer), "pass", "pass"
    )
    spoilt = inner.on_top(outer).edited("s=rsa; c=", "s=rsa;  c=")
    assert spoilt.octets != inner.on_top(outer).octets
    over = signature(inner, headers="from:dkim-signature:dkim-signature")
    cases.add(
        "a-signature-never-signs-itself", "3.5", inner.on_top(over), "pass", "pass"
    )
    cases.add(
        "a-signature-added-where-all-were-signed-fails",
        "5.4.2",
        inner.on_top(other, over),
        "pass",
        "fail",
        "pass",
    )
    for name in ("dkim-signature", "DKIM-SIGNATURE", "DKIM-Signature "):
        made = message.on_top(one.replace(b"DKIM-Signature", name.encode(), 1))
        what = "with-a-blank-before-its-colon" if name.endswith(" ") else name[:4]
        case = {"dkim": "in-lower-case", "DKIM": "in-capitals"}.get(what, what)
        cases.add(f"a-field-name-{case}-passes", "3.4.2", made, "pass")


def canonicalisation(cases: Cases) -> None:
    one = signed()
    subject = "Subject: The minutes of  Monday\n"
    for new, what, result in (
        ("Subject: The\n minutes of Monday\n", "folded", "pass"),
        ("subject : The minutes of \t Monday  \n", "with-other-white-space", "pass"),
        ("SUBJECT:The minutes of Monday\n", "in-another-case", "pass"),
        ("Subject: the minutes of Monday\n", "with-its-value-in-another-case", "fail"),
        ("Subject: Theminutes of Monday\n", "with-a-blank-removed", "fail"),
        ("", "removed", "fail"),
        (subject + "Subject: other\n", "with-another-below", "fail"),
        ("Subject: other\n" + subject, "with-another-above", "pass"),
    ):
        cases.add(
            f"a-subject-{what}-{'passes' if result == 'pass' else 'fails'}",
            "3.4.2",
            one.edited(subject, new),
            result,
        )
    for name, what in (
        ("From", "a-second-from-field"),
        ("FROM", "a-second-from-field-in-capitals"),
        ("From ", "a-second-from-field-with-a-blank-before-the-colon"),
    ):
        forged = crlf(f"{name}: eve@example.net\n")
        cases.add(f"{what}-is-permerror", "8.15", one.on_top(forged), "permerror")
        below = replace(one, fields=one.fields + (forged,))
        cases.add(f"{what}-below-is-permerror", "8.15", below, "permerror")
    many = signed(headers="from:from:to:to:subject")
    cases.add("fields-signed-more-often-than-there-pass", "5.4.2", many, "pass")
    cases.add(
        "a-field-added-where-one-more-was-signed-fails",
        "5.4.2",
        many.on_top(b"To: eve@example.net\r\n"),
        "fail",
    )
    traces = signed(headers="from:received:received")
    cases.add("fields-are-chosen-from-the-bottom", "5.4.2", traces, "pass")
    fields = list(traces.fields)
    fields[1], fields[2] = fields[2], fields[1]
    cases.add(
        "fields-of-one-name-in-another-order-fail",
        "5.4.2",
        replace(traces, fields=tuple(fields)),
        "fail",
    )
    last = signed(headers="from:received")
    cases.add(
        "an-unsigned-field-above-the-signed-one-passes",
        "5.4.2",
        last.on_top(b"Received: new\r\n"),
        "pass",
    )
    absent = signed(headers="from:reply-to")
    cases.add("a-signed-field-that-is-not-there-passes", "3.5", absent, "pass")
    cases.add(
        "a-signed-field-that-came-later-fails",
        "3.5",
        absent.on_top(b"Reply-To: eve@example.net\r\n"),
        "fail",
    )
    for canon, what in (
        ("simple/simple", "simple-simple"),
        ("simple/relaxed", "simple-relaxed"),
        ("relaxed/simple", "relaxed-simple"),
        ("relaxed", "relaxed-alone"),
        (None, "no-canonicalisation"),
        ("RELAXED/Simple", "canonicalisations-in-capitals"),
    ):
        cases.add(f"{what}-passes", "3.5", signed(canon=canon), "pass")
    for canon, header_result, body_result in (
        ("relaxed/simple", "pass", "fail"),
        ("simple/relaxed", "fail", "pass"),
        ("simple/simple", "fail", "fail"),
    ):
        made = signed(canon=canon)
        name = canon.replace("/", "-")
        cases.add(
            f"white-space-changed-in-a-field-under-{name}",
            "3.4",
            made.edited("of  Monday", "of Monday"),
            header_result,
        )
        cases.add(
            f"white-space-changed-in-the-body-under-{name}",
            "3.4",
            made.edited("Indented  twice", "Indented twice"),
            body_result,
        )
    for body, what in (
        ("", "an-empty-body"),
        ("\n\n\n", "a-body-of-blank-lines"),
        (" \n\t\n", "a-body-of-blanks"),
        ("no end", "a-body-without-a-last-line-end"),
        ("\n\ntext\n\n\n", "blank-lines-round-a-body"),
        ("trailing  \nblanks\t\n", "trailing-blanks"),
    ):
        for canon in ("relaxed/relaxed", "simple/simple"):
            made = signed(message=mail(HEADER, body), canon=canon)
            cases.add(f"{what}-passes-under-{canon.split('/')[0]}", "3.4", made, "pass")
    for canon, text, what in (
        ("simple", b"\r\n", "crlf-under-simple"),
        ("relaxed", b"", "nothing-under-relaxed"),
    ):
        digest = base64.b64encode(hashlib.sha256(text).digest()).decode()
        made = signed(put("bh", digest), mail(HEADER, ""), canon=f"relaxed/{canon}")
        cases.add(f"an-empty-body-counts-as-{what}", "3.4.3", made, "pass")
    eight = replace(plain(), body="na\u00efve \u2013 caf\u00e9\r\n".encode())
    cases.add("an-eight-bit-body-passes", "3.7", signed(message=eight), "pass")
    whole = len(crlf(BODY))
    for length, what, result in (
        (whole, "a-length-of-the-whole-body-passes", "pass"),
        (whole - 5, "a-length-of-a-part-passes", "pass"),
        (0, "a-length-of-nothing-passes", "pass"),
    ):
        made = signed(put("l", str(length)), canon="relaxed/simple")
        cases.add(what, "3.5", made, result)
        longer = replace(made, body=made.body + b"appended\r\n")
        cases.add(f"{what}-with-text-appended", "3.5", longer, result)
    made = signed(put("l", str(whole)), canon="relaxed/simple")
    cases.add(
        "a-change-within-the-length-fails", "3.5", made.edited("Here", "There"), "fail"
    )


def keys(cases: Cases) -> None:
    for selector, result, section in (
        ("plain", "pass", "3.6.1"),
        ("bare", "pass", "3.6.1"),
        ("strings", "pass", "3.6.2.2"),
        ("spaced", "pass", "3.2"),
        ("several", "pass", "6.1.2"),
        ("extra", "pass", "3.6.1"),
        ("upper", "pass", "3.6.1"),
        ("sha256", "pass", "3.6.1"),
        ("email", "pass", "3.6.1"),
        ("star", "pass", "3.6.1"),
        ("strict", "pass", "3.6.1"),
        ("flags", "pass", "3.6.1"),
        ("alias", "pass", "3.6.2.1"),
        ("testing", "neutral", "3.6.1"),
        ("sha1", "permerror", "6.1.2"),
        ("nohash", "permerror", "3.6.1"),
        ("tlsrpt", "permerror", "3.6.1"),
        ("revoked", "permerror", "3.6.1"),
        ("nop", "permerror", "3.6.1"),
        ("badp", "permerror", "3.6.1"),
        ("notakey", "permerror", "6.1.2"),
        ("version", "permerror", "3.6.1"),
        ("lowercase", "permerror", "3.6.1"),
        ("late", "permerror", "3.6.1"),
        ("twice", "permerror", "3.2"),
        ("syntax", "permerror", "6.1.2"),
        ("othertype", "permerror", "3.6.1"),
        ("swapped", "permerror", "6.1.2"),
        ("spf", "permerror", "6.1.2"),
        ("nodata", "permerror", "6.1.2"),
        ("missing", "permerror", "6.1.2"),
        ("failing", "temperror", "6.1.2"),
        ("refused", "temperror", "6.1.2"),
        ("wrongkey", "fail", "6.1.3"),
    ):
        made = signed(selector=selector)
        cases.add(f"the-key-record-{selector}", section, made, result)
    for key, selector, result, bits in (
        (RSA_768, "short", "permerror", 768),
        (RSA_1024, "rsa", "pass", 1024),
        (RSA_2048, "mid", "pass", 2048),
        (RSA_4096, "big", "pass", 4096),
    ):
        made = signed(key=key, selector=selector)
        cases.add(f"an-rsa-key-of-{bits}-bits", "RFC 8301 3.2", made, result, bits=bits)
    eddsa = signed(key=ED25519, selector="ed")
    cases.add("an-ed25519-key", "RFC 8463 3", eddsa, "pass", bits=256)
    made = signed(key=ED25519, selector="edshort")
    cases.add("an-ed25519-key-of-the-wrong-size", "RFC 8463 4.2", made, "permerror")
    made = signed(key=ED25519, selector="rsa")
    cases.add("an-ed25519-signature-for-an-rsa-key", "6.1.2", made, "permerror")
    below = put("i", "@sub.example.com")
    made = signed(below, selector="strict")
    cases.add("a-subdomain-where-the-key-forbids-it", "3.6.1", made, "permerror")
    made = signed(put("i", "ann@EXAMPLE.com"), selector="strict")
    cases.add(
        "the-domain-itself-where-the-key-forbids-subdomains", "3.6.1", made, "pass"
    )
    broken = signed(put("bh", "AAAA"), selector="testing")
    cases.add("a-broken-signature-of-a-testing-domain", "3.6.1", broken, "neutral")


FILES = (
    ("examples", "The examples of RFC 6376 and RFC 8463", examples, EXAMPLE_ZONE),
    ("tags", "The tags of the DKIM-Signature field", tags, ZONE),
    ("several", "Several signatures in one message", several, ZONE),
    ("canonicalisation", "Canonicalisation and signed fields", canonicalisation, ZONE),
    ("keys", "Key records, of which the selector tells what is special", keys, ZONE),
)


def main() -> None:
    freeze_dkimpy()
    directory = output_directory("dkim")
    total = 0
    for name, description, fill, whole_zone in FILES:
        cases = Cases(whole_zone)
        fill(cases)
        zone = needed_zone(whole_zone, cases.tests)
        text = write_scenario(description, 6376, zone, cases.tests)
        (directory / f"{name}.yaml").write_text(text)
        total += len(cases.tests)
    print(f"{total} cases")


if __name__ == "__main__":
    main()
