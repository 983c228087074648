"""Attacks on memory: what is held for long, and what the answers of others make the relay keep."""

from __future__ import annotations

import time
from contextlib import suppress

from conformance.lab.nameserver.faults import Drop
from fixtures.vectors.generate.arc_chain import Hop, seal
from fixtures.vectors.generate.keys import RSA_1024
from fixtures.vectors.generate.signing import Mail
from load.attacks.base import RECIPIENT, Counting, Field, linger, opened
from load.attacks.messages import SENDER, plain
from load.crew import Counter
from load.names import Zone
from load.signing import Signer, signed
from load.wire import END

MEGABYTES = 17  # what 8 sessions send at once, when a doubling buffer is twice as large
SESSIONS = 8


def trickle(deadline: float, held: Counter) -> None:
    """Much of a message at once in every session, then an octet a second."""
    wires = []
    for wire in opened(deadline, SESSIONS):
        with suppress(OSError):
            wire.envelope(SENDER, RECIPIENT)
            line = b"x" * 998 + b"\r\n"
            wire.socket.sendall(plain().octets + line * (MEGABYTES * 1000))
            wires.append(wire)
            held.add()
    while time.monotonic() < deadline:
        for wire in wires:
            with suppress(OSError):
                wire.socket.sendall(b"x")
        time.sleep(1.0)


class Holding(Counting):
    """The base of those that hold sessions."""

    counted = "sessions held"


class TrickleData(Holding):
    """Eight sessions of one address that send 17 MB each at once, then an octet a second."""

    name = "trickle-data"

    def run(self, field: Field) -> None:
        field.load(trickle, self.count)
        field.wait()


ADDRESSES = [f"198.18.{n // 256}.{n % 256}" for n in range(3900)]


def hold_mail(deadline: float, count: int, held: Counter) -> None:
    """Sessions that have said MAIL, and wait."""
    wires = []
    for wire in opened(deadline, count):
        with suppress(OSError):
            wire.say("MAIL FROM:<a@addresses.example>")
            wires.append(wire)
            held.add()
    linger(deadline)


class DnsAddresses(Holding):
    """Four hundred sessions whose MAIL has an SPF record of nine a and a ptr, each of 3,900
    addresses."""

    name = "dns-addresses"
    quick = False

    def zone(self, zone: Zone) -> None:
        hosts = [f"h{number}.addresses.example" for number in range(9)]
        names = [f"p{number}.addresses.example" for number in range(10)]
        zone.share(hosts + names, "A", ADDRESSES)
        terms = " ".join(f"a:{host}" for host in hosts)
        zone.text("addresses.example", f"v=spf1 {terms} ptr -all")
        for last in range(1, 10):
            zone.add(f"{last}.113.0.203.in-addr.arpa", "PTR", *(f"{n}." for n in names))

    def run(self, field: Field) -> None:
        field.load(hold_mail, field.few(400, 150), self.count)
        field.wait()


def await_verdict(deadline: float, count: int, message: bytes, held: Counter) -> None:
    """Messages whose evaluation does not end."""
    wires = []
    for wire in opened(deadline, count):
        with suppress(OSError):
            wire.envelope(SENDER, RECIPIENT)
            wire.socket.sendall(message)
            wires.append(wire)
            held.add()
    linger(deadline)


class DnsKeys(Holding):
    """Forty messages of 58 signatures, whose keys are 64 KB of TXT records each; the last is never
    answered."""

    name = "dns-keys"
    signatures, sets = 8, 50

    def signer(self, number: int) -> Signer:
        return Signer("keys.example", f"k{number}", RSA_1024)

    def zone(self, zone: Zone) -> None:
        # The newest set is looked at first, so the oldest one's key is the last to be asked for.
        last = self.signatures
        count = self.signatures + self.sets
        names = [self.signer(n).record[0] for n in range(count) if n != last]
        strings = " ".join('"' + "x" * 250 + '"' for _ in range(4))
        key = f'"{self.signer(0).record[1]}"'
        zone.share(names, "TXT", [key, *(f'"v=spf1 {n}" {strings}' for n in range(62))])
        zone.fail(self.signer(last).record[0], Drop())

    def message(self) -> Mail:
        made = plain()
        for number in range(self.signatures):
            made = signed(made, self.signer(number))
        for number in range(self.signatures, self.signatures + self.sets):
            made = seal(
                made,
                Hop(key=RSA_1024, domain="keys.example", selector=f"k{number}"),
            )
        return made

    def run(self, field: Field) -> None:
        wired = self.message().octets + END[2:]
        field.load(await_verdict, field.few(40, 30), wired, self.count)
        field.wait()
