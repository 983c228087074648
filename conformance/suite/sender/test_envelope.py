"""The envelope: for whom a message is and by whom it is sent stays what the user said."""

from __future__ import annotations

import pytest

from conformance import clause, expect, expect_in, expect_true
from conformance.lab import Message, SenderWorld
from conformance.subjects.plan_file import a_label
from conformance.suite.acts import control
from conformance.suite.envelope import forward_path_of, reverse_path_of
from conformance.suite.sender.acts import (
    accepted,
    at_once,
    expect_path,
    one_host,
    sent,
    settle,
)

LOCAL_PARTS = [
    "box+tag",
    "first.last",
    "a.b+c.d",
    "a-b_c",
    "a=b",
    "o'neil",
    "x%y",
    "{id}",
]


def through(world: SenderWorld, recipient: str, sender: str | None = None) -> Message:
    """A message to the recipient at the service as it arrives."""
    host = one_host(world)
    sent(world, sender=sender, recipients=recipient)
    return at_once(world, lambda: accepted(host), "the message")[0]


@clause("SND-54")
@pytest.mark.parametrize("local", LOCAL_PARTS)
def test_a_recipients_local_part_is_left_as_it_is(
    world: SenderWorld, local: str
) -> None:
    address = world.at(local)
    path = forward_path_of(through(world, address))
    expect_path(path, address, "the forward-path")


@clause("SND-55")
def test_the_case_of_a_local_part_is_preserved(world: SenderWorld) -> None:
    address = world.at("MixedCase")
    path = forward_path_of(through(world, address))
    expect_path(path, address, "the forward-path")


@clause("SND-56")
@pytest.mark.parametrize("form", ["A-label", "U-label"])
def test_a_recipient_at_an_internationalized_domain_is_sent_in_a_labels(
    world: SenderWorld, form: str
) -> None:
    domain = a_label(world.abroad) if form == "A-label" else world.abroad
    done = world.submit(recipients=f"mailbox@{domain}")
    if form == "U-label" and (not done.accepted or reported(world)):
        pytest.skip("its users may not write U-labels")
    expect_true(done.accepted, "the message taken from its user", done.output)
    arrived = at_once(world, lambda: accepted(world.upstream), "the message")[0]
    wanted = f"mailbox@{a_label(world.abroad)}"
    expect(forward_path_of(arrived).lower(), wanted, "the forward-path")


def reported(world: SenderWorld) -> bool:
    """Whether a report comes rather than the message."""
    at_once(
        world,
        lambda: accepted(world.upstream) or world.bounces(),
        "the message or a report",
    )
    return not accepted(world.upstream)


@clause("SND-57")
def test_a_message_goes_to_the_recipients_of_its_envelope(world: SenderWorld) -> None:
    host = one_host(world)
    named = [world.at(name) for name in ("other", "plain", "far")]
    message = world.message(f"Cc: <{named[0]}>", f"X-To: <{named[1]}>")
    message = message.replace(b"To: ", f"To: <{named[2]}>, ".encode("ascii"), 1)
    sent(world, message)
    at_once(world, lambda: accepted(host), "the message")
    settle(world)
    recipients = [a.lower() for m in accepted(host) for a in m.recipients]
    expect(recipients, [world.forwarded], "the recipients at the service")


@clause("SND-58")
@pytest.mark.parametrize("sender", ["bob", "alice+tag", "first.last", "elsewhere"])
def test_the_reverse_path_is_the_users(world: SenderWorld, sender: str) -> None:
    domain = world.from_domain if sender == "elsewhere" else world.sender.domain
    address = f"{sender}@{domain}"
    path = reverse_path_of(through(world, world.forwarded, address))
    expect_path(path, address, "the reverse-path")


@clause("SND-59")
def test_a_null_reverse_path_stays_null(world: SenderWorld) -> None:
    expect(reverse_path_of(through(world, world.forwarded, "")), "", "the reverse-path")
    control(world)
