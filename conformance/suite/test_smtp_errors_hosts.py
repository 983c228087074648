"""SMTP errors: which of them the client is told if a destination has several hosts, and what becomes of the
connection on which one was said. The catalogue file is smtp_errors.yaml, as for test_smtp_errors.py.
"""

from __future__ import annotations

import pytest

from conformance import clause, expect_reply, expect_true
from conformance.lab import Reply, Upstream, World, hang_up, raw, say
from conformance.suite.acts import fence

GARBAGE = raw(b"hello there\r\n")


def second_host(world: World) -> Upstream:
    """The destination's other host, to be tried after its first."""
    return world.mx_host(world.destination, 20, label="mx2")


def answer_of_both(world: World, second: Upstream) -> Reply:
    """What the client is told after both hosts have failed in their ways, of which the second was
    asked."""
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
    expect_true(second.dialogues, "a connection to the second host", "none")
    return delivery.final


@clause("ERR-03")
@pytest.mark.parametrize("other", ["unreachable", "lost", "malformed"])
def test_a_hosts_own_refusal_comes_back_whatever_became_of_another(
    world: World, other: str
) -> None:
    second = second_host(world)
    if other == "unreachable":
        world.upstream.stop_listening()
    else:
        world.upstream.on("connect", hang_up() if other == "lost" else GARBAGE)
    second.on("connect", say("554 5.7.1 no service for you"))
    reply = answer_of_both(world, second)
    expect_reply(reply, 554, enhanced="5.7.1", text="no service for you")


@clause("ERR-10")
def test_a_loss_after_a_host_that_cannot_be_reached_becomes_451_442(
    world: World,
) -> None:
    second = second_host(world)
    world.upstream.stop_listening()
    second.on("connect", hang_up())
    expect_reply(answer_of_both(world, second), 451, enhanced="4.4.2")


@clause("ERR-12")
def test_a_malformed_reply_after_a_host_that_cannot_be_reached_becomes_451_450(
    world: World,
) -> None:
    second = second_host(world)
    world.upstream.stop_listening()
    second.on("connect", GARBAGE)
    expect_reply(answer_of_both(world, second), 451, enhanced="4.5.0")


@clause("ERR-30")
@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "end"])
def test_no_mail_is_sent_over_a_connection_on_which_421_was_said(
    world: World, stage: str
) -> None:
    # What is pipelined has left before the 421 was read.
    world.upstream.extensions = ["SIZE", "8BITMIME"]
    world.upstream.on(stage, say("421 4.3.2 closing for the night"), nth=1)
    with world.client() as client:
        # Its second recipient, and the next message, have to be asked for over another connection.
        recipients = [world.info, world.other]
        client.deliver(world.sender.address, recipients, world.message())
        client.rset()
        client.deliver(world.sender.address, world.info, world.message())
    verb = "DATA" if stage == "end" else stage.upper()
    world.upstream.wait_for_command(verb.encode("ascii"))
    fence(world)
    verbs = next(d.verbs for d in world.upstream.dialogues if verb in d.verbs)
    rest = verbs[verbs.index(verb) + 1 :]
    of_mail = {"MAIL", "RCPT", "DATA"} & set(rest)
    expect_true(not of_mail, f"at most RSET and QUIT after {verb}", rest)
