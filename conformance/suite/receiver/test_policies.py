"""DMARC policies, by which forwarded mail is refused or not, in the session, and which never cost a message
that was accepted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance import clause, expect, expect_in, expect_true
from conformance.lab import Delivery, Message, ReceiverWorld
from conformance.suite.receiver.acts import (
    another_forwarder,
    delivered,
    delivered_by_the_relay,
    expect_no_report,
    expect_refused,
    fence,
    forwarded,
    results_of,
    return_host,
    sealed_by,
    send,
    with_altered_results,
    with_broken_seal,
)
from conformance.suite.verifiers import arc_signatures, sign

REJECT = "v=DMARC1; p=reject"
STRICT = "v=DMARC1; p=reject; adkim=s; aspf=s"


def passed_at_the_service(world: ReceiverWorld, result: str = "pass") -> str:
    domain = world.sender.domain
    return (
        f"arc=none; spf={result} smtp.mailfrom={domain}; "
        f"dmarc={result} (p=reject) header.from={domain}"
    )


def unaligned(world: ReceiverWorld, result: str = "pass") -> bytes:
    """Forwarded mail of which no signature is the author's, with what the service says of DMARC."""
    return forwarded(world, claims=passed_at_the_service(world, result))


def with_surviving_signature(world: ReceiverWorld) -> bytes:
    message = sign(world.message(), world.sender.domain)
    return forwarded(world, message, claims=passed_at_the_service(world))


def control(world: ReceiverWorld) -> None:
    """The author's own signature is enough, so that what is refused is refused for lack of it."""
    delivered(world, with_surviving_signature(world))


@clause("RCV-40")
@pytest.mark.parametrize("record", [REJECT, STRICT], ids=["relaxed", "strict"])
@pytest.mark.parametrize("by", ["the relay", "a script"])
def test_mail_under_p_reject_with_the_authors_signature_is_accepted(
    world: ReceiverWorld, record: str, by: str
) -> None:
    world.sender.publish_dmarc(record)
    if by == "the relay":
        delivered_by_the_relay(world, sign(world.message(), world.sender.domain))
    else:
        delivered(world, with_surviving_signature(world))


@clause("RCV-40")
def test_mail_under_p_reject_is_accepted_for_the_signature_of_a_parent_domain(
    world: ReceiverWorld,
) -> None:
    world.sender.publish_dmarc(REJECT)
    author = f"alice@news.{world.sender.domain}"
    world.dns.add(f"news.{world.sender.domain}", "A", world.sender.ipv4)
    message = world.message().replace(world.sender.address.encode(), author.encode(), 1)
    delivered(world, forwarded(world, sign(message, world.sender.domain)))


def neither_lost_nor_bounced(
    world: ReceiverWorld, delivery: Delivery, count: int
) -> None:
    """It is in the mailbox, or refused in the session; in neither case anybody is sent a report."""
    if delivery.accepted:
        world.inbox.wait_for_message_at(world.mailbox, count)
    else:
        expect_refused(delivery)


@clause("RCV-41")
@pytest.mark.parametrize("record", [REJECT, STRICT], ids=["relaxed", "strict"])
@pytest.mark.parametrize("by", ["the relay", "a script", "a script without a chain"])
def test_mail_without_an_aligned_signature_is_neither_lost_nor_bounced(
    world: ReceiverWorld, record: str, by: str
) -> None:
    back = return_host(world)
    world.sender.publish_dmarc(record)
    control(world)
    # By SPF it passes at the service, and by nothing here.
    if by == "the relay":
        delivery = world.forward()
    else:
        chained = by == "a script"
        delivery = send(world, unaligned(world) if chained else world.message())
    neither_lost_nor_bounced(world, delivery, 2)
    expect_no_report(world, back)


def enforced(world: ReceiverWorld) -> Delivery:
    """A message under p=reject that nobody vouches for, with neither a chain nor a signature."""
    world.sender.publish_dmarc(REJECT)
    control(world)
    return send(world, world.message())


@clause("RCV-42")
def test_mail_under_p_reject_is_rejected_during_the_transaction(
    world: ReceiverWorld,
) -> None:
    back = return_host(world)
    expect_refused(enforced(world))
    expect_no_report(world, back)
    expect(len(world.inbox.at(world.mailbox)), 1, "messages in the mailbox")


@clause("RCV-43")
def test_the_refusal_for_p_reject_is_a_5xx(world: ReceiverWorld) -> None:
    delivery = enforced(world)
    if delivery.accepted:
        pytest.skip("it is not refused: see RCV-42")
    expect_refused(delivery, 5)


def require_enforcement(world: ReceiverWorld) -> None:
    """Skips a test of what a chain is trusted for, unless a message is refused for the lack of one."""
    if enforced(world).accepted:
        pytest.skip("what nobody vouches for is accepted under p=reject, too")


@clause("RCV-44")
@pytest.mark.parametrize("by", ["the relay", "a script"])
def test_mail_that_passed_dmarc_at_the_service_is_accepted_on_the_word_of_its_chain(
    world: ReceiverWorld, by: str
) -> None:
    require_enforcement(world)
    if by == "the relay":
        delivered_by_the_relay(world)
    else:
        delivered(world, unaligned(world))


def of_a_stranger(world: ReceiverWorld) -> bytes:
    claims = passed_at_the_service(world)
    return sealed_by(world.message(), another_forwarder(world), claims)


# Mail on whose chain nobody should rely, and whether the newest message signature and the newest seal of the
# chain verify all the same.
UNTRUSTED: dict[str, tuple[Callable[[ReceiverWorld], bytes], tuple[bool, bool]]] = {
    "a broken seal": (lambda world: with_broken_seal(unaligned(world)), (True, False)),
    "altered results": (
        lambda world: with_altered_results(unaligned(world, "fail")),
        (True, False),
    ),
    "another body": (lambda world: unaligned(world) + b"Altered.\r\n", (False, True)),
    "a stranger's": (of_a_stranger, (True, True)),
    "DMARC failed": (lambda world: unaligned(world, "fail"), (True, True)),
}


def untrusted(world: ReceiverWorld, kind: str) -> bytes:
    """Such a message, wrong in nothing else."""
    make, expected = UNTRUSTED[kind]
    message = make(world)
    if (found := arc_signatures(message)) != [expected]:
        raise RuntimeError(f"a chain whose signatures verify as {found}")
    return message


@clause("RCV-45")
@pytest.mark.parametrize("kind", list(UNTRUSTED))
def test_no_word_of_a_chain_that_is_not_to_be_trusted_counts(
    world: ReceiverWorld, kind: str
) -> None:
    require_enforcement(world)
    delivered(world, unaligned(world))
    expect_refused(send(world, untrusted(world, kind)))
    fence(world)
    expect(len(world.inbox.at(world.mailbox)), 2, "messages in the mailbox")


def dmarc_of(arrived: Message, sent: bytes) -> list[str]:
    return [found.result for found in results_of(arrived, "dmarc", sent)]


@clause("RCV-46")
@pytest.mark.parametrize("policy", ["none", "quarantine", "reject"])
def test_mail_that_fails_dmarc_and_is_delivered_says_so(
    world: ReceiverWorld, policy: str
) -> None:
    world.sender.publish_dmarc(f"v=DMARC1; p={policy}")
    control(world)
    # Without a chain, on whose word it might pass here too.
    message = world.message()
    delivery = send(world, message)
    if not delivery.accepted:
        pytest.skip(f"it is refused: {delivery.final}")
    fence(world)
    arrived = world.inbox.at(world.mailbox)[1:]
    if not arrived:
        pytest.skip("it is accepted and not delivered: see RCV-41")
    expect_in("fail", dmarc_of(arrived[0], message), "the dmarc results")


@clause("RCV-47")
@pytest.mark.parametrize("by", ["the relay", "a script"])
def test_mail_that_fails_dmarc_under_p_none_is_accepted(
    world: ReceiverWorld, by: str
) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=none")
    if by == "the relay":
        arrived = delivered_by_the_relay(world)
    else:
        arrived = delivered(world, unaligned(world))
    expect_true(arrived.accepted, "the message in the mailbox", "none")
