#!/usr/bin/python3
"""Writes fixtures/vectors/arc-seal: messages to be sealed, and what the new set has to say (RFC 8617
5.1). `make_arc_seal.py DIRECTORY` writes elsewhere."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import reference
from arc_maker import HEADER, Hop, chain, plain, sets
from maker import (
    ED25519,
    NOW,
    RFC_8463_ED25519,
    RFC_8463_RSA,
    Key,
    Mail,
    RSA_1024,
    crlf,
    key_zone,
    mail,
    message_text,
    output_directory,
    put,
    write_scenario,
)

DOMAIN = "example.org"
AUTHSERV_ID = "mx.example.org"
ZONE = {
    name: types
    for name, types in key_zone(DOMAIN).items()
    if name.split(".")[0] in ("rsa", "ed", "failing")
}
HEADERS = "From:To:Subject"


class Cases:
    def __init__(self, key: Key, selector: str) -> None:
        self.key = key
        self.selector = selector
        self.tests: dict[str, dict[str, Any]] = {}

    def add(
        self,
        name: str,
        section: str,
        message: Mail,
        instance: int,
        cv: str,
        results: str,
        headers: str = HEADERS,
        authserv_id: str = AUTHSERV_ID,
    ) -> None:
        """`results` is the AAR after the authserv-id, relaxed."""
        body = reference.canonical_body("relaxed", message.body)
        common = {"i": str(instance), "a": self.key.algorithm, "d": DOMAIN}
        common |= {"s": self.selector, "t": str(NOW)}
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        self.tests[name] = {
            "section": section,
            "message": message_text(message.octets),
            "authserv-id": authserv_id,
            "headers": headers,
            "results": f"i={instance}; {AUTHSERV_ID}; {results}",
            "message-signature": common
            | {"c": "relaxed/relaxed", "h": headers.lower(), "bh": digest},
            "seal": common | {"cv": cv},
            "cv": "fail" if cv == "fail" else "pass",
        }

    def unchanged(self, name: str, section: str, message: Mail) -> None:
        self.tests[name] = {
            "section": section,
            "message": message_text(message.octets),
            "authserv-id": AUTHSERV_ID,
            "headers": HEADERS,
            "unchanged": True,
        }


def results(message: Mail, *values: str) -> Mail:
    """With Authentication-Results fields on top."""
    return message.on_top(*[crlf(f"Authentication-Results: {v}\n") for v in values])


SPF = "spf=pass smtp.mailfrom=ann@example.com"
DKIM = "dkim=pass header.d=example.com"


def chains(cases: Cases) -> None:
    one = results(plain(), f"mx.example.org; arc=none; {SPF}")
    cases.add("the-first-set", "5.1", one, 1, "none", f"arc=none; {SPF}")
    for count in (1, 2, 9, 48, 49):
        hop = Hop(key=ED25519, selector="ed") if count > 2 else Hop()
        more = results(sets(count, hop), f"mx.example.org; arc=pass; {SPF}")
        cases.add(
            f"set-{count + 1}-on-a-chain-that-passes",
            "5.1",
            more,
            count + 1,
            "pass",
            f"arc=pass; {SPF}",
        )
    eddsa = Hop(key=ED25519, selector="ed")
    cases.unchanged("a-chain-of-50-sets-gets-no-further", "4.2.1", sets(50, eddsa))
    failed = chain(Hop(), Hop(cv="fail", alone=True))
    cases.unchanged("a-chain-marked-as-failed-gets-no-further-set", "5.1", failed)
    changed = sets(2).edited("Bye", "By")
    cases.add("a-changed-body", "5.1.2", changed, 3, "fail", "none")
    broken = sets(3).edited("cv=none", "cv=pass")
    cases.add("a-seal-that-does-not-fit", "5.1.2", broken, 4, "fail", "none")
    gap = chain(Hop(), Hop(instance=7))
    cases.add("a-gap-in-the-chain", "5.1.2", gap, 8, "fail", "none")
    nothing = plain().on_top(b"ARC-Seal: what is this\r\n")
    cases.add("a-field-without-instance", "5.1.2", nothing, 1, "fail", "none")
    lost = chain(Hop(seal=put("s", "failing")))
    cases.add("a-key-that-cannot-be-had", "5.2.1", lost, 2, "fail", "none")
    lengthened = results(
        sets(2).edited("Bye", "Bye. This is our list."), "mx.example.org; arc=pass"
    )
    cases.add(
        "a-body-changed-since-the-results-said-pass",
        "5.1",
        lengthened,
        3,
        "pass",
        "arc=pass",
    )
    gap = results(chain(Hop(), Hop(instance=7)), "mx.example.org; arc=pass")
    cases.add(
        "results-that-say-pass-of-what-is-no-chain", "5.1.2", gap, 8, "fail", "arc=pass"
    )
    told = results(sets(1), "mx.example.org; arc=fail (on arrival)")
    cases.add(
        "results-that-say-fail", "5.1.2", told, 2, "fail", "arc=fail (on arrival)"
    )


def merging(cases: Cases) -> None:
    cases.add("no-results", "4.1.1", plain(), 1, "none", "none")
    said_none = results(plain(), "mx.example.org; none")
    cases.add("results-that-say-none", "4.1.1", said_none, 1, "none", "none")
    two = results(plain(), f"mx.example.org; {SPF}", f"mx.example.org; {DKIM}")
    cases.add("two-fields-become-one", "4.1.1", two, 1, "none", f"{SPF}; {DKIM}")
    three = results(
        plain(),
        f"mx.example.org; {SPF}",
        "other.example; dmarc=pass",
        f"mx.example.org; {DKIM}; arc=none",
    )
    cases.add(
        "results-of-others-stay-out",
        "4.1.1",
        three,
        1,
        "none",
        f"{SPF}; {DKIM}; arc=none",
    )
    foreign = results(plain(), f"sub.mx.example.org; {SPF}", f"example.org; {DKIM}")
    cases.add("a-similar-id-is-another", "4.1.1", foreign, 1, "none", "none")
    folded = results(
        plain(), "mx.example.org;\n spf=pass\n\tsmtp.mailfrom=ann@example.com"
    )
    cases.add("folded-results", "4.1.1", folded, 1, "none", SPF)
    comment = 'spf=pass (a (nested) comment; with a semicolon) reason="b; c"'
    quoted = results(plain(), f"mx.example.org; {comment}; {DKIM}")
    cases.add(
        "semicolons-that-do-not-part-results",
        "4.1.1",
        quoted,
        1,
        "none",
        f"{comment}; {DKIM}",
    )
    version = results(plain(), f"mx.example.org 1; {SPF}")
    cases.add("a-field-with-a-version", "4.1.1", version, 1, "none", SPF)
    broken = results(plain(), f"mx.example.org; {SPF}", "mx.example.org; !!")
    cases.add("a-field-that-cannot-be-read", "4.1.1", broken, 1, "none", SPF)


def signing(cases: Cases) -> None:
    message = results(plain(), f"mx.example.org; {SPF}")
    for headers, what in (
        ("subject:from:date:to", "an-order-of-its-own"),
        ("from:from:to:to", "fields-more-often-than-there"),
        ("from:reply-to:x-none", "fields-that-are-not-there"),
        ("from:received:received", "both-received-fields"),
    ):
        cases.add(what, "4.1.2", message, 1, "none", SPF, headers=headers)
    for body, what in (
        ("", "an-empty-body"),
        ("no end", "a-body-without-a-last-line-end"),
        ("blanks \t \n\n\n", "blanks-at-the-end"),
    ):
        cases.add(what, "5.1", mail(HEADER, body), 1, "none", "none")
    eight = replace(plain(), body="caf\u00e9\r\n".encode())
    cases.add("an-eight-bit-body", "5.1", eight, 1, "none", "none")


def write(path: Path, description: str, key: Key, fill: Any) -> int:
    selector = "rsa" if key is RSA_1024 else "ed"
    cases = Cases(key, selector)
    fill(cases)
    extra = {
        "key": RFC_8463_RSA if key is RSA_1024 else RFC_8463_ED25519,
        "domain": DOMAIN,
        "selector": selector,
    }
    path.write_text(write_scenario(description, 8617, ZONE, cases.tests, extra))
    return len(cases.tests)


def main() -> None:
    directory = output_directory("arc-seal")
    total = write(directory / "chains.yaml", "Instance and cv=", RSA_1024, chains)
    total += write(directory / "results.yaml", "The AAR", RSA_1024, merging)
    total += write(directory / "rsa.yaml", "Signing with RSA", RSA_1024, signing)
    total += write(directory / "ed25519.yaml", "With Ed25519", ED25519, signing)
    print(f"{total} cases")


if __name__ == "__main__":
    main()
