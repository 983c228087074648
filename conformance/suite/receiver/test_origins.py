"""From where the service sends: all of its prefixes, under its EHLO name; and that what was accepted from there
arrives, once."""

from __future__ import annotations

import pytest

from conformance import clause, expect, expect_reply, expect_true
from conformance.lab import ReceiverWorld
from conformance.lab.plan import EHLO, SUBJECT_IPV4, SUBJECT_IPV6
from conformance.suite.receiver.acts import (
    delivered,
    delivered_by_the_relay,
    expect_accepted,
    expect_once,
    forwarded,
    publish_ptr,
    send,
)

# The ends of both halves, of which the SPF record covers the first.
IPV4 = ["104.30.0.1", "104.30.15.254", "104.30.16.1", "104.30.31.254"]
IPV6 = ["2405:8100:c000::1:7", "2405:8100:c3ff:ffff::7"]


@clause("RCV-01")
@pytest.mark.parametrize("source", [SUBJECT_IPV4, *IPV4])
def test_mail_from_the_ipv4_prefix_is_accepted_and_delivered(
    world: ReceiverWorld, source: str
) -> None:
    publish_ptr(world, source)
    delivered(world, source=source)


@clause("RCV-02")
@pytest.mark.parametrize("source", [SUBJECT_IPV6, *IPV6])
def test_mail_from_the_ipv6_prefix_is_accepted_and_delivered(
    world: ReceiverWorld, source: str
) -> None:
    publish_ptr(world, source)
    delivered(world, source=source)


@clause("RCV-03")
@pytest.mark.parametrize("source", [SUBJECT_IPV4, "104.30.2.3"])
def test_a_client_that_greets_with_the_services_name_is_served(
    world: ReceiverWorld, source: str
) -> None:
    publish_ptr(world, source)
    with world.service_client(source=source, greet=False) as client:
        expect_reply(client.banner(), 220, to="the connection")
        expect_reply(client.ehlo(EHLO), 250, to=f"EHLO {EHLO}")
        delivery = client.deliver(
            world.srs(world.sender.address), world.mailbox, forwarded(world)
        )
    expect_accepted(delivery)
    world.inbox.wait_for_message_at(world.mailbox)


@clause("RCV-03")
def test_mail_is_accepted_from_the_service_after_helo_too(
    world: ReceiverWorld,
) -> None:
    with world.service_client(greet=False) as client:
        expect_reply(client.banner(), 220, to="the connection")
        expect_reply(client.command(f"HELO {EHLO}"), 250, to=f"HELO {EHLO}")
        delivery = client.deliver(
            world.srs(world.sender.address), world.mailbox, forwarded(world)
        )
    expect_accepted(delivery)
    world.inbox.wait_for_message_at(world.mailbox)


@clause("RCV-04")
@pytest.mark.parametrize("by", ["the relay", "a script"])
def test_a_forwarded_message_that_is_accepted_arrives(
    world: ReceiverWorld, by: str
) -> None:
    arrived = delivered_by_the_relay(world) if by == "the relay" else delivered(world)
    body = world.message().partition(b"\r\n\r\n")[2]
    expect(arrived.body, body, "the body in the mailbox")


@clause("RCV-04")
def test_a_message_for_two_mailboxes_arrives_in_both(world: ReceiverWorld) -> None:
    delivery = send(world, recipients=[world.mailbox, world.other])
    expect_accepted(delivery)
    for reply in delivery.recipients:
        expect_true(reply.code // 100 == 2, "a 2xx to RCPT", reply)
    for mailbox in (world.mailbox, world.other):
        world.inbox.wait_for_message_at(mailbox)


@clause("RCV-05")
def test_a_message_is_delivered_once(world: ReceiverWorld) -> None:
    delivered_by_the_relay(world)
    expect_once(world)


@clause("RCV-05")
def test_a_message_that_names_its_recipient_twice_is_delivered_once(
    world: ReceiverWorld,
) -> None:
    # As To and Cc: what the header says is nobody's recipient.
    message = world.message(f"Cc: {world.mailbox}, {world.other}")
    delivered(world, forwarded(world, message))
    expect_once(world)
    expect(len(world.inbox.at(world.other)), 0, f"messages for <{world.other}>")


@clause("RCV-05")
def test_a_message_for_two_mailboxes_is_delivered_once_to_each(
    world: ReceiverWorld,
) -> None:
    expect_accepted(send(world, recipients=[world.mailbox, world.other]))
    for mailbox in (world.mailbox, world.other):
        world.inbox.wait_for_message_at(mailbox)
        expect_once(world, mailbox)
