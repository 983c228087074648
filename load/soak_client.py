"""Clients of a soak: they send message after message, and at times die on the way, at every step."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from pathlib import Path

from conformance.lab.client import stuffed
from load.ledger import Journal, Told, make_message
from load.soak_upstream import GOOD, hosts
from load.wire import Wire

# Longer than the relay may take for anything, with the time-outs of a soak.
PATIENCE_S = 60.0
STEPS = ("greeting", "MAIL", "RCPT", "DATA", "the middle", "the end", "the reply")
DYING = 0.3  # the share of clients that do
GOOD_SENDER = "ann@sender.example"
SENDERS = {
    GOOD_SENDER: 80,
    "": 5,
    "ann@shaky.example": 10,
    "ann@servfail.example": 3,
    "ann@silent.example": 2,
}
# Of the domains that are not served by hosts() one that is not always to be found.
SHAKY = "shaky.example"
IDS_PER_WORKER = 100_000_000


class Died(Exception):
    """The client's own fault."""


class Recorded(Wire):
    """Remembers what was said."""

    def __init__(self, source: str) -> None:
        super().__init__(source, PATIENCE_S)
        self.said: list[str] = []

    def reply(self) -> str:
        line = super().reply()
        self.said.append(f"< {line[:200]}")
        return line

    def say(self, line: str) -> str:
        self.said.append(f"> {line}")
        return super().say(line)


@dataclass
class Attempt:
    """One message on its way."""

    number: int
    destination: str
    recipients: list[str]
    sender: str
    message: bytes
    dies_at: str | None
    dies_by_reset: bool
    code: int | None = None
    whole: bool = False
    granted: list[str] = field(default_factory=list)

    def told(self, said: list[str]) -> Told:
        return Told(
            self.number,
            self.code,
            self.whole,
            tuple(f"{r}@{self.destination}" for r in self.granted),
            tuple(said),
            self.faultless,
        )

    @property
    def faultless(self) -> bool:
        """Whether it has to be granted, unless the relay itself is killed."""
        return (
            self.destination == GOOD
            and self.sender in ("", GOOD_SENDER)
            and self.dies_at is None
        )


class Worker:
    """One process of clients."""

    def __init__(self, number: int, seed: int, journal: Journal) -> None:
        self._chance = random.Random(f"{seed}/{number}")
        self._source = f"203.0.113.{number + 1}"
        self._next = number * IDS_PER_WORKER
        self._journal = journal

    def run(self, deadline: float) -> None:
        while time.monotonic() < deadline:
            try:
                wire = Recorded(self._source)
            except OSError:
                time.sleep(0.05)  # the relay is being started again
                continue
            with wire:
                self._session(wire, deadline)

    def _session(self, wire: Recorded, deadline: float) -> None:
        """One to three messages."""
        try:
            wire.greet()
            if self._chance.random() < 0.2:
                wire.start_tls()
        except OSError:
            return
        for _ in range(self._chance.randint(1, 3)):
            if time.monotonic() > deadline or not self._message(wire):
                return

    def _message(self, wire: Recorded) -> bool:
        """Sends one and writes down what became of it; whether the session can go on."""
        attempt = self._attempt()
        start = len(wire.said)
        alive = True
        try:
            self._transact(wire, attempt)
        except Died:
            wire.said.append(f"* dies at {attempt.dies_at}")
            if attempt.dies_by_reset:
                wire.reset()
            alive = False
        except OSError as error:
            wire.said.append(f"* {error}")
            alive = False
        self._journal.append(attempt.told(wire.said[start:]))
        return alive

    def _attempt(self) -> Attempt:
        chance = self._chance
        self._next += 1
        failing = chance.choice(hosts()[1:]).domain
        destination = chance.choices((GOOD, SHAKY, failing), (50, 10, 40))[0]
        return Attempt(
            self._next,
            destination,
            ["x", "y"] if chance.random() < 0.15 else ["x"],
            chance.choices(list(SENDERS), list(SENDERS.values()))[0],
            make_message(self._next, chance),
            chance.choice(STEPS) if chance.random() < DYING else None,
            chance.random() < 0.5,
        )

    def _transact(self, wire: Recorded, attempt: Attempt) -> None:
        def step(name: str) -> None:
            if attempt.dies_at == name:
                raise Died

        def refused(reply: str) -> bool:
            if reply[:1] in "23":
                return False
            attempt.code = int(reply[:3])
            return True

        step("greeting")
        if refused(wire.say(f"MAIL FROM:<{attempt.sender}>")):
            return
        step("MAIL")
        for recipient in attempt.recipients:
            local = f"{recipient}-{attempt.destination.partition('.')[0]}"
            if not refused(wire.say(f"RCPT TO:<{local}@example.com>")):
                attempt.granted.append(recipient)
        step("RCPT")
        if not attempt.granted:
            wire.say("RSET")
            return
        attempt.code = None
        if refused(wire.say("DATA")):
            wire.say("RSET")
            return
        step("DATA")
        octets = stuffed(attempt.message)
        self._content(wire, octets, step)
        attempt.whole = True
        step("the reply")
        attempt.code = int(wire.reply()[:3])

    def _content(self, wire: Recorded, octets: bytes, step: object) -> None:
        assert callable(step)
        middle = self._chance.randrange(len(octets) - 5)
        wire.socket.sendall(octets[:middle])
        step("the middle")
        wire.socket.sendall(octets[middle:-5])
        step("the end")
        wire.socket.sendall(octets[-5:])
        wire.said.append(f"> ({len(octets)} octets)")


def work(deadline: float, number: int, seed: int, journal: Path) -> None:
    """The process."""
    Worker(number, seed, Journal(journal)).run(deadline)


def routes() -> dict[str, str]:
    """What Worker sends to."""
    domains = [host.domain for host in hosts()] + [SHAKY]
    return {
        f"{local}-{domain.partition('.')[0]}@example.com": f"{local}@{domain}"
        for domain in domains
        for local in ("x", "y")
    }
