"""The relay's sessions with an upstream: how they end, are kept for further messages, and are opened
again."""

from __future__ import annotations

import pytest

from conformance import also_as, clause, expect, expect_in, expect_reply, expect_true
from conformance.lab import Client, World, hang_up, hold, raw, say
from conformance.suite.acts import (
    data_granted,
    expect_nothing_upstream,
    open_transaction,
)

FAREWELLS = {"silent": b"", "421": b"421 4.4.2 idle for too long\r\n"}


def deliver(world: World, client: Client) -> None:
    """An ordinary message, accepted."""
    delivery = client.deliver(world.sender.address, world.info, world.message())
    expect_reply(delivery.end, "2xx", to="the end of DATA")


def two_in_one_session(world: World, client: Client) -> None:
    """Two messages, sent on over one upstream session. Skips for a subject that keeps none: what
    becomes of kept sessions is not its business."""
    for count in (1, 2):
        deliver(world, client)
        world.upstream.wait_for_message(count)
    first, second = world.upstream.messages[:2]
    if first.dialogue is not second.dialogue:
        pytest.skip("the upstream session is not kept for the next message")


# The end


def ended_with_quit(world: World) -> None:
    """The first session with the upstream ended with QUIT; skips where it is kept for long."""
    world.upstream.wait_for_command(b"RCPT")
    dialogue = world.upstream.dialogues[0]
    if not dialogue.closed.wait(world.patience):
        pytest.skip(f"the session is kept for more than {world.patience:g} s")
    expect_true(dialogue.ended_with_quit, "QUIT as the last command", dialogue.verbs)


@clause("UPS-10")
@also_as("sender")
@pytest.mark.parametrize("ending", ["QUIT", "lost client", "recipient refused"])
def test_the_upstream_session_ends_with_quit(world: World, ending: str) -> None:
    if ending == "recipient refused":
        world.upstream.on("rcpt", say("550 5.1.1 no such user"))
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
        if ending != "recipient refused":
            expect_reply(delivery.end, "2xx", to="the end of DATA")
        if ending == "QUIT":
            client.quit()
    ended_with_quit(world)


@clause("UPS-10")
@pytest.mark.parametrize("refused", [["connect"], ["ehlo", "helo"]])
def test_a_session_with_an_upstream_that_refuses_to_serve_ends_with_quit(
    world: World, refused: list[str]
) -> None:
    for stage in refused:
        world.upstream.on(stage, say("554 5.7.1 no service for you"))
    with world.client() as client:
        client.deliver(world.sender.address, world.info, world.message())
        client.quit()
    dialogue = world.upstream.wait_for_dialogue()
    dialogue.wait_until_closed(world.patience)
    seen = dialogue.verbs or "no command at all"
    expect_true(dialogue.ended_with_quit, "QUIT as the last command", seen)


@clause("UPS-10")
def test_the_upstream_session_of_an_aborted_transaction_ends_with_quit(
    world: World,
) -> None:
    if "in-session" not in world.subject.capabilities:
        pytest.skip("the upstream is not asked before the message is there")
    with world.client() as client:
        open_transaction(world, client)
        expect_reply(client.rset(), 250, to="RSET")
        client.quit()
    ended_with_quit(world)


@clause("UPS-10")
def test_the_session_with_an_upstream_that_refuses_rset_ends_with_quit(
    world: World,
) -> None:
    world.upstream.on("rset", say("451 4.3.0 not now"))
    with world.client() as client:
        open_transaction(world, client)
        expect_reply(client.rset(), 250, to="RSET")
        if "RSET" not in world.upstream.verbs:
            pytest.skip("the transaction is aborted in another way, or not begun")
        client.quit()
    ended_with_quit(world)


# Kept


@clause("UPS-11")
def test_further_messages_arrive_once_each_in_their_own_envelopes(
    world: World,
) -> None:
    other = f"other@{world.destination}"
    with world.client() as client:
        two_in_one_session(world, client)
        for n, recipient in enumerate((world.info, world.other, world.info)):
            sender = f"s{n}@{world.sender.domain}"
            delivery = client.deliver(sender, recipient, world.message(f"X-N: {n}"))
            expect_reply(delivery.end, "2xx", to=f"message {n}")
    world.upstream.wait_for_message(5)
    arrived = [m for m in world.upstream.messages if m.fields("X-N")]
    marks = sorted(message.fields("X-N")[0][1] for message in arrived)
    expect(marks, ["0", "1", "2"], "the marks of the messages upstream")
    for message in arrived:
        mark = message.fields("X-N")[0][1]
        wanted = other if mark == "1" else world.mailbox
        expect(message.recipients, [wanted], f"the recipients of message {mark}")
        expect_in(f"s{mark}", message.sender, f"the reverse-path of message {mark}")


@clause("UPS-41")
def test_no_rset_follows_a_message_that_was_accepted(world: World) -> None:
    with world.client() as client:
        two_in_one_session(world, client)
    verbs = world.upstream.messages[1].dialogue.verbs
    between = verbs[verbs.index("DATA") + 1 :]
    expect(between[:1], ["MAIL"], "the command after the first message")


@clause("UPS-11")
def test_a_message_arrives_in_its_own_envelope_although_the_upstream_refuses_rset(
    world: World,
) -> None:
    world.upstream.on("rset", say("451 4.3.0 not now"))
    with world.client() as client:
        open_transaction(world, client, world.other)
        expect_reply(client.rset(), 250, to="RSET")
        deliver(world, client)
    arrived = world.upstream.wait_for_message()
    expect(arrived.recipients, [world.mailbox], "the recipients upstream")
    expect(len(world.upstream.messages), 1, "the number of messages upstream")


@clause("INV-19")
def test_a_refusal_of_the_first_message_does_not_stick_to_the_next(
    world: World,
) -> None:
    world.require("in-session")
    world.upstream.on("end", say("554 5.7.1 not this one"), nth=1)
    with world.client() as client:
        first = client.deliver(world.sender.address, world.info, world.message())
        expect_reply(first.end, "5xx", to="the first message")
        deliver(world, client)
    expect(len(world.upstream.messages), 2, "the number of messages upstream")


@clause("UPS-18")
@pytest.mark.parametrize("farewell", list(FAREWELLS))
def test_a_kept_session_that_was_lost_is_replaced(world: World, farewell: str) -> None:
    taken = b"250 2.0.0 taken\r\n" + FAREWELLS[farewell]
    world.upstream.on("end", raw(taken), hang_up(), nth=3)
    with world.client() as client:
        two_in_one_session(world, client)
        for _ in range(2):
            deliver(world, client)
    world.upstream.wait_for_message(4)
    expect(len(world.upstream.messages), 4, "the number of messages upstream")


@clause("ERR-03")
def test_the_refusal_of_a_session_in_place_of_one_that_was_lost_is_the_reply_to_rcpt(
    world: World,
) -> None:
    world.upstream.on("end", raw(b"250 2.0.0 taken\r\n"), hang_up(), nth=1)
    for nth in (2, 3):  # at both of its addresses
        world.upstream.on("connect", say("554 5.7.1 no longer"), nth=nth)
    with world.client() as client:
        deliver(world, client)
        world.upstream.wait_for_message()
        world.upstream.wait_until_idle()
        expect_reply(client.mail(world.sender.address), 250, to="MAIL")
        expect_reply(client.rcpt(world.info), 554, enhanced="5.7.1", to="RCPT")


@clause("UPS-30")
def test_an_idle_client_does_not_hold_an_upstream_session(world: World) -> None:
    with world.client() as client:
        two_in_one_session(world, client)
        world.upstream.wait_until_idle()
        # It was the upstream session alone that was ended.
        expect_reply(client.command("NOOP"), 250, to="NOOP")
        deliver(world, client)
    world.upstream.wait_for_message(3)
    expect(len(world.upstream.messages), 3, "the number of messages upstream")


@clause("UPS-30")
def test_an_upstream_session_is_not_held_behind_one_with_another_upstream(
    world: World,
) -> None:
    with world.client() as client:
        deliver(world, client)
        world.upstream.wait_for_message()
        elsewhere = client.deliver(world.sender.address, world.far, world.message())
        expect_reply(elsewhere.end, "2xx", to="the end of DATA")
        world.far_upstream.wait_for_message()
        world.upstream.wait_until_idle()
        expect_reply(client.command("NOOP"), 250, to="NOOP")


# Opened again


def abandoned_in_data(world: World, farewell: str) -> Client:
    """A client after its 354, with two recipients, whose upstream has just left."""
    gate = hold()
    accept = raw(b"250 2.1.5 ok\r\n")
    world.upstream.on("rcpt", accept, gate, raw(FAREWELLS[farewell]), hang_up(), nth=2)
    client = world.client()
    open_transaction(world, client)
    expect_reply(client.rcpt(world.other), 250, to="RCPT")
    data_granted(world, client)
    gate.wait_until_reached(world.patience)
    gate.release()
    world.upstream.wait_until_idle()
    return client


@clause("UPS-19")
@pytest.mark.parametrize("farewell", list(FAREWELLS))
def test_an_upstream_that_left_while_the_client_was_sending_is_asked_again(
    world: World, farewell: str
) -> None:
    with abandoned_in_data(world, farewell) as client:
        expect_reply(client.content(world.message()), 250, to="the end of DATA")
    arrived = world.upstream.wait_for_message()
    to = [world.mailbox, f"other@{world.destination}"]
    expect(arrived.recipients, to, "the recipients upstream")
    expect(len(world.upstream.messages), 1, "the number of messages upstream")


@clause("UPS-19")
def test_an_upstream_that_leaves_again_is_not_asked_a_third_time(
    world: World,
) -> None:
    world.upstream.on("rcpt", say("421 4.4.2 closing"), hang_up(), nth=3)
    with abandoned_in_data(world, "421") as client:
        expect_reply(client.content(world.message()), "4xx", to="the end of DATA")
    expect(len(world.upstream.dialogues), 2, "the number of connections upstream")
    expect_nothing_upstream(world)


@clause("UPS-20")
@pytest.mark.parametrize("recipient", [3, 4], ids=["first", "second"])
@pytest.mark.parametrize("refusal", ["550 5.1.1 no longer", "452 4.2.2 not now"])
def test_a_recipient_refused_when_asked_again_gets_the_message_451_442(
    world: World, recipient: int, refusal: str
) -> None:
    world.upstream.on("rcpt", say(refusal), nth=recipient)
    with abandoned_in_data(world, "silent") as client:
        reply = client.content(world.message())
        expect_reply(reply, 451, enhanced="4.4.2", to="the end of DATA")
    expect_nothing_upstream(world)
