"""What a sender writes to the service's hosts: pipelining, the end of the session, and that nothing in a user's
message becomes a command or a second message."""

from __future__ import annotations

import time

import pytest

from conformance import ConformanceFailure, clause, expect, expect_in, expect_true
from conformance.lab import Dialogue, Message, SenderWorld, Upstream, hold
from conformance.lab.script import Hold
from conformance.suite.acts import control, fence
from conformance.suite.sender.acts import (
    accepted,
    at_once,
    delivered,
    delivered_or_reported,
    one_host,
    sent,
    settle,
)

# Of a transaction in which nothing goes wrong; NOOP harms nobody.
ORDINARY = {"EHLO", "HELO", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "QUIT"}


@clause("SND-36")
def test_the_message_does_not_follow_data_before_the_354(world: SenderWorld) -> None:
    host = one_host(world)
    gate = hold()
    host.on("data", gate)
    try:
        sent(world, world.message(body="content\r\n"))
        gate.wait_until_reached(world.patience)
        fence(world)
        received = bytes(host.dialogues[0].received)
    finally:
        gate.release()
    after = received.upper().rpartition(b"DATA\r\n")[2]
    expect(after, b"", "what was sent after DATA and before its reply")
    delivered(world, host)


@clause("SND-38")
def test_the_connection_stays_open_until_quit_is_answered(world: SenderWorld) -> None:
    host = one_host(world)
    gate = hold()
    host.on("quit", gate)
    try:
        sent(world)
        dialogue = at_once(world, lambda: accepted(host), "the message")[0].dialogue
        reached = quit_reached(world, gate, dialogue)
        began = time.monotonic()
        fence(world)
        # The subject may have closed its side alone.
        closed = f"upstream {host.name} * the subject" in world.transcript.render()
        took = time.monotonic() - began
    finally:
        gate.release()
    if not reached:
        pytest.skip(f"the session is kept for more than {world.patience:g} s")
    if closed and took > world.subject.timeouts.upstream_command / 2:
        pytest.skip("the lab was late: the subject may have waited")
    expect(closed, False, "whether the connection was closed before the reply to QUIT")


def quit_reached(world: SenderWorld, gate: Hold, dialogue: Dialogue) -> bool:
    """Whether QUIT comes, rather than that the session is kept."""
    try:
        gate.wait_until_reached_or(dialogue.closed, world.patience)
    except ConformanceFailure:
        return False
    return True


# Octets

NESTED = (
    "MAIL FROM:<smuggler@example.org>\r\nRCPT TO:<other@{zone}>\r\nDATA\r\nsmuggled\r\n"
)

# What an MTA might take for the end of the message, or send so that its host does, with LF for a line end.
WITH_CR = {
    "in a line": "one\rtwo\r\n",
    "CR.CR": "one\r.\r{nested}.\r\n",
    "CR.LF": "one\r.\r\n{nested}.\r\n",
    "LF.CR": "one\r\n.\r{nested}.\r\n",
    "LF.CRLF": "one\r\n.\r\r\n{nested}.\r\r\n",
    "CRLF.LF": "one\r\r\n.\r\n{nested}",
    "CRLF.CRLF": "one\r\r\n.\r\r\n{nested}",
}


def alone(world: SenderWorld, host: Upstream) -> None:
    """One message at most has come to the host, by commands of the sender's own."""
    settle(world)
    expect_true(len(host.messages) <= 1, "one message", f"{len(host.messages)}")
    foreign = [verb for verb in host.verbs if verb not in ORDINARY]
    expect(foreign, [], "commands that are no sender's")
    for command in (c for d in host.dialogues for c in d.commands):
        expect_true(b"smuggler" not in command, "no command of the message", command)


@clause("SND-39")
@pytest.mark.parametrize("case", list(WITH_CR))
def test_a_bare_cr_of_a_message_is_not_sent(world: SenderWorld, case: str) -> None:
    host = one_host(world)
    nested = NESTED.format(zone=world.zone)
    body = WITH_CR[case].format(nested=nested)
    if not world.submit(world.message(body=body)).accepted:
        control(world)
        return
    delivered_or_reported(world, host)
    alone(world, host)
    for dialogue in host.dialogues:
        rest = bytes(dialogue.received).replace(b"\r\n", b"")
        bare = b"\r" in rest or b"\n" in rest
        expect_true(not bare, "no bare CR and no bare LF", bytes(dialogue.received))
    control(world)


@clause("SND-76")
@pytest.mark.parametrize("case", list(WITH_CR))
def test_a_message_with_a_bare_cr_is_not_lost_nor_cut(
    world: SenderWorld, case: str
) -> None:
    host = one_host(world)
    body = WITH_CR[case].format(nested=NESTED.format(zone=world.zone))
    arrived = either(world, world.message(body=f"{body}the rest\r\n"), host)
    if arrived is not None:
        for word in (b"one", b"the rest"):
            expect_in(word, arrived.content, "the message")
    control(world)


DOTS = {
    "alone": ".\r\n",
    "first": ".\r\nrest\r\n",
    "twice": "one\r\n.\r\n.\r\ntwo\r\n",
    "before a command": "one\r\n.\r\n{nested}.\r\n",
    "with blanks": "one\r\n. \r\n ..\r\n.\t\r\n",
    "leading": ".one\r\n..two\r\n...\r\n",
}


@clause("SND-40")
@pytest.mark.parametrize("case", list(DOTS))
def test_a_line_of_a_dot_is_content(world: SenderWorld, case: str) -> None:
    host = one_host(world)
    body = DOTS[case].format(nested=NESTED.format(zone=world.zone))
    sent(world, world.message(body=body))
    arrived = at_once(world, lambda: accepted(host), "the message")[0]
    expect(arrived.body, body.encode("ascii"), "the body")
    alone(world, host)


def either(world: SenderWorld, message: bytes, host: Upstream) -> Message | None:
    """The message as it arrived; None if it was refused to its user, or reported."""
    if not world.submit(message).accepted:
        return None
    return delivered_or_reported(world, host)


@clause("SND-41")
@pytest.mark.parametrize("place", ["field", "body"])
def test_a_message_with_a_nul_is_not_lost_nor_cut(
    world: SenderWorld, place: str
) -> None:
    host = one_host(world)
    field = "X-Nul: one\0two" if place == "field" else "X-Nul: none"
    body = "one\0two\r\nthree\r\n" if place == "body" else "three\r\n"
    arrived = either(world, world.message(field, body=body), host)
    if arrived is not None:
        for word in (b"one", b"two", b"three"):
            expect_in(word, arrived.content, "the message")
    control(world)
