"""Attacks by connections: many of them, short, half-open or slow."""

from __future__ import annotations

import socket
import ssl
import time
from collections import deque
from contextlib import suppress

from load.attacks.base import (
    MANY_SESSIONS,
    RECIPIENT,
    SESSIONS_PER_CLIENT,
    Attack,
    Counting,
    Field,
    linger,
    opened,
)
from load.crew import Counter
from load.relay import IPV4, PORT
from load.wire import Wire, reset, tls_context

FLOODERS = 2  # processes
IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h; Python 3.11 has no name for it


def flood(
    deadline: float, number: int, manner: str, addresses: int, made: Counter
) -> None:
    """Connections without end, which end at once: "close", "reset", or "banner" (read it first)."""
    count = 0
    while time.monotonic() < deadline:
        connection = socket.socket()
        # A port is free again as soon as the last connection from it to here is over.
        connection.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        source = f"203.0.113.{1 + (number + FLOODERS * count) % addresses}"
        count += 1
        try:
            connection.bind((source, 0))
            if manner == "banner":
                connection.settimeout(2.0)
                connection.connect((IPV4, PORT))
                connection.recv(200)
            else:
                # The kernel completes the handshake whether or not anybody waits for it.
                connection.setblocking(False)
                connection.connect_ex((IPV4, PORT))
        except OSError:
            connection.close()
            continue
        if manner == "reset":
            reset(connection)
        else:
            connection.close()
    made.add(count, number)


class ConnectFlood(Counting):
    """Connections that are closed at once, from 250 addresses."""

    name = "connect-flood"
    settings = MANY_SESSIONS
    manner = "close"
    addresses = 250
    counted = "connections"

    def run(self, field: Field) -> None:
        for number in range(FLOODERS):
            field.load(flood, number, self.manner, self.addresses, self.count)
        field.wait()


class ConnectReset(ConnectFlood):
    """Connections that are reset at once."""

    name = "connect-reset"
    quick = False
    manner = "reset"


class ConnectBanner(ConnectFlood):
    """Connections that are closed after the banner."""

    name = "connect-banner"
    quick = False
    manner = "banner"


class ConnectOneAddress(ConnectFlood):
    """Connections that are closed at once, from one address beyond its limit of sessions."""

    name = "connect-one-address"
    quick = False
    settings = {}
    addresses = 1


def crowd(deadline: float, number: int, held: int, made: Counter) -> None:
    """Connections without end from one address; the last `held` stay open."""
    open_ones: deque[socket.socket] = deque()
    while time.monotonic() < deadline:
        connection = socket.socket()
        open_ones.append(connection)
        with suppress(OSError):
            connection.bind(("203.0.113.1", 0))
            connection.setblocking(False)
            connection.connect_ex((IPV4, PORT))
            made.add(1, number)
        if len(open_ones) > held:
            open_ones.popleft().close()


class ConnectRefused(Counting):
    """Connections that wait for their refusal, from one address that has all its sessions."""

    name = "connect-refused"
    quick = False
    counted = "connections"
    files_max = 3 * SESSIONS_PER_CLIENT  # a refusal ends the connection

    def run(self, field: Field) -> None:
        field.load(hold, SESSIONS_PER_CLIENT)
        for number in range(FLOODERS):
            field.load(crowd, number, 400, self.count)
        field.pause(max(0.0, field.deadline - time.monotonic()))
        field.wait()

    def conclude(self, field: Field) -> None:
        super().conclude(field)
        if field.descriptors > self.files_max:
            field.broken.append(
                f"{field.descriptors} files, more than {self.files_max}: refused "
                "connections stay"
            )


def hold(deadline: float, count: int) -> None:
    """All sessions of one address."""
    wires = []
    for _ in range(count):
        with suppress(OSError):
            wires.append(Wire("203.0.113.1", 2.0))
            wires[-1].greet()
    linger(deadline)


def hold_prefix(deadline: float, count: int, held: Counter) -> None:
    wires = []
    for number in range(count):
        if time.monotonic() > deadline:
            break
        with suppress(OSError):
            wire = Wire(f"2001:db8:bad:1::{number + 1:x}", 2.0)
            wires.append(wire)
            wire.greet()
            held.add()
    linger(deadline)


class Ipv6Prefix(Counting):
    """A thousand sessions from as many addresses of one IPv6 /64, which is one client."""

    name = "ipv6-prefix"
    counted = "sessions held"

    def run(self, field: Field) -> None:
        field.load(hold_prefix, 1000, self.count)
        field.wait()


def client_hello() -> bytes:
    outgoing = ssl.MemoryBIO()
    handshake = tls_context().wrap_bio(ssl.MemoryBIO(), outgoing)
    with suppress(ssl.SSLWantReadError):
        handshake.do_handshake()
    return outgoing.read()


def half_open(deadline: float, count: int, octets: int | None, held: Counter) -> None:
    hello = client_hello()[:octets]
    wires = []
    for wire in opened(deadline, count):
        with suppress(OSError):
            wire.expect("220", "STARTTLS")
            wire.socket.sendall(hello)
            wires.append(wire)
            held.add()
    linger(deadline)


class HalfOpenTls(Attack):
    """A thousand sessions that send their ClientHello after STARTTLS, then nothing."""

    name = "half-open-tls"
    settings = MANY_SESSIONS
    octets: int | None = None

    def __init__(self) -> None:
        self.held = Counter()
        self.before_kib = 0

    def prepare(self, field: Field) -> None:
        self.before_kib, _ = field.relay.memory_kib()

    def run(self, field: Field) -> None:
        field.load(half_open, field.few(1000, 300), self.octets, self.held)
        field.wait()

    def conclude(self, field: Field) -> None:
        _, peak_kib = field.relay.memory_kib()
        each = (peak_kib - self.before_kib) / max(self.held.value, 1)
        field.notes.append(f"{self.held.value} sessions, {each:.0f} KiB each")


class HalfOpenTlsShort(HalfOpenTls):
    """A thousand sessions that send seven octets of a ClientHello, then nothing."""

    name = "half-open-tls-short"
    quick = False
    octets = 7


def handshakes(deadline: float, number: int, made: Counter) -> None:
    while time.monotonic() < deadline:
        with suppress(OSError), Wire(f"203.0.113.{number + 1}", 5.0) as wire:
            wire.greet()
            wire.start_tls()
            made.add(1, number)


class TlsHandshakes(Counting):
    """TLS handshakes without end."""

    name = "tls-handshakes"
    quick = False
    counted = "handshakes"

    def run(self, field: Field) -> None:
        for number in range(FLOODERS):
            field.load(handshakes, number, self.count)
        field.wait()


def tiny_records(deadline: float, sent: Counter) -> None:
    while time.monotonic() < deadline:
        with suppress(OSError), Wire("203.0.113.1", 5.0) as wire:
            wire.greet()
            wire.start_tls()
            wire.envelope("a@sender.example", RECIPIENT)
            wire.socket.sendall(b"From: <a@sender.example>\r\n\r\n")
            while time.monotonic() < deadline:
                wire.socket.sendall(b"x")
                sent.add()
                if sent.value % 70 == 0:
                    wire.socket.sendall(b"\r\n")


class TlsRecords(Counting):
    """A message in TLS records of one octet each."""

    name = "tls-records"
    quick = False
    counted = "records"

    def run(self, field: Field) -> None:
        field.load(tiny_records, self.count)
        field.wait()


def crawl(deadline: float, count: int, first: int, in_data: bool) -> None:
    """Sessions that send an octet a second."""
    wires = []
    for wire in opened(deadline, count, first):
        with suppress(OSError):
            if in_data:
                wire.envelope("a@sender.example", RECIPIENT)
            wires.append(wire)
    text = b"N" if not in_data else b"x"
    while time.monotonic() < deadline:
        for wire in wires:
            with suppress(OSError):
                wire.socket.sendall(text)
        time.sleep(1.0)


class Slowloris(Attack):
    """A thousand commands and five hundred messages at an octet a second."""

    name = "slowloris"
    settings = MANY_SESSIONS

    def run(self, field: Field) -> None:
        commands, messages = field.few(1000, 300), field.few(500, 150)
        field.load(crawl, commands, 0, False)
        field.load(crawl, messages, commands + 100, True)
        field.wait()


def hang_up_together(deadline: float, first: int, count: int, left: Counter) -> None:
    """Sessions that all end at one moment, again and again."""
    while time.monotonic() < deadline:
        wires = list(opened(deadline, count, first))
        for wire in wires:
            wire.socket.close()
        left.add(len(wires))


class Herd(Counting):
    """Fifteen hundred sessions that hang up at one moment, again and again."""

    name = "herd"
    settings = MANY_SESSIONS
    counted = "sessions hung up"

    def run(self, field: Field) -> None:
        count = field.few(750, 200)
        for number in range(FLOODERS):
            field.load(hang_up_together, number * 1000, count, self.count)
        field.wait()
