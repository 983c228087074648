"""Outbound prefixes: where the upstream is connected from."""

from __future__ import annotations

import ipaddress

import pytest

from conformance import clause, expect, expect_true
from conformance.lab import World
from conformance.subjects.base import PAGE_ADDRESSES
from conformance.suite.acts import forward

IPV4_PREFIX = ipaddress.ip_network("104.30.0.0/19")
IPV6_PREFIX = ipaddress.ip_network("2405:8100:c000::/38")


def source(world: World, family: int) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Where an upstream of one address family is connected from."""
    world.upstream.stop_listening(10 - family)
    return ipaddress.ip_address(forward(world).dialogue.peer_address)


@clause("PFX-01")
def test_over_ipv4_the_source_address_is_inside_the_published_prefix(
    world: World,
) -> None:
    address = source(world, 4)
    expect_true(address in IPV4_PREFIX, f"an address in {IPV4_PREFIX}", str(address))


@clause("PFX-02")
def test_over_ipv6_the_source_address_is_inside_the_published_prefix(
    world: World,
) -> None:
    world.require(PAGE_ADDRESSES)
    address = source(world, 6)
    expect_true(address in IPV6_PREFIX, f"an address in {IPV6_PREFIX}", str(address))


@clause("PFX-03")
@pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])
def test_an_upstream_of_one_address_family_gets_its_mail_over_that(
    world: World, family: int
) -> None:
    expect(source(world, family).version, family, "the IP version of the source")
