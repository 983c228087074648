"""The first test of every receiver: one plain mail."""

from __future__ import annotations

from conformance import clause, expect, expect_true
from conformance.lab import ReceiverWorld


@clause("SANE-03")
def test_a_plain_mail_from_the_service_arrives_in_its_mailbox(
    world: ReceiverWorld,
) -> None:
    delivery = world.forward()
    expect_true(delivery.accepted, "a 2xx for the message", delivery.final)
    arrived = world.inbox.wait_for_message_at(world.mailbox)
    body = world.message().partition(b"\r\n\r\n")[2]
    expect(arrived.body, body, "the body in the mailbox")
