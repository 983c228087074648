"""Transactions that are not completed: the client is lost, stalls or thinks better of it, or the relay
is killed, at every step. The catalogue file is invariant.yaml, as for test_invariant.py.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance import (
    clause,
    expect,
    expect_in,
    expect_not_in,
    expect_one_of,
    expect_reply,
    expect_true,
)
from conformance.lab import Client, World, hold, say
from conformance.suite.acts import (
    data_granted,
    expect_nothing_upstream,
    fence,
    open_transaction,
)

LINES = 200

# The client


def lose(client: Client, reset: bool) -> None:
    if reset:
        client.reset()
    else:
        client.close()


def after_rcpt(world: World, client: Client) -> None:
    open_transaction(world, client)


def after_354(world: World, client: Client) -> None:
    open_transaction(world, client)
    expect_reply(client.data(), 354, to="DATA")


def in_the_header(world: World, client: Client) -> None:
    after_354(world, client)
    client.send(b"From: <alice@example.org>\r\nSubj")


def in_the_body(world: World, client: Client) -> None:
    after_354(world, client)
    client.send(world.message(body="The same line again.\r\n" * LINES))


def before_the_dot(world: World, client: Client) -> None:
    after_354(world, client)
    client.send(world.message(body="Hello.") + b"\r\n")


def at_the_dot(world: World, client: Client) -> None:
    before_the_dot(world, client)
    client.send(b".")


def at_the_last_cr(world: World, client: Client) -> None:
    at_the_dot(world, client)
    client.send(b"\r")


CLIENT_STEPS: list[Callable[[World, Client], None]] = [
    after_rcpt,
    after_354,
    in_the_header,
    in_the_body,
    before_the_dot,
    at_the_dot,
    at_the_last_cr,
]
each_client_step = pytest.mark.parametrize(
    "step", CLIENT_STEPS, ids=[step.__name__.replace("_", " ") for step in CLIENT_STEPS]
)


@clause("INV-06")
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@each_client_step
def test_a_client_lost_before_its_end_of_data_completes_nothing(
    world: World, step: Callable[[World, Client], None], reset: bool
) -> None:
    client = world.client()
    step(world, client)
    lose(client, reset)
    world.upstream.wait_until_idle()
    expect_nothing_upstream(world)


@clause("INV-29")
@pytest.mark.parametrize("stage", ["connect", "ehlo", "mail", "rcpt"])
def test_a_client_lost_while_its_rcpt_is_under_way_completes_nothing(
    world: World, stage: str
) -> None:
    gate = hold()
    world.upstream.on(stage, gate)
    client = world.client()
    expect_reply(client.mail(world.sender.address), 250, to="MAIL")
    client.line(f"RCPT TO:<{world.info}>")
    gate.wait_until_reached(world.patience)
    client.close()
    gate.release()
    world.upstream.wait_until_idle()
    expect_nothing_upstream(world)


@clause("INV-25")
@pytest.mark.parametrize("stage", ["data", "end"])
def test_a_message_whose_client_is_lost_after_it_is_accepted_once_at_most(
    world: World, stage: str
) -> None:
    gate = hold()
    world.upstream.on(stage, gate)
    client = world.client()
    open_transaction(world, client)
    data_granted(world, client)
    client.send(world.message() + b".\r\n")
    gate.wait_until_reached(world.patience)
    client.reset()
    gate.release()
    world.upstream.wait_until_settled()
    fence(world)
    accepted = sum(message.accepted for message in world.upstream.messages)
    expect_one_of(accepted, (0, 1), "the number of messages accepted upstream")


@clause("INV-07")
@each_client_step
def test_a_client_that_stalls_is_given_up_and_nothing_completed(
    world: World, step: Callable[[World, Client], None]
) -> None:
    world.require("timeouts")
    limits = world.subject.timeouts
    with world.client() as client:
        step(world, client)
        client.patience += max(limits.client_command, limits.client_data)
        client.expect_closed()
    world.upstream.wait_until_idle()
    expect_nothing_upstream(world)


# Commands that abort


def a_later_message_has_its_own_envelope(
    world: World, verb: str, recipient: str
) -> None:
    """`verb` after RCPT for info, then a message from Bob: it arrives with its own sender and with
    `recipient` alone."""
    with world.client() as client:
        open_transaction(world, client)
        reply = client.command(verb)
        if verb.startswith("EHLO") and reply.permanent:
            pytest.skip(f"EHLO is not acceptable a second time: {reply}")
        expect_reply(reply, 250, to=verb)
        delivery = client.deliver(
            f"bob@{world.sender.domain}", world.at(recipient), world.message()
        )
        expect_reply(delivery.end, "2xx", to="the end of DATA")
        client.quit()
    arrived = world.upstream.wait_for_message()
    local_part = "mailbox" if recipient == "info" else recipient
    expect(arrived.recipients, [f"{local_part}@{world.destination}"], "the recipients")
    expect_in("bob", arrived.sender, "the reverse-path of the message")
    fence(world)
    expect(len(world.upstream.messages), 1, "the number of messages upstream")


@clause("INV-10")
@pytest.mark.parametrize("recipient", ["info", "other"])
def test_after_rset_a_message_has_its_own_sender_and_recipients(
    world: World, recipient: str
) -> None:
    a_later_message_has_its_own_envelope(world, "RSET", recipient)


@clause("INV-12")
@pytest.mark.parametrize("recipient", ["info", "other"])
def test_after_a_second_ehlo_a_message_has_its_own_sender_and_recipients(
    world: World, recipient: str
) -> None:
    a_later_message_has_its_own_envelope(world, "EHLO again.example", recipient)


def open_upstream_then(world: World, verb: str, code: int) -> None:
    """`verb` while a transaction is open upstream, which then ends without DATA: the next one does not
    find it open."""
    with world.client() as client:
        open_transaction(world, client)
        world.upstream.wait_for_command(b"RCPT")
        expect_reply(client.command(verb), code, to=verb)
        if verb != "QUIT":
            open_transaction(world, client, world.other)
            client.quit()
    world.upstream.wait_until_idle()
    expect_not_in("DATA", world.upstream.verbs, "the commands upstream")


@clause("INV-22")
@pytest.mark.parametrize("verb", ["RSET", "EHLO again.example"])
def test_rset_and_ehlo_abort_the_upstream_transaction(world: World, verb: str) -> None:
    open_upstream_then(world, verb, 250)


@clause("INV-11")
def test_quit_aborts_the_upstream_transaction(world: World) -> None:
    open_upstream_then(world, "QUIT", 221)


# The relay


def killed_at(world: World, stage: str) -> bytes:
    """Kills the relay while the upstream is held at `stage`; returns what the client received after
    its last command or message."""
    world.require("restart")
    gate = hold()
    world.upstream.on(stage, gate, nth=1)
    client = world.client()
    expect_reply(client.mail(world.sender.address), 250, to="MAIL")
    client.line(f"RCPT TO:<{world.info}>")
    if stage in ("data", "end"):
        expect_reply(client.read_reply(), 250, to="RCPT")
        data_granted(world, client)
        client.send(world.message("X-Mark: killed") + b".\r\n")
    gate.wait_until_reached(world.patience)
    world.kill_subject()
    said = client.expect_closed()
    gate.release()
    world.restart_subject()
    return said


each_upstream_step = pytest.mark.parametrize(
    "stage", ["connect", "ehlo", "mail", "rcpt", "data", "end"]
)


@clause("INV-08")
@each_upstream_step
def test_a_killed_relay_acknowledged_nothing_that_the_upstream_had_not_taken(
    world: World, stage: str
) -> None:
    expect(killed_at(world, stage), b"", "what the client received")


@clause("INV-09")
@each_upstream_step
def test_a_killed_relay_sends_nothing_after_its_restart(
    world: World, stage: str
) -> None:
    killed_at(world, stage)
    world.upstream.wait_until_idle()
    count = len(world.upstream.messages)
    expect_true(count <= (stage == "end"), "no message the upstream had not got", count)
    fence(world)
    expect(len(world.upstream.messages), count, "messages upstream since the restart")


@clause("INV-09")
def test_a_restarted_relay_sends_nothing_of_what_it_had_refused(world: World) -> None:
    world.require("restart")
    world.upstream.on("end", say("451 4.3.0 later"), nth=1)
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
        expect_reply(delivery.end, "4xx", to="the end of DATA")
    world.restart_subject()
    fence(world)
    expect(len(world.upstream.messages), 1, "the number of messages upstream")


@clause("INV-23")
@each_client_step
def test_a_server_killed_before_the_end_of_data_completes_nothing(
    world: World, step: Callable[[World, Client], None]
) -> None:
    world.require("restart")
    with world.client() as client:
        step(world, client)
        fence(
            world
        )  # by now it has read all that was sent, and done what it does with that
        world.kill_subject()
        client.expect_closed()
    world.restart_subject()
    world.upstream.wait_until_idle()
    expect_nothing_upstream(world)


@clause("INV-24")
def test_a_server_killed_right_after_its_2xx_does_not_lose_the_message(
    world: World,
) -> None:
    world.require("restart")
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
        expect_reply(delivery.end, "2xx", to="the end of DATA")
        world.kill_subject()
    world.restart_subject()
    world.upstream.wait_for_message()
