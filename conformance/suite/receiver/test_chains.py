"""ARC sets on forwarded mail: the result of the chain is recorded, and one that fails is worth as much as none."""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Callable

import pytest

from conformance import (
    clause,
    expect,
    expect_not_in,
    expect_true,
)
from conformance.lab import Delivery, Message, ReceiverWorld
from conformance.lab.plan import EHLO, SELECTOR, SUBJECT_IPV4, SUBJECT_IPV6
from conformance.lab.provider import SERVICE_KEY
from conformance.suite.receiver.acts import (
    another_forwarder,
    claims_of_the_service,
    delivered,
    delivered_by_the_relay,
    forwarded,
    publish_ptr,
    results_of,
    send,
    with_altered_results,
    with_broken_seal,
)
from conformance.suite.verifiers import (
    arc_seal,
    arc_seal_until,
    arc_signatures,
    arc_verdict,
    sign,
)

DAY_S = 86400
SETS_MAX = 50
# By which RFC 8617 5.2.2 lets a validator signal a chain that fails.
SIGNALS = ("5.7.29", "5.7.26")


def signed_by_the_author(world: ReceiverWorld) -> bytes:
    """So that nothing but the chain can be wrong."""
    return sign(world.message(), world.sender.domain)


def of_two_services(world: ReceiverWorld, hops: int = 1) -> bytes:
    """A message with so many sets of another forwarder, and one of the service over them."""
    before = arc_seal(signed_by_the_author(world), another_forwarder(world), hops)
    return forwarded(
        world, before, claims="arc=pass; spf=pass smtp.mailfrom=other.example"
    )


def intact(world: ReceiverWorld) -> bytes:
    return forwarded(world, signed_by_the_author(world))


def with_another_body(world: ReceiverWorld) -> bytes:
    """The message signature does not verify; every other signature does."""
    before = world.signed(signed_by_the_author(world))
    more = b"A line that was lost.\r\n"
    claimed = claims_of_the_service(world, "arc=none; spf=pass") + before + more
    return world.sealed(claimed).removesuffix(more)


def without(message: bytes, name: str, instance: int) -> bytes:
    """`message` without a field of one ARC set."""
    field = rf"^{name}:(?=[^\r]*\bi={instance};)[^\r]*\r\n(?:[ \t][^\r]*\r\n)*"
    shorter, count = re.subn(field.encode(), b"", message, count=1, flags=re.M)
    if count != 1:
        raise RuntimeError(f"no {name} of instance {instance}")
    return shorter


def without_a_set(world: ReceiverWorld) -> bytes:
    message = of_two_services(world, 2)
    for name in ("ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal"):
        message = without(message, name, 2)
    return message


def without_a_field(world: ReceiverWorld) -> bytes:
    return without(of_two_services(world), "ARC-Message-Signature", 1)


SEALS = {
    "altered results": lambda world: with_altered_results(intact(world)),
    "a broken seal": lambda world: with_broken_seal(intact(world)),
}
FAILING: dict[str, Callable[[ReceiverWorld], bytes]] = {
    **SEALS,
    "another body": with_another_body,
    "a field missing": without_a_field,
    "a set missing": without_a_set,
}
each_failing = pytest.mark.parametrize("kind", list(FAILING))


def failing(world: ReceiverWorld, kind: str) -> bytes:
    """A message whose chain fails, as another verifier finds, too."""
    message = FAILING[kind](world)
    verdict = arc_verdict(message)
    if verdict in ("pass", "none"):
        raise RuntimeError(f"a chain that is '{verdict}'")
    return message


def arc_of(arrived: Message, sent: bytes = b"") -> list[str]:
    return [found.result for found in results_of(arrived, "arc", sent)]


def expect_intact(world: ReceiverWorld) -> None:
    """The control of a test of chains that fail: that of the service is a pass."""
    message = forwarded(world, signed_by_the_author(world))
    found = arc_of(delivered(world, message), message)
    expect(found, ["pass"], "the arc results of an intact chain")


def recorded(world: ReceiverWorld, message: bytes) -> list[str]:
    """The arc results of a message that is accepted. Another clause judges whether it is."""
    earlier = len(world.inbox.at(world.mailbox))
    delivery = send(world, message)
    if not delivery.accepted:
        pytest.skip(f"the message is refused: {delivery.final}")
    return arc_of(world.inbox.wait_for_message_at(world.mailbox, earlier + 1), message)


@clause("RCV-30")
@pytest.mark.parametrize("by", ["the relay", "a script"])
def test_the_result_of_the_services_chain_is_recorded(
    world: ReceiverWorld, by: str
) -> None:
    if by == "the relay":
        found = arc_of(delivered_by_the_relay(world, signed_by_the_author(world)))
    else:
        message = forwarded(world, signed_by_the_author(world))
        found = arc_of(delivered(world, message), message)
    expect(found, ["pass"], "the arc results")


@clause("RCV-31")
@pytest.mark.parametrize("hops", [1, 3])
def test_an_intact_chain_of_two_services_is_recorded_as_a_pass(
    world: ReceiverWorld, hops: int
) -> None:
    message = of_two_services(world, hops)
    expect(arc_of(delivered(world, message), message), ["pass"], "the arc results")


@clause("RCV-31")
def test_a_chain_that_the_relay_extends_is_recorded_as_a_pass(
    world: ReceiverWorld,
) -> None:
    before = arc_seal(signed_by_the_author(world), another_forwarder(world))
    arrived = delivered_by_the_relay(world, before)
    expect(arc_of(arrived), ["pass"], "the arc results")


@clause("RCV-32")
@pytest.mark.parametrize("kind", list(SEALS))
def test_a_seal_that_does_not_verify_is_recorded_as_a_fail(
    world: ReceiverWorld, kind: str
) -> None:
    expect_intact(world)
    found = recorded(world, failing(world, kind))
    expect(found, ["fail"], "the arc results")


@clause("RCV-33")
def test_a_message_signature_that_does_not_verify_is_recorded_as_a_fail(
    world: ReceiverWorld,
) -> None:
    expect_intact(world)
    found = recorded(world, failing(world, "another body"))
    expect(found, ["fail"], "the arc results")


@clause("RCV-34")
@pytest.mark.parametrize("kind", ["a field missing", "a set missing"])
def test_a_chain_that_is_incomplete_is_recorded_as_a_fail(
    world: ReceiverWorld, kind: str
) -> None:
    expect_intact(world)
    found = recorded(world, failing(world, kind))
    expect_true(set(found) <= {"fail"}, "no arc result but fail", found)


def expect_accepted_without_a_chain(world: ReceiverWorld) -> None:
    """The control of a test whose messages have one that fails, and are of the same kind."""
    delivered(world, world.signed(signed_by_the_author(world)))


@clause("RCV-35", "RCV-36")
@each_failing
def test_mail_with_a_chain_that_fails_is_treated_like_mail_without_one(
    world: ReceiverWorld, kind: str
) -> None:
    expect_accepted_without_a_chain(world)
    delivery = send(world, failing(world, kind))
    if delivery.final.enhanced in SIGNALS:
        pytest.skip(
            f"the failure is signalled as RFC 8617 5.2.2 has it: {delivery.final}"
        )
    expect_true(delivery.accepted, "a 2xx for the message", delivery.final)
    world.inbox.wait_for_message_at(world.mailbox, 2)


@clause("RCV-36")
def test_a_chain_that_fails_is_not_signalled_by_a_refusal(world: ReceiverWorld) -> None:
    expect_accepted_without_a_chain(world)
    for kind in FAILING:
        reply = send(world, failing(world, kind)).final
        expect_not_in(reply.enhanced, SIGNALS, f"the code of the reply to {kind}")


def sealed_until(world: ReceiverWorld, seconds: int) -> bytes:
    return arc_seal_until(
        world.signed(signed_by_the_author(world)),
        EHLO,
        SELECTOR,
        SERVICE_KEY.read_bytes(),
        int(time.time()) + seconds,
    )


@clause("RCV-37")
def test_a_chain_that_has_expired_is_not_recorded_as_a_pass_and_not_refused(
    world: ReceiverWorld,
) -> None:
    good = sealed_until(world, 7 * DAY_S)
    expect(arc_of(delivered(world, good), good), ["pass"], "arc before x=")
    expired = sealed_until(world, -DAY_S)
    found = arc_of(delivered(world, expired), expired)
    expect_not_in("pass", found, "the arc results after x=")


@clause("RCV-38")
@pytest.mark.parametrize("source", [SUBJECT_IPV4, "104.30.5.6", SUBJECT_IPV6])
def test_the_arc_result_has_the_services_address(
    world: ReceiverWorld, source: str
) -> None:
    if ":" in source:
        world.require("ipv6")
    publish_ptr(world, source)
    message = forwarded(world)
    arrived = delivered(world, message, source=source)
    said = [
        found.properties.get("smtp.remote-ip", "")
        for found in results_of(arrived, "arc", message)
    ]
    expect_true(said, "an arc result", "none")
    try:
        same = ipaddress.ip_address(said[0]) == ipaddress.ip_address(source)
    except ValueError:
        same = False
    expect_true(same, f"smtp.remote-ip of the arc result: {source}", said[0] or "none")


def with_another_set(world: ReceiverWorld, message: bytes, instance: int) -> bytes:
    """`message` with a set of the service of that number, in which all signatures verify."""
    key, until = SERVICE_KEY.read_bytes(), int(time.time()) + 7 * DAY_S
    sealed = arc_seal_until(message, EHLO, SELECTOR, key, until, instance)
    if (newest := arc_signatures(sealed)[0]) != (True, True):
        raise RuntimeError(f"a set whose signatures verify as {newest}")
    return sealed


@clause("RCV-39")
def test_a_chain_of_more_than_fifty_sets_is_not_recorded_as_a_pass(
    world: ReceiverWorld,
) -> None:
    forwarder = another_forwarder(world)
    before = arc_seal(signed_by_the_author(world), forwarder, SETS_MAX - 1)
    full = with_another_set(world, before, SETS_MAX)
    expect(recorded(world, full), ["pass"], f"the arc results of {SETS_MAX} sets")
    found = recorded(world, with_another_set(world, full, SETS_MAX + 1))
    expect_not_in("pass", found, f"the arc results of {SETS_MAX + 1} sets")
