"""Plays the cases of a scenario: its DNS, then the clients of all its cases one after the other, with
several messages a session, then the wait for what has been accepted. Each case is judged later, by what
was seen of it here.

A line on top of each message, X-Vector, tells them apart when they arrive. Any MTA on the way would add a
field there, so it alters nothing that a signature covers.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import pytest

from conformance.expect import ConformanceFailure
from conformance.lab.client import Client, Reply
from conformance.lab.nameserver.zone import ZoneData
from conformance.lab.records import Message
from conformance.lab.transcript import Transcript
from conformance.lab.world import Lab, World
from conformance.vectors.load import Case

# An MTA may end a session after so many; those known allow more.
MESSAGES_A_SESSION_MAX = 25

# SPF may be given 20 seconds where DNS does not answer (RFC 7208 4.6.4), and HELO and MAIL FROM each their own. That
# is the subject's time, and no fault of a fast machine: it is not scaled.
PATIENCE_MIN_S = 60.0

# A subject that ends so often is asked nothing more in the scenario.
ENDS_MAX = 3

TAG = "X-Vector"


@dataclass(frozen=True)
class Submission:
    """How a case looks to the subject."""

    ip: str  # of the client
    helo: str
    sender: str  # the reverse-path, "" for the null one
    message: bytes


@dataclass
class Outcome:
    """What was seen of a case."""

    transcript: Transcript = field(default_factory=Transcript)
    stage: str = ""  # the command that was refused
    refusal: Reply | None = None
    arrived: Message | None = None  # without our own field
    # Why there is nothing to judge, the subject's fault or not.
    trouble: BaseException | None = None
    late: str | None = None  # why a failure means nothing
    controls: dict[str, Outcome] = field(default_factory=dict)  # of the same scenario

    @property
    def accepted(self) -> bool:
        return self.refusal is None and self.trouble is None

    @property
    def shown(self) -> str:
        """Why it has not arrived, for a reader."""
        if self.refusal is not None:
            return f"refused: {self.refusal.shown}"
        return str(self.trouble or "it did not arrive")


class Form(Protocol):
    """What the modules of the folders define."""

    def off_wire(self, case: Case) -> str | None:
        """Why a case cannot be seen on the wire of any subject, or None if it can."""

    def zone(self, case: Case) -> ZoneData:
        """The DNS while a case is played: its scenario's, for nobody to cache."""

    def controls(self, world: World) -> dict[str, Submission]:
        """What is sent before the cases of a scenario, with the lab's own names."""

    def submission(self, case: Case, world: World) -> Submission:
        """Raises Unimplemented if the subject cannot be asked so."""

    def judge(self, case: Case, seen: Outcome) -> None:
        """Raises ConformanceFailure, or skips the case."""


def moment(zone: Mapping[str, object]) -> ZoneData:
    """A zone whose records nobody may cache."""
    return ZoneData.from_mapping(zone, ttl=0)


def plain(world: World) -> Submission:
    """An ordinary message, from a sender who passes SPF."""
    sender = world.sender
    return Submission(sender.ipv4, sender.domain, sender.address, world.message())


def client_address(text: str) -> str:
    """The address from which a client connects that the subject sees as `text`."""
    address = ipaddress.ip_address(text)
    return str(getattr(address, "ipv4_mapped", None) or address)


def play(lab: Lab, form: Form, cases: Mapping[str, Case]) -> dict[str, Outcome]:
    """Plays cases of one scenario, by any names."""
    world = lab.world()
    try:
        return _Play(lab, form, world).all(cases)
    finally:
        lab.dns.play(None)
        world.close()


class _Play:
    def __init__(self, lab: Lab, form: Form, world: World) -> None:
        self._lab = lab
        self._form = form
        self._world = world
        self._client: Client | None = None
        self._client_is: tuple[str, str] | None = None  # its address and HELO
        self._messages_left = 0
        self._last: Outcome | None = None  # of what was sent last
        self._ends = 0  # how often the subject has had to be started again

    def all(self, cases: Mapping[str, Case]) -> dict[str, Outcome]:
        world = self._world
        controls = {}
        for name, submission in self._form.controls(world).items():
            controls[name] = Outcome()
            self._submit(submission, controls[name], f"control-{name}")
        outcomes = {name: Outcome(controls=controls) for name in cases}
        wanted: dict[str, Submission] = {}
        for name, case in cases.items():
            try:
                wanted[name] = self._form.submission(case, world)
            except Exception as reason:
                outcomes[name].trouble = reason
        tags = {name: str(number) for number, name in enumerate(cases)}
        played = None
        for name in sorted(wanted, key=lambda n: (wanted[n].ip, wanted[n].helo)):
            zone = self._form.zone(cases[name])
            if zone is not played:
                # An MTA may remember a result until the session ends.
                self._hang_up()
                world.dns.play(zone)
                played = zone
            self._submit(wanted[name], outcomes[name], tags[name])
        self._hang_up()
        self._see_the_end(plain(world).ip)
        self._await([*controls.values(), *outcomes.values()])
        for name, outcome in outcomes.items():
            outcome.arrived = self._arrived(tags[name])
            if outcome.arrived is not None:
                outcome.transcript.add("arrived", "<", outcome.arrived.header)
        for name, outcome in controls.items():
            outcome.arrived = self._arrived(f"control-{name}")
        errors = self._lab.take_errors()
        if errors:
            trouble = RuntimeError("in the lab's thread: " + "\n".join(errors))
            for outcome in outcomes.values():
                outcome.trouble = trouble
        return outcomes

    def _submit(self, wanted: Submission, outcome: Outcome, tag: str) -> None:
        self._note_in(outcome.transcript)
        self._lab.lateness.mark()
        try:
            self._try_to_submit(wanted, outcome, tag)
        except (ConformanceFailure, pytest.skip.Exception) as reason:
            outcome.trouble = reason
        outcome.late = self._lab.lateness.complaint()
        if not outcome.accepted:
            self._hang_up()
        self._last = outcome
        if not self._world.subject.running():
            self._lab.revival.if_dead()
            self._note_end()

    def _note_in(self, transcript: Transcript) -> None:
        world = self._world
        world.transcript = transcript
        if "in-session" in world.subject.capabilities:
            world.upstream.transcript = transcript
        world.dns.record(transcript)
        if self._client is not None:
            self._client.record(transcript)

    def _try_to_submit(self, wanted: Submission, outcome: Outcome, tag: str) -> None:
        if self._ends >= ENDS_MAX:
            pytest.skip(
                f"not played: earlier cases have ended the subject {self._ends} times"
            )
        client = self._connected(wanted, outcome)
        if client is None:
            return
        tagged = f"{TAG}: {tag}\r\n".encode("ascii") + wanted.message
        eight_bits = not tagged.isascii() and "8BITMIME" in client.extensions()
        parameters = ["BODY=8BITMIME"] if eight_bits else []
        delivery = client.deliver(wanted.sender, self._world.info, tagged, *parameters)
        self._messages_left -= 1
        if delivery.accepted:
            return
        outcome.refusal = delivery.final
        if delivery.end is not None or delivery.data is not None:
            outcome.stage = "DATA"
        else:
            outcome.stage = "RCPT" if delivery.recipients else "MAIL"

    def _connected(self, wanted: Submission, outcome: Outcome) -> Client | None:
        """A session from that address with that HELO, or None if it is refused."""
        if self._client_is != (wanted.ip, wanted.helo) or not self._messages_left:
            self._hang_up()
        if self._client is not None:
            return self._client
        self._client = client = self._connect(wanted.ip)
        self._client_is = wanted.ip, wanted.helo
        self._messages_left = MESSAGES_A_SESSION_MAX
        for stage, reply in (
            ("the connection", client.banner()),
            ("EHLO", client.ehlo(wanted.helo)),
        ):
            if not reply.positive:
                outcome.stage, outcome.refusal = stage, reply
                return None
        client.patience = max(client.patience, PATIENCE_MIN_S)
        return client

    def _connect(self, source: str) -> Client:
        """A connection. If the subject has died or fallen silent, that is due to what was sent before."""
        revival = self._lab.revival
        try:
            client = self._world.client(source=source, greet=False)
            revived = self._last is not None and revival.if_silent(client)
        except ConformanceFailure:
            revived = revival.if_dead()
            if not revived:
                raise
        if revived:
            self._note_end()
            client = self._world.client(source=source, greet=False)
        return client

    def _note_end(self) -> None:
        found = self._lab.revival.take()  # no other test is to blame
        self._ends += 1
        if self._last is not None:
            self._last.trouble = ConformanceFailure(
                "the subject, still running after the message", found
            )

    def _see_the_end(self, source: str) -> None:
        """Whether what was sent last has ended the subject is seen by a further connection."""
        if self._last is not None and self._last.trouble is not None:
            try:
                self._connect(source).close()
            except ConformanceFailure as failure:
                self._last.trouble = failure

    def _hang_up(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = self._client_is = None

    def _await(self, outcomes: list[Outcome]) -> None:
        """Waits until as many messages have arrived as were accepted, or no more will."""
        accepted = sum(outcome.accepted for outcome in outcomes)
        try:
            if accepted:
                self._world.upstream.wait_for_message(accepted)
        except ConformanceFailure:
            pass  # each case that has not arrived is judged so

    def _arrived(self, tag: str) -> Message | None:
        pattern = re.compile(rf"(?im)^{TAG}:[ \t]*{tag}\r\n".encode("ascii"))
        for message in self._world.upstream.messages:
            if pattern.search(message.header):
                message.content = pattern.sub(b"", message.content, count=1)
                return message
        return None
