"""Attacks by single messages: signatures, bodies and header fields that cost much to look at."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from conformance.lab.client import stuffed
from fixtures.vectors.generate.keys import RSA_2048
from fixtures.vectors.generate.signing import Mail, mail
from load.attacks.base import RECIPIENT, Attack, Field
from load.crew import Counter
from load.figures import HELD_LARGE_MAX_MS, Bounds
from load.names import Zone
from load.signing import Signer, costly_key, sealed, signed
from load.wire import Wire

DOMAIN = "costly.example"
SENDER = f"ann@{DOMAIN}"
HEADER = (
    f"From: Ann <{SENDER}>\nTo: {RECIPIENT}\nSubject: The minutes\n"
    f"Date: Tue, 14 Nov 2023 21:56:40 +0000\nMessage-ID: <minutes@{DOMAIN}>\n"
)
LARGE = 25 * 1024 * 1024 - 100_000  # octets of body, within SIZE with its header
LENGTHS = 8  # signatures of each kind that have an l= of their own
SIGNATURES, SETS = 8, 50


def plain(body: bytes = b"Here they are.\r\n") -> Mail:
    return replace(mail(HEADER, ""), body=body)


def send_message(
    deadline: float, wired: bytes, sent: Counter, taken: Counter, failed: Counter
) -> None:
    """The same message (dot-stuffed, with its end) again and again, once at least."""
    while True:
        try:
            with Wire("203.0.113.1", 60) as wire:
                wire.greet()
                wire.envelope(SENDER, RECIPIENT)
                wire.socket.sendall(wired)
                if wire.reply().startswith("250"):
                    taken.add()
                sent.add()
        except OSError:
            failed.add()
            time.sleep(0.05)
        if time.monotonic() > deadline:
            return


class OneMessage(Attack):
    """The base of those that send the same message again and again."""

    def __init__(self) -> None:
        self.sent = Counter()
        self.taken = Counter()
        self.failed = Counter()
        self.wired = b""

    def message(self) -> bytes:
        raise NotImplementedError

    def prepare(self, field: Field) -> None:
        self.wired = stuffed(self.message())

    def run(self, field: Field) -> None:
        field.load(send_message, self.wired, self.sent, self.taken, self.failed)
        field.wait()

    def conclude(self, field: Field) -> None:
        octets = len(self.wired)
        field.notes.append(
            f"{self.sent.value} messages of {octets} octets answered, "
            f"{self.taken.value} with 250; {self.failed.value} not answered"
        )


class RsaExponent(OneMessage):
    """Messages of 8 DKIM signatures and 50 ARC sets, all right, by an RSA-3072 key whose public exponent
    has 3070 bits."""

    name = "rsa-exponent"
    modulus_bits, exponent_bits = 3072, 3070

    def __init__(self) -> None:
        super().__init__()
        self._signer: Signer | None = None

    @property
    def signer(self) -> Signer:
        """Made when it is needed, as that takes its time."""
        if self._signer is None:
            key = costly_key(self.modulus_bits, self.exponent_bits)
            self._signer = Signer(DOMAIN, "dear", key)
        return self._signer

    def zone(self, zone: Zone) -> None:
        zone.text(*self.signer.record)

    def message(self) -> bytes:
        made = plain()
        for _ in range(SIGNATURES):
            made = signed(made, self.signer)
        for _ in range(SETS):
            made = sealed(made, self.signer)
        return made.octets


class RsaLarge(RsaExponent):
    """The same by the costliest key that is taken: RSA-4096 with a public exponent of 32 bits."""

    name = "rsa-4096"
    quick = False
    modulus_bits, exponent_bits = 4096, 32


class BodyLengths(OneMessage):
    """Messages of 25 MB, runs of blanks, with 16 different l= (8 DKIM signatures, 8 ARC sets)."""

    name = "body-lengths"
    bounds = Bounds(held_ms=HELD_LARGE_MAX_MS)
    signer = Signer(DOMAIN, "ordinary", RSA_2048)

    def zone(self, zone: Zone) -> None:
        zone.text(*self.signer.record)

    def message(self) -> bytes:
        # The hashes are those of another body: what they cost is known only when they are computed.
        made = plain()
        body = repeated(b"x" + b" " * 70 + b"y\r\n")
        canonical = body.count(b"\n") * len(b"x y\r\n")
        for number in range(LENGTHS):
            made = signed(made, self.signer, canonical - 100 * number)
        for number in range(LENGTHS):
            made = sealed(made, self.signer, canonical - 100 * (LENGTHS + number))
        return replace(made, body=body).octets


class BodyLines(OneMessage):
    """Messages of 25 MB that have nothing but lines of two dots, which are the slowest to canonicalise."""

    name = "body-dots"
    quick = False
    bounds = Bounds(held_ms=HELD_LARGE_MAX_MS)
    line = b"..\r\n"

    def message(self) -> bytes:
        return plain(repeated(self.line)).octets


class BodyPlain(BodyLines):
    """Messages of 25 MB of ordinary text."""

    name = "body-plain"
    quick = False
    line = b"The quick brown fox jumps over the lazy dog, and once more, and again.\r\n"


def repeated(line: bytes) -> bytes:
    """So many lines that they are as large as a message may be once dots are doubled or not."""
    return line * (LARGE // len(line))


def field_of(size: int, make: Callable[[int], str]) -> bytes:
    """Header fields of so many octets together."""
    made: list[bytes] = []
    octets = 0
    while octets < size:
        made.append(make(len(made)).encode() + b"\r\n")
        octets += len(made[-1])
    return b"".join(made)


class HeaderFields(OneMessage):
    """Messages of 200 KB of header fields, each with another Authentication-Results."""

    name = "header-results"
    quick = False

    def message(self) -> bytes:
        fields = field_of(
            200_000,
            lambda n: f"Authentication-Results: a{n}.example; spf=pass smtp.mailfrom=b.example",
        )
        return fields + plain().octets


class HeaderSignatures(OneMessage):
    """Messages of a thousand DKIM-Signature fields."""

    name = "header-signatures"
    quick = False

    def message(self) -> bytes:
        field = (
            f"DKIM-Signature: v=1; a=rsa-sha256; d={DOMAIN}; s=none; c=relaxed/relaxed;\r\n"
            "\th=from:to; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n"
        )
        return field.encode() * 1000 + plain().octets


def send_large(
    deadline: float, number: int, wired: bytes, sent: Counter, taken: Counter
) -> None:
    """One message, and how it was answered: taken or not."""
    with suppress(OSError), Wire(f"203.0.113.{number + 1}", 120) as wire:
        wire.greet()
        wire.envelope(SENDER, RECIPIENT)
        wire.socket.sendall(wired)
        if wire.reply().startswith("250"):
            taken.add(1, number)
        sent.add(1, number)


class LargeMessages(OneMessage):
    """Twenty messages of 25 MB at once."""

    name = "large-messages"
    bounds = Bounds(held_ms=HELD_LARGE_MAX_MS)
    count = 20
    # Of 256 MiB, less an eighth that is kept for small ones.
    room_for = 8

    def message(self) -> bytes:
        return plain(repeated(BodyPlain.line)).octets

    def run(self, field: Field) -> None:
        field.deadline += 60  # they end when they are answered
        for number in range(self.count):
            field.load(send_large, number, self.wired, self.sent, self.taken)
        field.wait()

    def conclude(self, field: Field) -> None:
        super().conclude(field)
        if self.taken.value < self.room_for:
            field.broken.append(
                f"{self.taken.value} of {self.count} messages were taken; there is room for "
                f"{self.room_for}"
            )
