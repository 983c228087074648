"""What many tests do in the same way: forward a message, read what went upstream, ask DNS, and make
sure that nothing further arrives."""

from __future__ import annotations

import ipaddress
import re

import dns.resolver
import pytest

from conformance import expect, expect_reply, expect_true
from conformance.expect import ConformanceFailure
from conformance.lab import Client, Message, Upstream, World
from conformance.suite.envelope import path_of

# A Mailbox's local part as RFC 5321 4.1.2 writes it.
ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
DOT_STRING = rf"{ATOM}(?:\.{ATOM})*"
QUOTED_STRING = r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])*"'
DOMAIN = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
MAILBOX = rf"(?:{DOT_STRING}|{QUOTED_STRING})@{DOMAIN}"


def forward(
    world: World,
    *,
    sender: str | None = None,
    recipient: str | None = None,
    message: bytes | None = None,
    upstream: Upstream | None = None,
) -> Message:
    """Has a message forwarded in a session of its own; returns it as the upstream got it."""
    upstream = upstream or world.upstream
    earlier = len(upstream.messages)
    with world.client() as client:
        delivery = client.deliver(
            world.sender.address if sender is None else sender,
            recipient or world.info,
            world.message() if message is None else message,
        )
        expect_true(delivery.accepted, "a 2xx for the message", delivery.final)
        client.quit()
    return upstream.wait_for_message(earlier + 1)


def open_transaction(
    world: World, client: Client, recipient: str | None = None
) -> None:
    """MAIL and RCPT, both accepted."""
    mail = client.mail(world.sender.address)
    expect_true(mail.code == 250, "250 to MAIL", mail)
    rcpt = client.rcpt(recipient or world.info)
    expect_true(rcpt.code == 250, "250 to RCPT", rcpt)


def data_granted(world: World, client: Client) -> None:
    """DATA is answered 354, while the upstream is held by the test. Where the subject asks the upstream
    first it waits for that, and there is nothing to judge."""
    client.line("DATA")
    try:
        reply = client.read_reply()
    except ConformanceFailure:
        if "DATA" in world.upstream.verbs:
            pytest.skip("the upstream is asked first, which INV-14 judges")
        raise
    expect_reply(reply, 354, to="DATA")


def reverse_path(upstream: Upstream, count: int = 1) -> str:
    """The `count`th reverse-path sent to an upstream, as written between the angle brackets."""
    return path_of(upstream.wait_for_command(b"MAIL", count))


def served(world: World) -> str:
    """The domain of the subject's at which `info` is."""
    return world.info.rpartition("@")[2]


def unquoted(local_part: str) -> str:
    """The content of a local part, quoted or not (RFC 5321 4.1.2)."""
    if local_part.startswith('"'):
        return re.sub(r"\\(.)", r"\1", local_part[1:-1])
    return local_part


def fence(world: World) -> None:
    """One more message by another route: when it has arrived, an earlier one would have. By an author
    to whom nobody objects."""
    earlier = len(world.far_upstream.messages)
    identity = f"fence{earlier}@{world.elsewhere}"
    author = world.bystander
    message = (
        f"From: <{author}>\r\nTo: <{author}>\r\nSubject: fence\r\n"
        f"Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nMessage-ID: <{identity}>\r\n\r\n"
    ).encode("ascii")
    with world.client(source=world.new_client_addresses()[0]) as client:
        delivery = client.deliver(author, world.far, message)
        expect_true(delivery.accepted, "a 2xx for a later message", delivery.final)
    world.far_upstream.wait_for_message(earlier + 1)


def expect_nothing_upstream(world: World, *upstreams: Upstream) -> None:
    """No message has gone, or will go, to the upstreams (default: the test's own)."""
    fence(world)
    for upstream in upstreams or (world.upstream,):
        expect(len(upstream.messages), 0, f"the number of messages at {upstream.name}")


def expect_no_connection(upstream: Upstream) -> None:
    """Nobody has connected to it so far."""
    expect(upstream.dialogues, [], f"connections to {upstream.name}")


def look_up(name: str, rdtype: str) -> list[str]:
    """Records of a name in master-file form, sorted; none where there are none."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    try:
        return sorted(record.to_text() for record in resolver.resolve(name, rdtype))
    except (dns.resolver.NoAnswer, dns.resolver.NXDOMAIN):
        return []


def skip_at_loopback(world: World) -> None:
    """Skips a test that needs a subject at an address of its own; every host has those of loopback."""
    for address in world.subject.addresses:
        if ipaddress.ip_address(address).is_loopback:
            pytest.skip(f"the subject is at {address}, an address that every host has")


def control(world: World, recipient: str | None = None) -> Message:
    """The positive control of a test that looks for a refusal, for silence or for nothing at all: the
    subject forwards an ordinary message to a routed address (default: info). Without that, a subject
    that refuses or drops everything would pass."""
    return forward(world, recipient=recipient)
