"""5xx replies of the service: mail that it refuses is reported to its sender, once, and not sent again."""

from __future__ import annotations

import pytest

from conformance import clause, expect, expect_in, expect_true
from conformance.lab import SenderWorld, Upstream, say
from conformance.lab.notices import squeezed, words_of
from conformance.suite.acts import control
from conformance.suite.sender.acts import (
    COMMANDS,
    DMARC_REFUSAL,
    DNSBL_TEXT,
    accepted,
    accepted_for,
    at_once,
    attempts,
    delivered,
    one_host,
    sent,
    settle,
)
from conformance.suite.sender.reports import status_of, statuses_of

REFUSALS = {
    "mail": "550 5.7.1 sender not welcome",
    "rcpt": "550 5.1.1 no such address",
    "data": "554 5.5.1 no",
    "end": DMARC_REFUSAL,
}

each_command = pytest.mark.parametrize("stage", COMMANDS)


def refused_everywhere(world: SenderWorld, stage: str) -> tuple[Upstream, ...]:
    """Has the service refuse a message, whichever of its hosts it is sent to; returns the hosts once its
    sender has a report."""
    hosts = world.service.in_order
    for host in hosts:
        host.on(stage, say(REFUSALS[stage]))
    sent(world)
    world.wait_for_bounce()
    return hosts


@clause("SND-14")
@each_command
def test_mail_that_is_refused_for_good_is_reported_to_its_sender(
    world: SenderWorld, stage: str
) -> None:
    host = one_host(world)
    host.on(stage, say(REFUSALS[stage]))
    sent(world)
    world.wait_for_bounce()
    expect(accepted(host), [], "messages accepted")
    control(world)


@clause("SND-15")
@each_command
def test_mail_that_is_refused_for_good_is_not_sent_again(
    world: SenderWorld, stage: str
) -> None:
    hosts = refused_everywhere(world, stage)
    settle(world)
    for host in hosts:
        expect_true(
            attempts(host) <= 1, f"one transaction at {host.name}", attempts(host)
        )


@clause("SND-77")
@each_command
def test_mail_that_one_host_has_refused_for_good_is_not_sent_to_the_next(
    world: SenderWorld, stage: str
) -> None:
    hosts = refused_everywhere(world, stage)
    settle(world)
    tried = [host.name for host in hosts if attempts(host)]
    expect(len(tried), 1, "the number of the service's hosts that were tried")


@clause("SND-16")
@each_command
def test_a_permanent_refusal_is_reported_once(world: SenderWorld, stage: str) -> None:
    refused_everywhere(world, stage)
    settle(world)
    expect(len(world.inbox.at(world.author)), 1, "messages for the sender")


def expect_told(world: SenderWorld, stage: str, code: str, text: str) -> None:
    """The report on mail that the service refuses in these words has them, in whatever format it is."""
    host = one_host(world)
    host.on(stage, say(f"{code} {text}"))
    sent(world)
    words = words_of(world.wait_for_bounce())
    expect_in(squeezed(text), words, "the words of the report, without white space")
    control(world)


@clause("SND-17")
def test_the_text_of_a_dnsbl_refusal_reaches_the_sender(world: SenderWorld) -> None:
    text = DNSBL_TEXT.format(ip=world.subject.addresses[0])
    expect_told(world, "rcpt", "554", text)


@clause("SND-18")
def test_the_text_of_a_refusal_for_dmarc_reaches_the_sender(world: SenderWorld) -> None:
    code, _, text = DMARC_REFUSAL.partition(" 5.7.26 ")
    expect_told(world, "end", f"{code} 5.7.26", text)


@clause("SND-25")
@pytest.mark.parametrize("refused", ["info", "other"])
def test_a_recipient_that_is_refused_beside_another_is_reported(
    world: SenderWorld, refused: str
) -> None:
    host = one_host(world)
    recipients = {name: world.at(name) for name in ("info", "other")}
    host.on("rcpt", say("550 5.1.1 no such address"), recipient=recipients[refused])
    sent(world, recipients=list(recipients.values()))
    other = next(address for name, address in recipients.items() if name != refused)
    at_once(
        world, lambda: accepted_for(other, host), "the message for the other recipient"
    )
    report = world.wait_for_bounce()
    expect_in(squeezed(recipients[refused]), words_of(report).lower(), "the report")


@clause("SND-26")
def test_a_report_names_those_that_were_refused(world: SenderWorld) -> None:
    host = one_host(world)
    refused = world.at("other")
    host.on("rcpt", say("550 5.1.1 no such address"), recipient=refused)
    sent(world, recipients=[world.at("info"), refused, world.at("plain")])
    named = status_of(world.wait_for_bounce()).recipients()
    expect(named, [refused.lower()], "the recipients in the report")
    at_once(world, lambda: accepted(host), "the message for the others")


@clause("SND-27")
def test_a_refusal_of_mail_is_not_remembered_for_the_next_message(
    world: SenderWorld,
) -> None:
    host = one_host(world)
    host.on("mail", say("550 5.7.1 not this one"), nth=1)
    sent(world)
    world.wait_for_bounce()
    sent(world, world.message("X-N: 2"))
    arrived = at_once(world, lambda: accepted(host), "the next message")[0]
    expect(arrived.fields("X-N"), [("X-N", "2")], "the message")


@clause("SND-37")
def test_each_of_pipelined_recipients_gets_what_its_own_reply_says(
    world: SenderWorld,
) -> None:
    host = one_host(world)
    addresses = [world.at(name) for name in ("info", "other", "plain", "far")]
    refused = [addresses[0], addresses[2]]
    for address in refused:
        host.on("rcpt", say("550-5.1.1 no\n550 5.1.1 such address"), recipient=address)
    sent(world, recipients=addresses)
    for address in (addresses[1], addresses[3]):
        at_once(world, lambda: accepted_for(address, host), f"mail for <{address}>")
    world.wait_for_bounce()
    settle(world)
    reports = statuses_of(world, world.author)
    named = {name for status in reports for name in status.recipients()}
    expect(sorted(named), sorted(a.lower() for a in refused), "the recipients reported")
    for address in refused:
        expect_true(
            not accepted_for(address, host), f"no message for <{address}>", "one"
        )


@clause("SND-46")
@pytest.mark.parametrize("declared", ["SIZE 20000", "SIZE"])
def test_mail_that_is_too_large_is_reported_to_its_sender(
    world: SenderWorld, declared: str
) -> None:
    host = one_host(world, extensions=[declared, "8BITMIME"])
    if declared == "SIZE":
        host.on("end", say("552 5.3.4 too large"))
    sent(world, world.message(body="A line of a message.\r\n" * 2000))
    world.wait_for_bounce()
    expect(accepted(host), [], "messages accepted")
    control(world)


@clause("SND-47")
def test_content_over_the_declared_limit_is_not_sent(world: SenderWorld) -> None:
    host = one_host(world, extensions=["SIZE 20000", "8BITMIME"])
    sent(world, world.message("X-N: 1"))
    delivered(world, host)
    sent(world, world.message(body="x\r\n" * 20000))
    world.wait_for_bounce()
    sizes = [len(message.content) for message in host.messages]
    expect(len(sizes), 1, "the number of messages sent")
