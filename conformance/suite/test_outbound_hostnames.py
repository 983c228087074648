"""Outbound hostnames: by what name the relay goes, and that DNS agrees in both directions."""

from __future__ import annotations

import dns.reversename
import pytest

from conformance import clause, expect, expect_in, expect_true
from conformance.lab import World, say
from conformance.suite.acts import forward, look_up


def source_name(world: World, family: int) -> tuple[str, str]:
    """The address the upstream is reached from over a family, and its PTR name."""
    if family == 4:
        world.upstream.stop_listening(6)
    address = forward(world).dialogue.peer_address
    names = look_up(dns.reversename.from_address(address).to_text(), "PTR")
    expect(len(names), 1, f"the number of PTR records of {address}")
    return address, names[0].rstrip(".")


@clause("HOST-01")
def test_the_name_in_ehlo_is_the_deployments(world: World) -> None:
    arrived = forward(world)
    assert world.subject.plan is not None
    expect(arrived.dialogue.ehlo, world.subject.plan.ehlo, "the name in EHLO")


@clause("HOST-02")
def test_the_name_in_helo_is_the_same(world: World) -> None:
    world.upstream.on("ehlo", say("502 5.5.1 what is EHLO"))
    arrived = forward(world)
    assert world.subject.plan is not None
    expect_in("HELO", arrived.dialogue.verbs, "the commands upstream")
    expect(arrived.dialogue.ehlo, world.subject.plan.ehlo, "the name in HELO")


@clause("HOST-03", "HOST-04")
@pytest.mark.parametrize(("family", "rdtype"), [(4, "A"), (6, "AAAA")])
def test_the_source_has_a_name_under_the_ehlo_domain_and_back(
    world: World, family: int, rdtype: str
) -> None:
    address, name = source_name(world, family)
    assert world.subject.plan is not None
    expect_true(
        f".{name}".endswith(f".{world.subject.plan.ehlo}"),
        f"a name under {world.subject.plan.ehlo}",
        name,
    )
    expect_in(address, look_up(name, rdtype), f"the {rdtype} records of {name}")


@clause("HOST-05")
def test_the_pages_pair_of_name_and_address_holds(world: World) -> None:
    expect(
        look_up("a0-7.email.cloudflare.net", "A"),
        ["104.30.0.7"],
        "A of a0-7.email.cloudflare.net",
    )
    expect(
        look_up("7.0.30.104.in-addr.arpa", "PTR"),
        ["a0-7.email.cloudflare.net."],
        "PTR of 104.30.0.7",
    )


@clause("HOST-06")
def test_the_ehlo_name_resolves_to_an_address(world: World) -> None:
    name = forward(world).dialogue.ehlo or ""
    addresses = look_up(name, "A") + look_up(name, "AAAA")
    expect_true(addresses, f"an address record of {name}", addresses)
