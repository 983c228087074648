"""The dialogue behind a proxy: whom the PROXY protocol's header names, and what becomes of a connection
without one (HAProxy's proxy-protocol.txt, sections 2.1 and 2.2)."""

from __future__ import annotations

import socket

import pytest

from conformance import clause, expect, expect_reply
from conformance.lab import Client, Reply, World
from conformance.suite.dialogue import answer, expect_refused
from conformance.suite.spf import first, recorded

START = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL, PROXY = 0x20, 0x21
TCP4, TCP6 = 0x11, 0x21
# A type-length-value that says nothing (PP2_TYPE_NOOP).
NOTHING = b"\x04\0\x03abc"


def connect(world: World, proxy: str, header: bytes) -> Client:
    """A connection to the listener for proxies, which begins with that."""
    client = world.connect(world.subject, proxy, port=world.lab.plan.proxy_port)
    client.send(header)
    return client


def sent_through_proxy(world: World, proxy: str, header: bytes) -> str | None:
    """The SPF result of the sender's message, which it sends through that proxy."""
    world.require("spf")
    with connect(world, proxy, header) as client:
        client.greet(world.sender.domain)
        delivery = client.deliver(world.sender.address, world.info, world.message())
        expect_reply(delivery.final, "2xx", to="the message")
    return first(recorded(world.upstream.wait_for_message()))


def text(client: str, server: str, ports: str) -> bytes:
    """A header of version 1."""
    family = "TCP6" if ":" in client else "TCP4"
    return f"PROXY {family} {client} {server} {ports}\r\n".encode("ascii")


def binary(command: int, family: int, data: bytes) -> bytes:
    """A header of version 2."""
    return START + bytes((command, family)) + len(data).to_bytes(2, "big") + data


def addresses(client: str, server: str) -> bytes:
    """What a header of version 2 says of two addresses, and of their ports."""
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    octets = socket.inet_pton(family, client) + socket.inet_pton(family, server)
    return octets + b"\xc0\x00\x00\x19"


@clause("DLG-59")
@pytest.mark.parametrize(
    ("family", "version", "rest"),
    [(4, 1, b""), (6, 1, b""), (4, 2, b""), (6, 2, b""), (4, 2, NOTHING)],
    ids=["1-TCP4", "1-TCP6", "2-TCP4", "2-TCP6", "2-TCP4-and-more"],
)
def test_the_client_is_the_one_that_the_proxy_names(
    world: World, family: int, version: int, rest: bytes
) -> None:
    client, server = world.sender.ipv4, "192.0.2.25"
    if family == 6:
        client, server = world.sender.ipv6, "2001:db8::25"
    header = text(client, server, "65535 25")
    if version == 2:
        named = addresses(client, server) + rest
        header = binary(PROXY, TCP4 if family == 4 else TCP6, named)
    result = sent_through_proxy(world, world.new_client_addresses()[0], header)
    expect(result, "pass", "the SPF result for the sender's address")


ELSEWHERE = addresses("198.51.100.77", "198.51.100.78")
ALL_ONES = ":".join(["ffff"] * 8).encode("ascii")
# Of each kind one with addresses, which mean nothing: of version 1 the longest line that there is.
NAMES_NOBODY = {
    "UNKNOWN": b"PROXY UNKNOWN\r\n",
    "UNKNOWN-longest": b"PROXY UNKNOWN %b %b 65535 65535\r\n" % (ALL_ONES, ALL_ONES),
    "LOCAL": binary(LOCAL, 0, b""),
    "LOCAL-with-addresses": binary(LOCAL, TCP4, ELSEWHERE),
}


@clause("DLG-59")
@pytest.mark.parametrize("header", NAMES_NOBODY.values(), ids=list(NAMES_NOBODY))
def test_a_proxy_that_names_nobody_is_the_client(world: World, header: bytes) -> None:
    result = sent_through_proxy(world, world.sender.ipv4, header)
    expect(result, "pass", "the SPF result for the sender's address")


PAIR = ("192.0.2.1", "192.0.2.25")
NO_HEADERS = {
    "none": b"EHLO client.example\r\n",
    "1-family": b"PROXY TCP5 192.0.2.1 192.0.2.25 49152 25\r\n",
    "1-other-family": b"PROXY TCP4 2001:db8::1 2001:db8::25 49152 25\r\n",
    "1-second-address": b"PROXY TCP4 192.0.2.1 192.0.2 49152 25\r\n",
    "1-first-port": text(*PAIR, "65536 25"),
    "1-second-port": text(*PAIR, "49152 x"),
    "1-zeros": text(*PAIR, "049152 25"),
    "1-one-port": text(*PAIR, "49152"),
    "1-end": b"PROXY TCP4 192.0.2.1 192.0.2.25 49152 25\n",
    "2-version": binary(0x11, TCP4, addresses(*PAIR)),
    "2-command": binary(0x22, TCP4, addresses(*PAIR)),
    "2-short": binary(PROXY, TCP4, addresses(*PAIR)[:-1]),
    "2-short-TCP6": binary(PROXY, TCP6, addresses("2001:db8::1", "2001:db8::2")[:-1]),
}


def answer_if_any(client: Client) -> Reply | None:
    """The next reply; None if the connection is closed, or the rest of a header waited for."""
    return None if client.is_silent_for(client.patience) else answer(client)


@clause("DLG-60")
@pytest.mark.parametrize("header", NO_HEADERS.values(), ids=list(NO_HEADERS))
def test_a_connection_without_a_good_header_brings_no_mail(
    world: World, header: bytes
) -> None:
    proxy = world.sender.ipv4
    sent_through_proxy(world, proxy, text(*PAIR, "49152 25"))
    with connect(world, proxy, header) as client:
        reply = answer_if_any(client)
        for command in ("EHLO client.example", f"MAIL FROM:<{world.sender.address}>"):
            client.line(command)
            reply = answer_if_any(client)
        expect_refused(reply, "MAIL")
