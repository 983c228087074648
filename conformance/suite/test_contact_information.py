"""Contact: where somebody in trouble is sent, and that postmaster can be written to."""

from __future__ import annotations

import pytest

from conformance import clause, expect, expect_in, expect_reply
from conformance.lab import World

POSTMASTER_PAGE = "https://developers.cloudflare.com/email-routing/postmaster/"


@clause("CONT-01")
@pytest.mark.parametrize("command", ["HELP", "help", "HELP MAIL"])
def test_help_points_to_the_postmaster_page(world: World, command: str) -> None:
    with world.client() as client:
        reply = client.command(command)
    expect_reply(reply, 214, to=command)
    expect_in(POSTMASTER_PAGE, reply.text, "the text of HELP")


@clause("CONT-02")
def test_a_refusal_to_relay_points_to_the_postmaster_page(world: World) -> None:
    with world.client() as client:
        client.mail(world.sender.address)
        reply = client.rcpt(world.unserved)
    expect_reply(reply, 550, enhanced="5.7.1", to="RCPT")
    expect_in(POSTMASTER_PAGE, reply.text, "the text of the refusal")


def goes_to_the_contact(world: World, recipient: str) -> None:
    """Mail to `recipient` arrives at the deployment's contact address."""
    before = len(world.standing.messages)
    with world.client() as client:
        delivery = client.deliver(world.sender.address, recipient, world.message())
    expect_reply(delivery.final, 250, to="the end of DATA")
    arrived = world.standing.wait_for_message(before + 1)
    assert world.subject.plan is not None
    expect(arrived.recipients, [world.subject.plan.contact], "the recipient upstream")


@clause("CONT-03")
def test_postmaster_without_a_domain_reaches_the_contact(world: World) -> None:
    world.require("postmaster")
    goes_to_the_contact(world, "postmaster")


@clause("CONT-04")
def test_postmaster_at_every_served_domain_reaches_the_contact(world: World) -> None:
    world.require("postmaster")
    for zone in (world.zone, world.enterprise_zone, f"eu.{world.enterprise_zone}"):
        goes_to_the_contact(world, world.at("postmaster", zone))


@clause("CONT-05")
@pytest.mark.parametrize("local", ["POSTMASTER", "Postmaster", "pOsTmAsTeR"])
def test_postmaster_is_recognised_in_any_case(world: World, local: str) -> None:
    world.require("postmaster")
    goes_to_the_contact(world, local)
    goes_to_the_contact(world, world.at(local))


@clause("CONT-06")
@pytest.mark.parametrize("own", ["name", "ipv4", "ipv6"])
def test_postmaster_at_the_relay_itself_reaches_the_contact(
    world: World, own: str
) -> None:
    plan = world.lab.plan
    domain = {
        "name": plan.hostname,
        "ipv4": f"[{plan.ipv4}]",
        "ipv6": f"[IPv6:{plan.ipv6}]",
    }[own]
    goes_to_the_contact(world, f"postmaster@{domain}")


@clause("CONT-06")
def test_nobody_else_is_at_the_relay_itself(world: World) -> None:
    with world.client() as client:
        client.mail(world.sender.address)
        for recipient in (
            f"info@{world.lab.plan.hostname}",
            f"info@[{world.lab.plan.ipv4}]",
            f"postmaster@[{world.sender.ipv4}]",
        ):
            expect_reply(client.rcpt(recipient), 550, enhanced="5.7.1", to="RCPT")


@clause("CONT-04")
def test_postmaster_at_a_domain_not_served_is_no_way_through(world: World) -> None:
    with world.client() as client:
        client.mail(world.sender.address)
        reply = client.rcpt(f"postmaster@{world.sender.domain}")
        expect_reply(reply, 550, enhanced="5.7.1", to="RCPT")
