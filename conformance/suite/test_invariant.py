"""The invariant: a client sees a 2xx to the end of DATA if and only if an upstream has given one for
that very message. The upstream, then the client, then the relay dies or stalls at every step.

The one deviation that SMTP itself permits: the upstream took the message, and the client was lost
before it could be told.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance import (
    clause,
    expect,
    expect_in,
    expect_not_in,
    expect_reply,
    expect_true,
)
from conformance.lab import Client, Delivery, World, hang_up, hold, raw, say, stall
from conformance.lab.script import Action, Say
from conformance.suite.acts import (
    expect_nothing_upstream,
    forward,
    open_transaction,
)

WITH_DATA = ("data", "content", "end")
STEPS = ("connect", "ehlo", "mail", "rcpt", *WITH_DATA)
LINES = 200


def long_message(world: World) -> bytes:
    return world.message(body="The same line again.\r\n" * LINES)


def expect_kept(world: World, delivery: Delivery) -> None:
    """What the client was told is what the upstream said."""
    taken = [message for message in world.upstream.messages if message.accepted]
    if delivery.accepted:
        expect(len(taken), 1, "messages taken upstream for one acknowledgement")
    else:
        expect(len(taken), 0, "messages taken upstream without acknowledgement")


# The upstream


@clause("INV-01", "INV-02")
def test_no_acknowledgement_before_the_upstream_has_given_one(world: World) -> None:
    gate = hold()
    world.upstream.on("end", gate, say("554 5.7.1 no after all"))
    with world.client() as client:
        open_transaction(world, client)
        client.data()
        client.send(world.message() + b".\r\n")
        gate.wait_until_reached(world.patience)
        # Were the answer given without the upstream's, it would come before the gate opens.
        with world.client(source=world.new_client_addresses()[0]) as other:
            expect_reply(other.command("NOOP"), 250, to="NOOP")
        gate.release()
        expect_reply(client.read_reply(), 554, to="the end of DATA")


@clause("INV-01", "INV-02")
@pytest.mark.parametrize(
    "text",
    ["250 2.0.0 taken", "251 2.1.5 taken elsewhere", "450 4.2.0 no", "554 5.6.0 no"],
)
def test_the_client_is_told_what_the_upstream_said(world: World, text: str) -> None:
    world.upstream.on("end", say(text))
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
    expect(delivery.final.code // 100, int(text[0]), "the class of the answer")
    expect_kept(world, delivery)


@clause("INV-02")
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_an_acceptance_counts_though_the_upstream_dies_right_after_it(
    world: World, reset: bool
) -> None:
    # After a reset the kernel may drop what was not yet read, so the reply goes out first.
    gate = hold()
    world.upstream.on("end", say("250 2.0.0 taken"), gate, hang_up(reset))
    with world.client() as client:
        open_transaction(world, client)
        client.data()
        client.send(world.message() + b".\r\n")
        gate.wait_until_reached(world.patience)
        if not reset:
            gate.release()
        expect_reply(client.read_reply(), 250, to="the end of DATA")
        gate.release()
        expect_reply(client.command("NOOP"), 250, to="NOOP")


def fault_yields_no_acknowledgement(
    world: World, stage: str, *actions: Action, patience: float = 0
) -> None:
    """With the upstream's `actions` at `stage` the client gets a temporary error in time, the session
    lives on, and the upstream gets the message once at most."""
    # A recipient may be tried at every host, so all have the fault. The message is for one: from DATA
    # on another attempt would find no fault, and succeed without an acknowledgement.
    nth = 1 if stage in WITH_DATA else None
    after = 1000 if stage == "content" else 0
    world.upstream.on(stage, *actions, after=after, nth=nth)
    with world.client() as client:
        client.patience += patience
        delivery = client.deliver(world.sender.address, world.info, long_message(world))
        expect_true(delivery.final.temporary, "a temporary error", delivery.final)
        expect_reply(client.command("NOOP"), 250, to="NOOP")
    reads_on = stage != "content" or stall() not in actions
    if reads_on:  # else it does not notice the end of the connection
        world.upstream.wait_until_idle()
    attempts = world.upstream.verbs.count("DATA")
    expect(attempts, int(stage in WITH_DATA), "DATA commands upstream")
    whole = len(world.upstream.messages)
    if stage == "content" and isinstance(actions[-1], Say):
        # The upstream reads on, and what the relay gave up may have been on its way already.
        expect_in(whole, (0, 1), "the number of whole messages upstream")
    else:
        expect(whole, int(stage == "end"), "whole messages upstream")
    expect_nothing_kept_for_later(world)


def expect_nothing_kept_for_later(world: World) -> None:
    """Nothing more of the message is heard: the next session's first message is the next one."""
    count = len(world.upstream.messages)
    message = world.message("X-Mark: next")
    with world.client(source=world.new_client_addresses()[0]) as client:
        delivery = client.deliver(world.sender.address, world.far, message)
        expect_true(delivery.accepted, "a 2xx for a later message", delivery.final)
    arrived = world.far_upstream.wait_for_message()
    expect(arrived.fields("X-Mark"), [("X-Mark", "next")], "the later message")
    expect(len(world.upstream.messages), count, "messages at the upstream since")


@clause("INV-03")
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("stage", STEPS)
def test_an_upstream_that_hangs_up_yields_no_acknowledgement(
    world: World, stage: str, reset: bool
) -> None:
    fault_yields_no_acknowledgement(world, stage, hang_up(reset))


@clause("INV-04")
@pytest.mark.parametrize("stage", STEPS)
def test_an_upstream_that_stalls_yields_no_acknowledgement(
    world: World, stage: str
) -> None:
    world.require("timeouts")
    limits = world.subject.timeouts
    fault_yields_no_acknowledgement(
        world,
        stage,
        stall(),
        patience=limits.upstream_command + limits.upstream_data_end,
    )


@clause("INV-05")
@pytest.mark.parametrize("stage", STEPS)
def test_an_upstream_that_talks_garbage_yields_no_acknowledgement(
    world: World, stage: str
) -> None:
    fault_yields_no_acknowledgement(world, stage, raw(b"\0\xff no SMTP at all\r\n"))


@clause("INV-05", "INV-01")
@pytest.mark.parametrize("stage", ["rcpt", "data"])
def test_replies_said_ahead_of_their_commands_are_no_acknowledgement(
    world: World, stage: str
) -> None:
    # Everything that a careless client would want to hear, long before it is due.
    ahead = b"250 2.1.5 ok\r\n" * (stage == "rcpt") + b"354 go\r\n250 2.0.0 taken\r\n"
    world.upstream.on(stage, raw(ahead))
    world.upstream.on("end", say("554 5.6.0 the true answer"))
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
    expect_true(not delivery.accepted, "no acknowledgement", delivery.final)


# The client


def lost(client: Client, reset: bool) -> None:
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
    client.send(long_message(world))


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
    lost(client, reset)
    world.upstream.wait_until_idle()
    expect(world.upstream.messages, [], "messages completed upstream")
    expect_nothing_upstream(world)


@clause("INV-06")
@pytest.mark.parametrize("stage", ["connect", "ehlo", "mail", "rcpt"])
def test_a_client_lost_while_its_rcpt_is_under_way_completes_nothing(
    world: World, stage: str
) -> None:
    gate = hold()
    world.upstream.on(stage, gate)
    client = world.client()
    client.mail(world.sender.address)
    client.line(f"RCPT TO:<{world.info}>")
    gate.wait_until_reached(world.patience)
    client.close()
    gate.release()
    world.upstream.wait_until_idle()
    expect_nothing_upstream(world)


@clause("INV-06", "INV-01")
@pytest.mark.parametrize("stage", ["data", "end"])
def test_a_client_lost_after_its_end_of_data_leaves_one_message_or_none(
    world: World, stage: str
) -> None:
    gate = hold()
    world.upstream.on(stage, gate)
    client = world.client()
    open_transaction(world, client)
    client.data()
    client.send(world.message() + b".\r\n")
    gate.wait_until_reached(world.patience)
    client.reset()
    gate.release()
    world.upstream.wait_until_idle()
    expect_nothing_kept_for_later(world)
    expect_in(len(world.upstream.messages), (0, 1), "the number of messages upstream")


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


# The relay


def killed_at(world: World, stage: str) -> bytes:
    """Kills the relay while the upstream is held at `stage`; returns what the client heard after its
    message, if it came so far."""
    gate = hold()
    world.upstream.on(stage, gate, nth=1)
    client = world.client()
    client.mail(world.sender.address)
    client.line(f"RCPT TO:<{world.info}>")
    if stage in ("data", "end"):
        expect_reply(client.read_reply(), 250, to="RCPT")
        expect_reply(client.data(), 354, to="DATA")
        client.send(world.message("X-Mark: killed") + b".\r\n")
    gate.wait_until_reached(world.patience)
    world.kill_subject()
    said = client.expect_closed()
    gate.release()
    world.restart_subject()
    return said


@clause("INV-08", "INV-09")
@pytest.mark.parametrize("stage", ["connect", "ehlo", "mail", "rcpt", "data", "end"])
def test_a_killed_relay_acknowledged_nothing_and_sends_nothing_later(
    world: World, stage: str
) -> None:
    expect(killed_at(world, stage), b"", "what the client heard")
    count = len(world.upstream.messages)
    expect_true(count <= (stage == "end"), "no message the upstream had not got", count)
    world.upstream.wait_until_idle()
    arrived = forward(world, recipient=world.far, upstream=world.far_upstream)
    expect(arrived.fields("X-Mark"), [], "the mark of the killed message")
    expect(len(world.upstream.messages), count, "messages upstream since the restart")


@clause("INV-08")
@each_client_step
def test_a_relay_killed_before_the_end_of_data_completed_nothing(
    world: World, step: Callable[[World, Client], None]
) -> None:
    world.require("restart")
    with world.client() as client:
        step(world, client)
        world.kill_subject()
        client.expect_closed()
    world.restart_subject()
    world.upstream.wait_until_idle()
    expect_nothing_upstream(world)


@clause("INV-09")
def test_a_restarted_relay_sends_nothing_of_what_it_had_refused(world: World) -> None:
    world.upstream.on("end", say("451 4.3.0 later"), nth=1)
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
        expect_reply(delivery.final, 451, to="the end of DATA")
    world.restart_subject()
    expect_nothing_kept_for_later(world)


# Commands that abort


@clause("INV-10")
@pytest.mark.parametrize("recipient", ["info", "other"])
def test_rset_aborts_the_upstream_transaction(world: World, recipient: str) -> None:
    with world.client() as client:
        open_transaction(world, client)
        expect_reply(client.rset(), 250, to="RSET")
        delivery = client.deliver(
            f"bob@{world.sender.domain}", world.at(recipient), world.message()
        )
        expect_reply(delivery.final, 250, to="the end of DATA")
    arrived = world.upstream.wait_for_message()
    expect(len(arrived.recipients), 1, "the number of recipients upstream")
    expect_in("bob", arrived.sender, "the reverse-path of the message")
    expect(len(world.upstream.messages), 1, "the number of messages upstream")


@clause("INV-10")
def test_rset_then_quit_leaves_nothing_upstream(world: World) -> None:
    with world.client() as client:
        open_transaction(world, client)
        client.rset()
        client.quit()
    world.upstream.wait_until_idle()
    expect_not_in("DATA", world.upstream.verbs, "the commands upstream")


@clause("INV-11")
def test_quit_aborts_the_upstream_transaction(world: World) -> None:
    with world.client() as client:
        open_transaction(world, client)
        expect_reply(client.quit(), 221, to="QUIT")
    world.upstream.wait_until_idle()
    expect_not_in("DATA", world.upstream.verbs, "the commands upstream")
    expect(world.upstream.messages, [], "messages upstream")


@clause("INV-12")
def test_a_new_ehlo_aborts_the_upstream_transaction(world: World) -> None:
    with world.client() as client:
        open_transaction(world, client)
        expect_reply(client.ehlo(), 250, to="EHLO")
        client.quit()
    world.upstream.wait_until_idle()
    expect_not_in("DATA", world.upstream.verbs, "the commands upstream")


# The order of events


@clause("INV-13")
def test_the_recipient_is_asked_for_upstream_before_the_client_is_told(
    world: World,
) -> None:
    gate = hold()
    world.upstream.on("rcpt", gate, say("550 5.1.1 no after all"))
    with world.client() as client:
        client.mail(world.sender.address)
        client.line(f"RCPT TO:<{world.info}>")
        gate.wait_until_reached(world.patience)
        gate.release()
        expect_reply(client.read_reply(), 550, to="RCPT")


@clause("INV-14")
def test_data_goes_upstream_only_when_the_message_is_whole(world: World) -> None:
    with world.client() as client:
        after_354(world, client)
        client.send_in_pieces([long_message(world)])
    world.upstream.wait_until_idle()
    expect_not_in("DATA", world.upstream.verbs, "the commands upstream")


@clause("INV-15")
def test_recipients_of_the_same_pair_share_one_upstream_transaction(
    world: World,
) -> None:
    with world.client() as client:
        delivery = client.deliver(
            world.sender.address, [world.info, world.other], world.message()
        )
        expect([r.code for r in delivery.recipients], [250, 250], "answers to RCPT")
        expect_reply(delivery.final, 250, to="the end of DATA")
    arrived = world.upstream.wait_for_message()
    wanted = [world.mailbox, f"other@{world.destination}"]
    expect(arrived.recipients, wanted, "recipients of the one message upstream")
    expect(len(world.upstream.messages), 1, "the number of messages upstream")


@clause("INV-16")
def test_a_recipient_with_another_destination_is_a_452_453(world: World) -> None:
    with world.client() as client:
        open_transaction(world, client)
        expect_reply(client.rcpt(world.far), 452, enhanced="4.5.3", to="RCPT")
        expect_reply(client.data(), 354, to="DATA")
        expect_reply(client.content(world.message()), 250, to="the end of DATA")
    expect(world.far_upstream.dialogues, [], "connections to the other destination")


@clause("INV-17")
def test_a_recipient_of_another_zone_is_a_452_453_and_taken_by_itself(
    world: World,
) -> None:
    listed = world.at("listed", world.catchall_zone)
    with world.client() as client:
        open_transaction(world, client)
        expect_reply(client.rcpt(listed), 452, enhanced="4.5.3", to="RCPT")
        client.rset()
        delivery = client.deliver(world.sender.address, listed, world.message())
        expect_reply(delivery.final, 250, to="the end of DATA")
    arrived = world.upstream.wait_for_message()
    expect(arrived.recipients, [f"listed@{world.destination}"], "recipients upstream")


@clause("INV-16")
def test_a_refused_first_recipient_does_not_bind_the_transaction(world: World) -> None:
    world.upstream.on("rcpt", say("550 5.1.1 no"), recipient=world.mailbox)
    with world.client() as client:
        client.mail(world.sender.address)
        expect_reply(client.rcpt(world.info), 550, to="RCPT")
        expect_reply(client.rcpt(world.far), 250, to="RCPT of the other destination")
        expect_reply(client.data(), 354, to="DATA")
        expect_reply(client.content(world.message()), 250, to="the end of DATA")
    arrived = world.far_upstream.wait_for_message()
    expect(len(arrived.recipients), 1, "the number of recipients")


@clause("INV-18")
@pytest.mark.parametrize("octets", [b"\n", b"\r", b"\0"], ids=["LF", "CR", "NUL"])
def test_a_message_that_the_relay_refuses_never_reaches_the_upstream(
    world: World, octets: bytes
) -> None:
    with world.client() as client:
        after_354(world, client)
        client.send(world.message(body="a") + octets + b"b\r\n.\r\n")
        expect_reply(client.read_reply(), "5xx", to="the end of DATA")
        client.quit()
    world.upstream.wait_until_idle()
    expect_not_in("DATA", world.upstream.verbs, "the commands upstream")


@clause("INV-19")
def test_each_message_of_a_session_is_answered_by_its_own_outcome(world: World) -> None:
    world.upstream.on("end", say("554 5.7.1 not the second"), nth=2)
    world.upstream.on("end", say("451 4.3.0 nor the fourth"), nth=4)
    with world.client() as client:
        codes = []
        for n in range(5):
            message = world.message(f"X-N: {n}")
            delivery = client.deliver(world.sender.address, world.info, message)
            codes.append(delivery.final.code)
    expect(codes, [250, 554, 250, 451, 250], "the answers")
    taken = [m.fields("X-N")[0][1] for m in world.upstream.messages if m.accepted]
    expect(taken, ["0", "2", "4"], "the messages taken upstream")


@clause("INV-19", "INV-01")
def test_a_stale_reply_answers_nothing_of_the_next_message(world: World) -> None:
    before, after = hold(), hold()
    world.upstream.on(
        "end", say("250 2.0.0 taken"), before, raw(b"250 2.0.0 again\r\n"), after, nth=1
    )
    world.upstream.on("rcpt", say("550 5.1.1 no longer"), nth=2)
    with world.client() as client:
        first = client.deliver(world.sender.address, world.info, world.message())
        expect_reply(first.final, 250, to="the end of DATA")
        before.release()
        after.wait_until_reached(world.patience)
        after.release()
        client.mail(world.sender.address)
        expect_reply(client.rcpt(world.info), 550, to="RCPT")
    expect(len(world.upstream.messages), 1, "the number of messages upstream")


@clause("INV-21", "INV-01")
@pytest.mark.parametrize("farewell", ["", "421 4.3.2 closing"], ids=["silent", "421"])
def test_a_recipient_lost_with_its_upstream_is_not_left_out(
    world: World, farewell: str
) -> None:
    last_words = [say(farewell)] if farewell else []
    world.upstream.on("rcpt", *last_words, hang_up(), nth=2)
    with world.client() as client:
        open_transaction(world, client)
        expect_reply(client.rcpt(world.other), "4xx", to="the RCPT that was lost")
        expect_reply(client.rcpt(world.other), "4xx", to="RCPT after it")
        expect_reply(client.data(), 354, to="DATA")
        expect_reply(client.content(world.message()), "4xx", to="the end of DATA")
        again = client.deliver(
            world.sender.address, [world.info, world.other], world.message()
        )
        expect_reply(again.final, 250, to="the end of DATA, tried again")
    arrived = world.upstream.wait_for_message()
    expect(len(arrived.recipients), 2, "the number of recipients of the message taken")
    expect(len(world.upstream.messages), 1, "the number of messages upstream")
