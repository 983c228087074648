"""Outbound prefixes: where the upstream is connected from."""

from __future__ import annotations

import ipaddress

from conformance import clause, expect_true
from conformance.lab import World
from conformance.suite.acts import forward

IPV4_PREFIX = ipaddress.ip_network("104.30.0.0/19")
IPV6_PREFIX = ipaddress.ip_network("2405:8100:c000::/38")


@clause("PFX-01", "PFX-03")
def test_over_ipv4_the_source_is_inside_the_published_prefix(world: World) -> None:
    world.upstream.stop_listening(6)
    source = ipaddress.ip_address(forward(world).dialogue.peer_address)
    expect_true(source in IPV4_PREFIX, f"an address in {IPV4_PREFIX}", str(source))


@clause("PFX-02", "PFX-03")
def test_over_ipv6_the_source_is_inside_the_published_prefix(world: World) -> None:
    world.upstream.stop_listening(4)
    source = ipaddress.ip_address(forward(world).dialogue.peer_address)
    expect_true(source in IPV6_PREFIX, f"an address in {IPV6_PREFIX}", str(source))
