"""SMTP errors: what the upstream says is what the client hears."""

from __future__ import annotations

import pytest

from conformance import clause, expect, expect_in, expect_reply, expect_true
from conformance.lab import Reply, World, hang_up, raw, say, stall
from conformance.lab.client import REPLY_LINE_MAX
from conformance.lab.script import Action
from conformance.suite.acts import open_transaction

# Where in the client's dialogue the upstream's refusal of a step shows.
SHOWN_AT_RCPT = ("mail", "rcpt")
SHOWN_AT_END = ("data", "end")
STEPS = SHOWN_AT_RCPT + SHOWN_AT_END


def answer_to(world: World, stage: str, *actions: Action, patience: float = 0) -> Reply:
    """The client's answer when the upstream does `actions` at a stage: to RCPT for the stages before
    DATA, else to the end of the message. The client's session must live on."""
    world.upstream.on(stage, *actions)
    with world.client() as client:
        client.patience += patience
        delivery = client.deliver(
            world.sender.address, world.info, world.message(body="Hello.\r\n" * 100)
        )
        expect_reply(client.command("NOOP"), 250, to="NOOP after that")
        if stage in ("data", "content", "end"):
            expect_true(delivery.end, "an answer to the end of DATA", delivery.final)
        else:
            expect(len(delivery.recipients), 1, "the number of answers to RCPT")
            expect_true(delivery.data is None, "a refused recipient", delivery.final)
        return delivery.final


@clause("ERR-01", "ERR-02")
@pytest.mark.parametrize(
    "text",
    [
        "550 5.1.1 <mailbox>: no such user",
        "552 5.2.2 mailbox full",
        "553 5.1.3 not a name we like",
        "450 4.2.1 greylisted, come back in 300 s",
        "452 4.2.2 over quota for the moment",
    ],
)
def test_a_refusal_of_the_recipient_comes_back_unchanged(
    world: World, text: str
) -> None:
    reply = answer_to(world, "rcpt", say(text))
    expect(reply.raw, text.encode() + b"\r\n", "the answer to RCPT")


@clause("ERR-03")
@pytest.mark.parametrize(
    "text", ["550 5.7.1 sender not wanted", "451 4.3.0 not now", "552 5.3.4 too big"]
)
def test_a_refusal_of_the_sender_is_the_answer_to_rcpt(world: World, text: str) -> None:
    reply = answer_to(world, "mail", say(text))
    expect(reply.raw, text.encode() + b"\r\n", "the answer to RCPT")


@clause("ERR-03")
def test_a_refusal_in_the_banner_is_the_answer_to_rcpt(world: World) -> None:
    reply = answer_to(world, "connect", say("554 5.7.1 no service for you"))
    expect_reply(reply, 554, enhanced="5.7.1", text="no service for you", to="RCPT")


@clause("ERR-03")
def test_a_refusal_of_ehlo_is_the_answer_to_rcpt(world: World) -> None:
    world.upstream.on("helo", say("550 5.7.1 we know you"))
    reply = answer_to(world, "ehlo", say("550 5.7.1 we know you"))
    expect_reply(reply, 550, enhanced="5.7.1", text="we know you", to="RCPT")


@clause("ERR-04")
@pytest.mark.parametrize(
    "text",
    [
        "550 5.7.1 looks like spam",
        "554 5.6.0 malformed",
        "451 4.7.1 try again later",
        "452 4.3.1 disk full",
    ],
)
def test_a_refusal_of_the_message_comes_back_unchanged(world: World, text: str) -> None:
    reply = answer_to(world, "end", say(text))
    expect(reply.raw, text.encode() + b"\r\n", "the answer to the end of DATA")


@clause("ERR-05")
@pytest.mark.parametrize("text", ["554 5.5.1 no valid recipients", "451 4.3.0 not now"])
def test_a_refusal_of_data_is_the_answer_to_the_message(
    world: World, text: str
) -> None:
    reply = answer_to(world, "data", say(text))
    expect(reply.raw, text.encode() + b"\r\n", "the answer to the end of DATA")


@clause("ERR-06", "ERR-07")
@pytest.mark.parametrize("stage", STEPS)
def test_every_line_of_a_reply_comes_back_in_order(world: World, stage: str) -> None:
    text = "550-5.7.1 first\n550-5.7.1 second, see https://mx.example/why?x=1&y=%20\n550 5.7.1 last"
    reply = answer_to(world, stage, say(text))
    expect(reply.raw, text.replace("\n", "\r\n").encode() + b"\r\n", "the reply")


@clause("ERR-06")
def test_a_reply_of_fifty_lines_comes_back_whole(world: World) -> None:
    lines = [f"550-5.7.1 line {n}" for n in range(49)] + ["550 5.7.1 line 49"]
    reply = answer_to(world, "rcpt", say("\n".join(lines)))
    expect(len(reply.lines), 50, "the number of lines")


@clause("ERR-07")
@pytest.mark.parametrize("stage", STEPS)
def test_no_enhanced_code_is_invented_for_the_upstream(
    world: World, stage: str
) -> None:
    reply = answer_to(world, stage, say("550 plain old refusal"))
    expect(reply.raw, b"550 plain old refusal\r\n", "the reply")


@clause("ERR-07")
def test_a_reply_without_text_comes_back_without_text(world: World) -> None:
    reply = answer_to(world, "rcpt", raw(b"550\r\n"))
    expect(reply.code, 550, "the code")
    expect(reply.text.strip(), "", "the text")


@clause("ERR-08")
def test_the_upstreams_acceptance_comes_back_with_its_text(world: World) -> None:
    world.upstream.on("rcpt", say("250 2.1.5 we know this one"))
    world.upstream.on("end", say("250 2.6.0 queued as 4711"))
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
    expect(
        delivery.recipients[0].raw,
        b"250 2.1.5 we know this one\r\n",
        "the answer to RCPT",
    )
    expect(
        delivery.final.raw, b"250 2.6.0 queued as 4711\r\n", "the answer to the message"
    )


@clause("ERR-09")
@pytest.mark.parametrize("stage", STEPS)
def test_a_421_becomes_a_451_and_the_session_goes_on(world: World, stage: str) -> None:
    reply = answer_to(world, stage, say("421 4.3.2 closing for the night"), hang_up())
    expect_reply(reply, 451, enhanced="4.3.2", text="closing for the night")


@clause("ERR-10")
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "content", "end"])
def test_a_lost_upstream_is_a_451_442(world: World, stage: str, reset: bool) -> None:
    reply = answer_to(world, stage, hang_up(reset))
    expect_reply(reply, 451, enhanced="4.4.2")


@clause("ERR-11")
@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "end"])
def test_a_silent_upstream_is_a_451_442(world: World, stage: str) -> None:
    world.require("timeouts")
    limits = world.subject.timeouts
    reply = answer_to(
        world,
        stage,
        stall(),
        patience=limits.upstream_data_end
        if stage == "end"
        else limits.upstream_command,
    )
    expect_reply(reply, 451, enhanced="4.4.2")


GARBAGE = {
    "words": b"hello there\r\n",
    "empty line": b"\r\n",
    "two digits": b"25 ok\r\n",
    "four digits": b"2500 ok\r\n",
    "no digits": b"abc ok\r\n",
    "code below 200": b"150 ok\r\n",
    "code above 599": b"650 ok\r\n",
    "no separator": b"250ok\r\n",
    "zeros": b"\0\0\0\0\r\n",
    "high octets": b"\xff\xfe\xfd\r\n",
    "continued by something else": b"250-ok\r\nhello\r\n",
}


@clause("ERR-12")
@pytest.mark.parametrize("garbage", list(GARBAGE.values()), ids=list(GARBAGE))
@pytest.mark.parametrize("stage", ["rcpt", "end"])
def test_a_reply_that_is_none_is_a_451_450(
    world: World, stage: str, garbage: bytes
) -> None:
    expect_reply(answer_to(world, stage, raw(garbage)), 451, enhanced="4.5.0")


@clause("ERR-13")
@pytest.mark.parametrize(
    ("stage", "text"),
    [
        ("mail", "354 go ahead"),
        ("rcpt", "354 go ahead"),
        ("data", "250 2.0.0 fine"),
        ("end", "354 go ahead"),
        ("end", "334 what is your name"),
    ],
)
def test_a_reply_out_of_place_is_a_451_450(world: World, stage: str, text: str) -> None:
    expect_reply(answer_to(world, stage, say(text)), 451, enhanced="4.5.0")


@clause("ERR-14")
@pytest.mark.parametrize("stage", ["rcpt", "end"])
def test_control_characters_of_the_upstream_do_not_reach_the_client(
    world: World, stage: str
) -> None:
    reply = answer_to(world, stage, raw(b"550 5.7.1 ring\x07 red\x1b[31m del\x7f\r\n"))
    expect_reply(reply, 550, enhanced="5.7.1")
    expect_true(
        all(32 <= octet < 127 for octet in reply.raw[:-2]), "printable text", reply.raw
    )
    for word in ("ring", "red", "del"):
        expect_in(word, reply.text, "the text")


@clause("ERR-15")
@pytest.mark.parametrize("stage", ["rcpt", "end"])
def test_octets_outside_ascii_do_not_reach_the_client(world: World, stage: str) -> None:
    reply = answer_to(world, stage, say("550 5.7.1 adiós, piñata".encode("utf-8")))
    expect_reply(reply, 550, enhanced="5.7.1")
    expect_true(reply.raw.isascii(), "ASCII", reply.raw)
    expect_in("adi", reply.text, "the text")


@clause("ERR-16")
@pytest.mark.parametrize("length", [REPLY_LINE_MAX, REPLY_LINE_MAX + 1, 2000])
def test_no_reply_line_is_longer_than_512_octets(world: World, length: int) -> None:
    text = "550 5.7.1 " + "x" * (length - len("550 5.7.1 ") - 2)
    reply = answer_to(world, "rcpt", say(text))
    expect(reply.code, 550, "the code")
    longest = max(len(line) for line in reply.raw.split(b"\r\n")) + 2
    expect_true(longest <= REPLY_LINE_MAX, "lines of at most 512 octets", longest)


@clause("ERR-17")
def test_enhancedstatuscodes_is_not_advertised(world: World) -> None:
    with world.client(greet=False) as client:
        client.banner()
        offered = client.extensions()
    expect_true(
        "ENHANCEDSTATUSCODES" not in offered, "no ENHANCEDSTATUSCODES", list(offered)
    )


@clause("ERR-18")
def test_refusals_of_the_relays_own_carry_an_enhanced_code_of_their_class(
    world: World,
) -> None:
    with world.client() as client:
        replies = [
            client.command("RCPT TO:<a@b.example>"),
            client.command("DATA"),
            client.command("FROBNICATE"),
            client.command("MAIL FROM:<a@b.example> FROB=1"),
            client.mail(world.sender.address),
            client.rcpt(world.at("nobody")),
            client.rcpt(world.unserved),
        ]
    for reply in replies:
        if reply.code >= 400:
            expect_true(
                reply.enhanced and reply.enhanced[0] == str(reply.code)[0],
                "an enhanced code of the reply's class",
                reply,
            )
    expect(sum(reply.code >= 400 for reply in replies), 6, "the number of refusals")


@clause("ERR-19", "INV-20")
def test_a_refused_recipient_leaves_the_accepted_one_in_place(world: World) -> None:
    world.upstream.on("rcpt", say("550 5.1.1 gone"), recipient=world.mailbox)
    with world.client() as client:
        delivery = client.deliver(
            world.sender.address, [world.info, world.other], world.message()
        )
    expect([reply.code for reply in delivery.recipients], [550, 250], "answers to RCPT")
    expect_reply(delivery.final, 250, to="the end of DATA")
    arrived = world.upstream.wait_for_message()
    expect(arrived.recipients, [f"other@{world.destination}"], "recipients upstream")


@clause("ERR-20")
@pytest.mark.parametrize("code", [455, 521, 541, 556, 571, 599])
def test_an_unusual_code_comes_back_as_it_is(world: World, code: int) -> None:
    reply = answer_to(world, "rcpt", say(f"{code} as you like it"))
    expect(reply.raw, f"{code} as you like it\r\n".encode(), "the answer to RCPT")


@clause("ERR-02", "ERR-09")
def test_after_a_temporary_refusal_the_same_session_can_try_again(world: World) -> None:
    world.upstream.on("rcpt", say("450 4.2.0 once"), nth=1)
    with world.client() as client:
        client.mail(world.sender.address)
        expect_reply(client.rcpt(world.info), 450, to="the first RCPT")
        client.rset()
        open_transaction(world, client)
