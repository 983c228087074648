"""SPF's cases: a plain message from the case's client, HELO and sender; its result is what is recorded, or
the refusal that such a result may have (RFC 7208 8)."""

from __future__ import annotations

import ipaddress
import re

import pytest

from conformance import expect, expect_one_of, fail
from conformance.lab import World
from conformance.lab.nameserver.zone import ZoneData
from conformance.suite.spf import REFUSALS, first, is_of_helo_alone, recorded
from conformance.vectors.load import Case
from conformance.vectors.play import Outcome, Submission, client_address, plain

# Domain and address-literal of RFC 5321 4.1.2, by their octets.
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
DOMAIN_MAX = 253  # octets; RFC 1035 2.3.4, without the root
_LITERAL = re.compile(r"\[[A-Za-z0-9.:-]+\]")
_LOCAL_PART = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r'|"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])*"'
)


class SpfForm:
    def off_wire(self, case: Case) -> str | None:
        if ipaddress.ip_address(case.test["ip"]).is_link_local:
            return "no client of another network is at a link-local address"
        if not re.fullmatch(r"[\x21-\x7e]+", str(case.test["helo"])):
            return "EHLO has one word of ASCII"
        if not _is_path(sender_of(case)):
            return "no reverse-path by RFC 5321 4.1.2, and refused before SPF"
        return None

    def zone(self, case: Case) -> ZoneData:
        return case.scenario.moment

    def controls(self, world: World) -> dict[str, Submission]:
        return {"plain": plain(world)}

    def submission(self, case: Case, world: World) -> Submission:
        ip = client_address(case.test["ip"])
        if ":" in ip:
            world.require("ipv6")
        return Submission(ip, str(case.test["helo"]), sender_of(case), world.message())

    def judge(self, case: Case, seen: Outcome) -> None:
        expected = case.test["result"]
        allowed = [expected] if isinstance(expected, str) else expected
        if seen.refusal is not None:
            _judge_refusal(case, seen, allowed)
            return
        if seen.arrived is None and _LITERAL.fullmatch(_domain(case)):
            pytest.skip("mail from an address literal is not forwarded (SRS-14)")
        if seen.arrived is None:
            fail("the message, forwarded after a 2xx", "it did not arrive")
        result = first(recorded(seen.arrived)) or "not recorded"
        if "none" in allowed and result == "not recorded" and not _has_domain(case):
            return  # there was nothing to evaluate (RFC 7208 2.3, 4.3)
        if sender_of(case) and is_of_helo_alone(seen.arrived):
            pytest.skip(f"the result of HELO alone is recorded ({result})")
        expect_one_of(result, allowed, "the SPF result")


def sender_of(case: Case) -> str:
    """The reverse-path between its angle brackets."""
    path = str(case.test["mail-from"])
    return "" if path == "<>" else path


def _domain(case: Case) -> str:
    """The domain that is evaluated."""
    return sender_of(case).rpartition("@")[2] or str(case.test["helo"])


def _has_domain(case: Case) -> bool:
    domain = _domain(case)
    return "." in domain and _DOMAIN.fullmatch(domain) is not None


def _judge_refusal(case: Case, seen: Outcome, allowed: list[str]) -> None:
    assert seen.refusal is not None
    said = seen.refusal.shown
    control = seen.controls["plain"]
    expect(
        first(recorded(control.arrived)) if control.arrived else control.shown,
        "pass",
        "the SPF result of another sender, who passes",
    )
    if seen.stage in ("EHLO", "the connection"):
        pytest.skip(f"the subject wants another client or HELO ({said})")
    if any(said.startswith(REFUSALS.get(result, "never")) for result in allowed):
        return
    if seen.stage in ("MAIL", "RCPT") and not _takes_mail(case):
        pytest.skip(f"the domain takes no mail itself, and is refused ({said})")
    expect_one_of(f"refused: {said}", allowed, "the SPF result")


def _is_path(sender: str) -> bool:
    local, _, domain = sender.rpartition("@")
    is_domain = _DOMAIN.fullmatch(domain) and len(domain) <= DOMAIN_MAX
    is_domain = is_domain or _LITERAL.fullmatch(domain)
    return not sender or bool(_LOCAL_PART.fullmatch(local) and is_domain)


def _takes_mail(case: Case) -> bool:
    """Whether a reply to the sender could be delivered: some MTAs refuse a domain that has neither MX nor
    address."""
    return case.zone.takes_mail(_domain(case))


FORM = SpfForm()
