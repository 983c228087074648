"""Subdomains: routed for enterprise zones only."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conformance import clause, expect, expect_match, expect_true
from conformance.lab import World
from conformance.subjects.base import Route, Zone
from conformance.suite.acts import forward
from conformance.suite.refusals import recipients_refused


@clause("SUB-01")
@pytest.mark.parametrize("label", ["eu", "www", "a.b"])
def test_a_subdomain_of_an_ordinary_zone_is_not_served(
    world: World, label: str
) -> None:
    recipients_refused(world, f"info@{label}.{world.zone}")


@clause("SUB-02")
def test_a_routed_subdomain_of_an_enterprise_zone_is_served(world: World) -> None:
    arrived = forward(world, recipient=f"info@eu.{world.enterprise_zone}")
    expect(arrived.recipients, [world.mailbox], "the recipient upstream")


@clause("SUB-03")
def test_a_subdomain_of_an_enterprise_zone_without_a_route_is_not_served(
    world: World,
) -> None:
    recipients_refused(
        world,
        f"info@us.{world.enterprise_zone}",
        f"info@deep.eu.{world.enterprise_zone}",
    )


def complaint_about(world: World, zone: Zone) -> str | None:
    """What the subject says of its plan with that zone in place of its own."""
    plan = world.lab.plan
    others = (known for known in plan.zones if known.domain != zone.domain)
    return world.subject.complaint_about(replace(plan, zones=(*others, zone)))


@clause("SUB-04")
def test_a_configuration_that_routes_a_subdomain_of_an_ordinary_zone_is_refused(
    world: World,
) -> None:
    offending = Route(f"info@eu.{world.zone}", world.mailbox)
    zone = Zone(world.zone, (offending,))
    complaint = complaint_about(world, zone)
    expect_true(complaint is not None, "a refusal to start", "it would start")
    expect_match(r".*:[0-9]+:.*", complaint or "", "a complaint with file and line")
    enterprise = complaint_about(world, replace(zone, plan="enterprise"))
    expect(enterprise, None, "the complaint about an enterprise zone")


@clause("SUB-05")
def test_a_catch_all_does_not_extend_to_subdomains(world: World) -> None:
    expect(
        forward(world, recipient=world.at("any", world.catchall_zone)).recipients,
        [f"everything@{world.destination}"],
        "the recipient upstream",
    )
    recipients_refused(world, f"info@eu.{world.catchall_zone}")


@clause("SUB-06")
def test_the_refusal_of_a_subdomain_that_is_not_served_is_550_5_7_1(
    world: World,
) -> None:
    zones = (world.zone, world.catchall_zone, f"deep.{world.enterprise_zone}")
    addresses = [f"info@eu.{zone}" for zone in zones]
    recipients_refused(world, *addresses, code=550, enhanced="5.7.1")
