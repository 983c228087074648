"""Whether a receiver is as its capabilities say, as far as a relay has no such."""

from __future__ import annotations

import pytest

from conformance import clause
from conformance.lab import ReceiverWorld
from conformance.suite.test_capabilities import Probes, expect_as_declared
from conformance.suite.verifiers import results


def records_chains(world: ReceiverWorld) -> bool:
    world.forward()
    return bool(results(world.inbox.wait_for_message()).of("arc"))


def trusts_chains(world: ReceiverWorld) -> bool:
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    # SPF is all that the author's domain has to show, and the service's hosts are none of its own.
    return world.forward().accepted


PROBES: Probes = {
    "arc-verify": records_chains,  # type: ignore[dict-item]
    "arc-trust": trusts_chains,  # type: ignore[dict-item]
}


@clause("CAP-01")
@pytest.mark.parametrize("capability", PROBES)
def test_what_is_declared_is_seen(world: ReceiverWorld, capability: str) -> None:
    expect_as_declared(world, PROBES, capability)
