#!/usr/bin/python3
"""Writes fixtures/vectors/arc: messages with ARC chains, and what RFC 8617 says of them.

Every expected value stands here as the RFC gives it; reference.py has to agree, and where dkimpy
does not, the case says so. `make_arc.py DIRECTORY` writes elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import Any

import dkim

import reference
from arc_maker import (
    BODY,
    DOMAIN,
    HEADER,
    HEADERS,
    Hop,
    arranged,
    chain,
    doubled,
    dropped,
    PARTS,
    text_of,
    plain,
    seal,
    sets,
)
from maker import (
    ED25519,
    NOW,
    RSA_1024,
    RSA_2048,
    RSA_4096,
    RSA_768,
    SIGNED_AT,
    Change,
    Mail,
    add,
    crlf,
    dkimpy_says,
    freeze_dkimpy,
    key_zone,
    mail,
    message_text,
    needed_zone,
    ordered,
    output_directory,
    put,
    rename,
    without,
    write_scenario,
)

AAR, AMS, AS = "ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal"
ENDS = {"pass": "passes", "fail": "fails"}  # of a test's name
ZONE = key_zone(DOMAIN) | {
    "rsa._domainkey.xn--bcher-kva.example": {"TXT": f"p={RSA_1024.data()}"},
    "one._domainkey.one.example": {"TXT": f"v=DKIM1; p={RSA_1024.data()}"},
    "two._domainkey.two.example": {"TXT": f"v=DKIM1; k=ed25519; p={ED25519.data()}"},
    "three._domainkey.three.example": {"TXT": f"v=DKIM1; p={RSA_2048.data()}"},
}


class Cases:
    """The tests of one file, in order."""

    def __init__(self) -> None:
        self.tests: dict[str, dict[str, Any]] = {}

    def add(
        self,
        name: str,
        section: str,
        message: Mail | bytes,
        cv: str,
        instances: int | None = None,
        oldest_pass: int = 0,
    ) -> None:
        octets = message if isinstance(message, bytes) else message.octets
        assert name not in self.tests, name
        found = reference.arc_verify(octets, ZONE, NOW)
        assert found.cv == cv, f"{name}: the reference says {found}"
        test: dict[str, Any] = {
            "section": section,
            "message": message_text(octets),
            "cv": cv,
        }
        if instances is not None:
            assert found.instances == instances, f"{name}: {found}"
            test["instances"] = instances
        if cv == "pass":
            assert found.oldest_pass == oldest_pass, f"{name}: {found}"
            test["oldest_pass"] = oldest_pass
        oracle = ask_dkimpy(octets)
        if oracle != cv:
            test["oracle"] = f"dkimpy 1.1.4 says {oracle}"
        self.tests[name] = test


def ask_dkimpy(octets: bytes) -> str:
    def judge(**how: Any) -> str:
        status = dkim.arc_verify(octets, **how)[0]
        return (status or b"fail").decode()

    return dkimpy_says(judge, ZONE)


def structure(cases: Cases) -> None:
    cases.add("no-arc-field-is-no-chain", "5.2", plain(), "none", 0)
    cases.add(
        "other-fields-that-begin-with-arc-are-no-chain",
        "5.2",
        plain().on_top(b"ARC-Other: i=1\r\n", b"X-ARC-Seal: i=1; cv=none\r\n"),
        "none",
        0,
    )
    for count in (1, 2, 3, 5, 10):
        cases.add(f"{count}-sets-pass", "5.2", sets(count), "pass", count)
    for part in PARTS:
        lone = plain().on_top(sets(1).sets[0][PARTS.index(part)])
        for name, message in (
            (f"a-lone-{part}-fails", lone),
            (f"a-set-without-{part}-fails", dropped(sets(1), part, 1)),
            (f"an-older-set-without-{part}-fails", dropped(sets(3), part, 2)),
            (f"{part}-twice-fails", doubled(sets(1), part, 1)),
            (f"older-{part}-twice-fails", doubled(sets(2), part, 1)),
        ):
            cases.add(name, "5.2", message, "fail")
    gap = chain(Hop(), Hop(instance=3))
    cases.add("a-gap-in-the-sequence-fails", "5.2", gap, "fail", 3)
    cases.add(
        "a-sequence-that-begins-at-2-fails", "5.2", sets(1, Hop(instance=2)), "fail", 2
    )
    again = chain(Hop(), Hop(instance=1))
    cases.add("the-same-instance-twice-fails", "5.2", again, "fail", 1)
    three = sets(3)
    cases.add(
        "the-order-of-arc-fields-in-the-header-does-not-matter",
        "5.2",
        arranged(three, (5, 0, 7, 2, 8, 1, 3, 6, 4)),
        "pass",
        3,
    )
    cases.add(
        "arc-fields-may-stand-below-the-others",
        "5.2",
        replace(three, fields=three.fields[9:] + three.fields[:9]),
        "pass",
        3,
    )
    mixed = sets(2)
    for name in (AAR, AMS, AS):
        mixed = mixed.edited(f"{name}: i=2", f"{name.upper()}: i=2")
        mixed = mixed.edited(f"{name}: i=1", f"{name.lower()}: i=1")
    cases.add("names-of-arc-fields-fold-case", "5.1.1", mixed, "pass", 2)
    cases.add(
        "a-chain-cut-to-its-first-two-sets-passes",
        "5.2",
        replace(sets(3), fields=sets(3).fields[3:]),
        "pass",
        2,
    )
    swapped = sets(2).edited("Seal: i=2", "Seal: i=3").edited("Seal: i=1", "Seal: i=2")
    cases.add(
        "seals-with-each-other-s-instances-fail",
        "5.2",
        swapped.edited("Seal: i=3", "Seal: i=1"),
        "fail",
        2,
    )


def long_chains(cases: Cases) -> None:
    fifty = sets(50, Hop(key=ED25519, selector="ed"))
    cases.add("50-sets-pass", "4.2.1", fifty, "pass", 50)
    cases.add(
        "51-sets-fail", "4.2.1", seal(fifty, Hop(key=ED25519, selector="ed")), "fail"
    )
    cases.add(
        "50-sets-with-the-25th-changed-fail",
        "5.2",
        fifty.edited(
            "i=25; mx.example.org; spf=pass", "i=25; mx.example.org; spf=fail"
        ),
        "fail",
        50,
    )
    cases.add(
        "50-sets-without-the-first-fail", "5.2", dropped(fifty, "seal", 1), "fail", 50
    )


def instances(cases: Cases) -> None:
    for text, name in (
        ("0", "zero"),
        ("51", "51"),
        ("100", "100"),
        ("001", "three-digits"),
        ("-1", "negative"),
        ("1.0", "a-fraction"),
        ("one", "a-word"),
        ("", "empty"),
        ("1 1", "two-numbers"),
        ("0x1", "hexadecimal"),
    ):
        changed = chain(Hop(aar=f" i={text}; mx.example.org; none"))
        cases.add(f"an-aar-instance-that-is-{name}-fails", "4.2.1", changed, "fail")
        changed = chain(Hop(ams=put("i", text)))
        cases.add(f"an-ams-instance-that-is-{name}-fails", "4.2.1", changed, "fail")
        changed = chain(Hop(seal=put("i", text)))
        cases.add(f"a-seal-instance-that-is-{name}-fails", "4.2.1", changed, "fail")
    zeros = Hop(
        aar=" i=01; mx.example.org; none", ams=put("i", "01"), seal=put("i", "01")
    )
    cases.add("an-instance-with-a-leading-zero-passes", "3.9", chain(zeros), "pass", 1)
    cases.add(
        "an-aar-without-instance-fails",
        "4.1.1",
        chain(Hop(aar=" mx.example.org; spf=pass")),
        "fail",
    )
    cases.add(
        "an-aar-whose-instance-is-not-in-front-fails",
        "4.1.1",
        chain(Hop(aar=" mx.example.org; i=1; spf=pass")),
        "fail",
    )
    cases.add(
        "an-aar-with-a-capital-i-fails",
        "3.9",
        chain(Hop(aar=" I=1; x.example; none")),
        "fail",
    )
    cases.add(
        "an-ams-without-instance-fails", "4.1.2", chain(Hop(ams=without("i"))), "fail"
    )
    cases.add(
        "a-seal-without-instance-fails", "4.1.3", chain(Hop(seal=without("i"))), "fail"
    )
    cases.add(
        "an-ams-with-a-capital-i-fails", "3.9", chain(Hop(ams=rename("i", "I"))), "fail"
    )
    cases.add(
        "a-seal-with-a-capital-i-fails",
        "3.9",
        chain(Hop(seal=rename("i", "I"))),
        "fail",
    )
    cases.add(
        "two-instances-in-an-ams-fail", "4.1.2", chain(Hop(ams=add("i", "1"))), "fail"
    )
    cases.add(
        "two-instances-in-a-seal-fail", "4.1.3", chain(Hop(seal=add("i", "1"))), "fail"
    )
    cases.add(
        "comments-round-an-aar-instance-pass",
        "4.1.1",
        chain(Hop(aar=" (a) i (b) = (c (d)) 1 (e\\)) ; mx.example.org; none")),
        "pass",
        1,
    )
    cases.add(
        "white-space-round-an-aar-instance-passes",
        "4.1.1",
        chain(Hop(aar="\n i\n =\n 1\n ;\n mx.example.org; none")),
        "pass",
        1,
    )
    cases.add(
        "no-white-space-in-an-aar-passes",
        "4.1.1",
        chain(Hop(aar="i=1;x.example;none")),
        "pass",
        1,
    )
    for payload, name in (
        ("", "an-empty-payload"),
        (" ;;= (", "a-payload-that-is-no-results"),
        (" mx.example.org; none", "no-results"),
        (' mx.example.org; spf=pass\n\treason="x; y"; arc=none', "folded-results"),
    ):
        cases.add(f"{name}-passes", "3.4", chain(Hop(payload=payload)), "pass", 1)


def chain_status(cases: Cases) -> None:
    cases.add("cv-pass-in-the-first-set-fails", "5.2", chain(Hop(cv="pass")), "fail", 1)
    cases.add(
        "cv-none-in-a-later-set-fails", "5.2", chain(Hop(), Hop(cv="none")), "fail", 2
    )
    cases.add(
        "cv-none-in-the-middle-fails",
        "5.2",
        chain(Hop(), Hop(cv="none"), Hop()),
        "fail",
        3,
    )
    cases.add("cv-fail-in-the-first-set-fails", "5.2", chain(Hop(cv="fail")), "fail", 1)
    alone = Hop(cv="fail", alone=True)
    cases.add("cv-fail-in-the-newest-set-fails", "5.2", chain(Hop(), alone), "fail", 2)
    cases.add(
        "cv-fail-over-all-sets-fails-too",
        "5.2",
        chain(Hop(), Hop(cv="fail")),
        "fail",
        2,
    )
    cases.add(
        "cv-fail-below-a-newer-cv-pass-fails",
        "5.2",
        chain(Hop(), alone, Hop()),
        "fail",
        3,
    )
    for value, name in (("", "empty"), ("maybe", "a-word"), ("pass pass", "two-words")):
        cases.add(
            f"a-cv-that-is-{name}-fails",
            "4.1.3",
            chain(Hop(seal=put("cv", value))),
            "fail",
            1,
        )
    cases.add(
        "a-seal-without-cv-fails", "4.1.3", chain(Hop(seal=without("cv"))), "fail", 1
    )
    cases.add("cv-twice-fails", "4.1.3", chain(Hop(seal=add("cv", "none"))), "fail", 1)
    cases.add(
        "a-capital-cv-tag-fails", "3.9", chain(Hop(seal=rename("cv", "CV"))), "fail", 1
    )
    cases.add(
        "the-values-of-cv-fold-case",
        "3.9",
        chain(Hop(cv="NONE"), Hop(cv="Pass")),
        "pass",
        2,
    )


REQUIRED_AMS = ("a", "b", "bh", "d", "h", "s")
REQUIRED_SEAL = ("a", "b", "d", "s")


def message_signature_tags(cases: Cases) -> None:
    def ams(change: Change) -> Mail:
        return chain(Hop(ams=change))

    for tag in REQUIRED_AMS:
        cases.add(f"an-ams-without-{tag}-fails", "4.1.2", ams(without(tag)), "fail", 1)
        if tag not in ("b", "bh"):
            cases.add(
                f"an-ams-with-an-empty-{tag}-fails",
                "4.1.2",
                ams(put(tag, "")),
                "fail",
                1,
            )
        value = {"a": "rsa-sha256", "d": DOMAIN, "h": HEADERS, "s": "rsa"}.get(
            tag, "AAAA"
        )
        cases.add(
            f"an-ams-with-{tag}-twice-fails", "4.1.2", ams(add(tag, value)), "fail", 1
        )
    for tag in ("t", "c"):
        cases.add(f"an-ams-with-{tag}-twice-fails", "4.1.2", ams(lambda tags, tag=tag: add(tag, dict(tags)[tag])(tags)), "fail", 1)  # type: ignore[misc]
    cases.add(
        "an-unknown-ams-tag-twice-fails",
        "4.1.2",
        ams(lambda tags: add("y", "1")(add("y", "1")(tags))),
        "fail",
        1,
    )
    for tag, value, name in (
        ("y", "unknown", "an-unknown-tag"),
        ("v", "1", "a-version"),
        ("v", "2", "any-version"),
        ("q", "dns/txt", "the-known-query-method"),
        ("q", "other/x : dns/txt", "an-unknown-query-method-beside-it"),
        ("z", "From:x|To:y", "copied-fields"),
        ("x", str(NOW + 1), "an-expiration-to-come"),
        ("a", "RSA-SHA256", "an-algorithm-in-capitals"),
        ("d", "EXAMPLE.Org", "a-domain-in-capitals"),
        ("s", "sub.rsa", "a-selector-of-two-labels"),
        ("t", "0", "a-time-of-zero"),
        ("y_1Z", "", "an-empty-unknown-tag"),
    ):
        cases.add(
            f"an-ams-with-{name}-passes", "4.1.2", ams(put(tag, value)), "pass", 1
        )
    for tag, value, name in (
        ("a", "rsa-sha1", "rsa-sha1"),
        ("a", "rsa-sha512", "an-unknown-hash"),
        ("a", "dsa-sha256", "an-unknown-key-type"),
        ("a", "ed25519-sha256", "another-algorithm-than-its-key"),
        ("a", "rsa", "half-an-algorithm"),
        ("bh", "AAAA", "a-short-body-hash"),
        ("bh", "?", "a-body-hash-that-is-not-base64"),
        (
            "bh",
            base64.b64encode(hashlib.sha256(b"x").digest()).decode(),
            "another-body-hash",
        ),
        ("c", "relaxed/other", "an-unknown-body-canonicalisation"),
        ("c", "other/relaxed", "an-unknown-header-canonicalisation"),
        ("c", "relaxed/relaxed/relaxed", "three-canonicalisations"),
        ("d", "example.net", "a-domain-without-key"),
        ("d", "org", "a-domain-of-one-label"),
        ("d", "example.org.", "a-domain-with-a-final-dot"),
        ("d", "example..org", "an-empty-label-in-its-domain"),
        ("d", "exam ple.org", "a-blank-in-its-domain"),
        ("d", "-example.org", "a-hyphen-before-its-domain"),
        ("h", "to:subject", "from-unsigned"),
        ("h", "from:to:arc-seal", "arc-seal-signed"),
        ("h", "from:ARC-Seal:to", "arc-seal-signed-in-capitals"),
        ("h", "from::to", "an-empty-name-in-h"),
        ("h", "from:to:", "a-colon-at-the-end-of-h"),
        ("h", "from to", "a-blank-in-h"),
        ("l", "x", "a-length-that-is-no-number"),
        ("l", "-1", "a-negative-length"),
        ("l", "9999", "a-length-beyond-the-body"),
        ("q", "other", "an-unknown-query-method"),
        ("s", "missing", "a-selector-without-key"),
        ("s", "rsa.", "a-selector-with-a-final-dot"),
        ("t", "", "an-empty-time"),
        ("t", "yesterday", "a-time-that-is-no-number"),
        ("t", "-1", "a-negative-time"),
        ("t", "1234567890123", "a-time-of-13-digits"),
        ("x", "soon", "an-expiration-that-is-no-number"),
        ("x", "12", "an-expiration-before-its-time"),
    ):
        cases.add(f"an-ams-with-{name}-fails", "4.1.2", ams(put(tag, value)), "fail", 1)
    cases.add("an-ams-without-time-passes", "4.1.2", ams(without("t")), "pass", 1)
    cases.add(
        "an-ams-with-its-instance-at-the-end-passes",
        "4.1.2",
        ams(ordered("a", "b", "bh", "c", "d", "h", "s", "t", "i")),
        "pass",
        1,
    )
    cases.add(
        "an-ams-with-b-in-front-passes",
        "4.1.2",
        ams(ordered("b", "i", "a", "bh", "c", "d", "h", "s", "t")),
        "pass",
        1,
    )
    cases.add("a-capital-tag-is-another-tag", "4.1.2", ams(rename("a", "A")), "fail", 1)
    whole = len(crlf(BODY))
    measured = chain(Hop(canon="relaxed/simple", ams=put("l", str(whole))))
    cases.add("a-length-of-the-whole-body-passes", "4.1.2", measured, "pass", 1)
    cases.add(
        "text-after-the-signed-length-passes",
        "4.1.2",
        replace(measured, body=measured.body + b"more\r\n"),
        "pass",
        1,
    )
    cases.add(
        "a-change-within-the-signed-length-fails",
        "4.1.2",
        measured.edited("Here they are", "Here they aren't"),
        "fail",
        1,
    )


def tag_list_form(cases: Cases) -> None:
    good = chain(Hop())
    for name in ("ams", "seal"):
        for value, what, cv in (
            ("", "an-empty-tag", "fail"),
            ("nonsense", "a-tag-without-value", "fail"),
            ("1y=2", "a-tag-name-that-begins-with-a-digit", "fail"),
            ("_y=2", "a-tag-name-that-begins-with-an-underscore", "fail"),
            ("y-z=2", "a-hyphen-in-a-tag-name", "fail"),
            ("=2", "no-tag-name", "fail"),
            ("y=a=b=c", "equals-signs-in-a-value", "pass"),
            ("y=a\r\n\tb", "a-folded-value", "pass"),
            ("y=\x01", "a-control-character", "fail"),
            ("y=caf\u00e9", "utf-8-in-a-value", "pass"),
        ):
            change = add("", value)
            made = chain(Hop(ams=change) if name == "ams" else Hop(seal=change))
            cases.add(
                f"{what}-in-{name}-{ENDS[cv]}",
                "4.1.2" if name == "ams" else "4.1.3",
                made,
                cv,
                1,
            )
    for separator, what in (
        (";", "no-white-space"),
        (" ;\r\n\t ", "folded-everywhere"),
        ("\t;  ", "blanks"),
    ):
        cases.add(
            f"tags-with-{what}-between-them-pass",
            "4.1.3",
            chain(Hop(separator=separator)),
            "pass",
            1,
        )
    spaced = chain(
        Hop(
            ams=lambda tags: [
                (f" {n} ", f"\r\n {v} ") for n, v in tags if n not in ("b", "h", "bh")
            ]
            + [("h", "from :\r\n\tto: subject"), ("bh", ""), ("b", "")],
        )
    )
    cases.add("white-space-round-names-and-values-passes", "4.1.2", spaced, "pass", 1)
    ends = good
    for part in ("ams", "seal"):
        old = text_of(good, part, 1)
        ends = ends.edited(old, old.rstrip("\n") + ";\n")
    # b= is the last tag; the ";" after it is signed, so the finished fields do not verify
    cases.add("a-semicolon-added-after-signing-fails", "5.1.1", ends, "fail", 1)
    closed = chain(Hop(ams=lambda t: t + [("", "")], seal=lambda t: t + [("", "")]))
    cases.add("a-final-semicolon-passes", "4.1.2", closed, "pass", 1)
    closed = chain(Hop(ams=lambda t: t + [("", ""), ("", "")]))
    cases.add("two-final-semicolons-fail", "4.1.2", closed, "fail", 1)
    text = good.octets.decode().replace("\r\n", "\n")
    at = text.index("b=\n\t", text.index(AMS)) + len("b=\n\t")
    for new, what, cv in (
        (" \t ", "more-white-space-in-b-of-an-ams-passes", "pass"),
        ("!", "no-base64-in-b-of-an-ams-fails", "fail"),
        ("=", "padding-at-the-start-of-b-of-an-ams-fails", "fail"),
        ("AAAA", "another-b-of-an-ams-fails", "fail"),
    ):
        cases.add(what, "5.1.1", crlf(text[:at] + new + text[at:]), cv, 1)


def seal_tags(cases: Cases) -> None:
    def with_seal(change: Change) -> Mail:
        return chain(Hop(seal=change))

    for tag in REQUIRED_SEAL:
        cases.add(
            f"a-seal-without-{tag}-fails", "4.1.3", with_seal(without(tag)), "fail", 1
        )
        if tag != "b":
            cases.add(
                f"a-seal-with-an-empty-{tag}-fails",
                "4.1.3",
                with_seal(put(tag, "")),
                "fail",
                1,
            )
        value = {"a": "rsa-sha256", "d": DOMAIN, "s": "rsa"}.get(tag, "AAAA")
        cases.add(
            f"a-seal-with-{tag}-twice-fails",
            "4.1.3",
            with_seal(add(tag, value)),
            "fail",
            1,
        )
    cases.add("a-seal-with-h-fails", "4.1.3", with_seal(put("h", "from:to")), "fail", 1)
    cases.add(
        "a-seal-with-an-empty-h-fails", "4.1.3", with_seal(put("h", "")), "fail", 1
    )
    cases.add(
        "an-older-seal-with-h-fails",
        "4.1.3",
        chain(Hop(seal=put("h", "from")), Hop()),
        "fail",
        2,
    )
    for tag, value, name in (
        ("c", "simple/simple", "a-canonicalisation-that-does-not-count"),
        ("bh", "AAAA", "a-body-hash-that-does-not-count"),
        ("l", "1", "a-length-that-does-not-count"),
        ("x", "12", "an-expiration-that-does-not-count"),
        ("v", "1", "a-version-that-does-not-count"),
        ("q", "other", "a-query-method-that-does-not-count"),
        ("y", "unknown", "an-unknown-tag"),
        ("t", "0", "a-time-of-zero"),
        ("s", "sub.rsa", "a-selector-of-two-labels"),
    ):
        cases.add(
            f"a-seal-with-{name}-passes", "4.1.3", with_seal(put(tag, value)), "pass", 1
        )
    for tag, value, name in (
        ("a", "rsa-sha1", "rsa-sha1"),
        ("a", "rsa-sha512", "an-unknown-hash"),
        ("a", "ed25519-sha256", "another-algorithm-than-its-key"),
        ("d", "example.net", "a-domain-without-key"),
        ("d", "org", "a-domain-of-one-label"),
        ("s", "missing", "a-selector-without-key"),
        ("s", "wrongkey", "the-key-of-another"),
        ("t", "", "an-empty-time"),
        ("t", "yesterday", "a-time-that-is-no-number"),
    ):
        cases.add(
            f"a-seal-with-{name}-fails", "4.1.3", with_seal(put(tag, value)), "fail", 1
        )
    cases.add("a-seal-without-time-passes", "4.1.3", with_seal(without("t")), "pass", 1)
    cases.add(
        "a-seal-with-its-instance-at-the-end-passes",
        "4.1.3",
        with_seal(ordered("a", "b", "cv", "d", "s", "t", "i")),
        "pass",
        1,
    )


def broken_links(cases: Cases) -> None:
    three = sets(3)
    others = sets(3, Hop(payload=" x.example; none"))
    changes = (("spf=pass", "spf=none"), (f"t={SIGNED_AT}", f"t={SIGNED_AT + 1}"))
    for instance in (1, 2, 3):
        for part in PARTS:
            old = text_of(three, part, instance)
            new = old.replace(*changes[0]).replace(*changes[1])
            cases.add(
                f"a-changed-{part}-in-set-{instance}-of-3-fails",
                "5.2",
                three.edited(old, new),
                "fail",
                3,
            )
        cases.add(
            f"the-seal-of-another-message-in-set-{instance}-fails",
            "5.2",
            three.edited(
                text_of(three, "seal", instance), text_of(others, "seal", instance)
            ),
            "fail",
            3,
        )
    cases.add("a-changed-body-fails", "5.2", three.edited("Bye", "By"), "fail", 3)
    cases.add(
        "a-changed-subject-fails",
        "5.2",
        three.edited("minutes of", "hours of"),
        "fail",
        3,
    )
    cases.add(
        "a-seal-over-its-own-set-alone-fails-where-there-are-others",
        "5.1.1",
        chain(Hop(), Hop(alone=True)),
        "fail",
        2,
    )
    first = chain(Hop(key=RSA_1024, selector="one", domain="one.example"))
    changed = replace(first, body=first.body + b"-- \r\na list\r\n")
    second = seal(changed, Hop(key=ED25519, selector="two", domain="two.example"))
    cases.add(
        "a-footer-between-two-sealers-passes-from-the-second-on",
        "5.2",
        second,
        "pass",
        2,
        2,
    )
    third = seal(second, Hop(key=RSA_2048, selector="three", domain="three.example"))
    cases.add("sealers-with-keys-of-their-own-pass", "5.2", third, "pass", 3, 2)
    changed = replace(second, body=second.body + b"another\r\n")
    third = seal(changed, Hop(key=RSA_2048, selector="three", domain="three.example"))
    cases.add(
        "footers-after-both-sealers-pass-from-the-third-on", "5.2", third, "pass", 3, 3
    )
    for name, place in (("bh", "bh"), ("h", "h"), ("a", "a")):
        bad = chain(
            Hop(ams=put(place, {"bh": "AAAA", "h": "to", "a": "rsa-sha1"}[place])),
            Hop(),
        )
        cases.add(
            f"an-older-ams-with-an-unacceptable-{name}-passes-from-the-next-on",
            "5.2",
            bad,
            "pass",
            2,
            2,
        )
    lost = chain(Hop(ams=put("s", "missing")), Hop())
    cases.add(
        "an-older-ams-without-key-passes-from-the-next-on", "5.2", lost, "pass", 2, 2
    )
    lost = chain(Hop(seal=put("s", "missing")), Hop())
    cases.add("an-older-seal-without-key-fails", "5.2", lost, "fail", 2)
    lost = chain(Hop(seal=put("s", "failing")), Hop())
    cases.add("an-older-seal-whose-key-cannot-be-had-fails", "5.2.1", lost, "fail", 2)
    lost = chain(Hop(), Hop(ams=put("s", "failing")), Hop())
    cases.add(
        "an-older-ams-whose-key-cannot-be-had-passes-from-the-next-on",
        "5.2",
        lost,
        "pass",
        3,
        3,
    )
    cases.add(
        "the-newest-ams-decides",
        "5.2",
        chain(Hop(), Hop(ams=put("bh", "AAAA"))),
        "fail",
        2,
    )


def canonicalisation(cases: Cases) -> None:
    one = chain(Hop())
    subject = "Subject: The minutes of  Monday\n"
    for new, what, cv in (
        ("Subject: The\n minutes of Monday\n", "folded", "pass"),
        ("subject : The minutes of \t Monday  \n", "with-other-white-space", "pass"),
        ("SUBJECT:The minutes of Monday\n", "in-another-case", "pass"),
        ("Subject: the minutes of Monday\n", "with-its-value-in-another-case", "fail"),
        ("Subject: Theminutes of Monday\n", "with-a-blank-removed", "fail"),
        ("", "removed", "fail"),
        (subject + "X-New: field\n", "with-an-unsigned-field-below", "pass"),
        (subject + subject, "twice", "pass"),
        (subject + "Subject: other\n", "with-another-below", "fail"),
        ("Subject: other\n" + subject, "with-another-above", "pass"),
    ):
        cases.add(
            f"a-subject-{what}-{ENDS[cv]}",
            "5.2",
            one.edited(subject, new),
            cv,
            1,
        )
    for name, what in (
        ("From", "a-second-from-field"),
        ("FROM", "a-second-from-field-in-capitals"),
        ("From ", "a-second-from-field-with-a-blank-before-the-colon"),
    ):
        cases.add(
            f"{what}-fails",
            "5.2",
            one.on_top(crlf(f"{name}: eve@example.com\n")),
            "fail",
            1,
        )
    both = chain(Hop(headers="from:from:to"))
    cases.add("from-signed-more-often-than-there-passes", "5.2", both, "pass", 1)
    traces = chain(Hop(headers="from:received:received:received"))
    cases.add("received-fields-signed-from-the-bottom-pass", "5.2", traces, "pass", 1)
    fields = list(traces.fields)
    fields[3], fields[4] = fields[4], fields[3]
    cases.add(
        "received-fields-in-another-order-fail",
        "5.2",
        replace(traces, fields=tuple(fields)),
        "fail",
        1,
    )
    lower = chain(Hop(headers="received:from"))
    cases.add(
        "a-received-field-added-on-top-passes",
        "5.2",
        lower.on_top(b"Received: new\r\n"),
        "pass",
        1,
    )
    cases.add(
        "a-received-field-added-where-all-were-signed-fails",
        "5.2",
        traces.on_top(b"Received: new\r\n"),
        "fail",
        1,
    )
    absent = chain(Hop(headers="from:reply-to"))
    cases.add("a-signed-field-that-is-not-there-passes", "5.2", absent, "pass", 1)
    cases.add(
        "a-signed-field-that-came-later-fails",
        "5.2",
        absent.on_top(b"Reply-To: eve@example.com\r\n"),
        "fail",
        1,
    )
    case = chain(Hop(headers="From:TO:sUBJECT"))
    cases.add("names-in-h-fold-case", "5.2", case, "pass", 1)
    for canon, what in (
        ("simple/simple", "simple-simple"),
        ("simple/relaxed", "simple-relaxed"),
        ("relaxed/simple", "relaxed-simple"),
        ("relaxed", "relaxed-alone"),
        ("simple", "simple-alone"),
        (None, "no-canonicalisation"),
        ("Relaxed/RELAXED", "canonicalisations-in-capitals"),
    ):
        cases.add(
            f"an-ams-with-{what}-passes", "4.1.2", chain(Hop(canon=canon)), "pass", 1
        )
    # c= defaults to simple/simple; there are sealers that mean relaxed.
    unsaid = Hop(canon=None, without_c="relaxed/relaxed")
    cases.add(
        "an-ams-that-is-relaxed-without-saying-so-passes",
        "4.1.2",
        chain(unsaid, unsaid),
        "pass",
        2,
    )
    mixed = Hop(canon=None, without_c="relaxed/simple")
    cases.add(
        "an-ams-that-is-relaxed-in-a-half-without-saying-so-fails",
        "4.1.2",
        chain(mixed),
        "fail",
        1,
    )
    for canon, header_cv, body_cv in (
        ("relaxed/relaxed", "pass", "pass"),
        ("relaxed/simple", "pass", "fail"),
        ("simple/relaxed", "fail", "pass"),
        ("simple/simple", "fail", "fail"),
    ):
        made = chain(Hop(canon=canon))
        name = canon.replace("/", "-")
        cases.add(
            f"white-space-changed-in-a-field-{ENDS[header_cv]}-under-{name}",
            "5.2",
            made.edited("of  Monday", "of Monday"),
            header_cv,
            1,
        )
        cases.add(
            f"white-space-changed-in-the-body-{ENDS[body_cv]}-under-{name}",
            "5.2",
            made.edited("Indented  twice", "Indented twice"),
            body_cv,
            1,
        )
        cases.add(
            f"blank-lines-at-the-end-pass-under-{name}",
            "5.2",
            replace(made, body=made.body + b"\r\n\r\n"),
            "pass",
            1,
        )
    for body, what in (
        ("", "an-empty-body"),
        ("\n", "a-body-of-one-blank-line"),
        ("\n\n\n", "a-body-of-blank-lines"),
        (" \n\t\n", "a-body-of-blanks"),
        ("no end", "a-body-without-a-last-line-end"),
        ("\n\ntext\n\n\n", "blank-lines-round-a-body"),
        ("trailing  \nblanks\t\n", "trailing-blanks"),
        (".\n..\n.x\n", "dots"),
        ("From here\n", "a-line-that-begins-with-from"),
    ):
        for canon in ("relaxed/relaxed", "simple/simple"):
            cases.add(
                f"{what}-passes-under-{canon.split('/')[0]}",
                "5.2",
                chain(Hop(canon=canon), message=mail(HEADER, body)),
                "pass",
                1,
            )
    eight = replace(plain(), body="na\u00efve \u2013 caf\u00e9\r\n".encode())
    cases.add("an-eight-bit-body-passes", "5.2", chain(Hop(), message=eight), "pass", 1)
    two = sets(2)
    for part in PARTS:
        old = text_of(two, part, 1)
        folded = two.edited(old, old.replace("; ", ";\n   ", 1))
        cases.add(f"an-older-{part}-folded-anew-passes", "5.1.1", folded, "pass", 2)
    simple = chain(Hop(canon="simple/simple"))
    old = text_of(simple, "ams", 1)
    folded = simple.edited(old, old.replace("; ", ";\n\t", 1))
    cases.add("an-ams-under-simple-folded-anew-fails", "5.1.1", folded, "fail", 1)


def keys(cases: Cases) -> None:
    for selector, cv, section in (
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
        ("sha1", "fail", "6.1.2"),
        ("nohash", "fail", "3.6.1"),
        ("tlsrpt", "fail", "3.6.1"),
        ("revoked", "fail", "3.6.1"),
        ("nop", "fail", "3.6.1"),
        ("badp", "fail", "3.6.1"),
        ("notakey", "fail", "6.1.2"),
        ("version", "fail", "3.6.1"),
        ("lowercase", "fail", "3.6.1"),
        ("late", "fail", "3.6.1"),
        ("twice", "fail", "3.2"),
        ("syntax", "fail", "6.1.2"),
        ("othertype", "fail", "3.6.1"),
        ("swapped", "fail", "6.1.2"),
        ("wrongkey", "fail", "6.1.3"),
        ("spf", "fail", "6.1.2"),
        ("nodata", "fail", "6.1.2"),
        ("missing", "fail", "6.1.2"),
        ("failing", "fail", "6.1.2"),
        ("refused", "fail", "6.1.2"),
    ):
        made = chain(Hop(selector=selector))
        cases.add(
            f"the-key-record-{selector}-{ENDS[cv]}",
            f"RFC 6376 {section}",
            made,
            cv,
            1,
        )
    for key, selector, name, cv in (
        (RSA_768, "short", "an-rsa-key-of-768-bits-fails", "fail"),
        (RSA_2048, "mid", "an-rsa-key-of-2048-bits-passes", "pass"),
        (RSA_4096, "big", "an-rsa-key-of-4096-bits-passes", "pass"),
    ):
        cases.add(name, "RFC 8301 3.2", chain(Hop(key=key, selector=selector)), cv, 1)
    eddsa = Hop(key=ED25519, selector="ed")
    cases.add("an-ed25519-chain-passes", "RFC 8463 3", chain(eddsa, eddsa), "pass", 2)
    cases.add(
        "algorithms-mixed-over-a-chain-pass",
        "4.2",
        chain(Hop(), eddsa, Hop()),
        "pass",
        3,
    )
    cases.add(
        "another-algorithm-for-the-seal-passes",
        "4.1.3",
        chain(Hop(seal_key=ED25519)),
        "pass",
        1,
    )
    cases.add(
        "an-ed25519-key-of-the-wrong-size-fails",
        "RFC 8463 4.2",
        chain(replace(eddsa, selector="edshort")),
        "fail",
        1,
    )
    cases.add(
        "an-ed25519-signature-by-an-rsa-record-fails",
        "RFC 6376 6.1.2",
        chain(replace(eddsa, selector="rsa")),
        "fail",
        1,
    )
    cases.add(
        "a-domain-in-u-labels-passes",
        "4.1.4",
        chain(Hop(domain="b\u00fccher.example")),
        "pass",
        1,
    )
    cases.add(
        "a-domain-in-a-labels-passes",
        "4.1.4",
        chain(Hop(domain="xn--bcher-kva.example")),
        "pass",
        1,
    )


FILES = (
    ("structure", "Which fields a chain has to have, and in which number", structure),
    ("long", "Chains as long as they may be, and longer", long_chains),
    ("instances", "Instance tags and the ARC-Authentication-Results", instances),
    ("chain-status", "cv=, and what it may say where", chain_status),
    (
        "message-signature",
        "The tags of the ARC-Message-Signature",
        message_signature_tags,
    ),
    ("tag-lists", "The form of tag lists", tag_list_form),
    ("seal", "The tags of the ARC-Seal", seal_tags),
    (
        "links",
        "Chains broken at every link, and messages changed on the way",
        broken_links,
    ),
    (
        "canonicalisation",
        "Canonicalisation and the choice of signed fields",
        canonicalisation,
    ),
    ("keys", "Public keys", keys),
)


def main() -> None:
    freeze_dkimpy()
    directory = output_directory("arc")
    total = 0
    for name, description, fill in FILES:
        cases = Cases()
        fill(cases)
        zone = needed_zone(ZONE, cases.tests)
        text = write_scenario(description, 8617, zone, cases.tests)
        (directory / f"{name}.yaml").write_text(text)
        total += len(cases.tests)
    print(f"{total} cases")


if __name__ == "__main__":
    main()
