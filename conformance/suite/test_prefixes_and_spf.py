"""The page sends from more addresses than its SPF record covers: both sides of that, as a receiver
sees them."""

from __future__ import annotations

import ipaddress

import pytest

from conformance import clause, expect
from conformance.lab import World
from conformance.subjects.base import PAGE_ADDRESSES
from conformance.suite.acts import forward, reverse_path
from conformance.suite.verifiers import spf_result

PUBLISHED = ipaddress.ip_network("104.30.0.0/19")
COVERED, UNCOVERED = PUBLISHED.subnets()


def seen_from(world: World, address: str) -> str:
    """SPF of the rewritten sender, had the mail left from `address`."""
    dialogue = forward(world).dialogue
    return spf_result(address, reverse_path(world.upstream), dialogue.ehlo or "")


@clause("PSPF-01")
@pytest.mark.parametrize("address", [str(COVERED[7]), str(COVERED[-1])])
def test_spf_for_the_rewritten_sender_passes_from_the_lower_half_of_the_ipv4_prefix(
    world: World, address: str
) -> None:
    expect(seen_from(world, address), "pass", f"SPF from {address}")


@clause("PSPF-02")
@pytest.mark.parametrize("address", [str(UNCOVERED[0]), str(UNCOVERED[-1])])
def test_spf_for_the_rewritten_sender_softfails_from_the_upper_half_of_the_ipv4_prefix(
    world: World, address: str
) -> None:
    expect(seen_from(world, address), "softfail", f"SPF from {address}")


@clause("PSPF-03")
def test_spf_for_the_rewritten_sender_softfails_from_the_ipv6_prefix(
    world: World,
) -> None:
    world.require("ipv6")
    world.require(PAGE_ADDRESSES)
    world.upstream.stop_listening(4)
    dialogue = forward(world).dialogue
    result = spf_result(
        dialogue.peer_address, reverse_path(world.upstream), dialogue.ehlo or ""
    )
    expect(result, "softfail", f"SPF from {dialogue.peer_address}")
