"""Restrictive DMARC policies: what forwarding breaks, and what survives it."""

from __future__ import annotations

from conformance import clause, expect, expect_reply, expect_true
from conformance.expect import ConformanceFailure
from conformance.lab import Delivery, Message, World
from conformance.suite.dmarc import forwarded, require_enforcement
from conformance.suite.verifiers import enforce_dmarc, sign


def judge(message: Message) -> str | None:
    """enforce_dmarc(), which refuses what it cannot read, too."""
    try:
        return enforce_dmarc(message)
    except (ConformanceFailure, ValueError) as error:
        return f"550 5.7.26 not readable here: {type(error).__name__}"


def under_reject(world: World) -> None:
    """p=reject for the sender, enforced by the upstream."""
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    world.upstream.judge = judge


def deliver_with_spf_alone(world: World) -> Delivery:
    """An ordinary message, unsigned, from the sender's own address."""
    with world.client() as client:
        return client.deliver(world.sender.address, world.info, world.message())


@clause("RDM-01")
def test_a_message_with_spf_alone_is_forwarded_and_refused_by_an_enforcing_upstream(
    world: World,
) -> None:
    under_reject(world)
    delivery = deliver_with_spf_alone(world)
    expect_true(delivery.data, "the message taken as far as DATA", delivery.final)
    message = world.upstream.wait_for_message()
    expect(message.accepted, False, "whether the upstream accepted it")
    require_enforcement(world)


@clause("RDM-02")
def test_a_message_with_an_aligned_signature_is_accepted_by_the_same_upstream(
    world: World,
) -> None:
    under_reject(world)
    message = sign(world.message(), world.sender.domain)
    arrived = forwarded(world, message, stranger=False)
    expect(arrived.accepted, True, "whether the upstream accepted it")
    require_enforcement(world)


@clause("RDM-03")
def test_the_refusal_by_an_enforcing_upstream_reaches_the_client_in_the_session(
    world: World,
) -> None:
    world.require("dmarc")
    under_reject(world)
    words = f"unauthenticated mail from {world.sender.domain} is not accepted here"
    expect_reply(
        deliver_with_spf_alone(world).end,
        550,
        enhanced="5.7.26",
        text=words,
        to="the end of DATA",
    )
    require_enforcement(world)
