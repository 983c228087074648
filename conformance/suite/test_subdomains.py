"""Subdomains: routed for enterprise zones only."""

from __future__ import annotations

import pytest

from conformance import clause, expect, expect_match, expect_reply, expect_true
from conformance.lab import World
from conformance.subjects.base import Route, Zone
from conformance.suite.acts import forward


def domain_refused(world: World, *recipients: str) -> None:
    """Each recipient is at a domain that is not served."""
    with world.client() as client:
        client.mail(world.sender.address)
        for recipient in recipients:
            reply = client.rcpt(recipient)
            expect_reply(reply, 550, enhanced="5.7.1", to=f"RCPT of {recipient}")


@clause("SUB-01")
@pytest.mark.parametrize("label", ["eu", "www", "a.b"])
def test_a_subdomain_of_an_ordinary_zone_is_not_served(
    world: World, label: str
) -> None:
    domain_refused(world, f"info@{label}.{world.zone}")


@clause("SUB-02")
def test_a_routed_subdomain_of_an_enterprise_zone_is_served(world: World) -> None:
    arrived = forward(world, recipient=f"info@eu.{world.enterprise_zone}")
    expect(arrived.recipients, [world.mailbox], "the recipient upstream")


@clause("SUB-02", "CHAR-07")
def test_a_served_subdomain_has_only_its_own_addresses(world: World) -> None:
    with world.client() as client:
        client.mail(world.sender.address)
        reply = client.rcpt(f"nobody@eu.{world.enterprise_zone}")
        expect_reply(reply, 550, enhanced="5.1.1", to="RCPT")


@clause("SUB-03")
def test_a_subdomain_of_an_enterprise_zone_without_routes_is_not_served(
    world: World,
) -> None:
    domain_refused(
        world,
        f"info@us.{world.enterprise_zone}",
        f"info@deep.eu.{world.enterprise_zone}",
    )


@clause("SUB-04")
def test_a_configuration_that_routes_a_subdomain_of_an_ordinary_zone_is_refused(
    world: World,
) -> None:
    world.require("plans")
    offending = Route(f"info@eu.{world.zone}", world.mailbox)
    complaint = world.subject.complaint_about(Zone(world.zone, (offending,)))
    expect_true(complaint is not None, "a refusal to start", "it would start")
    expect_match(r".*:[0-9]+:.*", complaint or "", "a complaint with file and line")


@clause("SUB-05")
def test_a_catch_all_does_not_reach_into_subdomains(world: World) -> None:
    domain_refused(world, f"info@eu.{world.catchall_zone}")
