"""Sending and replying: the service takes mail for its zones and for nobody else."""

from __future__ import annotations

import pytest

from conformance import also_as, clause, expect, expect_reply
from conformance.lab import World
from conformance.suite.acts import (
    control,
    forward,
    open_transaction,
    served,
    skip_at_loopback,
)
from conformance.suite.refusals import (
    not_advertised,
    recipients_refused,
    skip_if_offered,
)


def outside(world: World) -> str:
    """An address at a domain that is not served and takes mail elsewhere."""
    return f"someone@{world.sender.domain}"


@clause("SEND-01")
@pytest.mark.parametrize("secured", [False, True], ids=["in the clear", "inside TLS"])
def test_auth_is_not_advertised(world: World, secured: bool) -> None:
    if secured:
        world.require("starttls")
    not_advertised(world, "AUTH", secured=secured)


@clause("SEND-02")
@pytest.mark.parametrize(
    "command", ["AUTH PLAIN AGEAYg==", "AUTH LOGIN", "AUTH CRAM-MD5", "AUTH"]
)
def test_the_auth_command_is_refused(world: World, command: str) -> None:
    with world.client() as client:
        expect_reply(client.command(command), "5xx", to=command)
        open_transaction(world, client)


@also_as("receiver")
@clause("SEND-03")
@pytest.mark.parametrize("sender", [None, ""], ids=["a sender", "the null sender"])
def test_a_recipient_at_a_domain_not_served_is_refused(
    world: World, sender: str | None
) -> None:
    recipients_refused(world, outside(world), sender=sender)


@also_as("receiver")
@clause("SEND-03")
@pytest.mark.parametrize(
    "domain", ["example.invalid", "localhost", "com", "[192.0.2.1]"]
)
def test_domains_of_every_other_kind_are_refused(world: World, domain: str) -> None:
    recipients_refused(world, f"someone@{domain}")


@also_as("receiver")
@clause("SEND-11")
def test_a_relay_that_declines_to_relay_replies_550(world: World) -> None:
    recipients_refused(world, outside(world), code=550)


@clause("SEND-12")
@pytest.mark.parametrize("sender", [None, ""], ids=["a sender", "the null sender"])
def test_the_refusal_to_relay_is_550_5_7_1(world: World, sender: str | None) -> None:
    recipients = [
        outside(world),
        world.mailbox,
        f"@{world.zone}:{outside(world)}",
    ]
    recipients_refused(world, *recipients, sender=sender, code=550, enhanced="5.7.1")


@clause("SEND-12")
def test_the_refusal_to_relay_for_a_served_sender_is_550_5_7_1(world: World) -> None:
    recipients_refused(
        world, outside(world), sender=world.info, code=550, enhanced="5.7.1"
    )


@clause("SEND-04")
def test_a_sender_at_a_served_domain_may_not_send_out(world: World) -> None:
    control(world)
    with world.client() as client:
        reply = client.mail(world.info)
        if reply.positive:  # some refuse such a sender at once
            reply = client.rcpt(outside(world))
        expect_reply(reply, "5xx", to="MAIL, or else to RCPT")


@clause("SEND-05")
@pytest.mark.parametrize("name", ["From", "To", "Reply-To"])
def test_from_to_and_reply_to_arrive_as_they_were(world: World, name: str) -> None:
    values = {
        "From": f"Alice <{world.sender.address}>",
        "To": world.info,
        "Reply-To": f"Alice <replies@{world.sender.domain}>",
    }
    message = world.message(f"Reply-To: {values['Reply-To']}")
    fields = forward(world, message=message).fields(name)
    arrived = [" ".join(value.split()) for _, value in fields]
    expect(arrived, [values[name]], f"the {name} fields")


@clause("SEND-05")
def test_no_reply_to_is_added_where_there_is_none(world: World) -> None:
    expect(forward(world).fields("Reply-To"), [], "the Reply-To fields")


@also_as("receiver")
@clause("SEND-06")
@pytest.mark.parametrize(
    "local",
    [
        "someone%{domain}",
        "{domain}!someone",
        '"someone@{domain}"',
        "someone%{domain}%x",
    ],
)
def test_a_percent_hack_or_bang_path_is_not_followed(world: World, local: str) -> None:
    target = world.mx_host(world.sender.domain, 5, label="mx")
    written = local.format(domain=world.sender.domain)
    recipients_refused(world, f"{written}@{served(world)}")
    expect(target.dialogues, [], "connections to the domain in the local part")


@also_as("receiver")
@clause("SEND-07")
def test_a_source_route_through_a_served_domain_is_not_followed(world: World) -> None:
    recipients_refused(world, f"@{served(world)}:{outside(world)}")


@also_as("receiver")
@clause("SEND-08")
def test_a_client_in_the_services_own_network_may_not_relay(world: World) -> None:
    control(world)
    skip_at_loopback(world)
    with world.client(source=world.subject.addresses[0]) as client:
        client.mail(world.sender.address)
        expect_reply(client.rcpt(outside(world)), "5xx", to="RCPT")


@clause("SEND-09")
@pytest.mark.parametrize("value", ["<>", "alice@example.org"])
def test_the_parameter_auth_is_refused_with_555(world: World, value: str) -> None:
    skip_if_offered(world, "AUTH")
    with world.client() as client:
        reply = client.mail(world.sender.address, f"AUTH={value}")
        expect_reply(reply, 555, to="MAIL")
        open_transaction(world, client)


@clause("SEND-10")
def test_the_destination_of_a_route_cannot_be_addressed_directly(world: World) -> None:
    recipients_refused(world, world.mailbox)
