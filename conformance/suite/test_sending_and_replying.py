"""Sending and replying: the service takes mail for its zones and for nobody else."""

from __future__ import annotations

import pytest

from conformance import clause, expect, expect_reply, expect_true
from conformance.lab import World
from conformance.suite.acts import forward, open_transaction


def relaying_refused(world: World, recipient: str, sender: str | None = None) -> None:
    """A 550 5.7.1 to RCPT, and nothing upstream."""
    with world.client() as client:
        expect_reply(
            client.mail(world.sender.address if sender is None else sender),
            250,
            to="MAIL",
        )
        reply = client.rcpt(recipient)
        expect_reply(reply, 550, enhanced="5.7.1", to="RCPT")
    expect(world.upstream.dialogues, [], "connections upstream")


@clause("SEND-01")
@pytest.mark.parametrize("secured", [False, True], ids=["in the clear", "inside TLS"])
def test_auth_is_not_advertised(world: World, secured: bool) -> None:
    with world.client() as client:
        if secured:
            world.require("starttls")
            client.starttls()
        offered = client.extensions()
    expect_true("AUTH" not in offered, "no AUTH", list(offered))


@clause("SEND-02")
@pytest.mark.parametrize(
    "command", ["AUTH PLAIN AGEAYg==", "AUTH LOGIN", "AUTH CRAM-MD5", "AUTH"]
)
def test_the_auth_command_is_refused(world: World, command: str) -> None:
    with world.client() as client:
        expect_reply(client.command(command), "50x", to=command)
        open_transaction(world, client)


@clause("SEND-03")
def test_a_recipient_at_a_domain_not_served_is_refused(world: World) -> None:
    relaying_refused(world, f"someone@{world.sender.domain}")


@clause("SEND-03")
def test_a_null_reverse_path_gives_no_right_to_relay(world: World) -> None:
    relaying_refused(world, f"someone@{world.sender.domain}", sender="")


@clause("SEND-03")
@pytest.mark.parametrize(
    "domain", ["example.invalid", "localhost", "com", "[192.0.2.1]"]
)
def test_domains_of_every_other_kind_are_refused(world: World, domain: str) -> None:
    with world.client() as client:
        client.mail(world.sender.address)
        expect_reply(client.rcpt(f"someone@{domain}"), "5xx", to="RCPT")


@clause("SEND-04")
def test_a_sender_at_a_served_domain_may_not_send_out(world: World) -> None:
    relaying_refused(world, f"someone@{world.sender.domain}", sender=world.info)


@clause("SEND-05", "SRS-12")
def test_from_to_and_reply_to_arrive_as_they_were(world: World) -> None:
    message = world.message(f"Reply-To: Alice <replies@{world.sender.domain}>")
    arrived = forward(world, message=message)
    for name in ("From", "To", "Reply-To"):
        expect(len(arrived.fields(name)), 1, f"the number of {name} fields")
    expect_true(
        arrived.content.endswith(message), "the original, unchanged", arrived.content
    )


@clause("SEND-05")
def test_no_reply_to_is_added_where_there_is_none(world: World) -> None:
    expect(forward(world).fields("Reply-To"), [], "the Reply-To fields")


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
def test_a_percent_hack_or_bang_path_leads_nowhere(world: World, local: str) -> None:
    target = world.mx_host(world.sender.domain, 5, label="mx")
    with world.client() as client:
        client.mail(world.sender.address)
        recipient = world.at(local.format(domain=world.sender.domain))
        expect_reply(client.rcpt(recipient), 550, to="RCPT")
    expect(target.dialogues, [], "connections to the domain in the local part")


@clause("SEND-07")
def test_a_source_route_through_a_served_domain_leads_nowhere(world: World) -> None:
    with world.client() as client:
        client.mail(world.sender.address)
        reply = client.rcpt(f"@{world.zone}:someone@{world.sender.domain}")
        expect_reply(reply, 550, enhanced="5.7.1", to="RCPT")


@clause("SEND-08")
def test_a_client_in_the_services_own_network_may_not_relay(world: World) -> None:
    own = world.subject.addresses[0]
    with world.client(source=own) as client:
        client.mail(world.sender.address)
        reply = client.rcpt(f"someone@{world.sender.domain}")
        expect_reply(reply, 550, enhanced="5.7.1", to="RCPT")


@clause("SEND-09")
@pytest.mark.parametrize("value", ["<>", "alice@example.org"])
def test_the_parameter_auth_is_a_555_554(world: World, value: str) -> None:
    with world.client() as client:
        reply = client.mail(world.sender.address, f"AUTH={value}")
        expect_reply(reply, 555, enhanced="5.5.4", to="MAIL")
        open_transaction(world, client)


@clause("SEND-10")
def test_the_destination_cannot_be_addressed_directly(world: World) -> None:
    relaying_refused(world, world.mailbox)
