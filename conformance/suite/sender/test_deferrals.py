"""4xx replies of the service: mail that it puts off is kept and tried again, for the recipients for whom it was
put off and for no others, until it is delivered once."""

from __future__ import annotations

import pytest

from conformance import clause, expect, expect_true
from conformance.lab import SenderWorld, Upstream, hang_up, say
from conformance.suite.sender.acts import (
    COMMANDS,
    STEPS,
    accepted,
    accepted_for,
    at_once,
    delivered,
    delivered_to,
    one_host,
    sent,
    settle,
)

each_step = pytest.mark.parametrize("stage", STEPS)


def put_off_once(host: Upstream, stage: str, text: str, *, closing: bool) -> None:
    """The host refuses the first attempt at that stage."""
    actions = [say(text), hang_up()] if closing else [say(text)]
    host.on(stage, *actions, nth=1)
    if stage == "ehlo":
        host.on("helo", *actions, nth=1)


@clause("SND-19")
@each_step
@pytest.mark.parametrize("text", ["451 4.3.0 not now", "450 4.7.1 greylisted"])
def test_mail_that_is_refused_for_now_is_tried_again(
    world: SenderWorld, stage: str, text: str
) -> None:
    host = one_host(world)
    put_off_once(host, stage, text, closing=False)
    sent(world)
    delivered(world, host)


@clause("SND-20")
@pytest.mark.parametrize("stage", ["rcpt", "end"])
def test_mail_that_is_refused_for_now_three_times_is_tried_a_fourth_time(
    world: SenderWorld, stage: str
) -> None:
    host = one_host(world)
    for n in (1, 2, 3):
        host.on(stage, say("450 4.7.1 greylisted, try again later"), nth=n)
    sent(world)
    delivered(world, host)


@clause("SND-21")
@each_step
def test_mail_whose_session_ends_in_a_421_is_tried_again(
    world: SenderWorld, stage: str
) -> None:
    host = one_host(world)
    put_off_once(host, stage, "421 4.3.2 closing", closing=True)
    sent(world)
    delivered(world, host)


@clause("ERR-30")
@pytest.mark.parametrize("stage", COMMANDS)
def test_no_mail_is_sent_over_a_connection_on_which_421_was_said(
    world: SenderWorld, stage: str
) -> None:
    # What is pipelined has left before the 421 was read.
    host = one_host(world, extensions=["SIZE", "8BITMIME"])
    host.on(stage, say("421 4.3.2 closing for the night"), nth=1)
    sent(world, recipients=[world.at("info"), world.at("other")])
    host.wait_for_command(b"MAIL")  # that of two recipients is told first
    sent(world, world.message("X-N: 2"))
    delivered(world, host, count=2)
    told = [d for d in host.dialogues if any(b"421" in reply for reply in d.said)]
    expect_true(told, "the 421 in one dialogue", "none")
    verb = "DATA" if stage == "end" else stage.upper()
    rest = told[0].verbs[told[0].verbs.index(verb) + 1 :]
    of_mail = {"MAIL", "RCPT", "DATA"} & set(rest)
    expect_true(not of_mail, f"at most RSET and QUIT after {verb}", rest)


@clause("SND-22")
@pytest.mark.parametrize("stage", ["rcpt", "end"])
def test_mail_that_is_delivered_in_a_later_attempt_is_not_reported(
    world: SenderWorld, stage: str
) -> None:
    host = one_host(world)
    put_off_once(host, stage, "451 4.3.0 not now", closing=False)
    sent(world)
    delivered(world, host)
    settle(world)
    expect(world.bounces(), [], "reports of failure")


def second_put_off(world: SenderWorld) -> Upstream:
    """A message to info and other, of which the service takes only info in the first transaction."""
    host = one_host(world)
    text = "452 4.5.3 one destination at a time"
    host.on("rcpt", say(text), recipient=world.at("other"), nth=1)
    sent(world, recipients=[world.at("info"), world.at("other")])
    return host


@clause("SND-23")
def test_a_recipient_put_off_beside_another_is_tried_again(world: SenderWorld) -> None:
    host = second_put_off(world)
    at_once(world, lambda: accepted_for(world.at("info"), host), "the message for info")
    delivered_to(world, world.at("other"), host)


@clause("SND-24")
def test_the_recipients_beside_one_put_off_get_the_message_once(
    world: SenderWorld,
) -> None:
    host = second_put_off(world)
    delivered_to(world, world.at("other"), host)
    settle(world)
    for name in ("info", "other"):
        copies = len(accepted_for(world.at(name), host))
        expect(copies, 1, f"messages for {name}")
    expect(world.bounces(), [], "reports of failure")


@clause("SND-28")
def test_two_recipients_at_one_domain_share_one_transaction(world: SenderWorld) -> None:
    host = one_host(world)
    addresses = [world.at("info"), world.at("other")]
    sent(world, recipients=addresses)
    for address in addresses:
        at_once(world, lambda: accepted_for(address, host), f"mail for <{address}>")
    recipients = [sorted(a.lower() for a in m.recipients) for m in accepted(host)]
    expect(recipients, [sorted(addresses)], "the recipients of each transaction")


@clause("SND-48")
def test_a_host_that_declares_no_limit_gets_a_message(world: SenderWorld) -> None:
    host = one_host(world, extensions=["SIZE 0", "8BITMIME"])
    # Larger than what other hosts of these tests say that they take.
    body = "A line of a message.\r\n" * 2000
    sent(world, world.message(body=body))
    arrived = at_once(world, lambda: accepted(host), "the message")[0]
    whole = arrived.body == body.encode("ascii")
    expect_true(whole, "the whole message", f"{len(arrived.body)} octets")
