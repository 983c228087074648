"""Reports of failure: to whom they go and to whom they do not, and their format (RFC 3464, RFC 6522)."""

from __future__ import annotations

import re

import pytest

from conformance import clause, expect, expect_in, expect_match, expect_true, fail
from conformance.lab import Message, SenderWorld, Upstream, say
from conformance.lab.notices import parsed, squeezed, words_of
from conformance.suite.acts import control
from conformance.suite.sender.acts import (
    DMARC_REFUSAL,
    accepted,
    at_once,
    in_time,
    one_host,
    sent,
    settle,
)
from conformance.suite.sender.reports import (
    Fields,
    address_of,
    is_status_report,
    parts_of,
    status_of,
)

REFUSAL = "550 5.1.1 no such address"

# The mail that the service refuses, by the stage at which it does.
REPLIES = {
    "rcpt": REFUSAL,
    "data": "554 5.7.1 not from you",
    "end": DMARC_REFUSAL,
}


def refusing(world: SenderWorld, stage: str = "rcpt", text: str = REFUSAL) -> Upstream:
    """The service's only host, which refuses everything."""
    host = one_host(world)
    host.on(stage, say(text))
    return host


def report(world: SenderWorld, stage: str = "rcpt", text: str = REFUSAL) -> Message:
    """The report on a plain message that the service refuses."""
    refusing(world, stage, text)
    sent(world)
    return world.wait_for_bounce()


# To whom


def reports_at(host: Upstream, world: SenderWorld) -> list[Message]:
    """The reports of failure that a host has accepted."""
    return [message for message in accepted(host) if world.is_report(message)]


def null_at(host: Upstream) -> list[Message]:
    """The messages with the null reverse-path at a host."""
    return [message for message in host.messages if message.sender == ""]


@clause("SND-60")
@pytest.mark.parametrize("field", ["From", "Sender", "Reply-To", "Errors-To"])
def test_a_report_goes_to_the_reverse_path_and_not_to_an_address_in_the_header(
    world: SenderWorld, field: str
) -> None:
    refusing(world)
    bob, carol = (f"{user}@{world.sender.domain}" for user in ("bob", "carol"))
    message = world.message()
    if field == "From":
        message = message.replace(world.author.encode(), carol.encode())
    else:
        message = f"{field}: <{carol}>\r\n".encode() + message
    sent(world, message, sender=bob, foreign=field in ("From", "Sender"))
    world.wait_for_bounce(bob)
    settle(world)
    expect(world.inbox.at(carol), [], f"messages for the address in {field}")


@clause("SND-60")
def test_a_report_does_not_go_to_an_author_elsewhere(world: SenderWorld) -> None:
    refusing(world)
    author = f"author@{world.from_domain}"
    fields = f"Reply-To: <{author}>\r\n".encode()
    message = world.message().replace(world.author.encode(), author.encode())
    sent(world, fields + message, foreign=True)
    world.wait_for_bounce()
    settle(world)
    expect(null_at(world.stranger), [], "reports at the author's MX")


@clause("SND-61")
def test_a_report_to_somebody_elsewhere_has_the_null_reverse_path(
    world: SenderWorld,
) -> None:
    refusing(world)
    author = f"author@{world.from_domain}"
    sent(world, sender=author)
    arrived = at_once(world, lambda: reports_at(world.stranger, world), "the report")[0]
    expect(arrived.sender, "", "the reverse-path of the report")
    expect([r.lower() for r in arrived.recipients], [author], "the recipients")


@clause("SND-62")
def test_the_failure_of_a_message_with_the_null_reverse_path_is_not_reported(
    world: SenderWorld,
) -> None:
    refusing(world)
    bob, carol = (f"{user}@{world.sender.domain}" for user in ("bob", "carol"))
    sent(world, f"Reply-To: <{carol}>\r\n".encode() + world.message(), sender="")
    # The control: one with a sender is reported, by which time the other would have been.
    sent(world, sender=bob)
    world.wait_for_bounce(bob)
    settle(world)
    for mailbox in (world.author, carol):
        expect(world.inbox.at(mailbox), [], f"messages for <{mailbox}>")


@clause("SND-63")
def test_a_report_that_is_refused_is_not_reported(world: SenderWorld) -> None:
    refusing(world)
    world.stranger.on("rcpt", say(REFUSAL), recipient=f"author@{world.from_domain}")
    sent(world, sender=f"author@{world.from_domain}")
    world.stranger.wait_for_command(b"RCPT")
    settle(world)
    for user in ("alice", "bob", "carol"):
        mailbox = f"{user}@{world.sender.domain}"
        expect(world.inbox.at(mailbox), [], f"messages for <{mailbox}>")
    expect(null_at(world.stranger), [], "reports at the author's MX")


@clause("SND-64")
@pytest.mark.parametrize("stage", ["rcpt", "end"])
def test_a_report_that_is_put_off_is_tried_again(
    world: SenderWorld, stage: str
) -> None:
    refusing(world)
    author = f"author@{world.from_domain}"
    world.stranger.on(stage, say("451 4.3.0 not now"), recipient=author, nth=1)
    # With one address, where a second attempt is a retry.
    world.dns.remove(world.stranger.name, "AAAA")
    sent(world, sender=author)
    arrived = in_time(
        world, lambda: reports_at(world.stranger, world), "the report, accepted"
    )[0]
    expect([r.lower() for r in arrived.recipients], [author], "the recipients")


# Format


@clause("SND-65")
@pytest.mark.parametrize("stage", list(REPLIES))
def test_a_report_has_the_format_of_rfc_3464(world: SenderWorld, stage: str) -> None:
    found = report(world, stage, REPLIES[stage])
    kind = parsed(found)["Content-Type"]
    wanted = "multipart/report with report-type=delivery-status"
    expect_true(is_status_report(found), wanted, kind)


@clause("SND-66")
def test_a_report_has_a_part_for_human_readers_and_one_for_machines(
    world: SenderWorld,
) -> None:
    kinds = [part.get_content_type() for part in parts_of(report(world))]
    expect_true(len(kinds) in (2, 3), "two or three parts", kinds)
    human = kinds[0].startswith("text/") or kinds[0] == "multipart/alternative"
    expect_true(human, "a first part for human readers", kinds)
    expect(kinds[1], "message/delivery-status", "the type of the second part")


@clause("SND-67")
def test_a_report_is_addressed_to_the_reverse_path_in_its_header(
    world: SenderWorld,
) -> None:
    found = report(world)
    parts_of(found)
    addressed = " ".join(value for _, value in found.fields("To")).lower()
    expect_in(world.author.lower(), addressed, "the field To")


@clause("SND-68")
def test_reporting_mta_is_in_a_report(world: SenderWorld) -> None:
    value = status_of(report(world)).of_message["Reporting-MTA"] or ""
    expect_match(r"\s*[A-Za-z0-9-]+\s*;\s*\S.*", value, "Reporting-MTA")


@clause("SND-69")
@pytest.mark.parametrize("local", ["info", "box+tag", "MixedCase"])
def test_final_recipient_is_the_address_of_the_envelope(
    world: SenderWorld, local: str
) -> None:
    refusing(world)
    sent(world, recipients=world.at(local))
    value = status_of(world.wait_for_bounce()).only()["Final-Recipient"] or ""
    expect_match(r"\s*[A-Za-z0-9-]+\s*;\s*\S.*", value, "Final-Recipient")
    expect(address_of(value), world.at(local).lower(), "the address")


@clause("SND-70")
@pytest.mark.parametrize("stage", list(REPLIES))
def test_action_is_failed(world: SenderWorld, stage: str) -> None:
    fields = status_of(report(world, stage, REPLIES[stage])).only()
    expect((fields["Action"] or "").strip().lower(), "failed", "Action")


@clause("SND-70")
def test_action_is_failed_for_a_recipient_that_is_refused_beside_another(
    world: SenderWorld,
) -> None:
    fields = refused_beside_another(world)
    expect((fields["Action"] or "").strip().lower(), "failed", "Action")


def refused_beside_another(world: SenderWorld) -> Fields:
    """What the report says of one of two recipients, whom the service refuses."""
    host = one_host(world)
    host.on("rcpt", say(REFUSAL), recipient=world.at("other"))
    sent(world, recipients=[world.at("info"), world.at("other")])
    return status_of(world.wait_for_bounce()).of(world.at("other"))


STATUS = r"[245]\.(?:0|[1-9][0-9]{0,2})\.(?:0|[1-9][0-9]{0,2})(?:\s*\(.*\))?"


@clause("SND-71")
@pytest.mark.parametrize("stage", list(REPLIES))
@pytest.mark.parametrize("enhanced", [True, False], ids=["enhanced", "plain"])
def test_the_status_of_a_permanent_refusal_begins_with_5(
    world: SenderWorld, stage: str, enhanced: bool
) -> None:
    text = REPLIES[stage]
    text = text if enhanced else re.sub(r" 5\.\S+", "", text)
    value = (status_of(report(world, stage, text)).only()["Status"] or "").strip()
    expect_match(STATUS, value, "Status")
    expect(value[:1], "5", "its first digit")


@clause("SND-71")
def test_there_is_a_status_for_a_recipient_that_is_refused_beside_another(
    world: SenderWorld,
) -> None:
    value = (refused_beside_another(world)["Status"] or "").strip()
    expect_match(STATUS, value, "Status")
    expect(value[:1], "5", "its first digit")


@clause("SND-72")
@pytest.mark.parametrize("case", [*REPLIES, "multiline"])
def test_diagnostic_code_has_the_reply(world: SenderWorld, case: str) -> None:
    text = REPLIES.get(case, "550-5.7.26 first of all\n550 5.7.26 and secondly")
    stage = case if case in REPLIES else "rcpt"
    value = status_of(report(world, stage, text)).only()["Diagnostic-Code"]
    if value is None:
        fail("a Diagnostic-Code field", "none")
    kind, _, code = value.partition(";")
    expect(kind.strip().lower(), "smtp", "the type of the code")
    # An MTA may join the lines of a reply, with or without their codes.
    for line in text.split("\n"):
        words = line[4:].removeprefix("5.7.26 ")
        expect_in(squeezed(words), squeezed(code), "the code, without white space")
    expect_in(text[:3], code, "the code")


@clause("SND-73")
@pytest.mark.parametrize("stage", list(REPLIES))
def test_status_is_the_enhanced_code_of_the_refusal(
    world: SenderWorld, stage: str
) -> None:
    text = REPLIES[stage]
    fields = status_of(report(world, stage, text)).only()
    expect((fields["Status"] or "").split()[:1], [text.split()[1]], "Status")


@clause("SND-74")
def test_a_report_has_the_message_id_of_the_message(world: SenderWorld) -> None:
    refusing(world)
    message = world.message()
    (wanted,) = re.findall(rb"(?m)^Message-ID: <(.*)>", message)
    sent(world, message)
    found = words_of(world.wait_for_bounce())
    expect_in(wanted.decode(), found, "the words of the report, without white space")
    control(world)
