"""The invariant: a client receives a 2xx to the end of DATA if and only if an upstream has given one for
that very message. Here the upstream dies, stalls or says the wrong thing at every step, and recipients
share a transaction or do not. test_invariant_aborted.py has the loss of the client and of the relay.

The one deviation that SMTP itself permits: the upstream accepted the message, and the client was lost
before it could be told.
"""

from __future__ import annotations

import pytest

from conformance import (
    clause,
    expect,
    expect_not_in,
    expect_one_of,
    expect_reply,
    expect_true,
)
from conformance.lab import World, hang_up, hold, raw, say, stall
from conformance.lab.script import Action, Say
from conformance.suite.acts import fence, open_transaction

WITH_DATA = ("data", "content", "end")
STEPS = ("connect", "ehlo", "mail", "rcpt", *WITH_DATA)
LINES = 200
MANY_FIELDS = 22_000  # few octets in all, but much to keep in mind of each field
GARBAGE = b"\0\xff no SMTP at all\r\n"


def long_message(world: World) -> bytes:
    return world.message(body="The same line again.\r\n" * LINES)


def accepted_upstream(world: World) -> int:
    """How many messages the upstream has accepted."""
    return sum(message.accepted for message in world.upstream.messages)


# What the upstream says is what the client is told


@clause("INV-01")
def test_the_client_receives_no_2xx_before_the_upstream_has_given_one(
    world: World,
) -> None:
    gate = hold()
    world.upstream.on("end", gate, say("554 5.7.1 no after all"))
    with world.client() as client:
        open_transaction(world, client)
        expect_reply(client.data(), 354, to="DATA")
        client.send(world.message() + b".\r\n")
        gate.wait_until_reached(world.patience)
        # Were the reply given without the upstream's, it would come before the gate opens.
        with world.client(source=world.new_client_addresses()[0]) as other:
            expect_reply(other.command("NOOP"), 250, to="NOOP")
        gate.release()
        expect_reply(client.read_reply(), "5xx", to="the end of DATA")


@clause("INV-01")
@pytest.mark.parametrize("stage", ["data", "end"])
@pytest.mark.parametrize("text", ["450 4.2.0 no", "554 5.6.0 no"])
def test_the_client_receives_no_2xx_if_the_upstream_refuses_the_message(
    world: World, text: str, stage: str
) -> None:
    world.upstream.on(stage, say(text))
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
    expect_reply(delivery.final, f"{text[0]}xx", to="the message")
    expect(accepted_upstream(world), 0, "the number of messages accepted upstream")


@clause("INV-02")
@pytest.mark.parametrize(
    "text", ["250 2.0.0 taken", "251 2.1.5 taken elsewhere", "250 ok"]
)
def test_the_client_receives_a_2xx_if_the_upstream_accepts_the_message(
    world: World, text: str
) -> None:
    world.upstream.on("end", say(text))
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
        expect_reply(delivery.end, "2xx", to="the end of DATA")
        client.quit()
    world.upstream.wait_for_message()
    fence(world)
    expect(accepted_upstream(world), 1, "the number of messages accepted upstream")


@clause("INV-02")
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_the_client_receives_a_2xx_though_the_upstream_dies_right_after_its_own(
    world: World, reset: bool
) -> None:
    # After a reset the kernel may drop what was not yet read, so the reply goes out first.
    gate = hold()
    world.upstream.on("end", say("250 2.0.0 taken"), gate, hang_up(reset))
    with world.client() as client:
        open_transaction(world, client)
        expect_reply(client.data(), 354, to="DATA")
        client.send(world.message() + b".\r\n")
        gate.wait_until_reached(world.patience)
        if not reset:
            gate.release()
        expect_reply(client.read_reply(), "2xx", to="the end of DATA")
        gate.release()


@clause("INV-01")
def test_a_second_reply_to_one_message_is_not_the_reply_to_the_next(
    world: World,
) -> None:
    before, after = hold(), hold()
    world.upstream.on(
        "end", say("250 2.0.0 taken"), before, raw(b"250 2.0.0 again\r\n"), after, nth=1
    )
    world.upstream.on("rcpt", say("550 5.1.1 no longer"), nth=2)
    with world.client() as client:
        first = client.deliver(world.sender.address, world.info, world.message())
        expect_reply(first.end, "2xx", to="the end of DATA")
        before.release()
        # If the subject has left by then, nobody hears it; the second message decides all the same.
        after.wait_until_reached_or(world.upstream.dialogues[0].closed, world.patience)
        after.release()
        second = client.deliver(world.sender.address, world.info, world.message())
        expect_true(not second.accepted, "no 2xx for the second message", second.final)
    expect(accepted_upstream(world), 1, "the number of messages accepted upstream")


@clause("INV-19")
def test_each_message_of_a_session_is_answered_by_its_own_outcome(world: World) -> None:
    world.upstream.on("end", say("554 5.7.1 not the second"), nth=2)
    world.upstream.on("end", say("451 4.3.0 nor the fourth"), nth=4)
    with world.client() as client:
        classes = []
        for n in range(5):
            message = world.message(f"X-N: {n}")
            delivery = client.deliver(world.sender.address, world.info, message)
            classes.append(delivery.final.code // 100)
    expect(classes, [2, 5, 2, 4, 2], "the classes of the replies")
    accepted = [m.fields("X-N") for m in world.upstream.messages if m.accepted]
    wanted = [[("X-N", n)] for n in ("0", "2", "4")]
    expect(accepted, wanted, "the messages accepted upstream")


@clause("INV-19")
def test_a_message_of_very_many_fields_is_answered_by_its_own_outcome(
    world: World,
) -> None:
    # Whether it is forwarded or refused, the session and the next message do not suffer for it.
    messages = [b"X:\r\n" * MANY_FIELDS + world.message("X-N: 0")]
    messages.append(world.message("X-N: 1"))
    with world.client() as client:
        replies = [
            client.deliver(world.sender.address, world.info, message).final
            for message in messages
        ]
    expect_reply(replies[1], "2xx", to="the next message")
    accepted = [m.fields("X-N") for m in world.upstream.messages if m.accepted]
    wanted = [[("X-N", str(n))] for n, reply in enumerate(replies) if reply.positive]
    expect(accepted, wanted, "the messages accepted upstream")


# An upstream that fails


def fail_at(world: World, stage: str, *actions: Action) -> None:
    """The upstream does `actions` at `stage`. A recipient may be tried at every host, so all have the
    fault; from DATA on only the first has."""
    nth = 1 if stage in WITH_DATA else None
    after = 1000 if stage == "content" else 0
    world.upstream.on(stage, *actions, after=after, nth=nth)


def expect_promise_kept(
    world: World, stage: str, *actions: Action, patience: float = 0
) -> None:
    """With the upstream's `actions` at `stage` the client receives a 2xx if and only if the message is
    accepted, now or later."""
    fail_at(world, stage, *actions)
    with world.client() as client:
        client.patience += patience
        delivery = client.deliver(world.sender.address, world.info, long_message(world))
    expect_true(world.upstream.dialogues, "a connection to the upstream", "none")
    reads_on = stage != "content" or stall() not in actions
    if reads_on:  # else it does not notice the end of the connection
        world.upstream.wait_until_idle()
    fence(world)
    allowed = {1} if delivery.accepted else {0}
    if stage == "content" and isinstance(actions[-1], Say):
        # The upstream reads on, and what the relay gave up may have been on its way already.
        allowed.add(1)
    expect_one_of(
        accepted_upstream(world),
        sorted(allowed),
        f"the number of messages accepted upstream after {delivery.final.shown!r}",
    )


@clause("INV-03")
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("stage", STEPS)
def test_no_2xx_without_acceptance_if_the_upstream_closes_the_connection(
    world: World, stage: str, reset: bool
) -> None:
    expect_promise_kept(world, stage, hang_up(reset))


@clause("INV-04")
@pytest.mark.parametrize("stage", STEPS)
def test_no_2xx_without_acceptance_if_the_upstream_stalls(
    world: World, stage: str
) -> None:
    world.require("timeouts")
    limits = world.subject.timeouts
    patience = limits.upstream_command + limits.upstream_data_end
    expect_promise_kept(world, stage, stall(), patience=patience)


@clause("INV-05")
@pytest.mark.parametrize("stage", STEPS)
def test_no_2xx_without_acceptance_if_the_upstream_sends_garbage(
    world: World, stage: str
) -> None:
    expect_promise_kept(world, stage, raw(GARBAGE))


@clause("INV-01")
@pytest.mark.parametrize("stage", ["rcpt", "data"])
def test_replies_sent_ahead_of_their_commands_are_no_acceptance(
    world: World, stage: str
) -> None:
    # Everything that a careless client would want to hear, long before it is due.
    ahead = b"250 2.1.5 ok\r\n" * (stage == "rcpt") + b"354 go\r\n250 2.0.0 taken\r\n"
    world.upstream.on(stage, raw(ahead))
    world.upstream.on("end", say("554 5.6.0 the true answer"))
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
    world.upstream.wait_for_command(b"RCPT")
    expect_true(not delivery.accepted, "no 2xx for the message", delivery.final)


def expect_a_4xx_and_a_living_session(
    world: World, stage: str, *actions: Action
) -> None:
    fail_at(world, stage, *actions)
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, long_message(world))
        expect_true(world.upstream.dialogues, "a connection to the upstream", "none")
        expect_reply(delivery.final, "4xx", to="the step that could not be done")
        expect_reply(client.command("NOOP"), 250, to="NOOP")


@clause("INV-27")
@pytest.mark.parametrize("stage", STEPS)
def test_the_client_receives_a_4xx_if_the_upstream_closes_the_connection(
    world: World, stage: str
) -> None:
    expect_a_4xx_and_a_living_session(world, stage, hang_up())


@clause("INV-28")
@pytest.mark.parametrize("stage", STEPS)
def test_the_client_receives_a_4xx_if_the_upstream_sends_garbage(
    world: World, stage: str
) -> None:
    expect_a_4xx_and_a_living_session(world, stage, raw(GARBAGE))


# The order of events


@clause("INV-13")
def test_the_upstream_is_asked_for_the_recipient_before_the_client_is_told(
    world: World,
) -> None:
    gate = hold()
    world.upstream.on("rcpt", gate, say("550 5.1.1 no after all"))
    with world.client() as client:
        expect_reply(client.mail(world.sender.address), 250, to="MAIL")
        client.line(f"RCPT TO:<{world.info}>")
        gate.wait_until_reached(world.patience)
        gate.release()
        expect_reply(client.read_reply(), "5xx", to="RCPT")


@clause("INV-14")
def test_data_is_sent_to_the_upstream_only_when_the_message_is_whole(
    world: World,
) -> None:
    with world.client() as client:
        open_transaction(world, client)
        world.upstream.wait_for_command(b"RCPT")
        expect_reply(client.data(), 354, to="DATA")
        client.send_in_pieces([long_message(world)])
    world.upstream.wait_until_idle()
    expect_not_in("DATA", world.upstream.verbs, "the commands upstream")


@clause("INV-18")
def test_a_message_that_the_relay_refuses_never_reaches_the_upstream(
    world: World,
) -> None:
    refused = []
    for name, octet in (("LF", b"\n"), ("CR", b"\r"), ("NUL", b"\0")):
        with world.client() as client:
            open_transaction(world, client)
            expect_reply(client.data(), 354, to="DATA")
            message = world.message(f"X-Octet: {name}", body="a")
            client.send(message + octet + b"b\r\n.\r\n")
            if not client.read_reply().positive:
                refused.append(name)
    if not refused:
        pytest.skip("the subject refuses none of the messages that others refuse")
    fence(world)
    for arrived in world.upstream.messages:
        for _, name in arrived.fields("X-Octet"):
            expect_not_in(name, refused, "the messages refused and yet forwarded")


# The recipients of a transaction


@clause("INV-15")
def test_recipients_at_one_destination_share_one_upstream_transaction(
    world: World,
) -> None:
    with world.client() as client:
        delivery = client.deliver(
            world.sender.address, [world.info, world.other], world.message()
        )
        for reply in delivery.recipients:
            expect_reply(reply, "2xx", to="RCPT")
        expect_reply(delivery.end, "2xx", to="the end of DATA")
        client.quit()
    arrived = world.upstream.wait_for_message()
    wanted = sorted([world.mailbox, f"other@{world.destination}"])
    expect(sorted(arrived.recipients), wanted, "recipients of the one message upstream")
    fence(world)
    expect(len(world.upstream.messages), 1, "the number of messages upstream")


@clause("INV-16")
def test_a_recipient_with_another_destination_is_refused_with_452_4_5_3(
    world: World,
) -> None:
    with world.client() as client:
        open_transaction(world, client)
        expect_reply(client.rcpt(world.far), 452, enhanced="4.5.3", to="RCPT")
        expect_reply(client.data(), 354, to="DATA")
        expect_reply(client.content(world.message()), "2xx", to="the end of DATA")
    expect(world.far_upstream.dialogues, [], "connections to the other destination")


@clause("INV-17")
def test_a_recipient_of_another_zone_is_refused_with_452_4_5_3_and_taken_by_itself(
    world: World,
) -> None:
    listed = world.at("listed", world.catchall_zone)
    with world.client() as client:
        open_transaction(world, client)
        expect_reply(client.rcpt(listed), 452, enhanced="4.5.3", to="RCPT")
        client.rset()
        delivery = client.deliver(world.sender.address, listed, world.message())
        expect_reply(delivery.end, "2xx", to="the end of DATA")
    arrived = world.upstream.wait_for_message()
    expect(arrived.recipients, [f"listed@{world.destination}"], "recipients upstream")


@clause("INV-26")
def test_a_refused_first_recipient_does_not_bind_the_transaction(world: World) -> None:
    world.upstream.on("rcpt", say("550 5.1.1 no"), recipient=world.mailbox)
    with world.client() as client:
        expect_reply(client.mail(world.sender.address), 250, to="MAIL")
        expect_reply(client.rcpt(world.info), "5xx", to="RCPT")
        expect_reply(client.rcpt(world.far), "2xx", to="RCPT of the other destination")
        expect_reply(client.data(), 354, to="DATA")
        expect_reply(client.content(world.message()), "2xx", to="the end of DATA")
    arrived = world.far_upstream.wait_for_message()
    expect(len(arrived.recipients), 1, "the number of recipients")


@clause("INV-20")
def test_a_recipient_that_the_upstream_refused_gets_no_copy(world: World) -> None:
    world.upstream.on("rcpt", say("550 5.1.1 gone"), recipient=world.mailbox)
    with world.client() as client:
        delivery = client.deliver(
            world.sender.address, [world.info, world.other], world.message()
        )
        expect_reply(delivery.end, "2xx", to="the end of DATA")
    arrived = world.upstream.wait_for_message()
    expect(arrived.recipients, [f"other@{world.destination}"], "recipients upstream")
    fence(world)
    expect(len(world.upstream.messages), 1, "the number of messages upstream")


@clause("INV-21")
@pytest.mark.parametrize("farewell", ["", "421 4.3.2 closing"], ids=["silent", "421"])
def test_no_message_goes_without_a_recipient_that_was_lost_with_its_upstream(
    world: World, farewell: str
) -> None:
    last_words = [say(farewell)] if farewell else []
    world.upstream.on("rcpt", *last_words, hang_up(), nth=2)
    with world.client() as client:
        open_transaction(world, client)
        lost, later = client.rcpt(world.other), client.rcpt(world.other)
        end = client.data()
        if end.code == 354:
            end = client.content(world.message())
        if end.positive:
            wanted = {world.mailbox}
            if lost.positive or later.positive:
                wanted.add(f"other@{world.destination}")
            arrived = set(world.upstream.wait_for_message().recipients)
            expect(arrived, wanted, "recipients of the message accepted")
        expect_reply(lost, "4xx", to="the RCPT that was lost")
        expect_reply(later, "4xx", to="RCPT after it")
        expect_reply(end, "4xx", to="the message")
        again = client.deliver(
            world.sender.address, [world.info, world.other], world.message()
        )
        expect_reply(again.end, "2xx", to="the end of DATA, tried again")
    taken = world.upstream.wait_for_message()
    expect(len(taken.recipients), 2, "the number of recipients of the message taken")
    expect(len(world.upstream.messages), 1, "the number of messages upstream")
