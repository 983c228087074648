"""Internationalised addresses: domains yes, local parts no."""

from __future__ import annotations

import pytest

from conformance import (
    also_as,
    clause,
    expect,
    expect_not_in,
    expect_reply,
    expect_true,
)
from conformance.lab import World
from conformance.subjects.plan_file import a_label
from conformance.suite.acts import forward, open_transaction, served
from conformance.suite.dialogue import final_lines, octets_to_a_final_line
from conformance.suite.envelope import forward_path_of, reverse_path_of
from conformance.suite.refusals import (
    not_advertised,
    recipients_refused,
    refused_for_good,
    skip_if_offered,
)

LOCAL_PARTS = ["piñata", "información", "用户", "ñ", '"pi ñata"']


@clause("EAI-01")
@pytest.mark.parametrize("local", LOCAL_PARTS)
def test_a_recipient_with_a_non_ascii_local_part_is_refused(
    world: World, local: str
) -> None:
    recipients_refused(world, world.at(local, world.catchall_zone))


@clause("EAI-14")
@pytest.mark.parametrize("local", LOCAL_PARTS)
def test_the_refusal_of_a_non_ascii_recipient_is_553_5_6_7(
    world: World, local: str
) -> None:
    address = world.at(local, world.catchall_zone)
    recipients_refused(world, address, code=553, enhanced="5.6.7")


@clause("EAI-14")
def test_a_non_ascii_recipient_at_a_u_label_domain_is_refused_for_its_local_part(
    world: World,
) -> None:
    world.require("idn")
    address = world.at("piñata", world.idn_zone)
    recipients_refused(world, address, code=553, enhanced="5.6.7")


@clause("EAI-13")
@pytest.mark.parametrize("local", LOCAL_PARTS)
def test_a_sender_with_a_non_ascii_local_part_is_refused(
    world: World, local: str
) -> None:
    with world.client() as client:
        reply = client.mail(f"{local}@{world.sender.domain}")
        if reply.positive:  # some refuse a sender only at RCPT
            reply = client.rcpt(world.info)
        expect_reply(reply, "5xx", to="MAIL, or else to RCPT")
        client.rset()
        open_transaction(world, client)


@clause("EAI-02")
@pytest.mark.parametrize("local", LOCAL_PARTS)
def test_the_refusal_of_a_non_ascii_sender_is_550_5_6_7(
    world: World, local: str
) -> None:
    with world.client() as client:
        reply = client.mail(f"{local}@{world.sender.domain}")
        expect_reply(reply, 550, enhanced="5.6.7", to="MAIL")
        open_transaction(world, client)


@clause("EAI-03")
def test_a_recipient_at_an_a_label_domain_is_served(world: World) -> None:
    arrived = forward(world, recipient=world.at("info", a_label(world.idn_zone)))
    expect(arrived.recipients, [world.mailbox], "the recipient upstream")


@clause("EAI-04")
def test_a_recipient_at_a_u_label_domain_is_served(world: World) -> None:
    arrived = forward(world, recipient=world.at("info", world.idn_zone))
    expect(arrived.recipients, [world.mailbox], "the recipient upstream")


@clause("EAI-05")
def test_smtputf8_is_not_advertised(world: World) -> None:
    not_advertised(world, "SMTPUTF8")


@clause("EAI-06")
@pytest.mark.parametrize("parameter", ["SMTPUTF8", "smtputf8"])
def test_the_parameter_smtputf8_is_refused_with_555_5_5_4(
    world: World, parameter: str
) -> None:
    skip_if_offered(world, "SMTPUTF8")
    with world.client() as client:
        reply = client.mail(world.sender.address, parameter)
        expect_reply(reply, 555, enhanced="5.5.4", to="MAIL")
        open_transaction(world, client)


@clause("EAI-07")
def test_rcpt_for_an_internationalised_destination_is_in_ascii(world: World) -> None:
    path = forward_path_of(forward(world, recipient=world.at("abroad")))
    expect_true("\\x" not in path, "a forward-path in ASCII", path)


@clause("EAI-15")
def test_a_destinations_domain_is_in_a_labels_upstream(world: World) -> None:
    path = forward_path_of(forward(world, recipient=world.at("abroad")))
    expect(path, f"mailbox@{a_label(world.abroad)}", "the forward-path upstream")


@clause("EAI-08")
def test_mail_for_a_sender_at_a_u_label_domain_is_in_ascii(world: World) -> None:
    sender = f"alice@mañana.{world.sender.domain}"
    with world.client() as client:
        reply = client.mail(sender)
    if not reply.positive:
        pytest.skip(f"a sender at a U-label domain is refused: {reply}")
    path = reverse_path_of(forward(world, sender=sender))
    expect_true("\\x" not in path, "a reverse-path in ASCII", path)


@clause("EAI-15")
def test_a_senders_domain_is_in_a_labels_in_the_srs_address(world: World) -> None:
    world.require("srs")
    domain = f"ñ.{world.sender.domain}"
    path = reverse_path_of(forward(world, sender=f"a@{domain}"))
    wanted = f"={a_label(domain)}=a@"
    expect_true(wanted in path, f"{wanted} in the reverse-path", path)


@clause("EAI-15")
def test_the_forwarding_domain_is_in_a_labels_in_the_srs_address(world: World) -> None:
    world.require("srs")
    path = reverse_path_of(forward(world, recipient=world.at("info", world.idn_zone)))
    domain = path.rpartition("@")[2]
    expect(domain, a_label(world.idn_zone), "the domain of the reverse-path")


@clause("EAI-09")
def test_a_non_ascii_local_part_at_a_u_label_domain_is_refused(world: World) -> None:
    forward(world, recipient=world.at("info", world.idn_zone))
    # What is left of the second without its "ñ" is a routed address.
    for local in ("piñata", "infoñ"):
        recipients_refused(world, world.at(local, world.idn_zone))


@clause("EAI-10")
def test_a_u_label_is_matched_without_regard_to_case(world: World) -> None:
    forward(world, recipient=world.at("info", world.idn_zone.upper()))


@clause("CHAR-10")
def test_an_a_label_is_matched_without_regard_to_case(world: World) -> None:
    forward(world, recipient=world.at("info", a_label(world.idn_zone).upper()))


# By IDNA2008: a U-label that claims to be an A-label, a dot leader, a mark before any letter, a joiner,
# a sign that UTS 46 lets pass.
NO_DOMAINS = [
    "xn--\u00f1.example",
    "a\u2024b.example",
    "\u0300a.example",
    "\u200d.example",
    "\u2260.example",
]


@clause("EAI-11")
@pytest.mark.parametrize("domain", NO_DOMAINS)
def test_a_domain_that_is_not_valid_under_idna2008_is_refused(
    world: World, domain: str
) -> None:
    recipients_refused(world, f"info@{domain}")


@clause("EAI-11")
@pytest.mark.parametrize("domain", NO_DOMAINS)
def test_a_sender_at_a_domain_that_is_not_valid_under_idna2008_is_refused(
    world: World, domain: str
) -> None:
    with world.client() as client:
        client.line(f"MAIL FROM:<alice@{domain}>")
        replies = final_lines(octets_to_a_final_line(client))
        if replies and replies[0].startswith("2"):
            # Some refuse a sender only at RCPT.
            refused_for_good(client, f"RCPT TO:<{world.info}>")
        else:
            said = replies[0] if replies else "nothing"
            expect_true(said.startswith("5"), "a 5xx to MAIL", said)
        # Nor is it left to the upstream to refuse it.
        for dialogue in world.upstream.dialogues:
            for command in dialogue.commands:
                expect_not_in(domain.encode(), command, "the commands upstream")
        client.rset()
        open_transaction(world, client)


# By the table of RFC 3629 4: what follows another octet than it may, or is the first and may not be.
NO_UTF_8 = [
    b"\x80",
    b"\xc0\xaf",
    b"\xc1\xbf",
    b"\xc3",
    b"\xdf\xc0",
    b"\xe0\x9f\xbf",
    b"\xed\xa0\x80",
    b"\xee\xc0\x80",
    b"\xef\xbf",
    b"\xf0\x8f\xbf\xbf",
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\xff",
]
# The first and the last character of each of its lines.
UTF_8 = (
    "\u0080\u07ff\u0800\u0fff\u1000\ucfff\ud000\ud7ff\ue000\uffff\U00010000\U0010ffff"
)


@also_as("receiver")
@clause("EAI-12")
@pytest.mark.parametrize("octets", NO_UTF_8)
def test_mail_and_rcpt_with_octets_that_are_not_utf_8_are_refused(
    world: World, octets: bytes
) -> None:
    zone = served(world).encode("ascii")
    with world.client() as client:
        sender = b"MAIL FROM:<a" + octets + b"@example.org>"
        refused_for_good(client, sender)
        client.mail(world.sender.address)
        refused_for_good(client, b"RCPT TO:<info" + octets + b"@" + zone + b">")
        refused_for_good(client, b"RCPT TO:<info@" + octets + b"." + zone + b">")
        expect_reply(client.rcpt(world.info), 250, to="RCPT of a good address")


@clause("DLG-45")
@pytest.mark.parametrize("octets", NO_UTF_8)
def test_an_address_with_octets_that_are_not_utf_8_is_malformed(
    world: World, octets: bytes
) -> None:
    domain = world.zone.encode("ascii")
    with world.client() as client:
        mail = client.command(b"MAIL FROM:<a" + octets + b"@" + domain + b">")
        expect_reply(mail, 501, enhanced="5.1.7", to="MAIL")
        client.mail(world.sender.address)
        rcpt = client.command(b"RCPT TO:<a" + octets + b"@" + domain + b">")
        expect_reply(rcpt, 501, enhanced="5.1.3", to="RCPT")


@clause("EAI-14")
@pytest.mark.parametrize("character", UTF_8, ids=ascii)
def test_an_address_with_any_character_of_utf_8_is_well_formed(
    world: World, character: str
) -> None:
    address = world.at(character, world.catchall_zone)
    recipients_refused(world, address, code=553, enhanced="5.6.7")
