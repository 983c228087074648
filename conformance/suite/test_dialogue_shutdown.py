"""The end of the dialogue when the server is shut down (dialogue.yaml)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from conformance import (
    also_as,
    ConformanceFailure,
    clause,
    expect_reply,
    expect_true,
    fail,
)
from conformance.lab import Client, ReceiverWorld, World, hold
from conformance.lab.nameserver import faults
from conformance.suite.acts import control, data_granted
from conformance.suite.dialogue import answer, client_in, final_lines

AT_ONCE_S = 1  # the lab's shortest bounds, of a command and of the drain, are longer


@also_as("receiver")
@clause("DLG-35")
def test_a_server_that_is_shut_down_says_421_first(world: World) -> None:
    world.require("restart")
    with client_in(world, "greeted") as client:
        world.stop_subject()
        expect_reply(client.read_reply(), 421, to="the end of the service")
        client.expect_closed()
    world.restart_subject()


def begin_message(world: World, client: Client) -> None:
    """The server waits for the rest of a message."""
    expect_reply(client.data(), 354, to="DATA")
    client.send(world.message())


def await_dns(world: World, client: Client) -> None:
    """The server waits for the addresses of a destination's first host, of three."""
    world.require("in-session")
    if isinstance(world, ReceiverWorld):
        pytest.skip("a receiver looks up no hosts for its own mailboxes")
    for host in (f"mx{n}.{world.elsewhere}" for n in (1, 2, 3)):
        world.dns.fail(host, faults.Drop())
        world.dns.add(world.elsewhere, "MX", f"10 {host}.")
    client.line(f"RCPT TO:<{world.far}>")
    # A later command of somebody else is answered after this one was read.
    with world.client() as other:
        expect_reply(other.command("NOOP"), 250, to="NOOP")


def await_upstream(world: World, client: Client) -> None:
    """The server waits for the upstream's reply to the message."""
    world.require("in-session")
    gate = hold()
    world.upstream.on("end", gate)
    data_granted(world, client)
    client.send(world.message() + b".\r\n")
    gate.wait_until_reached(world.patience)


# How far the client has got, and what comes then. One that has a recipient would be told at once that the
# other is to have a transaction of its own.
WAITS = {
    "its client": ("rcpt", begin_message),
    "DNS": ("mail", await_dns),
    "the upstream": ("rcpt", await_upstream),
}


@also_as("receiver")
@clause("DLG-35")
@pytest.mark.parametrize(("state", "begin"), list(WAITS.values()), ids=list(WAITS))
def test_a_server_that_is_shut_down_while_it_waits_says_421_last(
    world: World, state: str, begin: Callable[[World, Client], None]
) -> None:
    world.require("restart")
    with client_in(world, state) as client:
        begin(world, client)
        world.stop_subject()
        said = client.expect_closed()
    world.restart_subject()
    lines = final_lines(said)
    expect_true(lines[-1:] and lines[-1][:3] == "421", "421 as the last reply", said)
    expect_true(all(line[0] != "2" for line in lines), "no 2xx before it", said)


def expect_turned_away(world: World) -> None:
    """Who connects now gets no session: no connection, no word, or another than 220."""
    try:
        with world.client(greet=False) as late:
            reply = answer(late)
    except ConformanceFailure:
        return
    if reply is not None and reply.positive:
        fail("no session for who connects during a shutdown", reply)


@also_as("receiver")
@clause("DLG-55")
def test_a_server_that_is_shut_down_takes_no_new_session(world: World) -> None:
    world.require("restart")
    control(world)
    with client_in(world, "rcpt") as busy, client_in(world, "greeted") as idle:
        begin_message(world, busy)
        with ThreadPoolExecutor(1) as background:
            stopping = background.submit(world.stop_subject)
            idle.expect_closed()
            # From now on it is being shut down, and the other session may still take a while.
            expect_turned_away(world)
            stopping.result()
    world.restart_subject()


@also_as("receiver")
@clause("DLG-56")
def test_a_session_between_two_commands_ends_at_once_at_a_shutdown(
    world: World,
) -> None:
    world.require("restart")
    with (
        client_in(world, "greeted") as client,
        ThreadPoolExecutor(1) as background,
    ):
        stopping = background.submit(world.stop_subject)
        client.expect_closed(AT_ONCE_S)
        stopping.result()
    world.restart_subject()


@also_as("receiver")
@clause("DLG-57")
def test_a_server_without_sessions_that_is_shut_down_ends(world: World) -> None:
    world.require("restart")
    control(world)
    world.stop_subject()
    ended = world.subject.ended_by_itself
    world.restart_subject()
    if ended is None:
        pytest.skip("how it has ended cannot be told")
    expect_true(ended, "the process, ended by its stop", "it had to be killed")
