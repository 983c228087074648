"""What becomes of forwarded mail that the mailbox refuses or that cannot be delivered at once: refused in the
session or kept, reported to the SRS address or not at all, never lost and never sent to the author."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance import (
    ConformanceFailure,
    clause,
    expect,
    expect_one_of,
    expect_true,
)
from conformance.lab import Delivery, Message, ReceiverWorld, Upstream, hang_up, say
from conformance.suite.receiver.acts import (
    delivered,
    expect_accepted,
    expect_no_report,
    expect_once,
    expect_refused,
    fence,
    forwarded,
    return_host,
    send,
)

FULL = "452 4.2.2 mailbox full"
DISABLED = "550 5.2.1 mailbox disabled"


def author_elsewhere(world: ReceiverWorld) -> tuple[bytes, str, Upstream]:
    """A message whose From names another author than its reverse-path, the SRS address for that, and the MX
    host of the author in From. A report could go to three places, and only to one of them rightly.
    """
    domain = f"author-{world.slot:04d}.example"
    host = world.mx_host(domain)
    message = world.message(f"Reply-To: <replies@{world.sender.domain}>").replace(
        world.sender.address.encode(), f"author@{domain}".encode(), 1
    )
    return forwarded(world, message), world.srs(world.sender.address), host


def attempts(world: ReceiverWorld) -> int:
    """How often the mailbox was asked for."""
    wanted = world.mailbox.encode("ascii")
    commands = [c for dialogue in world.inbox.dialogues for c in dialogue.commands]
    return sum(c[:4].upper() == b"RCPT" and wanted in c.lower() for c in commands)


def await_report(
    world: ReceiverWorld,
    back: Upstream,
    author: Upstream,
    *,
    needed: bool = False,
    beyond: int = 1,
) -> None:
    """Waits until anybody has a report, or the mailbox has been asked for more than `beyond` times: some MTAs
    keep trying what a mailbox refuses for good. That neither comes is a failure only if a report is `needed`.
    """
    hosts = (back, author, world.author_mx)
    try:
        world.inbox.wait_until(
            lambda: attempts(world) > beyond or any(host.messages for host in hosts),
            "a report of what the mailbox refused, or another attempt",
        )
    except ConformanceFailure:
        if needed:
            raise


def first_report(
    world: ReceiverWorld, back: Upstream, author: Upstream
) -> Message | None:
    """That at the SRS address's host, after await_report(), or None if there is one elsewhere. Skips a test
    that is not about whether there is one."""
    if back.messages:
        return back.messages[0]
    if not author.messages and not world.author_mx.messages:
        pytest.skip("no report has come yet, if any is sent: see RCV-54")
    return None


def refused_for_good(
    world: ReceiverWorld, stage: str, needed: bool = False
) -> tuple[Message | None, str, Upstream]:
    """Has the mailbox refuse a message. The report of it at the SRS address's host, if it had been accepted
    (of what was not, no report is due); its SRS reverse-path, and the host of the author in From.
    """
    back = return_host(world)
    message, reverse_path, author = author_elsewhere(world)
    world.inbox.on(stage, say(DISABLED), recipient=world.mailbox)
    delivery = send(world, message, sender=reverse_path)
    if not delivery.accepted:
        return None, reverse_path, author
    await_report(world, back, author, needed=needed)
    return first_report(world, back, author), reverse_path, author


def expect_nobody_else_told(world: ReceiverWorld, author: Upstream) -> None:
    fence(world)
    expect(author.messages, [], "messages to the author in From")
    expect(world.author_mx.messages, [], "messages to the original sender")


each_stage = pytest.mark.parametrize("stage", ["rcpt", "end"])


@clause("RCV-53")
@each_stage
def test_a_report_goes_to_the_srs_address_and_to_nobody_else(
    world: ReceiverWorld, stage: str
) -> None:
    report, reverse_path, author = refused_for_good(world, stage)
    expect_nobody_else_told(world, author)
    if report is not None:
        expect(
            [address.lower() for address in report.recipients],
            [reverse_path.lower()],
            "the recipients of the report",
        )


@clause("RCV-54")
@each_stage
def test_a_message_that_was_accepted_and_is_refused_for_good_is_reported(
    world: ReceiverWorld, stage: str
) -> None:
    report, reverse_path, _ = refused_for_good(world, stage, needed=True)
    if report is None:
        pytest.skip("the refusal reaches the service in the session, or see RCV-53")
    expect(report.recipients[0].lower(), reverse_path.lower(), "whom the report is to")


@clause("RCV-55")
@each_stage
def test_a_report_has_the_null_reverse_path(world: ReceiverWorld, stage: str) -> None:
    report, _, _ = refused_for_good(world, stage)
    if report is None:
        pytest.skip("the refusal reaches the service in the session, or see RCV-53")
    expect_one_of(report.sender, ("", "<>"), "the report's reverse-path")


@clause("RCV-56")
@each_stage
def test_nobody_is_sent_a_report_of_mail_with_the_null_reverse_path(
    world: ReceiverWorld, stage: str
) -> None:
    back = return_host(world)
    message, reverse_path, author = author_elsewhere(world)
    world.inbox.on(stage, say(DISABLED), recipient=world.mailbox)
    delivery = send(world, message, sender="")
    if delivery.accepted:
        world.inbox.wait_for_command(b"RCPT")
        # The control: one that has a sender, after that, is reported alone.
        before = attempts(world)
        delivery = send(world, sender=reverse_path)
        if delivery.accepted:
            await_report(world, back, author, beyond=before + 1)
    expect_nobody_else_told(world, author)
    if delivery.accepted and (report := first_report(world, back, author)):
        recipient = report.recipients[0].lower()
        expect(recipient, reverse_path.lower(), "whom the first report is to")
        expect(len(back.messages), 1, "the number of reports")


@clause("RCV-99")
@each_stage
def test_what_the_mailbox_refuses_for_good_is_refused_with_a_5xx(
    world: ReceiverWorld, stage: str
) -> None:
    delivered(world, recipient=world.other)
    world.inbox.on(stage, say(DISABLED), recipient=world.mailbox)
    delivery = send(world)
    if delivery.accepted:
        pytest.skip("the message is accepted, and the refusal reported: see RCV-54")
    expect_refused(delivery, 5)


# For a while


FAULTS = {
    "full at RCPT": ("rcpt", say(FULL)),
    "full at the end": ("end", say(FULL)),
    "refused at DATA": ("data", say("451 4.3.0 not now")),
    "lost at RCPT": ("rcpt", hang_up()),
    "lost at the end": ("end", hang_up()),
}
each_fault = pytest.mark.parametrize("fault", list(FAULTS))


def fails_once(world: ReceiverWorld, fault: str) -> Delivery:
    """A message that the mailbox does not take at the first attempt."""
    stage, action = FAULTS[fault]
    world.inbox.on(stage, action, recipient=world.mailbox, nth=1)
    return send(world)


def expect_in_time(world: ReceiverWorld, ready: Callable[[], bool], what: str) -> None:
    """It comes to that. Skips where the message may still wait for its next attempt: RFC 5321 4.5.4.1 leaves it
    to the receiver when that is, and this one cannot be told to make it now."""
    try:
        world.inbox.wait_until(ready, what)
    except ConformanceFailure:
        if "flush" in world.subject.capabilities or world.lab.mail_left() is False:
            raise
        pytest.skip("the subject cannot be told to try again, and has not yet")


def expect_in_the_mailbox(world: ReceiverWorld) -> None:
    expect_in_time(
        world,
        lambda: bool(world.inbox.at(world.mailbox)),
        f"the message for <{world.mailbox}>",
    )


def tried_again(world: ReceiverWorld, delivery: Delivery) -> None:
    """What was accepted is tried again by the receiver, now if it can be told to; what was refused for a
    while, by the service."""
    if not delivery.accepted:
        expect_true(delivery.final.temporary, "a 4xx in the session", delivery.final)
        expect_accepted(send(world))
    elif "flush" in world.subject.capabilities:
        world.inbox.wait_for_command(b"RCPT")
        world.flush()


@clause("RCV-57")
@each_fault
def test_a_message_that_the_mailbox_does_not_take_for_a_while_is_not_lost(
    world: ReceiverWorld, fault: str
) -> None:
    delivery = fails_once(world, fault)
    if delivery.accepted:
        tried_again(world, delivery)
        expect_in_the_mailbox(world)
    else:
        # It is the service's still.
        delivered(world)


@clause("RCV-60")
@each_fault
def test_a_message_that_the_mailbox_does_not_take_for_a_while_is_delivered_later(
    world: ReceiverWorld, fault: str
) -> None:
    back = return_host(world)
    tried_again(world, fails_once(world, fault))
    expect_in_the_mailbox(world)
    expect_once(world)
    expect_no_report(world, back)


@clause("RCV-57")
def test_a_message_is_not_lost_with_the_mailbox_full_for_several_attempts(
    world: ReceiverWorld,
) -> None:
    for attempt in (1, 2, 3):
        world.inbox.on("end", say(FULL), recipient=world.mailbox, nth=attempt)
    delivery = send(world)
    if not delivery.accepted:
        # It is the service's still.
        for _ in (2, 3):
            send(world)
        delivered(world)
        return
    for attempt in (1, 2, 3):
        expect_in_time(
            world,
            lambda: len(for_the_mailbox(world)) >= attempt,
            f"attempt {attempt}",
        )
        if "flush" in world.subject.capabilities:
            world.flush()
    expect_in_the_mailbox(world)


def for_the_mailbox(world: ReceiverWorld) -> list[Message]:
    """Every attempt that came to the end of the message."""
    return [m for m in world.inbox.messages if m.recipients == [world.mailbox]]


@clause("RCV-58")
@pytest.mark.parametrize("reply", [FULL, DISABLED], ids=["full", "disabled"])
def test_one_mailbox_that_refuses_does_not_cost_the_other_the_message(
    world: ReceiverWorld, reply: str
) -> None:
    world.inbox.on("end", say(reply), recipient=world.mailbox)
    delivery = send(world, recipients=[world.mailbox, world.other])
    refused = [answer for answer in delivery.recipients if answer.code // 100 != 2]
    if refused:
        pytest.skip(f"not both recipients are accepted: {refused[0]}")
    expect_accepted(delivery)
    world.inbox.wait_for_message_at(world.other)
    expect_once(world, world.other)


@clause("RCV-59")
@pytest.mark.parametrize("reply", [FULL, DISABLED], ids=["4xx", "5xx"])
def test_a_message_whose_end_was_refused_is_not_delivered_later(
    world: ReceiverWorld, reply: str
) -> None:
    world.inbox.on("end", say(reply), recipient=world.mailbox, nth=1)
    delivery = send(world)
    if delivery.accepted:
        pytest.skip("the message is accepted, and queued")
    if "flush" in world.subject.capabilities:
        world.flush()
    fence(world)
    expect(len(world.inbox.at(world.mailbox)), 0, "messages in the mailbox")
