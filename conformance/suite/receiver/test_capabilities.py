"""Whether a receiver is as its capabilities say, as far as a relay has no such."""

from __future__ import annotations

import pytest

from conformance import clause
from conformance.lab import ReceiverWorld
from conformance.suite.test_capabilities import (
    Probes,
    enforces_dmarc,
    expect_as_declared,
)
from conformance.suite.verifiers import results


def records_chains(world: ReceiverWorld) -> bool:
    world.forward()
    return bool(results(world.inbox.wait_for_message()).of("arc"))


def trusts_chains(world: ReceiverWorld) -> bool:
    # SPF is all that the author's domain has to show, and neither the service's hosts nor a stranger's are
    # of its own.
    enforced = enforces_dmarc(world)
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    spf = f"v=spf1 ip4:{world.sender.ipv4} ip6:{world.sender.ipv6} -all"
    world.dns.add_text(world.sender.domain, spf)
    return enforced and world.forward().accepted


PROBES: Probes = {
    "arc-verify": records_chains,  # type: ignore[dict-item]
    "arc-trust": trusts_chains,  # type: ignore[dict-item]
}


@clause("CAP-01")
@pytest.mark.parametrize("capability", PROBES)
def test_what_is_declared_is_seen(world: ReceiverWorld, capability: str) -> None:
    expect_as_declared(world, PROBES, capability)
