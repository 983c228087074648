"""DKIM signatures on forwarded mail: the author's and the service's, recorded as they are."""

from __future__ import annotations

import time

import pytest

from conformance import clause, expect, expect_in, expect_not_in, expect_true
from conformance.lab import Delivery, ReceiverWorld
from conformance.lab.plan import EHLO
from conformance.suite.receiver.acts import (
    by_signer,
    delivered,
    delivered_by_the_relay,
    expect_accepted,
    expect_refused,
    forwarded,
    send,
    trace_of_the_service,
)
from conformance.suite.verifiers import sign, sign_until

DAY_S = 86400


def signed_by_the_author(world: ReceiverWorld) -> bytes:
    return sign(world.message(), world.sender.domain)


def broken(world: ReceiverWorld, what: str) -> bytes:
    """A message that was altered after the author signed it, before the service does."""
    message = signed_by_the_author(world)
    if what == "body":
        return message + b"Altered.\r\n"
    return message.replace(b"Subject: a test", b"Subject: [list] a test")


@clause("RCV-20")
@pytest.mark.parametrize("by", ["the relay", "a script"])
def test_the_authors_signature_is_recorded_as_a_pass(
    world: ReceiverWorld, by: str
) -> None:
    message = signed_by_the_author(world)
    if by == "the relay":
        found = by_signer(delivered_by_the_relay(world, message))
    else:
        sent = forwarded(world, message)
        found = by_signer(delivered(world, sent), sent)
    expect(found.get(world.sender.domain), {"pass"}, "dkim of the author's domain")


@clause("RCV-21")
@pytest.mark.parametrize("by", ["the relay", "a script"])
def test_the_services_signature_is_recorded_as_a_pass(
    world: ReceiverWorld, by: str
) -> None:
    if by == "the relay":
        found = by_signer(delivered_by_the_relay(world))
    else:
        sent = forwarded(world)
        found = by_signer(delivered(world, sent), sent)
    expect(found.get(EHLO), {"pass"}, f"dkim of {EHLO}")


@clause("RCV-22")
@pytest.mark.parametrize("what", ["body", "field"])
def test_a_broken_signature_is_not_recorded_as_a_pass(
    world: ReceiverWorld, what: str
) -> None:
    sent = forwarded(world, broken(world, what))
    found = by_signer(delivered(world, sent), sent)
    expect_in("pass", found.get(EHLO, set()), f"dkim of {EHLO}")
    recorded = found.get(world.sender.domain, set())
    expect_not_in("pass", recorded, "dkim of the author's domain")


def without_good_signature(world: ReceiverWorld, kind: str) -> bytes:
    """Mail of the service in which no signature is good, without its chain."""
    content = world.message()
    if kind == "broken":
        content = world.signed(broken(world, "body")) + b"And more.\r\n"
    elif kind == "without its key":
        content = sign(content, world.sender.domain, selector="nokey")
    elif kind == "in no syntax":
        content = b"DKIM-Signature: v=1; a=rsa-sha256; nonsense\r\n" + content
    return trace_of_the_service(world) + content


def tried(world: ReceiverWorld, kind: str) -> Delivery:
    return send(world, without_good_signature(world, kind))


@clause("RCV-23")
@pytest.mark.parametrize("kind", ["broken", "without its key", "in no syntax"])
def test_broken_signatures_are_treated_like_none(
    world: ReceiverWorld, kind: str
) -> None:
    unsigned = tried(world, "unsigned")
    delivery = tried(world, kind)
    if unsigned.accepted:
        expect_accepted(delivery)
        world.inbox.wait_for_message_at(world.mailbox, 2)
    else:
        expect_refused(delivery, unsigned.final.code // 100)
        delivered(world)


def expect_no_4xx(world: ReceiverWorld, kind: str) -> None:
    delivered(world)
    reply = tried(world, kind).final
    expect_true(not reply.temporary, "a 2xx or 5xx to the message", reply)


@clause("RCV-24")
def test_a_broken_signature_is_not_answered_with_a_4xx(world: ReceiverWorld) -> None:
    expect_no_4xx(world, "broken")


@clause("RCV-100")
@pytest.mark.parametrize("kind", ["in no syntax", "without its key"])
def test_a_signature_that_never_can_be_verified_is_not_answered_with_a_4xx(
    world: ReceiverWorld, kind: str
) -> None:
    expect_no_4xx(world, kind)


def signed_until(world: ReceiverWorld, seconds: int) -> bytes:
    return sign_until(world.message(), world.sender.domain, int(time.time()) + seconds)


@clause("RCV-25")
def test_a_signature_that_has_expired_is_not_recorded_as_a_pass(
    world: ReceiverWorld,
) -> None:
    good = forwarded(world, signed_until(world, 7 * DAY_S))
    found = by_signer(delivered(world, good), good)
    expect(found.get(world.sender.domain), {"pass"}, "dkim before x=")
    expired = forwarded(world, signed_until(world, -DAY_S))
    found = by_signer(delivered(world, expired), expired)
    recorded = found.get(world.sender.domain, set())
    expect_not_in("pass", recorded, "dkim after x=")


@clause("RCV-26")
@pytest.mark.parametrize("kind", ["unsigned", "without its key"])
def test_mail_without_a_signature_that_can_be_verified_is_accepted(
    world: ReceiverWorld, kind: str
) -> None:
    delivered(world, without_good_signature(world, kind))
