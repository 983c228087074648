"""Restrictive DMARC policies: what forwarding breaks, and what survives it."""

from __future__ import annotations

from conformance import clause, expect, expect_reply
from conformance.lab import World
from conformance.suite.verifiers import enforce_dmarc, sign


@clause("RDM-01")
def test_spf_alone_passes_here_and_is_refused_by_an_enforcing_upstream_in_session(
    world: World,
) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    world.upstream.judge = enforce_dmarc
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
    expect(len(world.upstream.messages), 1, "messages that came so far as the upstream")
    expect_reply(delivery.end, 550, enhanced="5.7.26", to="the end of DATA")
    expect(
        delivery.final.text,
        f"unauthenticated mail from {world.sender.domain} is not accepted here",
        "the words, which are the upstream's",
    )


@clause("RDM-02")
def test_with_an_aligned_signature_the_same_message_is_delivered(world: World) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    world.upstream.judge = enforce_dmarc
    message = sign(world.message(), world.sender.domain)
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, message)
    expect_reply(delivery.end, 250, to="the end of DATA")
    expect(world.upstream.wait_for_message().accepted, True, "whether it was taken")
