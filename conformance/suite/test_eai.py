"""Internationalised addresses: domains yes, local parts no."""

from __future__ import annotations

import pytest

from conformance import clause, expect, expect_reply, expect_true
from conformance.lab import World
from conformance.lab.world import a_label
from conformance.suite.acts import forward, forward_path, open_transaction, reverse_path

LOCAL_PARTS = ["piñata", "información", "用户", "ñ", '"pi ñata"']


@clause("EAI-01")
@pytest.mark.parametrize("local", LOCAL_PARTS)
def test_a_recipient_with_a_non_ascii_local_part_is_a_553_567(
    world: World, local: str
) -> None:
    with world.client() as client:
        client.mail(world.sender.address)
        reply = client.rcpt(world.at(local, world.catchall_zone))
        expect_reply(reply, 553, enhanced="5.6.7", to="RCPT")
        expect_reply(client.rcpt(world.info), 250, to="RCPT of an ASCII address")


@clause("EAI-02")
@pytest.mark.parametrize("local", LOCAL_PARTS)
def test_a_sender_with_a_non_ascii_local_part_is_a_550_567(
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
    world.require("idn")
    arrived = forward(world, recipient=world.at("info", world.idn_zone))
    expect(arrived.recipients, [world.mailbox], "the recipient upstream")


@clause("EAI-04", "SRS-01")
def test_mail_to_a_u_label_domain_is_rewritten_to_its_a_label_form(
    world: World,
) -> None:
    world.require("idn")
    world.require("srs")
    forward(world, recipient=world.at("info", world.idn_zone))
    domain = reverse_path(world.upstream).rpartition("@")[2]
    expect(domain, a_label(world.idn_zone), "the domain of the reverse-path")


@clause("EAI-05")
def test_smtputf8_is_not_advertised(world: World) -> None:
    with world.client(greet=False) as client:
        client.banner()
        offered = client.extensions()
    expect_true("SMTPUTF8" not in offered, "no SMTPUTF8", list(offered))


@clause("EAI-06")
@pytest.mark.parametrize("parameter", ["SMTPUTF8", "smtputf8"])
def test_the_parameter_smtputf8_is_a_555_554(world: World, parameter: str) -> None:
    with world.client() as client:
        reply = client.mail(world.sender.address, parameter)
        expect_reply(reply, 555, enhanced="5.5.4", to="MAIL")
        open_transaction(world, client)


@clause("EAI-07")
def test_a_destinations_domain_is_in_a_labels_upstream(world: World) -> None:
    forward(world, recipient=world.at("abroad"))
    expect(
        forward_path(world.upstream),
        f"mailbox@{a_label(world.abroad)}",
        "the forward-path upstream",
    )


@clause("EAI-08")
def test_a_senders_u_label_domain_is_in_a_labels_upstream(world: World) -> None:
    world.require("idn")
    forward(world, sender=f"alice@mañana.{world.sender.domain}")
    path = reverse_path(world.upstream)
    expect_true(path.isascii(), "an ASCII reverse-path", path)


@clause("EAI-08", "SRS-02")
def test_a_senders_u_label_domain_stands_in_a_labels_in_the_srs_address(
    world: World,
) -> None:
    world.require("idn")
    world.require("srs")
    domain = f"ñ.{world.sender.domain}"
    forward(world, sender=f"a@{domain}")
    expect_true(
        f"={a_label(domain)}=a@" in reverse_path(world.upstream),
        f"{a_label(domain)} in the reverse-path",
        reverse_path(world.upstream),
    )


@clause("EAI-09")
def test_an_internationalised_local_part_is_refused_at_an_internationalised_domain(
    world: World,
) -> None:
    with world.client() as client:
        client.mail(world.sender.address)
        reply = client.rcpt(world.at("piñata", world.idn_zone))
        expect_reply(reply, 553, enhanced="5.6.7", to="RCPT")


@clause("EAI-10")
def test_a_u_label_is_matched_without_regard_to_case(world: World) -> None:
    world.require("idn")
    forward(world, recipient=world.at("info", world.idn_zone.upper()))


@clause("EAI-10")
def test_an_a_label_is_matched_without_regard_to_case(world: World) -> None:
    forward(world, recipient=world.at("info", a_label(world.idn_zone).upper()))


@clause("EAI-11")
@pytest.mark.parametrize(
    "domain",
    ["xn--\u00f1.example", "a\u2024b.example", "\u0300a.example", "\u200d.example"],
)
def test_a_domain_that_is_no_idna_name_is_refused(world: World, domain: str) -> None:
    with world.client() as client:
        client.mail(world.sender.address)
        expect_reply(client.rcpt(f"info@{domain}"), "5xx", to="RCPT")
        expect_reply(client.rcpt(world.info), 250, to="RCPT of a good address")


@clause("EAI-12")
@pytest.mark.parametrize("octets", [b"\xff", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80"])
def test_octets_that_are_no_utf_8_are_refused(world: World, octets: bytes) -> None:
    zone = a_label(world.idn_zone).encode("ascii")
    with world.client() as client:
        sender = b"MAIL FROM:<a" + octets + b"@example.org>"
        expect_reply(client.command(sender), "5xx", to="MAIL")
        client.mail(world.sender.address)
        local = b"RCPT TO:<info" + octets + b"@" + zone + b">"
        expect_reply(
            client.command(local), "5xx", to="RCPT with them in the local part"
        )
        domain = b"RCPT TO:<info@" + octets + b"." + zone + b">"
        expect_reply(client.command(domain), "5xx", to="RCPT with them in the domain")
        expect_reply(client.rcpt(world.info), 250, to="RCPT of a good address")
