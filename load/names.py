"""The nameserver of a run, in a process of its own.

It is the lab's, which is not built for load; so the answers that it has given are kept in wire form,
unless chance decides about them, and it counts the questions.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field

from conformance.lab.loop import LoopThread
from conformance.lab.nameserver.exchange import Exchange, Reply, encode
from conformance.lab.nameserver.faults import TTL, Drop, Fault, Late, Servfail
from conformance.lab.nameserver.server import Nameserver
from conformance.lab.nameserver.zone import ZoneData, absolute, record, text_rdata
from load.crew import Counter

ID = slice(0, 2)  # of a message (RFC 1035 4.1.1)
HEADER = slice(2, 12)
QUESTION = 12  # where it begins


@dataclass(frozen=True)
class OneStep(Fault):
    """Of a chain of CNAMEs only the first, so that each has to be asked for."""

    def reply(self, exchange: Exchange) -> Reply:
        exchange.response.answer = exchange.response.answer[:1]
        exchange.response.authority = []
        return Reply(encode(exchange.response))


@dataclass(frozen=True)
class Sometimes(Fault):
    """Mostly the right answer; in `share` of the cases none, a late one or SERVFAIL."""

    share: float
    chance: random.Random = field(default_factory=random.Random, compare=False)

    def reply(self, exchange: Exchange) -> Reply:
        if self.chance.random() >= self.share:
            return Reply(exchange.right())
        fault = self.chance.choice((Drop(), Late(0.5), Servfail()))
        return fault.reply(exchange)


class Zone:
    """The records of one run."""

    def __init__(self) -> None:
        self.data = ZoneData()
        self.counted = b""  # in wire form, what a name has to have in it to be counted

    def count(self, domain: str) -> None:
        """Counts the questions below that domain, and no others."""
        self.counted = absolute(domain).to_wire() or b""

    def add(self, name: str, rdtype: str, *rdata: str, ttl: int = TTL) -> None:
        made = [record(rdtype, text) for text in rdata]
        self.data.add(absolute(name), ttl, made)

    def text(self, name: str, text: str) -> None:
        """A TXT record, in strings of at most 255 octets."""
        self.data.add(absolute(name), TTL, [text_rdata(text.encode())])

    def share(self, names: Sequence[str], rdtype: str, rdata: Sequence[str]) -> None:
        """The same records at every name."""
        made = [record(rdtype, text) for text in rdata]
        for name in names:
            self.data.add(absolute(name), TTL, made)

    def host(self, domain: str, address: str, ttl: int = TTL) -> None:
        """A domain whose mail goes to that address."""
        self.add(domain, "MX", f"10 mx.{domain}.", ttl=ttl)
        self.add(f"mx.{domain}", "A", address, ttl=ttl)

    def fail(self, name: str, fault: Fault, rdtype: str = "ANY") -> None:
        self.data.fail(name, fault, rdtype)


class CountingNameserver(Nameserver):
    """Counts the questions, and knows its answers."""

    def __init__(
        self,
        loop: LoopThread,
        zone: Zone,
        questions: Counter,
        keep: bool = True,
    ) -> None:
        super().__init__(loop, zone=zone.data)
        self._counted = zone.counted
        self._keep = keep
        self._questions = questions
        self._known: dict[tuple[str, bytes], bytes] = {}

    def respond(self, packet: bytes, transport: str) -> Reply:
        if self._counted in packet.lower():
            self._questions.add()
        # Whoever asks in mixed case has the answer in the same case: the records point to the question.
        key = (transport, packet[HEADER] + packet[QUESTION:].lower())
        known = self._known.get(key)
        if known is None:
            reply = super().respond(packet, transport)
            if reply.wire is None or not self._keep:
                return reply
            self._known[key] = known = reply.wire
        end = packet.index(b"\0", QUESTION) + 5
        return Reply(packet[ID] + known[HEADER] + packet[QUESTION:end] + known[end:])


def serve(zone: Zone, questions: Counter, keep: bool = True) -> None:
    """The process: answers until it is ended."""
    CountingNameserver(LoopThread(), zone, questions, keep).start()
    while True:
        signal.pause()
