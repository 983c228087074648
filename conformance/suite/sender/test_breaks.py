"""What breaks: connections that end or fall silent, at any step, and the sender itself. A message is delivered
all the same, and once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from conformance import clause, expect, expect_true
from conformance.lab import SenderWorld, Upstream, hang_up, hold, raw, say, stall
from conformance.lab.script import Action
from conformance.suite.sender.acts import (
    STEPS,
    accepted,
    at_once,
    delivered,
    expect_path,
    one_host,
    sent,
    settle,
)

TAKEN = raw(b"250 2.0.0 taken\r\n")
LONG_BODY = "A line of a message that is longer than what is read at once.\r\n" * 200

each_loss = pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])


@clause("SND-29")
@pytest.mark.parametrize("stage", [*STEPS, "content"])
@each_loss
def test_mail_whose_connection_is_lost_is_tried_again(
    world: SenderWorld, stage: str, reset: bool
) -> None:
    host = one_host(world)
    host.on(stage, hang_up(reset), nth=1, after=100 if stage == "content" else 0)
    sent(world, world.message(body=LONG_BODY))
    arrived = delivered(world, host)
    expect(arrived.body, LONG_BODY.encode(), "the body")


@clause("SND-30")
@pytest.mark.parametrize("stage", ["rcpt", "data", "content", "end"])
def test_a_message_whose_connection_was_lost_is_delivered_once(
    world: SenderWorld, stage: str
) -> None:
    host = one_host(world)
    host.on(stage, hang_up(), nth=1, after=100 if stage == "content" else 0)
    sent(world, world.message(body=LONG_BODY))
    delivered(world, host)
    settle(world)
    expect(len(accepted(host)), 1, "the number of messages accepted")


@clause("SND-31")
@pytest.mark.parametrize("stage", [*STEPS, "starttls"])
def test_mail_whose_host_falls_silent_is_tried_again(
    world: SenderWorld, stage: str
) -> None:
    host = one_host(world)
    if stage == "starttls":
        world.require("upstream-starttls")
        host.offer_starttls()
    host.on(stage, stall(), nth=1)
    sent(world)
    waits = world.subject.timeouts
    limit = waits.upstream_data_end if stage == "end" else waits.upstream_command
    delivered(world, host, extra=limit)
    expect_true(len(host.dialogues) > 1, "a further connection", "one")


@clause("SND-31")
def test_mail_whose_host_stops_reading_is_tried_again(world: SenderWorld) -> None:
    host = one_host(world)
    host.on("content", stall(), nth=1, after=1000)
    sent(world, world.message(body=LONG_BODY * 800))
    waits = world.subject.timeouts
    delivered(world, host, extra=waits.upstream_data_end + waits.upstream_command)


AFTERWARDS: dict[str, Sequence[Action]] = {
    "closed": [TAKEN, hang_up()],
    "reset": [TAKEN, hang_up(reset=True)],
    "421": [raw(b"250 2.0.0 taken\r\n421 4.3.2 closing\r\n"), hang_up()],
    "garbage": [raw(b"250 2.0.0 taken\r\nno reply at all\r\n"), hang_up()],
}


@clause("SND-32")
@pytest.mark.parametrize("manner", list(AFTERWARDS))
def test_a_message_that_was_taken_is_not_sent_again_if_the_host_leaves(
    world: SenderWorld, manner: str
) -> None:
    host = one_host(world)
    host.on("end", *AFTERWARDS[manner])
    taken_once(world, host)


@clause("SND-32")
@pytest.mark.parametrize("action", [hang_up(), say("500 what")], ids=["lost", "500"])
def test_a_message_that_was_taken_is_not_sent_again_if_quit_fails(
    world: SenderWorld, action: Action
) -> None:
    host = one_host(world)
    host.on("quit", action)
    taken_once(world, host)


def taken_once(world: SenderWorld, host: Upstream) -> None:
    """A message reaches the service's host, whose script is set, and no further copy follows."""
    sent(world)
    at_once(world, lambda: accepted(host), "the message")
    settle(world)
    expect(len(host.messages), 1, "the number of messages at the service")
    expect(world.bounces(), [], "reports of failure")


@clause("SND-33")
@pytest.mark.parametrize("moment", ["at once", "in an attempt", "after an attempt"])
def test_mail_that_was_taken_survives_a_crash_of_its_sender(
    world: SenderWorld, moment: str
) -> None:
    world.require("restart")
    host = one_host(world)
    gate = hold()
    host.on("connect", hang_up() if moment == "after an attempt" else gate)
    try:
        sent(world)
        if moment == "in an attempt":
            gate.wait_until_reached(world.patience)
        elif moment == "after an attempt":
            host.wait_for_dialogue()
        world.kill_subject()
    finally:
        gate.release()
    host.on("connect")  # takes precedence: it greets again
    world.restart_subject()
    delivered(world, host)


@clause("SND-34")
def test_several_messages_arrive_once_each_in_their_own_envelopes(
    world: SenderWorld,
) -> None:
    host = one_host(world)
    gate = hold()
    host.on("connect", gate)
    users, names = ("alice", "bob", "carol"), ("info", "other", "plain")
    try:
        for n in range(6):
            sender = f"{users[n % 3]}@{world.sender.domain}"
            body = f"This is number {n}.\r\n"
            message = world.message(f"X-N: {n}", body=body)
            sent(world, message, sender=sender, recipients=world.at(names[n // 2]))
        gate.wait_until_reached(world.patience)
    finally:
        gate.release()
    delivered(world, host, count=6)
    settle(world)
    expect(
        sorted(m.fields("X-N")[0][1] for m in accepted(host)),
        [str(n) for n in range(6)],
        "the marks of the messages",
    )
    for arrived in accepted(host):
        n = int(arrived.fields("X-N")[0][1])
        expect(len(arrived.recipients), 1, f"the number of {n}'s recipients")
        wanted = world.at(names[n // 2])
        expect_path(arrived.recipients[0], wanted, f"the recipient of {n}")
        wanted = f"{users[n % 3]}@{world.sender.domain}"
        expect_path(arrived.sender, wanted, f"{n}'s sender")
        expect(arrived.body, f"This is number {n}.\r\n".encode(), f"{n}'s body")


@clause("SND-35")
def test_no_mail_is_sent_in_an_open_transaction(world: SenderWorld) -> None:
    host = one_host(world)
    gate = hold()
    host.on("connect", gate, nth=1)
    refused, taken = world.at("other"), world.at("info")
    host.on("rcpt", say("550 5.1.1 no such address"), recipient=refused)
    try:
        for n in range(6):
            message = world.message(f"X-N: {n}")
            sent(world, message, recipients=taken if n % 2 else refused)
        gate.wait_until_reached(world.patience)
    finally:
        gate.release()
    at_once(
        world,
        lambda: len(accepted(host)) >= 3 and len(world.bounces()) >= 3,
        "three messages delivered and three reported",
    )
    shared = [d for d in host.dialogues if d.verbs.count("MAIL") > 1]
    if not shared:
        pytest.skip("every message has a connection of its own")
    for dialogue in shared:
        is_open = False
        for verb in dialogue.verbs:
            nested = verb == "MAIL" and is_open
            expect_true(
                not nested, "RSET, EHLO or the end of a message", dialogue.verbs
            )
            is_open = verb == "MAIL" or is_open and verb == "RCPT"
