"""Reverse-paths as forwarders write them: SRS in all forms, long ones, the null one; and that they are preserved."""

from __future__ import annotations

import pytest

from conformance import clause, expect, expect_true
from conformance.lab import Message, ReceiverWorld
from conformance.suite.receiver.acts import (
    delivered,
    delivered_by_the_relay,
    expect_refused,
    fence,
    forwarded,
    return_host,
    send,
)

LOCAL_PART_MAX = 64


def reverse_path_of(arrived: Message) -> str:
    """That of the envelope in which it was delivered; if there is none, that of the topmost Return-Path. An
    address that needs no quotes may have some."""
    fields = arrived.fields("Return-Path")
    written = arrived.sender or (fields[0][1] if fields else "")
    local, at, domain = written.strip().strip("<>").rpartition("@")
    if local.startswith('"') and local.endswith('"'):
        local = local[1:-1].replace("\\", "")
    return f"{local}{at}{domain.lower()}"


def srs_of_length(world: ReceiverWorld, length: int) -> str:
    """An SRS address with a local part of so many octets."""
    start = "SRS0=HhH1=TT=author.example="
    return f"{start}{'x' * (length - len(start))}@{world.zone}"


FORMS = {
    "SRS0": "SRS0=HhH1=TT=author.example=alice",
    "SRS0 with a plus": "SRS0+HhH1=TT=author.example=alice",
    "SRS0 with a hyphen": "SRS0-HhH1=TT=author.example=alice",
    "SRS1": "SRS1=HhH2=other.example==HhH1=TT=author.example=alice",
    "SRS1 with a plus": "SRS1=HhH2=other.example=+HhH1=TT=author.example=a",
    "small letters": "srs0=hhh1=tt=author.example=alice",
    "a hash with slash and plus": "SRS0=H/+1=TT=author.example=alice",
    "a sender with plus and dots": "SRS0=HhH1=TT=author.example=a.b+c_d",
    "a sender with a percent sign": "SRS0=HhH1=TT=author.example=a%b",
    "a sender of a list": "SRS0=HhH1=TT=l.example=list-bounces+x=y",
    "a batched return path": "bounces+12-ab34-mailbox=destination.example",
}


@clause("RCV-61")
@pytest.mark.parametrize("form", list(FORMS))
def test_an_srs_address_is_accepted_in_every_form(
    world: ReceiverWorld, form: str
) -> None:
    return_host(world)  # in case the receiver asks: the relay knows no such address
    delivered(world, sender=f"{FORMS[form]}@{world.zone}")


@clause("RCV-61")
def test_what_the_relay_writes_is_accepted(world: ReceiverWorld) -> None:
    delivered_by_the_relay(world)


@clause("RCV-61")
def test_a_sender_that_another_forwarder_rewrote_is_accepted(
    world: ReceiverWorld,
) -> None:
    arrived = delivered_by_the_relay(
        world, sender=f"SRS0=abcd=TT=author.example=alice@{world.sender.domain}"
    )
    path = reverse_path_of(arrived)
    expect_true(path.upper().startswith("SRS1"), "an SRS1 reverse-path", path)


@clause("RCV-62")
@pytest.mark.parametrize("spf", ["v=spf1 -all", None], ids=["-all", "no SPF record"])
def test_the_policies_of_the_domain_within_an_srs_address_are_not_applied(
    world: ReceiverWorld, spf: str | None
) -> None:
    return_host(world)
    strict = f"strict-{world.slot:04d}.example"
    world.dns.set(strict, "A", world.sender.ipv4)
    world.dns.add_text(f"_dmarc.{strict}", "v=DMARC1; p=reject; aspf=s; adkim=s")
    if spf is not None:
        world.dns.add_text(strict, spf)
    # Of the author in From nothing is published.
    delivered(world, sender=f"SRS0=HhH1=TT={strict}=alice@{world.zone}")


@clause("RCV-63")
def test_an_srs_address_with_a_local_part_of_64_octets_is_received(
    world: ReceiverWorld,
) -> None:
    return_host(world)
    sender = srs_of_length(world, LOCAL_PART_MAX)
    arrived = delivered(world, sender=sender)
    expect(reverse_path_of(arrived), sender, "the reverse-path in the mailbox")


@clause("RCV-64")
@pytest.mark.parametrize("length", [LOCAL_PART_MAX + 1, 100, 200])
def test_an_srs_address_with_a_longer_local_part_is_kept_whole_or_refused(
    world: ReceiverWorld, length: int
) -> None:
    return_host(world)
    delivered(world)
    sender = srs_of_length(world, length)
    delivery = send(world, sender=sender)
    if delivery.accepted:
        arrived = world.inbox.wait_for_message_at(world.mailbox, 2)
        expect(reverse_path_of(arrived), sender, "the reverse-path in the mailbox")
    else:
        expect_refused(delivery, 5)
        fence(world)
        expect(len(world.inbox.at(world.mailbox)), 1, "messages in the mailbox")


def notification(world: ReceiverWorld) -> bytes:
    """A delivery status notification, as it is forwarded."""
    return world.message(
        "MIME-Version: 1.0",
        "Auto-Submitted: auto-replied",
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
        body=(
            "--b\r\n\r\nNot delivered.\r\n--b\r\n"
            "Content-Type: message/delivery-status\r\n\r\n"
            "Reporting-MTA: dns; mx.example\r\n\r\n"
            "Final-Recipient: rfc822; x@mx.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
            "--b--\r\n"
        ),
    )


@clause("RCV-65")
@pytest.mark.parametrize("by", ["the relay", "a script"])
@pytest.mark.parametrize("kind", ["a notification", "a plain message"])
def test_forwarded_mail_with_the_null_reverse_path_is_accepted(
    world: ReceiverWorld, by: str, kind: str
) -> None:
    message = notification(world) if kind == "a notification" else world.message()
    if by == "the relay":
        arrived = delivered_by_the_relay(world, message, sender="")
    else:
        arrived = delivered(world, forwarded(world, message), sender="")
    expect(reverse_path_of(arrived), "", "the reverse-path in the mailbox")


@clause("RCV-66")
@pytest.mark.parametrize("form", ["SRS0", "SRS1", "a sender with plus and dots"])
def test_the_reverse_path_is_preserved(world: ReceiverWorld, form: str) -> None:
    return_host(world)
    sender = f"{FORMS[form]}@{world.zone}"
    arrived = delivered(world, sender=sender)
    expect(reverse_path_of(arrived), sender, "the reverse-path in the mailbox")


@clause("RCV-66")
def test_the_reverse_path_of_the_relay_is_preserved(world: ReceiverWorld) -> None:
    path = reverse_path_of(delivered_by_the_relay(world))
    expect(path, world.srs(world.sender.address), "the reverse-path in the mailbox")


@clause("RCV-67")
def test_a_return_path_that_is_added_is_the_reverse_path_and_the_only_one(
    world: ReceiverWorld,
) -> None:
    sender = world.srs(world.sender.address)
    added = delivered(world, sender=sender).fields("Return-Path")
    if not added:
        pytest.skip("the reverse-path is in the envelope alone")
    expect(len(added), 1, "the number of Return-Path fields")
    expect(added[0][1].strip("<> "), sender, "Return-Path")
    message = world.message("Return-Path: <somebody@other.example>")
    arrived = delivered(world, forwarded(world, message), sender=sender)
    paths = [value.strip("<> ") for _, value in arrived.fields("Return-Path")]
    expect(paths, [sender], "the Return-Path fields")
