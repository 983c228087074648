"""Whether a sender is as its capabilities say."""

from __future__ import annotations

import pytest

from conformance import clause
from conformance.lab import SenderWorld, say
from conformance.suite.acts import forward
from conformance.suite.test_capabilities import Probes, expect_as_declared

REFUSAL = "550 5.1.1 no such mailbox here"
DEFERRAL = "451 4.7.1 try again later"


def uses_starttls(world: SenderWorld) -> bool:
    world.upstream.offer_starttls()
    return forward(world).dialogue.tls is not None


def connects_by_ipv6(world: SenderWorld) -> bool:
    return ":" in forward(world).dialogue.peer_address


def reports_failures(world: SenderWorld) -> bool:
    world.service.amir.on("rcpt", say(REFUSAL))
    world.submit()
    return bool(world.wait_for_bounce())


def tries_again_when_told(world: SenderWorld) -> bool:
    world.service.amir.on("rcpt", say(DEFERRAL), nth=1)
    for host in (world.service.linda, world.service.isaac):
        host.on("rcpt", say(DEFERRAL))
    world.submit()
    world.service.amir.wait_for_command(b"RCPT")
    world.flush()
    return world.service.amir.wait_for_message().accepted


PROBES: Probes = {
    "upstream-starttls": uses_starttls,  # type: ignore[dict-item]
    "ipv6": connects_by_ipv6,  # type: ignore[dict-item]
    "dsn": reports_failures,  # type: ignore[dict-item]
    "flush": tries_again_when_told,  # type: ignore[dict-item]
}


@clause("CAP-01")
@pytest.mark.parametrize("capability", PROBES)
def test_what_is_declared_is_seen(world: SenderWorld, capability: str) -> None:
    expect_as_declared(world, PROBES, capability)
