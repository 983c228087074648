"""Non-delivery reports: none is forwarded, and none is made."""

from __future__ import annotations

import pytest

from conformance import clause, expect, expect_reply, expect_true
from conformance.lab import Client, Upstream, World, hang_up, say
from conformance.suite.acts import expect_nothing_upstream, forward, open_transaction
from conformance.suite.envelope import reverse_path_of
from conformance.suite.refusals import (
    not_advertised,
    recipients_refused,
    skip_if_offered,
)

DSN_PARAMETERS_OF_MAIL = ["RET=HDRS", "ENVID=QQ314159"]
DSN_PARAMETERS_OF_RCPT = ["NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;info@example.com"]
FORGED = [
    "SRS0=AAAA=AA=sender.example=alice",
    "srs0=aaaa=aa=x=y",
    "SRS0+AAAA=AA=x=y",
    "SRS1=AbCd=hop.example==EfGh=XY=a.example=bob",
]


def sender_host(world: World) -> Upstream:
    """The sender's own exchanger, where a report would go."""
    world.no_mx(world.sender.domain)
    return world.mx_host(world.sender.domain, label="mx")


def srs_address(
    world: World, *, form: str = "SRS0", recipient: str | None = None
) -> str:
    """The address to which the sender of a forwarded message has been rewritten."""
    sender = world.sender.address
    if form == "SRS1":
        sender = f"SRS0=AbCd=XY=a.example=bob@{world.sender.domain}"
    address = reverse_path_of(forward(world, sender=sender, recipient=recipient))
    expect_true(
        address.upper().startswith(form), f"a sender rewritten to {form}", address
    )
    return address


def no_report(world: World, reporter: Upstream) -> None:
    """A message is refused, and nobody but the client hears of it."""
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
    expect_true(not delivery.accepted, "a refusal", delivery.final)
    expect_nothing_upstream(world, reporter)
    expect(reporter.dialogues, [], "connections to the sender's exchanger")


@clause("NDR-01")
@pytest.mark.parametrize("stage", ["rcpt", "end"])
def test_no_report_is_sent_if_the_upstream_refuses_the_message(
    world: World, stage: str
) -> None:
    world.upstream.on(stage, say("550 5.7.1 no"))
    no_report(world, sender_host(world))
    world.upstream.wait_for_command(b"RCPT")


@clause("NDR-02")
@pytest.mark.parametrize("form", ["SRS0", "SRS1"])
@pytest.mark.parametrize("sender", ["", "mailer-daemon"], ids=["null", "not null"])
def test_a_report_to_the_rewritten_sender_is_not_forwarded(
    world: World, form: str, sender: str
) -> None:
    reporter = sender_host(world)
    address = srs_address(world, form=form)
    with world.client(source=world.new_client_addresses()[0]) as client:
        by = f"{sender}@{world.destination}" if sender else ""
        client.deliver(by, address, world.message())
    expect_nothing_upstream(world, reporter)
    expect(len(world.upstream.messages), 1, "the number of messages forwarded")


@clause("NDR-11")
@pytest.mark.parametrize("form", ["SRS0", "SRS1"])
@pytest.mark.parametrize("fold", [str, str.lower, str.upper])
def test_the_refusal_of_an_srs_address_with_a_valid_hash_is_550_5_1_1(
    world: World, fold: type[str], form: str
) -> None:
    address = fold(srs_address(world, form=form))
    recipients_refused(world, address, code=550, enhanced="5.1.1")


@clause("NDR-11")
@pytest.mark.parametrize("local", FORGED)
@pytest.mark.parametrize("sender", [None, ""], ids=["a sender", "the null sender"])
def test_the_refusal_of_an_srs_address_with_a_wrong_hash_is_550_5_1_1(
    world: World, local: str, sender: str | None
) -> None:
    for zone in (world.zone, world.catchall_zone):
        address = world.at(local, zone)
        recipients_refused(world, address, sender=sender, code=550, enhanced="5.1.1")


@clause("NDR-03")
@pytest.mark.parametrize("local", FORGED)
@pytest.mark.parametrize("sender", [None, ""], ids=["a sender", "the null sender"])
def test_an_srs_address_with_a_wrong_hash_takes_no_mail(
    world: World, local: str, sender: str | None
) -> None:
    srs_address(world)
    recipients_refused(world, world.at(local), sender=sender)


@clause("NDR-03")
def test_a_call_out_to_a_valid_hash_with_an_octet_more_is_refused(world: World) -> None:
    tag, right, rest = srs_address(world).split("=", 2)
    recipients_refused(world, f"{tag}={right}x={rest}", sender="")


@clause("NDR-04")
def test_a_catch_all_does_not_take_mail_for_an_srs_address(world: World) -> None:
    valid = srs_address(world, recipient=world.at("any", world.catchall_zone))
    forged = world.at("SRS0=AAAA=AA=x.example=y", world.catchall_zone)
    recipients_refused(world, valid, forged)


@clause("NDR-14")
@pytest.mark.parametrize(
    "local",
    [
        "SRS0=AbCd=XY==bob",
        "SRS0=AbCd=XY=a.example",
        "SRS0==XY=a.example=bob",
        "SRS0=AbCd==a.example=bob",
        "SRS1=AbCd===EfGh",
        "SRS1==hop.example==EfGh",
        "SRS1=AbCd=hop.example",
        "SRS1=AbCd=hop.example=EfGh",
        "list=AbCd=hop.example==EfGh",
    ],
)
def test_a_catch_all_takes_mail_for_what_only_begins_like_an_srs_address(
    world: World, local: str
) -> None:
    forward(world, recipient=world.at(local, world.catchall_zone))


def call_out(world: World, client: Client, address: str) -> None:
    """It is answered, and a message that follows is not accepted."""
    expect_reply(client.mail(""), 250, to="MAIL")
    expect_reply(client.rcpt(address), 250, to="RCPT")
    expect_reply(client.data(), 354, to="DATA")
    reply = client.content(world.message())
    expect_reply(reply, 550, enhanced="5.1.1", to="the end of DATA")


@clause("NDR-10")
@pytest.mark.parametrize("form", ["SRS0", "SRS1"])
@pytest.mark.parametrize("fold", [str, str.lower])
def test_a_call_out_is_answered_and_its_message_is_not_accepted(
    world: World, form: str, fold: type[str]
) -> None:
    address = fold(srs_address(world, form=form))
    with world.client() as client:
        call_out(world, client, address)
        delivery = client.deliver("", world.info, world.message())
        expect_reply(delivery.final, 250, to="a message to an ordinary address")
    world.upstream.wait_for_message(2)
    expect(len(world.upstream.messages), 2, "the number of messages upstream")


def overflow_address(world: World, recipient: str | None = None) -> str:
    """What stands for a sender too long to rewrite."""
    sender = f"{'a' * 60}@{world.sender.domain}"
    address = reverse_path_of(forward(world, sender=sender, recipient=recipient))
    if address == sender or address.startswith("SRS"):
        pytest.skip("no address stands for a sender too long to rewrite")
    return address


@clause("NDR-13")
def test_a_call_out_to_the_overflow_address_is_answered(world: World) -> None:
    address = overflow_address(world)
    with world.client() as client:
        call_out(world, client, address)
    expect(len(world.upstream.messages), 1, "the number of messages upstream")


@clause("NDR-13")
def test_neither_a_route_nor_a_catch_all_takes_mail_for_the_overflow_address(
    world: World,
) -> None:
    addresses = [
        overflow_address(world, recipient)
        for recipient in (None, world.at("any", world.catchall_zone))
    ]
    recipients_refused(world, *addresses)


@clause("NDR-12")
def test_an_ordinary_recipient_beside_that_of_a_call_out_is_refused_with_452_4_5_3(
    world: World,
) -> None:
    address = srs_address(world)
    with world.client() as client:
        expect_reply(client.mail(""), 250, to="MAIL")
        if not client.rcpt(address).positive:
            pytest.skip("the call-out itself is refused, which NDR-10 judges")
        reply = client.rcpt(world.info)
        expect_reply(reply, 452, enhanced="4.5.3", to="RCPT of an ordinary address")


@clause("NDR-12")
def test_an_ordinary_recipient_that_was_refused_before_makes_no_difference_to_that(
    world: World,
) -> None:
    address = srs_address(world)
    world.upstream.on("rcpt", say("550 5.1.1 not this one"), nth=1)
    with world.client() as client:
        expect_reply(client.mail(""), 250, to="MAIL")
        if client.rcpt(world.info).positive:
            pytest.skip("the upstream is not asked before the message is there")
        if not client.rcpt(address).positive:
            pytest.skip("the call-out itself is refused, which NDR-10 judges")
        reply = client.rcpt(world.other)
        expect_reply(reply, 452, enhanced="4.5.3", to="RCPT of an ordinary address")


@clause("NDR-05")
def test_mail_with_a_null_reverse_path_is_forwarded(world: World) -> None:
    arrived = forward(world, sender="")
    expect(arrived.recipients, [world.mailbox], "the recipient upstream")


@clause("NDR-06")
def test_dsn_is_not_advertised(world: World) -> None:
    not_advertised(world, "DSN")


@clause("NDR-07")
@pytest.mark.parametrize("parameter", DSN_PARAMETERS_OF_MAIL)
def test_a_dsn_parameter_of_mail_is_refused_with_555(
    world: World, parameter: str
) -> None:
    skip_if_offered(world, "DSN")
    with world.client() as client:
        reply = client.mail(world.sender.address, parameter)
        expect_reply(reply, 555, to="MAIL")
        open_transaction(world, client)


@clause("NDR-07")
@pytest.mark.parametrize("parameter", DSN_PARAMETERS_OF_RCPT)
def test_a_dsn_parameter_of_rcpt_is_refused_with_555(
    world: World, parameter: str
) -> None:
    skip_if_offered(world, "DSN")
    with world.client() as client:
        client.mail(world.sender.address)
        expect_reply(client.rcpt(world.info, parameter), 555, to="RCPT")
        expect_reply(client.rcpt(world.info), 250, to="RCPT without it")


@clause("NDR-08")
def test_no_receipt_is_sent_for_a_message_that_asks_for_one(world: World) -> None:
    reporter = sender_host(world)
    message = world.message(
        f"Disposition-Notification-To: <{world.sender.address}>",
        f"Return-Receipt-To: <{world.sender.address}>",
    )
    forward(world, message=message)
    expect_nothing_upstream(world, reporter)


@clause("NDR-09")
def test_no_report_is_sent_if_the_upstream_is_lost_in_mid_message(world: World) -> None:
    world.upstream.on("content", hang_up(), after=1)
    no_report(world, sender_host(world))
    world.upstream.wait_for_command(b"DATA")


@clause("NDR-09")
def test_no_report_is_sent_if_the_upstream_is_absent(world: World) -> None:
    world.upstream.stop_listening()
    no_report(world, sender_host(world))
