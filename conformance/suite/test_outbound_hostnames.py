"""Outbound hostnames: by what name the relay goes, and that DNS agrees in both directions."""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress

import dns.exception
import dns.reversename
import pytest

from conformance import also_as, clause, expect, expect_in, expect_true
from conformance.expect import ConformanceFailure
from conformance.lab import World, say
from conformance.suite.acts import forward, look_up

EXAMPLE_NAME = "a0-7.email.cloudflare.net"
EXAMPLE_ADDRESS = "104.30.0.7"

FAMILIES = pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])


def source_address(world: World, family: int) -> str:
    """The address that an upstream of one address family is connected from."""
    if family == 6:
        world.require("ipv6")
    world.upstream.stop_listening(10 - family)
    return forward(world).dialogue.peer_address


def records(name: str, rdtype: str) -> list[str]:
    """Records of a name that the subject chose, which may be no name at all."""
    try:
        return look_up(name, rdtype)
    except (dns.exception.DNSException, UnicodeError):
        return []


def names_of(address: str) -> list[str]:
    """The names in an address's PTR records, at least one."""
    found = records(dns.reversename.from_address(address).to_text(), "PTR")
    expect_true(found, f"a PTR record of {address}", found)
    return [name.rstrip(".").lower() for name in found]


def ehlo_of_the_plan(world: World) -> str:
    assert world.subject.plan is not None
    return world.subject.plan.ehlo.lower()


@clause("HOST-01")
def test_the_name_in_ehlo_is_the_one_that_the_deployment_configures(
    world: World,
) -> None:
    name = forward(world).dialogue.ehlo or ""
    expect(name.lower(), ehlo_of_the_plan(world), "the name in EHLO")


@clause("HOST-02")
def test_the_name_in_helo_is_the_one_that_the_deployment_configures(
    world: World,
) -> None:
    world.upstream.on("ehlo", say("502 5.5.1 what is EHLO"))
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
    if delivery.accepted:
        with suppress(ConformanceFailure):  # it need not fall back, and says so below
            world.upstream.wait_for_message()
    saying_helo = [d for d in world.upstream.dialogues if "HELO" in d.verbs]
    if not saying_helo:
        pytest.skip("the subject does not fall back to HELO where EHLO is refused")
    name = saying_helo[0].ehlo or ""
    expect(name.lower(), ehlo_of_the_plan(world), "the name in HELO")


@clause("HOST-03")
@FAMILIES
def test_the_source_address_has_a_ptr_record(world: World, family: int) -> None:
    names_of(source_address(world, family))


@clause("HOST-04")
@FAMILIES
def test_the_name_of_the_source_address_resolves_back_to_it(
    world: World, family: int
) -> None:
    address = source_address(world, family)
    rdtype = "A" if family == 4 else "AAAA"
    for name in names_of(address):
        expect_in(address, records(name, rdtype), f"the {rdtype} records of {name}")


@clause("HOST-07")
@FAMILIES
def test_the_name_of_the_source_address_is_under_the_ehlo_domain(
    world: World, family: int
) -> None:
    parent = ehlo_of_the_plan(world)
    names = names_of(source_address(world, family))
    under = [name for name in names if f".{name}".endswith(f".{parent}")]
    expect_true(under, f"a name under {parent}", names)


@clause("HOST-05")
def test_the_host_at_104_30_0_7_goes_by_the_name_of_the_example(world: World) -> None:
    address = source_address(world, 4)
    if address != EXAMPLE_ADDRESS:
        pytest.skip(f"the subject connects from {address}, not from {EXAMPLE_ADDRESS}")
    expect(names_of(address), [EXAMPLE_NAME], f"PTR of {address}")
    expect(records(EXAMPLE_NAME, "A"), [address], f"A of {EXAMPLE_NAME}")


@clause("HOST-06")
@also_as("sender")
def test_the_name_in_ehlo_resolves_to_an_address_or_is_a_literal(world: World) -> None:
    name = forward(world).dialogue.ehlo or ""
    if is_address_literal(name):
        return
    addresses = records(name, "A") + records(name, "AAAA")
    expect_true(addresses, f"an address record of {name}", addresses)


def is_address_literal(name: str) -> bool:
    """RFC 5321 4.1.3"""
    form = re.fullmatch(r"\[(IPv6:)?([0-9A-Fa-f.:]+)\]", name, re.I)
    if form is None:
        return False
    try:
        version = ipaddress.ip_address(form[2]).version
    except ValueError:
        return False
    return version == (6 if form[1] else 4)
