"""Recipients: the unknown ones are refused while the service's client waits, postmaster is always there, and a
call-out gets a true answer."""

from __future__ import annotations

import pytest

from conformance import clause, expect, expect_in, expect_reply, expect_true
from conformance.lab import Message, ReceiverWorld, Upstream
from conformance.suite.receiver.acts import (
    delivered,
    delivered_by_the_relay,
    expect_accepted,
    expect_no_report,
    expect_nothing,
    fence,
    forwarded,
    return_host,
    send,
)
from conformance.subjects.plan_file import a_label


def nobody(world: ReceiverWorld, local: str = "nobody") -> str:
    """An address that nobody has, at the subject's domain."""
    return f"{local}@{world.destination}"


@clause("RCV-50")
@pytest.mark.parametrize("local", ["nobody", "mailboxx", "mail.box", "mailbox=x"])
@pytest.mark.parametrize("sender", ["SRS", "null"])
def test_an_unknown_recipient_is_refused_in_reply_to_rcpt(
    world: ReceiverWorld, local: str, sender: str
) -> None:
    delivered(world)
    with world.service_client() as client:
        reverse_path = "" if sender == "null" else world.srs(world.sender.address)
        expect_reply(client.mail(reverse_path), "2xx", to="MAIL")
        expect_reply(client.rcpt(nobody(world, local)), "5xx", to="RCPT")


@clause("RCV-50")
def test_the_services_client_learns_of_an_unknown_mailbox_in_the_session(
    world: ReceiverWorld,
) -> None:
    delivered_by_the_relay(world)
    gone = f"gone-{world.slot:04d}.example"
    # A destination whose domain the subject has not at all is as unknown as a mailbox.
    with world.service_client() as client:
        client.mail(world.srs(world.sender.address))
        expect_reply(client.rcpt(f"mailbox@{gone}"), "5xx", to="RCPT")
        expect_reply(client.rcpt(nobody(world)), "5xx", to="RCPT")
        expect_reply(client.rcpt(world.mailbox), "2xx", to="RCPT of a mailbox")


@clause("RCV-51")
@pytest.mark.parametrize("refused", ["a recipient", "all recipients"])
def test_nobody_is_sent_a_report_of_a_refused_recipient(
    world: ReceiverWorld, refused: str
) -> None:
    back = return_host(world)
    others = [world.mailbox] if refused == "a recipient" else []
    delivery = send(world, recipients=[nobody(world), *others])
    if others:
        expect_accepted(delivery)
        world.inbox.wait_for_message_at(world.mailbox)
    else:
        expect_true(not delivery.accepted, "a refusal in the session", delivery.final)
    expect_no_report(world, back)


@clause("RCV-52")
@pytest.mark.parametrize("first", ["the unknown one", "the mailbox"])
def test_the_other_recipients_get_the_message_when_one_is_unknown(
    world: ReceiverWorld, first: str
) -> None:
    recipients = [nobody(world), world.mailbox, world.other]
    if first != "the unknown one":
        recipients.reverse()
    expect_accepted(send(world, recipients=recipients))
    for mailbox in (world.mailbox, world.other):
        world.inbox.wait_for_message_at(mailbox)


# Call-outs


@clause("RCV-68")
@pytest.mark.parametrize("end", ["RSET", "QUIT", "the connection closed"])
def test_a_call_out_is_answered_truthfully_and_leaves_nothing(
    world: ReceiverWorld, end: str
) -> None:
    for recipient, answer in ((world.mailbox, "2xx"), (nobody(world), "5xx")):
        with world.service_client() as client:
            expect_reply(client.mail(""), "2xx", to="MAIL with the null reverse-path")
            expect_reply(client.rcpt(recipient), answer, to=f"RCPT of {recipient}")
            if end == "RSET":
                expect_reply(client.rset(), 250, to="RSET")
                expect_reply(client.quit(), 221, to="QUIT")
            elif end == "QUIT":
                expect_reply(client.quit(), 221, to="QUIT")
    expect_nothing(world)


@clause("RCV-68")
def test_a_call_out_is_answered_like_a_message(world: ReceiverWorld) -> None:
    with world.service_client() as client:
        client.mail("")
        asked = client.rcpt(world.mailbox)
    expect_reply(asked, "2xx", to="RCPT of a call-out")
    delivered(world, sender="")


@clause("RCV-68")
def test_the_relay_can_ask_for_a_mailbox(world: ReceiverWorld) -> None:
    # It asks upstream when it is asked, and a client that leaves leaves nothing.
    with world.relay_client() as client:
        expect_reply(client.mail(""), "2xx", to="MAIL")
        expect_reply(client.rcpt(world.forwarded), "2xx", to="RCPT")
        expect_reply(client.quit(), 221, to="QUIT")
    expect_nothing(world)


def probes(back: Upstream) -> list[list[str]]:
    """The verbs of every connection on which something was asked."""
    return [d.verbs for d in back.dialogues if "RCPT" in d.verbs]


@clause("RCV-69")
def test_there_is_at_most_one_call_out_for_a_message(world: ReceiverWorld) -> None:
    back = return_host(world)
    messages = 5
    for _ in range(messages):
        delivered(world)
    fence(world)
    asked = sum(verbs.count("RCPT") for verbs in probes(back))
    # The fence is a message of the same domain.
    expect_true(asked <= messages + 1, f"{messages + 1} call-outs at most", asked)
    expect([v for v in probes(back) if "DATA" in v], [], "call-outs with DATA")


@clause("RCV-69")
def test_two_mailboxes_of_a_message_are_no_reason_for_two_call_outs(
    world: ReceiverWorld,
) -> None:
    back = return_host(world)
    expect_accepted(send(world, recipients=[world.mailbox, world.other]))
    world.inbox.wait_for_message_at(world.mailbox)
    asked = sum(verbs.count("RCPT") for verbs in probes(back))
    expect_true(asked <= 1, "one call-out at most", asked)


# Postmaster


def for_postmaster(world: ReceiverWorld, recipient: str, sender: str) -> Message:
    """A message of the service to postmaster, wherever that is delivered."""
    identity = f"postmaster-{len(world.inbox.messages)}.{world.slot:04d}"
    message = forwarded(world, world.message(f"X-Test: {identity}"))
    delivery = send(world, message, sender=sender, recipients=recipient)
    expect_reply(delivery.final, "2xx", to=f"a message to {recipient}")

    def arrived() -> list[Message]:
        wanted = identity.encode("ascii")
        return [m for m in world.inbox.messages if m.accepted and wanted in m.header]

    world.inbox.wait_until(lambda: bool(arrived()), f"the message for {recipient}")
    return arrived()[0]


@clause("RCV-70")
@pytest.mark.parametrize("sender", ["SRS", "null"])
@pytest.mark.parametrize("local", ["postmaster", "Postmaster", "POSTMASTER"])
@pytest.mark.parametrize("domain", ["destination", "elsewhere", "abroad"])
def test_postmaster_at_every_domain_takes_mail_from_the_service(
    world: ReceiverWorld, sender: str, local: str, domain: str
) -> None:
    domains = {
        "destination": world.destination,
        "elsewhere": world.elsewhere,
        "abroad": a_label(world.abroad),
    }
    reverse_path = "" if sender == "null" else world.srs(world.sender.address)
    arrived = for_postmaster(world, f"{local}@{domains[domain]}", reverse_path)
    expect_in(b"X-Test: postmaster", arrived.header, "the message")


@clause("RCV-70")
@pytest.mark.parametrize("sender", ["SRS", "null"])
@pytest.mark.parametrize("local", ["postmaster", "Postmaster"])
def test_postmaster_without_a_domain_takes_mail_from_the_service(
    world: ReceiverWorld, sender: str, local: str
) -> None:
    reverse_path = "" if sender == "null" else world.srs(world.sender.address)
    for_postmaster(world, local, reverse_path)


def ordinary_mail_for(world: ReceiverWorld, recipient: str) -> None:
    """A message to postmaster by somebody who is not the service."""
    message = world.message("X-Test: postmaster of anybody")
    with world.client() as client:
        delivery = client.deliver(world.sender.address, recipient, message)
    expect_reply(delivery.final, "2xx", to=f"a message to {recipient}")
    world.inbox.wait_until(
        lambda: any(b"postmaster of anybody" in m.header for m in world.inbox.messages),
        f"the message for {recipient}",
    )


@clause("CONT-03")
@pytest.mark.parametrize("local", ["postmaster", "Postmaster"])
def test_mail_to_postmaster_without_a_domain_is_accepted(
    world: ReceiverWorld, local: str
) -> None:
    ordinary_mail_for(world, local)


@clause("CONT-04")
def test_mail_to_postmaster_at_every_domain_is_accepted(world: ReceiverWorld) -> None:
    for domain in (world.destination, world.elsewhere, a_label(world.abroad)):
        with world.client() as client:
            client.mail(world.sender.address)
            reply = client.rcpt(f"postmaster@{domain}")
            expect_reply(reply, "2xx", to=f"RCPT of postmaster@{domain}")
    ordinary_mail_for(world, f"postmaster@{world.destination}")


@clause("CONT-05")
@pytest.mark.parametrize("local", ["POSTMASTER", "Postmaster", "pOsTmAsTeR"])
def test_postmaster_is_recognised_in_any_case(world: ReceiverWorld, local: str) -> None:
    ordinary_mail_for(world, f"{local}@{world.destination}")


@clause("RCV-88")
def test_a_mailbox_at_an_internationalised_domain_is_reached(
    world: ReceiverWorld,
) -> None:
    mailbox = f"mailbox@{a_label(world.abroad)}"
    delivered(world, recipient=mailbox)


@clause("RCV-88")
def test_the_relay_reaches_a_mailbox_at_an_internationalised_domain(
    world: ReceiverWorld,
) -> None:
    expect_accepted(world.forward(recipient=world.at("abroad")))
    world.inbox.wait_for_message_at(f"mailbox@{a_label(world.abroad)}")
