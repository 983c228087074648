"""What many tests of a sender do in the same way: hand in a message, wait for what its MTA does with it,
now or in a later attempt, and make sure that it does nothing further.

Nothing is judged by the clock alone: a wait ends with what it waits for, or once the subject has nothing
left to deliver, or when its patience is over. A subject that would have tried again after that, and
cannot be told to try now, is not judged.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import pytest

from conformance import expect, expect_true, fail
from conformance.lab import Message, SenderWorld, Upstream
from conformance.lab.nameserver.exchange import Exchange, Reply
from conformance.lab.nameserver.faults import Fault
from conformance.lab.plan import USERS
from conformance.lab.provider import SERVICE_EXTENSIONS
from conformance.lab.upstream import BUSY_FACTOR
from conformance.lab.revival import DEATH_PATIENCE_S
from conformance.subjects.base import SubjectUnavailable
from conformance.suite.acts import fence, unquoted

T = TypeVar("T")

# How often a wait looks, and how often it has the subject try its deferred mail.
LOOK_S, FLUSH_S = 0.05, 1.0

# The page's text, with the address that it leaves open.
DNSBL_TEXT = (
    "{ip} found on one or more DNSBLs (abusixip). Refer to "
    "https://developers.cloudflare.com/email-routing/postmaster/#spam-and-abusive-traffic/"
)
DMARC_REFUSAL = "550 5.7.26 Unauthenticated email from the author's domain is not accepted due to its DMARC policy"

# Stages at which mail is refused, in the order of the dialogue.
COMMANDS = ("mail", "rcpt", "data", "end")
STEPS = ("connect", "ehlo", *COMMANDS)


@dataclass(frozen=True)
class Mended(Fault):
    """The correct answer again, after another fault."""

    def reply(self, exchange: Exchange) -> Reply:
        return Reply(exchange.right())


def sent(
    world: SenderWorld,
    message: bytes | None = None,
    *,
    sender: str | None = None,
    recipients: str | list[str] | None = None,
    foreign: bool = False,
) -> None:
    """Hands in a message, by default a plain one to the service, which the subject has to take. What its users
    write in the name of others (the sender's, or the header's, which `foreign` says), it may refuse to
    them (RFC 6409 6.1); then there is nothing to judge."""
    done = world.submit(message, sender=sender, recipients=recipients)
    own = [None, *(f"{user}@{world.sender.domain}" for user in USERS)]
    if not done.accepted and (foreign or sender not in own):
        pytest.skip(f"its users may not send this in the name of others: {done.output}")
    expect_true(done.accepted, "the message taken from its user", done.output)


def one_host(
    world: SenderWorld, *, extensions: list[str] | None = None, ipv6: bool = False
) -> Upstream:
    """Leaves the service one host, by default at one address, where a second attempt is a retry: with
    two, the other may be tried at once."""
    world.no_mx(world.zone)
    host = world.mx_host(world.zone, 13, label="only", ipv6=ipv6)
    host.extensions = list(SERVICE_EXTENSIONS if extensions is None else extensions)
    return host


def accepted(*hosts: Upstream) -> list[Message]:
    """The messages that hosts have accepted."""
    return [m for host in hosts for m in host.messages if m.accepted]


def accepted_for(recipient: str, *hosts: Upstream) -> list[Message]:
    """Those of which it is a recipient."""
    wanted = recipient.lower()
    return [
        message
        for message in accepted(*hosts)
        if wanted in [address.lower() for address in message.recipients]
    ]


def flush(world: SenderWorld) -> None:
    """Has the subject try its deferred mail; that it has ended by itself is its failure."""
    try:
        world.flush()
    except SubjectUnavailable:
        deadline = time.monotonic() + DEATH_PATIENCE_S
        while not world.subject_has_died():
            if time.monotonic() > deadline:
                raise
            time.sleep(LOOK_S)
        fail("the subject, still running", "it has ended by itself")


def _wait(
    world: SenderWorld, seen: Callable[[], T], what: str, patience: float, again: bool
) -> T | None:
    """What `seen` returns once that is true; None when patience is over. With `again` the subject is told to
    try its deferred mail meanwhile."""
    began = flushed = time.monotonic()
    while True:
        # In this order: what it had delivered by then has been noted.
        left = world.lab.mail_left()
        if result := seen():
            return result
        if left is False:
            fail(what, "nothing, and the subject has no mail left to deliver")
        now = time.monotonic()
        if now > began + patience * (BUSY_FACTOR if left else 1):
            return None
        if again and now > flushed + FLUSH_S:
            flush(world)
            flushed = time.monotonic()
        time.sleep(LOOK_S)


def at_once(world: SenderWorld, seen: Callable[[], T], what: str) -> T:
    """What `seen` returns once that is true, which takes no second attempt."""
    result = _wait(world, seen, what, world.patience, False)
    if result is None:
        fail(f"{what} within {world.patience:g} s", "nothing")
    return result


def in_time(
    world: SenderWorld, seen: Callable[[], T], what: str, extra: float = 0.0
) -> T:
    """What `seen` returns once that is true, which may take further attempts; `extra` seconds are what
    the first one may take. Fails if the sender of the message gets a report instead."""
    can_flush = "flush" in world.subject.capabilities

    def seen_or_reported() -> T | str | None:
        if result := seen():
            return result
        return "a report of failure instead" if world.bounces() else None

    result = _wait(world, seen_or_reported, what, world.patience + extra, can_flush)
    if isinstance(result, str):
        fail(what, result)
    if result is None:
        if can_flush:
            fail(what, "nothing, though the subject was told to try its mail again")
        pytest.skip(f"it was not tried again within {world.patience + extra:g} s")
    return result


def delivered(
    world: SenderWorld, *hosts: Upstream, count: int = 1, extra: float = 0.0
) -> Message:
    """The `count`th message that is accepted at the hosts, in whichever attempt."""
    found = in_time(
        world,
        lambda: accepted(*hosts)[count - 1 : count],
        f"message {count} accepted at {' or '.join(host.name for host in hosts)}",
        extra,
    )
    return found[0]


def delivered_to(world: SenderWorld, recipient: str, *hosts: Upstream) -> Message:
    """The first message that is accepted for the recipient, in whichever attempt."""
    found = in_time(
        world,
        lambda: accepted_for(recipient, *hosts),
        f"a message accepted for <{recipient}>",
    )
    return found[0]


def delivered_or_reported(world: SenderWorld, *hosts: Upstream) -> Message | None:
    """The message as a host has accepted it; None if its sender got a report."""
    found = at_once(
        world,
        lambda: accepted(*hosts) or list(filter(world.is_report, world.bounces())),
        "the message delivered or reported",
    )
    return found[0] if accepted(*hosts) else None


def expect_path(path: str, address: str, what: str) -> None:
    """The path is that address, as its host reads it: whether the local part is quoted says nothing (RFC 5321
    4.1.2), nor does the case of the domain."""
    local, _, domain = path.rpartition("@")
    expect(f"{unquoted(local)}@{domain.lower()}" if path else "", address, what)


def settle(world: SenderWorld) -> None:
    """All that the subject would do next, it has done: its deferred mail has been tried again, where it
    can be told to, and a message handed in after that has arrived elsewhere."""
    for _ in range(2):
        if "flush" in world.subject.capabilities:
            flush(world)
        fence(world)


def attempts(*hosts: Upstream) -> int:
    """How many transactions were begun at the hosts."""
    return sum(host.verbs.count("MAIL") for host in hosts)
