"""The relay as a client of the upstream."""

from __future__ import annotations

import re

import pytest

from conformance import (
    clause,
    expect,
    expect_in,
    expect_match,
    expect_reply,
    expect_true,
)
from conformance.lab import Client, World, hang_up, hold, raw, say
from conformance.suite.acts import (
    MAILBOX,
    expect_nothing_upstream,
    forward,
    open_transaction,
    reverse_path,
    send_at_once,
)

PATIENT_PIECES = 12


@clause("UPS-01")
def test_the_relay_says_nothing_before_the_banner(world: World) -> None:
    gate = hold()
    world.upstream.on("connect", gate)
    with world.client() as client:
        send_at_once(world, client)
        gate.wait_until_reached(world.patience)
        # A round trip with the relay: had it wanted to speak, it could have by now.
        with world.client(source=world.new_client_addresses()[0]) as other:
            expect_reply(other.command("NOOP"), 250, to="NOOP")
        said = bytes(world.upstream.wait_for_dialogue().received)
        gate.release()
        expect(
            [client.read_reply().code for _ in range(4)], [250, 250, 354, 250], "codes"
        )
    expect(said, b"", "what was said before the banner")


@clause("UPS-02")
def test_ehlo_comes_first(world: World) -> None:
    expect(forward(world).dialogue.verbs[0], "EHLO", "the first command upstream")


@clause("UPS-02", "UPS-04")
@pytest.mark.parametrize("text", ["500 what", "502 5.5.1 not implemented"])
def test_helo_follows_where_ehlo_is_unknown_and_no_extension_is_used(
    world: World, text: str
) -> None:
    world.upstream.on("ehlo", say(text))
    dialogue = forward(world).dialogue
    expect(dialogue.verbs[:3], ["EHLO", "HELO", "MAIL"], "the first commands upstream")
    mail = [c for c in dialogue.commands if c.upper().startswith(b"MAIL")][0]
    expect_match(r"MAIL FROM:<[^>]*>", mail.decode(), "the MAIL command")


@clause("UPS-03")
def test_mail_and_rcpt_are_written_as_the_rfc_wants(world: World) -> None:
    commands = [c.decode() for c in forward(world).dialogue.commands]
    mail = [c for c in commands if c.startswith("MAIL")][0]
    rcpt = [c for c in commands if c.startswith("RCPT")][0]
    expect_match(rf"MAIL FROM:<{MAILBOX}>(?: [A-Z0-9-]+(?:=\S+)?)*", mail, "MAIL")
    expect_match(rf"RCPT TO:<{MAILBOX}>", rcpt, "RCPT")


@clause("UPS-04")
@pytest.mark.parametrize("declared", ["SIZE=500", "BODY=7BIT", "SIZE=500 BODY=7BIT"])
def test_no_parameter_goes_to_an_upstream_without_extensions(
    world: World, declared: str
) -> None:
    world.upstream.extensions = []
    with world.client() as client:
        delivery = client.deliver(
            world.sender.address, world.info, world.message(), *declared.split()
        )
        expect_reply(delivery.final, 250, to="the end of DATA")
    expect(
        world.upstream.wait_for_message().sender_parameters, [], "parameters of MAIL"
    )


@clause("UPS-05")
def test_a_declared_size_is_declared_on(world: World) -> None:
    world.upstream.extensions = ["SIZE 1000000"]
    with world.client() as client:
        client.deliver(world.sender.address, world.info, world.message(), "SIZE=5000")
    parameters = world.upstream.wait_for_message().sender_parameters
    sizes = [p for p in parameters if p.upper().startswith("SIZE=")]
    expect(len(sizes), 1, "the number of SIZE parameters")
    expect_true(
        int(sizes[0][5:]) >= 5000, "a size of at least what was declared", sizes
    )


@clause("UPS-06")
def test_body_8bitmime_is_passed_on(world: World) -> None:
    world.upstream.extensions = ["8BITMIME"]
    message = world.message(body="piñata\r\n")
    with world.client() as client:
        client.deliver(world.sender.address, world.info, message, "BODY=8BITMIME")
    parameters = world.upstream.wait_for_message().sender_parameters
    expect_in("BODY=8BITMIME", [p.upper() for p in parameters], "parameters of MAIL")


@clause("UPS-07")
def test_declared_8bit_content_is_refused_where_the_upstream_cannot_take_it(
    world: World,
) -> None:
    world.upstream.extensions = ["SIZE"]
    message = world.message(body="piñata\r\n")
    with world.client() as client:
        delivery = client.deliver(
            world.sender.address, world.info, message, "BODY=8BITMIME"
        )
    for arrived in world.upstream.messages:
        expect_true(arrived.content.isascii(), "7-bit content", arrived.content)
        return  # converted, which RFC 6152 allows as well
    expect_reply(delivery.final, "5xx", enhanced="5.6.3")


@clause("UPS-08")
def test_without_pipelining_each_command_waits_for_its_answer(world: World) -> None:
    world.upstream.extensions = []
    gate = hold()
    world.upstream.on("mail", gate)
    with world.client() as client:
        send_at_once(world, client)
        gate.wait_until_reached(world.patience)
        with world.client(source=world.new_client_addresses()[0]) as other:
            expect_reply(other.command("NOOP"), 250, to="NOOP")
        verbs = world.upstream.verbs
        gate.release()
        expect(
            [client.read_reply().code for _ in range(4)], [250, 250, 354, 250], "codes"
        )
    expect(verbs[-1], "MAIL", "the last command while MAIL was unanswered")


@clause("UPS-09")
def test_every_line_upstream_ends_in_crlf_and_the_message_once(world: World) -> None:
    arrived = forward(world)
    dialogue = arrived.dialogue
    dialogue.wait_until_closed(world.patience)
    octets = bytes(dialogue.received)
    bare = re.sub(rb"\r\n", b"", octets)
    expect_true(
        b"\r" not in bare and b"\n" not in bare, "CR LF line ends alone", octets
    )
    expect(octets.count(b"\r\n.\r\n"), 1, "the number of end-of-data lines")


@clause("UPS-10")
@pytest.mark.parametrize("ending", ["QUIT", "lost"])
def test_the_upstream_session_ends_with_quit(world: World, ending: str) -> None:
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
        expect_reply(delivery.final, 250, to="the end of DATA")
        if ending == "QUIT":
            client.quit()
    dialogue = world.upstream.wait_for_dialogue()
    dialogue.wait_until_closed(world.patience)
    expect_true(dialogue.ended_with_quit, "QUIT as the last command", dialogue.verbs)


FAREWELLS = {"silent": b"", "421": b"421 4.4.2 idle for too long\r\n"}


def abandoned_in_data(world: World, farewell: str) -> Client:
    """A client after its 354, with two recipients, whose upstream has just left."""
    gate = hold()
    accept = raw(b"250 2.1.5 ok\r\n")
    world.upstream.on("rcpt", accept, gate, raw(FAREWELLS[farewell]), hang_up(), nth=2)
    client = world.client()
    open_transaction(world, client)
    expect_reply(client.rcpt(world.other), 250, to="RCPT")
    expect_reply(client.data(), 354, to="DATA")
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
def test_an_upstream_that_leaves_again_is_asked_once_more_and_no_more(
    world: World,
) -> None:
    world.upstream.on("rcpt", say("421 4.4.2 closing"), hang_up(), nth=3)
    with abandoned_in_data(world, "421") as client:
        expect_reply(client.content(world.message()), 451, to="the end of DATA")
    expect(len(world.upstream.dialogues), 2, "the number of connections upstream")
    expect_nothing_upstream(world)


@clause("UPS-20")
@pytest.mark.parametrize("recipient", [3, 4], ids=["first", "second"])
@pytest.mark.parametrize("refusal", ["550 5.1.1 no longer", "452 4.2.2 not now"])
def test_a_recipient_refused_when_asked_again_makes_it_a_451(
    world: World, recipient: int, refusal: str
) -> None:
    world.upstream.on("rcpt", say(refusal), nth=recipient)
    with abandoned_in_data(world, "silent") as client:
        reply = client.content(world.message())
        expect_reply(reply, 451, enhanced="4.4.2", to="the end of DATA")
    expect_nothing_upstream(world)


@clause("UPS-11", "INV-19")
def test_further_messages_of_a_session_arrive_once_each_with_their_own_envelope(
    world: World,
) -> None:
    with world.client() as client:
        for n, recipient in enumerate((world.info, world.other, world.info)):
            delivery = client.deliver(
                f"s{n}@{world.sender.domain}", recipient, world.message(f"X-N: {n}")
            )
            expect_reply(delivery.final, 250, to=f"message {n}")
    world.upstream.wait_for_message(3)
    expect(len(world.upstream.messages), 3, "the number of messages upstream")
    for n, arrived in enumerate(world.upstream.messages):
        expect(arrived.fields("X-N"), [("X-N", str(n))], "the mark")
        expect(len(arrived.recipients), 1, "the number of recipients")
        expect_in(f"s{n}", reverse_path(world.upstream, n + 1), "the reverse-path")


@clause("UPS-12", "UPS-14")
@pytest.mark.parametrize("stage", ["connect", "ehlo", "mail", "rcpt", "data", "end"])
def test_replies_in_fragments_are_understood(world: World, stage: str) -> None:
    replies = {
        "connect": "220-welcome\n220 mx.example",
        "ehlo": "250-mx.example\n250-SIZE\n250 8BITMIME",
        "data": "354-go\n354 on",
    }
    text = replies.get(stage, "250-2.0.0 well\n250 2.0.0 done")
    world.upstream.on(stage, say(text, pieces=PATIENT_PIECES))
    forward(world)


@clause("UPS-13")
@pytest.mark.parametrize("shape", ["one line", "many lines"])
def test_a_reply_without_end_is_a_temporary_error(world: World, shape: str) -> None:
    endless = (
        b"550 " + b"x" * 4_000_000
        if shape == "one line"
        else b"550-on and on\r\n" * 300_000
    )
    world.upstream.on("rcpt", raw(endless), hang_up())
    with world.client() as client:
        client.mail(world.sender.address)
        expect_reply(client.rcpt(world.info), 451, to="RCPT")
        expect_reply(client.command("NOOP"), 250, to="NOOP")


@clause("UPS-14")
@pytest.mark.parametrize("stage", ["rcpt", "end"])
@pytest.mark.parametrize("text", ["250-yes\n550 no", "550-no\n250 yes"])
def test_a_reply_whose_codes_disagree_is_a_451_450(
    world: World, stage: str, text: str
) -> None:
    world.upstream.on(stage, say(text))
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
    expect_reply(delivery.final, 451, enhanced="4.5.0")


@clause("UPS-15")
def test_nothing_is_tried_upstream_but_the_mail_transaction(world: World) -> None:
    world.upstream.extensions = ["AUTH PLAIN LOGIN", "VRFY", "ETRN", "DSN", "CHUNKING"]
    dialogue = forward(world).dialogue
    dialogue.wait_until_closed(world.patience)
    for verb in dialogue.verbs:
        expect_in(
            verb,
            (
                "EHLO",
                "HELO",
                "STARTTLS",
                "MAIL",
                "RCPT",
                "DATA",
                "RSET",
                "NOOP",
                "QUIT",
            ),
            "the commands upstream",
        )


@clause("UPS-16")
def test_a_size_over_the_upstreams_limit_is_refused_before_the_message(
    world: World,
) -> None:
    world.upstream.extensions = ["SIZE 2000"]
    with world.client() as client:
        delivery = client.deliver(
            world.sender.address,
            world.info,
            world.message(body="x\r\n" * 3000),
            "SIZE=9000",
        )
    expect_reply(delivery.final, "5xx")
    expect(world.upstream.messages, [], "messages upstream")


@clause("UPS-17")
@pytest.mark.parametrize(
    ("stage", "text"),
    [
        ("mail", "239 yes"),
        ("rcpt", "299 as good as any"),
        ("data", "399 go on"),
        ("end", "277 taken"),
    ],
)
def test_a_reply_is_taken_by_its_first_digit(
    world: World, stage: str, text: str
) -> None:
    world.upstream.on(stage, say(text))
    forward(world)


@clause("UPS-17", "UPS-12")
@pytest.mark.parametrize("reply", [b"250\r\n", b"250 \r\n", b"250-\r\n250\r\n"])
def test_a_reply_without_text_is_understood(world: World, reply: bytes) -> None:
    world.upstream.on("rcpt", raw(reply))
    forward(world)


@clause("UPS-18")
@pytest.mark.parametrize("farewell", ["silent", "421"])
def test_a_kept_upstream_session_that_died_is_replaced(
    world: World, farewell: str
) -> None:
    last_words = b"421 4.4.2 idle for too long\r\n" if farewell == "421" else b""
    world.upstream.on("end", raw(b"250 2.0.0 taken\r\n" + last_words), hang_up(), nth=1)
    with world.client() as client:
        for n in (1, 2):
            delivery = client.deliver(world.sender.address, world.info, world.message())
            expect_reply(delivery.final, 250, to=f"message {n}")
    world.upstream.wait_for_message(2)
    expect(len(world.upstream.messages), 2, "the number of messages upstream")


@clause("UPS-11", "INV-19")
def test_a_refusal_of_the_first_message_does_not_stick_to_the_next(
    world: World,
) -> None:
    world.upstream.on("end", say("554 5.7.1 not this one"), nth=1)
    with world.client() as client:
        first = client.deliver(world.sender.address, world.info, world.message())
        expect_reply(first.final, 554, to="the first message")
        open_transaction(world, client)
        expect_reply(client.data(), 354, to="DATA")
        expect_reply(client.content(world.message()), 250, to="the second message")


@clause("UPS-30")
def test_an_idle_client_does_not_hold_an_upstream_connection(world: World) -> None:
    world.require("timeouts")
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
        expect_reply(delivery.final, 250, to="the first message")
        world.upstream.wait_until_idle()
        # It was the upstream connection alone that was closed.
        expect_reply(client.command("NOOP"), 250, to="NOOP")
        delivery = client.deliver(world.sender.address, world.info, world.message())
        expect_reply(delivery.final, 250, to="the next message")
    expect(len(world.upstream.messages), 2, "the number of messages upstream")
