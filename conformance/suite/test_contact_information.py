"""Contact: where somebody in trouble is sent, and that postmaster can be written to."""

from __future__ import annotations

import pytest

from conformance import also_as, clause, expect, expect_in, expect_one_of, expect_reply
from conformance.lab import Message, World
from conformance.suite.acts import control, open_transaction, skip_at_loopback
from conformance.suite.envelope import reverse_path_of

POSTMASTER_PAGE = "https://developers.cloudflare.com/email-routing/postmaster/"


@also_as("receiver")
@clause("CONT-07")
def test_help_is_supported(world: World) -> None:
    with world.client() as client:
        reply = client.command("HELP")
    expect_one_of(reply.code, (211, 214), "the code of the reply to HELP")


@clause("CONT-01")
@pytest.mark.parametrize("command", ["HELP", "help", "HELP MAIL"])
def test_help_points_to_the_postmaster_page(world: World, command: str) -> None:
    with world.client() as client:
        reply = client.command(command)
    expect_reply(reply, 214, to=command)
    expect_in(POSTMASTER_PAGE, reply.text, "the text of HELP")


@clause("CONT-02")
def test_a_refusal_to_relay_points_to_the_postmaster_page(world: World) -> None:
    control(world)
    with world.client() as client:
        client.mail(world.sender.address)
        reply = client.rcpt(world.unserved)
    expect_reply(reply, "5xx", to="RCPT")
    expect_in(POSTMASTER_PAGE, reply.text, "the text of the refusal")


def mail_for_postmaster(
    world: World, recipient: str, sender: str | None = None
) -> Message:
    """A message to `recipient` is accepted; returns it as it arrives at the destination of the
    deployment's contact, where that of other tests arrives too."""
    seen = len(world.standing.messages)
    identity = f"{seen}.{world.slot}@{world.sender.domain}"
    message = world.message(f"X-Test: {identity}")
    with world.client() as client:
        delivery = client.deliver(sender or world.sender.address, recipient, message)
    expect_reply(delivery.final, "2xx", to=f"a message to {recipient}")
    while True:
        seen += 1
        arrived = world.standing.wait_for_message(seen)
        if identity.encode("ascii") in arrived.header:
            return arrived


@clause("CONT-03")
@pytest.mark.parametrize("local", ["postmaster", "Postmaster"])
def test_mail_to_postmaster_without_a_domain_is_accepted(
    world: World, local: str
) -> None:
    mail_for_postmaster(world, local)


@clause("CONT-04")
@pytest.mark.parametrize("zone", ["zone", "enterprise_zone", "its subdomain"])
def test_mail_to_postmaster_at_every_served_domain_is_accepted(
    world: World, zone: str
) -> None:
    domains = {
        "zone": world.zone,
        "enterprise_zone": world.enterprise_zone,
        "its subdomain": f"eu.{world.enterprise_zone}",
    }
    mail_for_postmaster(world, world.at("postmaster", domains[zone]))


@clause("CONT-05")
@pytest.mark.parametrize("local", ["POSTMASTER", "Postmaster", "pOsTmAsTeR"])
def test_postmaster_is_recognised_in_any_case(world: World, local: str) -> None:
    mail_for_postmaster(world, world.at(local))


@clause("CONT-08")
@pytest.mark.parametrize("qualified", [True, False], ids=["at the zone", "alone"])
def test_mail_to_postmaster_goes_to_the_contact(world: World, qualified: bool) -> None:
    recipient = world.at("postmaster") if qualified else "postmaster"
    arrived = mail_for_postmaster(world, recipient)
    expect(arrived.recipients, [world.lab.plan.contact], "the recipient upstream")


@clause("CONT-06")
@pytest.mark.parametrize("own", ["name", "ipv4", "ipv6"])
def test_mail_to_postmaster_at_the_relay_itself_goes_to_the_contact(
    world: World, own: str
) -> None:
    plan = world.lab.plan
    if own == "ipv6":
        world.require("ipv6")
    if own != "name":
        skip_at_loopback(world)
    domain = {
        "name": plan.hostname,
        "ipv4": f"[{plan.ipv4}]",
        "ipv6": f"[IPv6:{plan.ipv6}]",
    }[own]
    arrived = mail_for_postmaster(world, f"postmaster@{domain}")
    expect(arrived.recipients, [plan.contact], "the recipient upstream")


@clause("NDR-10")
def test_the_sender_of_mail_to_postmaster_at_the_relay_itself_can_be_called_out(
    world: World,
) -> None:
    arrived = mail_for_postmaster(world, f"postmaster@{world.lab.plan.hostname}")
    sender = reverse_path_of(arrived)
    if sender == world.sender.address:
        pytest.skip("the sender of mail to postmaster is not rewritten")
    with world.client() as client:
        expect_reply(client.mail(""), 250, to="MAIL")
        expect_reply(client.rcpt(sender), 250, to="RCPT")


@clause("NDR-13")
def test_the_overflow_address_for_mail_to_postmaster_at_the_relay_can_be_called_out(
    world: World,
) -> None:
    postmaster = f"postmaster@{world.lab.plan.hostname}"
    sender = f"{'a' * 60}@{world.sender.domain}"
    address = reverse_path_of(mail_for_postmaster(world, postmaster, sender))
    if address == sender or address.startswith("SRS"):
        pytest.skip("no address stands for a sender too long to rewrite")
    with world.client() as client:
        expect_reply(client.mail(""), 250, to="MAIL")
        expect_reply(client.rcpt(address), 250, to="RCPT")


@clause("CONT-09")
def test_nobody_else_is_at_the_relay_itself(world: World) -> None:
    with world.client() as client:
        open_transaction(world, client)
        for recipient in (
            f"info@{world.lab.plan.hostname}",
            f"info@[{world.lab.plan.ipv4}]",
            f"postmaster@[{world.sender.ipv4}]",
        ):
            expect_reply(client.rcpt(recipient), 550, enhanced="5.7.1", to="RCPT")


@clause("CONT-09")
def test_postmaster_at_a_domain_that_is_not_served_is_refused(world: World) -> None:
    with world.client() as client:
        open_transaction(world, client)
        reply = client.rcpt(f"postmaster@{world.sender.domain}")
        expect_reply(reply, 550, enhanced="5.7.1", to="RCPT")
