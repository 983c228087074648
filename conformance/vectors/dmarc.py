"""DMARC's cases: a message whose SPF result and signatures are made so by real means, and its author's policy;
what is recorded, or the refusal where the policy is to reject and the subject enforces it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from conformance import expect_one_of, expect_true, fail
from conformance.lab import World
from conformance.lab.nameserver.zone import ZoneData
from conformance.suite.dmarc import from_domain
from conformance.suite.verifiers import SENDER_RSA, Results, key_record, sign
from conformance.vectors.load import Case
from conformance.vectors.play import Outcome, Submission, moment, plain

# The client of all cases: an address of the lab's clients that no scenario has a record for.
CLIENT = "203.0.113.100"
SELECTOR = "vector"
# What a record says of SPF for everybody who is not listed, by the result that is wanted.
QUALIFIERS = {"pass": "-", "fail": "-", "softfail": "~"}
# By the vector's result, what may be recorded; None: nothing.
RECORDED: dict[str, tuple[str | None, ...]] = {
    "pass": ("pass",),
    "fail": ("fail",),
    "none": ("none", None),
    # An unusable record is none that is processed (RFC 9989 4.10.1).
    "permerror": ("permerror", "none", None),
    # By an error of DNS a message neither passes nor fails (RFC 9989 5.3.6).
    "temperror": ("temperror", "permerror", "none", None),
}
# What RFC 9989 decides otherwise than RFC 7489, which it obsoletes: the tree walk and psd instead of a public
# suffix list, np, t, no pct, and p= that may be missing.
OF_RFC_9989 = frozenset(
    f"rfc9989:{name}"
    for name in (
        "a-name-below-the-suffix-that-does-not-exist-is-under-np",
        "a-registrant-is-not-aligned-with-the-suffix",
        "a-subdomain-policy-under-test-is-lowered-too",
        "a-subdomain-that-does-not-exist-is-under-np",
        "a-top-level-domain-with-psd-y-makes-its-children-organizations",
        "after-several-records-the-walk-goes-on",
        "an-invalid-np-spoils-the-record",
        "another-registrant-of-the-suffix-is-not-aligned",
        "children-of-such-a-top-level-domain-are-not-aligned-with-each-other",
        "it-is-not-aligned-with-the-parent",
        "no-p-and-no-other-tag-is-p-none",
        "no-p-is-p-none",
        "no-p-leaves-sp-in-force",
        "nothing-below-a-name-that-does-not-exist-exists",
        "np-applies-without-sp",
        "pct-is-unknown-and-ignored",
        "quarantine-under-test-is-none",
        "reject-under-test-is-quarantine",
        "the-parent-is-not-aligned-with-it",
        "the-suffix-is-not-aligned-with-a-registrant",
        "what-needs-a-walk-that-fails-is-open",
        "where-existence-cannot-be-told-nothing-is-decided",
        "without-psd-y-a-top-level-domain-is-taken-for-the-organization",
    )
)

# Cases in which RFC 7489 recommends (6.6.3) what RFC 9989 demands.
RECOMMENDED = frozenset(
    f"rfc9989:an-invalid-{what}-is-p-none"
    for what in (
        "p-and-an-address-for-reports",
        "sp-and-an-address-for-reports",
        "p-and-an-address-after-what-is-none",
    )
)


class DmarcForm:
    # The cases that RFC 9989 leaves open, and why.
    open = {
        "rfc9989:nothing-stands-before-the-version": (
            "4.8 has nothing there, a tag list of DKIM, which 4.7 names, may have a blank"
        ),
    }

    def off_wire(self, case: Case) -> str | None:
        if case.scenario["rfc"] == 7489:
            return (
                "needs the edition of RFC 7489, and the public suffix list of the case"
            )
        if any("." not in domain for _, domain in _authenticated(case)):
            return "a top-level domain neither signs nor sends"
        return self.open.get(case.id)

    def zone(self, case: Case) -> ZoneData:
        """The scenario's, and what makes the case's SPF result and signatures so. It makes a domain exist
        only where that domain authenticates something."""
        zone = dict(case.scenario["zone"])
        spf, domain = _split(case.test.get("spf", "none:"))
        domain = domain.lower()
        if spf == "temperror":
            _enter(zone, domain, "SERVFAIL")
        elif spf != "none":
            listed = f"ip4:{CLIENT} " if spf == "pass" else ""
            _enter(zone, domain, f"v=spf1 {listed}{QUALIFIERS[spf]}all")
        for result, domain in map(_split, case.test.get("dkim", [])):
            name = f"{SELECTOR}._domainkey.{domain.lower()}"
            if result == "temperror":
                zone[name] = {"TXT": "SERVFAIL"}
            elif result == "pass":
                zone[name] = {"TXT": key_record(SENDER_RSA)}
        return moment(zone)

    def controls(self, world: World) -> dict[str, Submission]:
        controls = {"plain": plain(world)}
        sender = world.sender
        for policy in ("reject", "quarantine"):
            author = f"{policy}-{sender.domain}"
            world.dns.add(author, "A", sender.ipv4)
            world.dns.add_text(f"_dmarc.{author}", f"v=DMARC1; p={policy}")
            message = from_domain(world, author)
            controls[policy] = replace(controls["plain"], message=message)
        return controls

    def submission(self, case: Case, world: World) -> Submission:
        if case.id in OF_RFC_9989 | RECOMMENDED:
            world.require("dmarc-rfc9989")
        message = from_domain(world, case.test["from"])
        for result, domain in map(_split, case.test.get("dkim", [])):
            message = sign(message, domain, selector=SELECTOR)
            if result == "fail":
                message = message.replace(b" bh=", b" bh=AAAA", 1)
        _, domain = _split(case.test.get("spf", "none:"))
        sender = f"user@{domain}" if domain else world.sender.address
        return Submission(CLIENT, world.sender.domain, sender, message)

    def judge(self, case: Case, seen: Outcome) -> None:
        result, wanted = case.test["result"], case.test.get("disposition")
        if seen.refusal is not None:
            results = [result for result, _ in _authenticated(case)]
            _judge_refusal(result, wanted, seen, unanswered="temperror" in results)
            return
        if seen.arrived is None:
            fail("the message, forwarded after a 2xx", "it did not arrive")
        found = _recorded(seen.arrived.fields("Authentication-Results"))
        enforced = seen.controls["reject"].refusal is not None
        expect_true(
            wanted != "reject" or not enforced,
            "a 5xx for the message, as for another under p=reject",
            f"forwarded with dmarc={found}",
        )
        expect_one_of(found, RECORDED[result], "the DMARC result")


def _split(text: str) -> tuple[str, str]:
    result, _, domain = text.partition(":")
    return result, domain


def _authenticated(case: Case) -> list[tuple[str, str]]:
    entries = [*case.test.get("dkim", []), *filter(None, [case.test.get("spf")])]
    return [_split(entry) for entry in entries]


def _enter(zone: dict[str, dict[str, object]], name: str, text: str) -> None:
    types = dict(zone.get(name) or {})
    own = types.get("TXT", [])
    types["TXT"] = (
        text if not own else [*(own if isinstance(own, list) else [own]), text]
    )
    zone[name] = types


def _recorded(fields: Iterable[tuple[str, str]]) -> str | None:
    found = [result for _, value in fields for result in Results(value).of("dmarc")]
    return found[0] if found else None


def _judge_refusal(
    result: str, wanted: str | None, seen: Outcome, *, unanswered: bool
) -> None:
    assert seen.refusal is not None
    said = seen.refusal.shown
    control = seen.controls["plain"]
    expect_true(control.arrived, "another message, forwarded", control.shown)
    if seen.stage != "DATA":
        pytest.skip(f"the subject refuses before it has seen an author ({said})")
    if result == "temperror" or (unanswered and seen.refusal.temporary):
        return  # the receiver decides (RFC 9989 5.3.6, RFC 7208 8.6)
    if wanted == "quarantine" and seen.controls["quarantine"].refusal is not None:
        pytest.skip(f"the subject takes quarantine for a refusal ({said})")
    expect_true(
        seen.refusal.permanent and result == "fail" and wanted in ("reject", None),
        f"the message, forwarded with dmarc={result}",
        f"refused: {said}",
    )


FORM = DmarcForm()
