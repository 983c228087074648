"""An MTA that queues: what becomes of a message that it has accepted, seen at its destination and at the
mail exchanger of its sender. One that relays upstream replies in the session has nothing to queue."""

from __future__ import annotations

import pytest

from conformance import ConformanceFailure, clause, expect, expect_one_of, expect_true
from conformance.expect import Unimplemented
from conformance.lab import Message, Upstream, World, say

REFUSAL = "550 5.1.1 no such mailbox here"
DEFERRAL = "451 4.7.1 try again later"


def sender_host(world: World) -> Upstream:
    """Where notifications to the sender arrive."""
    world.dns.remove(world.sender.domain, "MX")
    return world.mx_host(world.sender.domain)


def accepted(world: World, sender: str, message: bytes | None = None) -> None:
    """Has the subject accept a message. One that does not, since its upstream will not, has no queue."""
    with world.client() as client:
        delivery = client.deliver(sender, world.info, message or world.message())
    if not delivery.accepted:
        raise Unimplemented("queue")


def one_address(world: World) -> Upstream:
    """A destination host with one address, where a second attempt is a retry: with two, the other one
    may be tried at once."""
    world.no_mx()
    return world.mx_host(world.destination, label="mx-ipv4", ipv6=False)


def notification(world: World, stage: str) -> Message:
    """Of a message that the destination has refused."""
    host = sender_host(world)
    world.upstream.on(stage, say(REFUSAL))
    accepted(world, world.sender.address)
    return host.wait_for_message()


@clause("QUE-01")
@pytest.mark.parametrize("stage", ["rcpt", "end"])
def test_a_permanent_refusal_after_acceptance_is_reported_to_the_reverse_path(
    world: World, stage: str
) -> None:
    report = notification(world, stage)
    recipients = [address.lower() for address in report.recipients]
    expect(recipients, [world.sender.address.lower()], "the notification's recipients")


@clause("QUE-02")
def test_a_notification_has_the_null_reverse_path(world: World) -> None:
    sender = notification(world, "rcpt").sender
    expect_one_of(sender, ("", "<>"), "the notification's reverse-path")


@clause("QUE-03")
def test_a_notification_does_not_go_to_the_author_in_from(world: World) -> None:
    host = sender_host(world)
    world.upstream.on("rcpt", say(REFUSAL))
    author = f"author@{world.sender.domain}"
    message = world.message().replace(
        world.sender.address.encode("ascii"), author.encode("ascii")
    )
    accepted(world, world.sender.address, message)
    recipients = [address.lower() for address in host.wait_for_message().recipients]
    expect(recipients, [world.sender.address.lower()], "the notification's recipients")


@clause("QUE-04")
def test_a_message_with_the_null_reverse_path_is_not_reported(world: World) -> None:
    host = sender_host(world)
    world.upstream.on("rcpt", say(REFUSAL))
    accepted(world, "")
    world.upstream.wait_for_command(b"RCPT")
    # The control: one with a sender is reported, by which time the other would have been.
    accepted(world, world.sender.address)
    expect(
        host.wait_for_message().recipients[0].lower(),
        world.sender.address.lower(),
        "the recipient of the first notification",
    )
    expect(len(host.messages), 1, "the number of notifications")


@clause("QUE-05")
@pytest.mark.parametrize("stage", ["rcpt", "end"])
def test_a_temporary_refusal_is_tried_again(world: World, stage: str) -> None:
    host = one_address(world)
    host.on(stage, say(DEFERRAL), nth=1)
    accepted(world, world.sender.address)
    host.wait_for_command(b"RCPT")
    try:
        host.wait_for_command(b"RCPT", 2)
    except ConformanceFailure:
        pytest.skip(f"it was not tried again within {world.patience:g} s")
    expect_true(
        host.wait_for_message(2 if stage == "end" else 1).accepted,
        "the message delivered when it is tried again",
        "refused again",
    )
