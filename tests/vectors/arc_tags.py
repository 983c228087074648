"""ARC vectors about the tags of the fields, and the form of their lists."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace

from arc_maker import BODY, DOMAIN, HEADERS, Hop, chain, text_of, seal
from maker import NOW, Change, Mail, add, crlf, ordered, put, rename, without
from arc_cases import AMS, ENDS, Cases

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
