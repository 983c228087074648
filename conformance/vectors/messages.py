"""What the cases that consist of a message have in common: how it is sent, and which messages no receiver is
bound to look at."""

from __future__ import annotations

import re

import pytest

from conformance import ConformanceFailure, fail
from conformance.lab import Message, World
from conformance.lab.nameserver.zone import ZoneData
from conformance.suite.verifiers import Results, results
from conformance.vectors.load import Case, message_octets
from conformance.vectors.play import Outcome, Submission, plain

# When the vectors were signed and are verified.
NOW = 1700000000

# Notes to the reader of a case that some receiver may decide otherwise with reason.
AS_WRITTEN = "RFC 6376 3.2 compares values as written, the ABNF in any case"
UNDEFINED = "of several key records the results are undefined (RFC 6376 3.6.2.2)"
NO_METHOD = (
    "what is left without the unknown query methods, which are ignored, is not said"
)
INSTANCE_FIRST = "the ABNF has the instance in front, DKIM its tags in any order"


class MessageForm:
    """Of the scenarios whose cases are messages."""

    open: dict[str, str] = {}  # the cases that the RFCs leave open, and why

    def off_wire(self, case: Case) -> str | None:
        header = message_octets(case.test["message"]).partition(b"\r\n\r\n")[0]
        if len(re.findall(rb"(?im)^from[ \t]*:", header)) != 1:
            return "a message with two From fields may be refused as such"
        if not header.isascii():
            return "a header beyond ASCII needs SMTPUTF8"
        times = re.findall(rb"\b[tx]=([0-9]{1,12})\b", header)
        if any(int(time) >= NOW - 1 for time in times):
            return "the second of the verification decides"
        return self.open.get(case.id)

    def zone(self, case: Case) -> ZoneData:
        return case.scenario.moment

    def controls(self, world: World) -> dict[str, Submission]:
        return {"plain": plain(world)}

    def submission(self, case: Case, world: World) -> Submission:
        sender = world.sender
        message = message_octets(case.test["message"])
        return Submission(sender.ipv4, sender.domain, sender.address, message)


def is_malformed(case: Case) -> bool:
    """Whether the header has a field twice that occurs once, or a control character (RFC 5322 3.6, 2.2)."""
    header = message_octets(case.test["message"]).partition(b"\r\n\r\n")[0]
    names = re.findall(rb"(?im)^(date|to|cc|subject|message-id)[ \t]*:", header)
    single = {name.lower() for name in names}
    return len(single) < len(names) or bool(
        re.search(rb"[\0-\x08\x0b-\x0c\x0e-\x1f]", header)
    )


def forwarded(case: Case, seen: Outcome) -> Message:
    """The message of a case as it arrived. A failed signature or chain is no reason to refuse it (RFC 6376
    6.1, RFC 8617 5.2); a header that RFC 5322 does not have is one.
    """
    if seen.refusal is not None and is_malformed(case):
        pytest.skip(f"the header is not one of RFC 5322, and refused ({seen.refusal})")
    if seen.refusal is not None:
        fail("a 2xx for the message", seen.refusal.shown)
    if seen.arrived is None:
        fail("the message, forwarded after a 2xx", "it did not arrive")
    return seen.arrived


def recorded(message: Message) -> Results:
    """The results in Authentication-Results, or none."""
    try:
        return results(message)
    except ConformanceFailure:
        return Results()
