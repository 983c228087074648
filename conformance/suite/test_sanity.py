"""The first test of every run: one plain mail."""

from __future__ import annotations

from conformance import clause, expect
from conformance.lab import World
from conformance.suite.acts import forward


@clause("SANE-01")
def test_a_plain_mail_arrives_at_its_destination(world: World) -> None:
    arrived = forward(world)
    expect(
        [address.lower() for address in arrived.recipients],
        [world.mailbox.lower()],
        "the recipients upstream",
    )
    expect(arrived.body, world.message().partition(b"\r\n\r\n")[2], "the body upstream")
