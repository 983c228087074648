"""Non-delivery reports: none is forwarded, and none is made."""

from __future__ import annotations

import pytest

from conformance import clause, expect, expect_reply, expect_true
from conformance.lab import Upstream, World, hang_up, say
from conformance.suite.acts import (
    expect_nothing_upstream,
    forward,
    open_transaction,
    reverse_path,
)

DSN_PARAMETERS_OF_MAIL = ["RET=HDRS", "ENVID=QQ314159"]
DSN_PARAMETERS_OF_RCPT = ["NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;info@example.com"]


def sender_host(world: World) -> Upstream:
    """The sender's own exchanger, where a report would go."""
    world.no_mx(world.sender.domain)
    return world.mx_host(world.sender.domain, label="mx")


def refused(world: World, recipient: str, *, null_sender: bool = True) -> None:
    """A 550 5.1.1 for a recipient, from an ordinary sender and, unless it is a call-out, a null one."""
    with world.client() as client:
        for sender in (world.sender.address, "")[: 1 + null_sender]:
            expect_reply(client.mail(sender), 250, to="MAIL")
            expect_reply(client.rcpt(recipient), 550, enhanced="5.1.1", to="RCPT")
            client.rset()


@clause("NDR-01")
@pytest.mark.parametrize("stage", ["rcpt", "end"])
def test_a_refusal_by_the_upstream_makes_no_mail_to_the_sender(
    world: World, stage: str
) -> None:
    reporter = sender_host(world)
    world.upstream.on(stage, say("550 5.7.1 no"))
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
    expect_true(not delivery.accepted, "a refusal", delivery.final)
    expect_nothing_upstream(world, reporter)
    expect(reporter.dialogues, [], "connections to the sender's exchanger")


@clause("NDR-02")
@pytest.mark.parametrize("fold", [str, str.lower, str.upper])
def test_an_srs_address_with_a_valid_hash_takes_no_mail(
    world: World, fold: type[str]
) -> None:
    reporter = sender_host(world)
    forward(world)
    refused(world, fold(reverse_path(world.upstream)), null_sender=False)
    expect(reporter.dialogues, [], "connections to the sender's exchanger")


@clause("NDR-02", "NDR-03")
def test_an_srs1_address_takes_no_mail(world: World) -> None:
    forward(world, sender=f"SRS0=AbCd=XY=a.example=bob@{world.sender.domain}")
    refused(world, reverse_path(world.upstream), null_sender=False)
    refused(world, world.at("SRS1=AbCd=hop.example==EfGh=XY=a.example=bob"))


@clause("NDR-03")
@pytest.mark.parametrize(
    "local",
    [
        "SRS0=AAAA=AA=sender.example=alice",
        "srs0=aaaa=aa=x=y",
        "SRS0+AAAA=AA=x=y",
        "SRS0=x",
    ],
)
def test_an_srs_address_with_a_wrong_hash_takes_no_mail(
    world: World, local: str
) -> None:
    refused(world, world.at(local))


@clause("NDR-04")
def test_a_catch_all_does_not_catch_an_srs_address(world: World) -> None:
    forward(world, recipient=world.at("any", world.catchall_zone))
    refused(world, reverse_path(world.upstream), null_sender=False)
    refused(world, world.at("SRS0=AAAA=AA=x.example=y", world.catchall_zone))


@clause("NDR-10")
@pytest.mark.parametrize("form", ["SRS0", "SRS1"])
@pytest.mark.parametrize("fold", [str, str.lower])
def test_a_call_out_is_answered_and_its_message_is_not_taken(
    world: World, form: str, fold: type[str]
) -> None:
    sender = world.sender.address
    if form == "SRS1":
        sender = f"SRS0=AbCd=XY=a.example=bob@{world.sender.domain}"
    forward(world, sender=sender)
    address = fold(reverse_path(world.upstream))
    with world.client() as client:
        expect_reply(client.mail(""), 250, to="MAIL")
        expect_reply(client.rcpt(address), 250, to="RCPT")
        reply = client.rcpt(world.info)
        expect_reply(reply, 452, enhanced="4.5.3", to="RCPT of an ordinary address")
        expect_reply(client.data(), 354, to="DATA")
        reply = client.content(world.message())
        expect_reply(reply, 550, enhanced="5.1.1", to="the end of DATA")
        delivery = client.deliver("", world.info, world.message())
        expect_reply(delivery.final, 250, to="a message to an ordinary address")
    world.upstream.wait_for_message(2)
    expect(len(world.upstream.messages), 2, "the number of messages upstream")


@clause("NDR-05")
def test_mail_with_a_null_reverse_path_is_forwarded(world: World) -> None:
    arrived = forward(world, sender="")
    expect(arrived.recipients, [world.mailbox], "the recipient upstream")


@clause("NDR-06")
def test_dsn_is_not_advertised(world: World) -> None:
    with world.client(greet=False) as client:
        client.banner()
        offered = client.extensions()
    expect_true("DSN" not in offered, "no DSN", list(offered))


@clause("NDR-07")
@pytest.mark.parametrize("parameter", DSN_PARAMETERS_OF_MAIL)
def test_a_dsn_parameter_of_mail_is_a_555_554(world: World, parameter: str) -> None:
    with world.client() as client:
        reply = client.mail(world.sender.address, parameter)
        expect_reply(reply, 555, enhanced="5.5.4", to="MAIL")
        open_transaction(world, client)


@clause("NDR-07")
@pytest.mark.parametrize("parameter", DSN_PARAMETERS_OF_RCPT)
def test_a_dsn_parameter_of_rcpt_is_a_555_554(world: World, parameter: str) -> None:
    with world.client() as client:
        client.mail(world.sender.address)
        reply = client.rcpt(world.info, parameter)
        expect_reply(reply, 555, enhanced="5.5.4", to="RCPT")
        expect_reply(client.rcpt(world.info), 250, to="RCPT without it")


@clause("NDR-08")
def test_a_message_that_asks_for_receipts_makes_none_and_keeps_its_fields(
    world: World,
) -> None:
    reporter = sender_host(world)
    message = world.message(
        f"Disposition-Notification-To: <{world.sender.address}>",
        f"Return-Receipt-To: <{world.sender.address}>",
    )
    arrived = forward(world, message=message)
    expect_true(
        arrived.content.endswith(message), "the original, unchanged", arrived.content
    )
    expect_nothing_upstream(world, reporter)


@clause("NDR-09")
def test_a_message_lost_to_a_broken_upstream_makes_no_report(world: World) -> None:
    reporter = sender_host(world)
    world.upstream.on("content", hang_up(), after=1)
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
    expect_true(delivery.final.temporary, "a temporary error", delivery.final)
    expect_nothing_upstream(world, reporter)


@clause("NDR-09")
def test_a_message_for_an_absent_upstream_makes_no_report(world: World) -> None:
    reporter = sender_host(world)
    world.upstream.stop_listening()
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
    expect_true(delivery.final.temporary, "a temporary error", delivery.final)
    expect_nothing_upstream(world, reporter)
