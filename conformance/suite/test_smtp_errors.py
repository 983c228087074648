"""SMTP errors: what the upstream replies is what the client receives."""

from __future__ import annotations

import pytest

from conformance import (
    also_as,
    clause,
    expect,
    expect_in,
    expect_not_in,
    expect_reply,
    expect_true,
)
from conformance.lab import Reply, World, hang_up, hold, raw, say, stall
from conformance.lab.client import REPLY_LINE_MAX, Delivery
from conformance.lab.script import Action
from conformance.suite.acts import control, fence, open_transaction
from conformance.suite.refusals import expect_all_text

STEPS = ("mail", "rcpt", "data", "end")


def reached(world: World, stage: str) -> None:
    """The upstream was asked up to that stage: a refusal before that was not the upstream's."""
    if stage == "connect":
        expect_true(world.upstream.dialogues, "a connection to the upstream", "none")
    elif stage == "end":
        expect_true(world.upstream.messages, "a message at the upstream", "none")
    else:
        verb = "DATA" if stage == "content" else stage.upper()
        expect_in(verb, world.upstream.verbs, "the commands upstream")


def delivery_with(
    world: World,
    stage: str,
    *actions: Action,
    patience: float = 0,
    nth: int | None = None,
) -> Delivery:
    """A delivery while the upstream does `actions` at a stage (only the nth time, if given), which it
    must have reached if the client is refused."""
    world.upstream.on(stage, *actions, nth=nth)
    with world.client() as client:
        client.patience += patience
        delivery = client.deliver(
            world.sender.address, world.info, world.message(body="Hello.\r\n" * 100)
        )
    if not delivery.final.positive:
        reached(world, stage)
    return delivery


def answer_to(world: World, stage: str, *actions: Action, patience: float = 0) -> Reply:
    """The client's answer in that case, at whatever step of its transaction."""
    return delivery_with(world, stage, *actions, patience=patience).final


# Codes


def code_comes_back(world: World, stage: str, text: str) -> None:
    expect_reply(answer_to(world, stage, say(text)), text[:3])


@clause("ERR-01")
@pytest.mark.parametrize(
    "text",
    [
        "550 5.1.1 <mailbox>: no such user",
        "552 5.2.2 mailbox full",
        "553 5.1.3 not a name we like",
    ],
)
def test_a_permanent_refusal_of_the_recipient_reaches_the_client(
    world: World, text: str
) -> None:
    code_comes_back(world, "rcpt", text)


@clause("ERR-02")
@pytest.mark.parametrize(
    "text",
    [
        "450 4.2.1 greylisted, come back in 300 s",
        "452 4.2.2 over quota for the moment",
        "454 4.3.0 not now",
    ],
)
def test_a_temporary_refusal_of_the_recipient_reaches_the_client(
    world: World, text: str
) -> None:
    code_comes_back(world, "rcpt", text)


@clause("ERR-21")
@pytest.mark.parametrize(
    "text", ["550 5.7.1 sender not wanted", "451 4.3.0 not now", "552 5.3.4 too big"]
)
def test_a_refusal_of_mail_reaches_the_client(world: World, text: str) -> None:
    code_comes_back(world, "mail", text)


@clause("ERR-05")
@pytest.mark.parametrize("text", ["554 5.5.1 no valid recipients", "451 4.3.0 not now"])
def test_a_refusal_of_data_reaches_the_client(world: World, text: str) -> None:
    code_comes_back(world, "data", text)


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
def test_a_refusal_of_the_message_reaches_the_client(world: World, text: str) -> None:
    code_comes_back(world, "end", text)


@clause("ERR-25")
@pytest.mark.parametrize("stage", STEPS)
def test_a_421_reaches_the_client_as_a_4xx(world: World, stage: str) -> None:
    reply = answer_to(world, stage, say("421 4.3.2 closing for the night"), hang_up())
    expect_reply(reply, "4xx")


# Where, and in which words


@clause("ERR-03")
def test_a_refusal_in_the_banner_is_the_reply_to_rcpt(world: World) -> None:
    delivery = delivery_with(world, "connect", say("554 5.7.1 no service for you"))
    reply = delivery.recipients[0] if delivery.recipients else None
    expect_reply(reply, 554, enhanced="5.7.1", text="no service for you", to="RCPT")


@clause("ERR-03")
def test_a_refusal_of_ehlo_is_the_reply_to_rcpt(world: World) -> None:
    world.upstream.on("helo", say("550 5.7.1 we know you"))
    delivery = delivery_with(world, "ehlo", say("550 5.7.1 we know you"))
    reply = delivery.recipients[0] if delivery.recipients else None
    expect_reply(reply, 550, enhanced="5.7.1", text="we know you", to="RCPT")


@clause("ERR-23")
@pytest.mark.parametrize("stage", ["mail", "rcpt"])
@pytest.mark.parametrize("code", [550, 451])
def test_a_refusal_of_mail_or_rcpt_is_the_reply_to_rcpt(
    world: World, stage: str, code: int
) -> None:
    delivery = delivery_with(world, stage, say(f"{code} no"))
    expect_reply(delivery.mail, 250, to="MAIL")
    reply = delivery.recipients[0] if delivery.recipients else None
    expect_reply(reply, code, to="RCPT")


@clause("ERR-24")
@pytest.mark.parametrize("stage", ["data", "end"])
@pytest.mark.parametrize("code", [554, 451])
def test_a_refusal_of_data_or_of_the_message_is_the_reply_to_the_end_of_data(
    world: World, stage: str, code: int
) -> None:
    delivery = delivery_with(world, stage, say(f"{code} no"))
    expect_reply(delivery.data, 354, to="DATA")
    expect_reply(delivery.end, code, to="the end of DATA")


def octets_come_back(world: World, stage: str, text: str) -> None:
    reply = answer_to(world, stage, say(text))
    expect(reply.raw, text.replace("\n", "\r\n").encode() + b"\r\n", "the reply")


@clause("ERR-22")
@pytest.mark.parametrize("stage", STEPS)
@pytest.mark.parametrize(
    "text",
    [
        "550 5.7.1 <mailbox>: not here, see https://mx.example/why?x=1&y=%20",
        "452 4.2.2 over quota (try again in 300 s)",
        # The longest line that a reply may have.
        "550 5.7.1 ".ljust(REPLY_LINE_MAX - 2, "x"),
    ],
)
def test_a_refusal_reaches_the_client_with_its_text(
    world: World, stage: str, text: str
) -> None:
    octets_come_back(world, stage, text)


@clause("ERR-22")
@pytest.mark.parametrize("word", ["x" * 700, "word " * 200])
def test_a_refusal_too_long_for_one_line_reaches_the_client_with_all_its_text(
    world: World, word: str
) -> None:
    reply = answer_to(world, "rcpt", say(f"550 5.7.1 {word}."))
    expect_all_text(reply, f"5.7.1 {word}.", "5.7.1")


@clause("ERR-06")
@pytest.mark.parametrize("stage", STEPS)
def test_every_line_of_a_refusal_reaches_the_client_in_order(
    world: World, stage: str
) -> None:
    octets_come_back(world, stage, "550-first\n550-second\n550 last")


@clause("ERR-06")
def test_a_reply_of_fifty_lines_reaches_the_client_whole(world: World) -> None:
    lines = [f"550-5.7.1 line {n}" for n in range(49)] + ["550 5.7.1 line 49"]
    reply = answer_to(world, "rcpt", say("\n".join(lines)))
    expect(len(reply.lines), 50, "the number of lines")


@clause("ERR-07")
@pytest.mark.parametrize("stage", STEPS)
@pytest.mark.parametrize("enhanced", ["5.7.1", "5.1.10", None])
def test_the_upstreams_enhanced_code_or_none_reaches_the_client(
    world: World, stage: str, enhanced: str | None
) -> None:
    text = f"{enhanced} refused" if enhanced else "plain old refusal"
    reply = answer_to(world, stage, say(f"550 {text}"))
    expect_reply(reply, "5xx")
    expect(reply.enhanced, enhanced, "the enhanced code")


@clause("ERR-07")
def test_no_enhanced_code_is_added_to_a_reply_without_text(world: World) -> None:
    reply = answer_to(world, "rcpt", raw(b"550\r\n"))
    expect_reply(reply, "5xx")
    expect_true(reply.enhanced is None, "no enhanced status code", reply)


@clause("ERR-08")
def test_the_upstreams_acceptance_reaches_the_client_with_its_text(
    world: World,
) -> None:
    world.upstream.on("rcpt", say("250 2.1.5 we know this one"))
    world.upstream.on("end", say("250 2.6.0 queued as 4711"))
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
    reply = delivery.recipients[0].raw if delivery.recipients else b""
    expect(reply, b"250 2.1.5 we know this one\r\n", "the reply to RCPT")
    end = delivery.end.raw if delivery.end else b""
    expect(end, b"250 2.6.0 queued as 4711\r\n", "the reply to the end of DATA")


@clause("ERR-20")
@pytest.mark.parametrize("code", [459, 541, 571, 599])
def test_an_unlisted_code_reaches_the_client(world: World, code: int) -> None:
    code_comes_back(world, "rcpt", f"{code} as you like it")


@clause("ERR-09")
@pytest.mark.parametrize("stage", STEPS)
def test_a_421_becomes_451_and_the_session_goes_on(world: World, stage: str) -> None:
    world.upstream.on(stage, say("421 4.3.2 closing for the night"), hang_up())
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
        expect_reply(
            delivery.final, 451, enhanced="4.3.2", text="closing for the night"
        )
        expect_reply(client.command("NOOP"), 250, to="NOOP after that")
    reached(world, stage)


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
    told = [d for d in world.upstream.dialogues if any(b"421" in r for r in d.said)]
    expect_true(told, "the 421 in one dialogue", "none")
    verbs = told[0].verbs
    rest = verbs[verbs.index(verb) + 1 :]
    of_mail = {"MAIL", "RCPT", "DATA"} & set(rest)
    expect_true(not of_mail, f"at most RSET and QUIT after {verb}", rest)


# Lost, silent, malformed


LOSSES = pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
LOST_AT = pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "content", "end"])


@clause("ERR-26")
@LOSSES
@LOST_AT
def test_the_loss_of_the_upstream_is_a_temporary_error(
    world: World, stage: str, reset: bool
) -> None:
    reply = delivery_with(world, stage, hang_up(reset), nth=1).final
    expect_true(not reply.permanent, "no 5xx", reply)
    if reply.positive:
        expect_tried_again(world)


def expect_tried_again(world: World) -> None:
    """After the first connection upstream was lost, a later one has the same recipient."""
    lost = world.upstream.wait_for_dialogue()
    lost.wait_until_closed(world.patience)
    earlier = lost.verbs.count("RCPT")
    recipient = f"RCPT TO:<{world.mailbox}>".encode("ascii")
    world.upstream.wait_for_command(recipient, earlier + 1)


@clause("ERR-10")
@LOSSES
@LOST_AT
def test_the_loss_of_the_upstream_becomes_451_442(
    world: World, stage: str, reset: bool
) -> None:
    expect_reply(answer_to(world, stage, hang_up(reset)), 451, enhanced="4.4.2")


def silence_after(world: World, stage: str) -> float:
    """How long the subject waits for the reply at that stage."""
    world.require("timeouts")
    limits = world.subject.timeouts
    return limits.upstream_data_end if stage == "end" else limits.upstream_command


@clause("ERR-27")
@pytest.mark.parametrize("stage", STEPS)
def test_a_silent_upstream_is_given_up(world: World, stage: str) -> None:
    limit = silence_after(world, stage)
    world.upstream.on(stage, stall())
    with world.client() as client:
        client.patience += limit
        client.deliver(world.sender.address, world.info, world.message())
        dialogue = world.upstream.wait_for_dialogue()
        dialogue.wait_until_closed(limit + world.patience)
    reached(world, stage)


@clause("ERR-11")
@pytest.mark.parametrize("stage", STEPS)
def test_a_silent_upstream_becomes_451_442(world: World, stage: str) -> None:
    patience = silence_after(world, stage)
    reply = answer_to(world, stage, stall(), patience=patience)
    expect_reply(reply, 451, enhanced="4.4.2")


MALFORMED = {
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
@pytest.mark.parametrize("octets", list(MALFORMED.values()), ids=list(MALFORMED))
@pytest.mark.parametrize("stage", ["rcpt", "end"])
def test_a_malformed_reply_becomes_451_450(
    world: World, stage: str, octets: bytes
) -> None:
    expect_reply(answer_to(world, stage, raw(octets)), 451, enhanced="4.5.0")


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
def test_a_reply_out_of_place_becomes_451_450(
    world: World, stage: str, text: str
) -> None:
    expect_reply(answer_to(world, stage, say(text)), 451, enhanced="4.5.0")


@clause("ERR-13")
@pytest.mark.parametrize("tls", [False, True], ids=["in the clear", "over TLS"])
def test_a_reply_before_its_command_becomes_451_450(world: World, tls: bool) -> None:
    if tls:
        world.upstream.offer_starttls()
    sent = hold()
    ahead = say("250 2.1.5 nobody asked")
    world.upstream.on("rcpt", say("250 2.1.5 yes"), ahead, sent, nth=1)
    with world.client() as client:
        expect_reply(client.mail(world.sender.address), 250, to="MAIL")
        client.line(f"RCPT TO:<{world.info}>")
        sent.wait_until_reached(world.patience)
        expect_reply(client.read_reply(), 250, to="the first RCPT")
        sent.release()
        reply = client.rcpt(world.other)
        expect_reply(reply, 451, enhanced="4.5.0", to="the second RCPT")


# Cleaned


CONTROLS = b"550 5.7.1 ring\x07 red\x1b[31m nul\x00 del\x7f end\r\n"
# NUL at the end: some take it for the end of the text.
EVERY_CONTROL = bytes(octet for octet in range(1, 32) if octet not in b"\t\n\r") + b"\0"
ACCENTS = "550 5.7.1 adiós, piñata: end\r\n".encode("utf-8")
EVERY_HIGH_OCTET = bytes(range(0x80, 0x100))


@clause("ERR-14")
@pytest.mark.parametrize(
    "octets",
    [CONTROLS, b"550 5.7.1 all: " + EVERY_CONTROL + b"\r\n"],
    ids=["in words", "each"],
)
@pytest.mark.parametrize("stage", ["rcpt", "end"])
def test_control_characters_of_the_upstream_do_not_reach_the_client(
    world: World, stage: str, octets: bytes
) -> None:
    reply = answer_to(world, stage, raw(octets))
    expect_reply(reply, "5xx")
    lines = reply.raw.replace(b"\r\n", b"")
    expect_true(
        all(octet >= 32 and octet != 127 or octet == 9 for octet in lines),
        "HT, SP and printable text alone",
        reply,
    )


@clause("ERR-15")
@pytest.mark.parametrize(
    "octets",
    [ACCENTS, b"550 5.7.1 all: " + EVERY_HIGH_OCTET + b"\r\n"],
    ids=["in words", "each"],
)
@pytest.mark.parametrize("stage", ["rcpt", "end"])
def test_octets_outside_ascii_do_not_reach_the_client(
    world: World, stage: str, octets: bytes
) -> None:
    reply = answer_to(world, stage, raw(octets))
    expect_reply(reply, "5xx")
    expect_true(reply.raw.isascii(), "ASCII alone", reply)


@clause("ERR-28")
@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (CONTROLS, ("5.7.1", "ring", "red", "nul", "del", "end")),
        (ACCENTS, ("5.7.1", "adi", "ata:", "end")),
    ],
    ids=["control characters", "outside ASCII"],
)
@pytest.mark.parametrize("stage", ["rcpt", "end"])
def test_what_is_not_offending_in_the_text_reaches_the_client(
    world: World, stage: str, octets: bytes, words: tuple[str, ...]
) -> None:
    reply = answer_to(world, stage, raw(octets))
    expect_reply(reply, "5xx")
    for word in words:
        expect_in(word, " ".join(reply.lines), "the text")


@clause("ERR-31")
@pytest.mark.parametrize(
    ("octets", "line"),
    [
        (CONTROLS, b"550 5.7.1 ring? red?[31m nul? del? end\r\n"),
        (ACCENTS, b"550 5.7.1 adi??s, pi??ata: end\r\n"),
    ],
    ids=["control characters", "outside ASCII"],
)
def test_each_offending_octet_becomes_a_question_mark(
    world: World, octets: bytes, line: bytes
) -> None:
    expect(answer_to(world, "rcpt", raw(octets)).raw, line, "the reply to RCPT")


@also_as("receiver")
@clause("ERR-16")
@pytest.mark.parametrize("length", [REPLY_LINE_MAX, REPLY_LINE_MAX + 1, 2000])
def test_no_reply_line_is_longer_than_512_octets(world: World, length: int) -> None:
    text = "550 5.7.1 " + "x" * (length - len("550 5.7.1 ") - 2)
    reply = answer_to(world, "rcpt", say(text))
    expect_reply(reply, "5xx")
    longest = max(len(line) for line in reply.raw.split(b"\r\n")) + 2
    expect_true(longest <= REPLY_LINE_MAX, "lines of at most 512 octets", longest)


# Several recipients, and several attempts


def one_of_two_refused(world: World, nth: int | None = None) -> Delivery:
    """A message to two recipients, of whom the upstream refuses the first (every time, or the `nth`
    alone) and accepts the second."""
    refusal = say("550 5.1.1 gone")
    world.upstream.on("rcpt", refusal, recipient=world.mailbox, nth=nth)
    with world.client() as client:
        return client.deliver(
            world.sender.address, [world.info, world.other], world.message()
        )


@clause("ERR-19")
def test_a_refused_recipient_does_not_affect_an_accepted_one(world: World) -> None:
    delivery = one_of_two_refused(world)
    codes = [reply.code for reply in delivery.recipients]
    expect(codes, [550, 250], "the replies to RCPT")
    expect_reply(delivery.end, 250, to="the end of DATA")
    arrived = world.upstream.wait_for_message()
    expect(arrived.recipients, [f"other@{world.destination}"], "recipients upstream")


@clause("INV-20")
def test_a_refused_recipient_gets_no_copy(world: World) -> None:
    # Asked again, the upstream would take it.
    one_of_two_refused(world, nth=1)
    world.upstream.wait_for_command(b"RCPT", 2)
    world.upstream.wait_for_message()
    fence(world)
    for arrived in world.upstream.messages:
        expect_not_in(world.mailbox, arrived.recipients, "recipients upstream")


@clause("ERR-29")
def test_after_a_temporary_refusal_the_recipient_can_be_tried_again(
    world: World,
) -> None:
    # One address: others of the host may be tried at once (RFC 5321 5.1).
    world.no_mx()
    upstream = world.mx_host(world.destination, label="mx2", ipv6=False)
    upstream.on("rcpt", say("450 4.2.0 once"), nth=1)
    with world.client() as client:
        client.mail(world.sender.address)
        expect_reply(client.rcpt(world.info), "4xx", to="the first RCPT")
        client.rset()
        open_transaction(world, client)
    upstream.wait_for_command(b"RCPT", 2)


# The relay's own


@clause("ERR-17")
def test_enhancedstatuscodes_is_not_advertised(world: World) -> None:
    # A reply of the upstream's comes back, which is why it cannot be promised.
    code_comes_back(world, "rcpt", "553 not here")
    with world.client(greet=False) as client:
        client.banner()
        offered = client.extensions()
    expect_not_in("ENHANCEDSTATUSCODES", list(offered), "the extensions offered")


@clause("ERR-18")
def test_the_relays_own_refusals_have_an_enhanced_code_of_their_class(
    world: World,
) -> None:
    control(world)
    with world.client() as client:
        replies = [
            client.command("RCPT TO:<a@b.example>"),
            client.command("DATA"),
            client.command("FROBNICATE"),
            client.command("MAIL FROM:<a@b.example> FROB=1"),
            client.rset(),
            client.mail(world.sender.address),
            client.rcpt(world.at("nobody")),
            client.rcpt(world.unserved),
        ]
    refusals = [reply for reply in replies if not reply.positive]
    expect_true(refusals, "a refusal of one of these commands", "none")
    for reply in refusals:
        of_class = str(reply.code)[:1]
        expect_true(
            (reply.enhanced or "").startswith(f"{of_class}."),
            f"an enhanced status code {of_class}.X.X",
            reply,
        )
