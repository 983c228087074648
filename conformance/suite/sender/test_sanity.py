"""The first test of every sender: one plain mail."""

from __future__ import annotations

from conformance import clause, expect, expect_true
from conformance.lab import SenderWorld


@clause("SANE-02")
def test_a_plain_mail_arrives_at_the_service(world: SenderWorld) -> None:
    service = world.service
    done = world.submit()
    expect_true(done.accepted, "the message taken from its user", done.output)
    arrived = service.amir.wait_for_message()
    expect(
        [address.lower() for address in arrived.recipients],
        [world.forwarded.lower()],
        "the recipients at the service",
    )
    expect(arrived.sender.lower(), world.author.lower(), "the reverse-path")
    body = world.message().partition(b"\r\n\r\n")[2]
    expect(arrived.body, body, "the body at the service")
