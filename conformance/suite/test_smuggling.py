"""Smuggling: where a message ends, and that nobody can hold another opinion on it.

An end-of-data variant is dangerous in both directions: taken as the end here, what follows it are
commands of somebody who was let in for one message; handed on as content, a server behind might take
it for the end. So none of them, wherever it stands and however it is cut, may end the message, and no
second message may appear anywhere. That the message is refused for it is the reference's choice.
"""

from __future__ import annotations

import re

import pytest

from conformance import (
    also_as,
    clause,
    expect,
    expect_in,
    expect_not_in,
    expect_reply,
    expect_true,
    fail,
)
from conformance.lab import Client, World
from conformance.suite.acts import (
    control,
    expect_nothing_upstream,
    fence,
    forward,
    open_transaction,
)
from conformance.suite.dialogue import (
    answer,
    client_in,
    codes_until_closed,
    expect_refused,
    final_lines,
    octets_until_closed,
    replies_to_message,
)

# What a relay must not let through, a receiver must not either.
pytestmark = pytest.mark.also_as("receiver")

# What some servers have taken for CR LF . CR LF.
VARIANTS = {
    "LF.LF": b"\n.\n",
    "LF.CRLF": b"\n.\r\n",
    "CRLF.LF": b"\r\n.\n",
    "CR.CR": b"\r.\r",
    "CR.CRLF": b"\r.\r\n",
    "CRLF.CR": b"\r\n.\r",
    "CR.LF": b"\r.\n",
    "LF.CR": b"\n.\r",
    "CRLF.CRCRLF": b"\r\n.\r\r\n",
    "CRLF.NULCRLF": b"\r\n.\0\r\n",
    "CRLFNUL.CRLF": b"\r\n\0.\r\n",
    "CRNULLF.CRLF": b"\r\0\n.\r\n",
    "CRLF.CRNULLF": b"\r\n.\r\0\n",
}
END = b"\r\n.\r\n"
# A message without these may be refused for that.
REST_OF_HEADER = (
    "To: <mailbox@example.org>\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n"
    "Message-ID: <smuggled@example.org>\r\n"
)


def hidden_lines(world: World) -> list[bytes]:
    """The commands and the message that an attacker hides behind an end that is none; the last is to
    end in a true end."""
    sender = f"smuggler@{world.sender.domain}"
    lines = [f"MAIL FROM:<{sender}>\r\n", f"RCPT TO:<{world.other}>\r\n", "DATA\r\n"]
    message = f"From: <{sender}>\r\nSubject: smuggled\r\n{REST_OF_HEADER}\r\nsmuggled"
    return [line.encode("ascii") for line in (*lines, message)]


def smuggled(world: World) -> bytes:
    """Them in one."""
    return b"".join(hidden_lines(world))


def begin(world: World) -> Client:
    """A client after its 354."""
    client = world.client()
    open_transaction(world, client)
    expect_reply(client.data(), 354, to="DATA")
    return client


def refused_whole(world: World, message: bytes) -> None:
    """The message, and what hides in it, is answered with one 5xx, and nothing goes upstream."""
    with begin(world) as client:
        client.send(message + END)
        replies = replies_to_message(client)
    expect_true(replies and replies[0][0] == "5", "a 5xx for the message", replies)
    expect_true(len(replies) <= 2, "an answer to the message, one to QUIT", replies)
    expect_nothing_upstream(world)


def expect_still_open(world: World, client: Client) -> None:
    """What has been sent of the message is not taken for all of it. An MTA that takes it so says so, at
    the latest when a whole message by another client has been forwarded. Only then is what hides sent,
    line by line as an attacker who reads the answers would: many MTAs refuse commands that come before
    their answer, but for that alone."""
    fence(world)
    if client.is_silent_for(0):
        return
    reply = answer(client)
    if reply is None:
        return
    if not reply.positive:
        client.unread(reply)
        return
    *commands, message = hidden_lines(world)
    replies = [reply]
    for line in (*commands, message + END):
        client.send(line)
        if (reply := answer(client)) is None:
            break
        replies.append(reply)
    said = " | ".join(reply.shown for reply in replies)
    fail("no answer before the end", f"the hidden commands were answered: {said}")


def no_second_message(world: World, client: Client) -> None:
    """All that was sent is one message, accepted or refused: besides QUIT it has one answer, and nobody
    upstream hears of the hidden one."""
    replies = replies_to_message(client)
    taken = bool(replies) and replies[0].startswith("2")
    if len(replies) > 2:
        fail(
            "an answer to the message, one to QUIT",
            f"the hidden commands were answered: {' | '.join(replies)}",
        )
    fence(world)
    count = len(world.upstream.messages)
    expect_true(count <= 1, "one message upstream at most", count)
    if taken:
        content = world.upstream.wait_for_message().content
        expect_in(b"Subject: smuggled", content, "the message, to its real end")
    heard = [c for dialogue in world.upstream.dialogues for c in dialogue.commands]
    for command in heard:
        expect_not_in(b"smuggler", command, "the commands upstream")


each_variant = pytest.mark.parametrize(
    "variant", list(VARIANTS.values()), ids=list(VARIANTS)
)


def variants_with(octet: bytes) -> pytest.MarkDecorator:
    """The variants that have `octet` outside of a CR LF, and no other that does not belong there: what
    else they are refused for is the business of another clause."""
    names = [
        name
        for name, variant in VARIANTS.items()
        if set(variant.replace(b"\r\n", b"")) == {*octet, *b"."}
    ]
    return pytest.mark.parametrize("variant", [VARIANTS[n] for n in names], ids=names)


# The end of a message


@clause("SMUG-01")
@each_variant
def test_a_variant_in_the_message_does_not_end_it(world: World, variant: bytes) -> None:
    with begin(world) as client:
        client.send(world.message(body="Hello.") + variant)
        expect_still_open(world, client)
        client.send(smuggled(world) + END)
        no_second_message(world, client)


@clause("SMUG-01")
@each_variant
def test_a_variant_at_the_very_start_does_not_end_the_message(
    world: World, variant: bytes
) -> None:
    # The CR LF of the DATA line counts as the one before the first line.
    with begin(world) as client:
        client.send(variant.removeprefix(b"\r\n"))
        expect_still_open(world, client)
        client.send(smuggled(world) + END)
        no_second_message(world, client)


@clause("SMUG-01")
@each_variant
def test_a_variant_split_over_segments_does_not_end_the_message(
    world: World, variant: bytes
) -> None:
    with begin(world) as client:
        client.send(world.message(body="Hello."))
        client.send_in_pieces(bytes([octet]) for octet in variant)
        expect_still_open(world, client)
        client.send(smuggled(world))
        client.send_in_pieces(bytes([octet]) for octet in END)
        no_second_message(world, client)


@clause("SMUG-01")
@each_variant
def test_a_variant_at_the_end_leaves_the_message_open(
    world: World, variant: bytes
) -> None:
    with begin(world) as client:
        client.send(world.message(body="Hello.") + variant)
        expect_still_open(world, client)
        client.close()
    world.upstream.wait_until_idle()
    expect_nothing_upstream(world)


@clause("SMUG-01")
def test_a_line_of_two_dots_does_not_end_the_message(world: World) -> None:
    with begin(world) as client:
        client.send(world.message(body="Hello.\r\n") + b"..\r\nmore" + END)
        expect_reply(client.read_reply(), 250, to="the end of DATA")
    arrived = world.upstream.wait_for_message()
    expect(arrived.body, b"Hello.\r\n.\r\nmore\r\n", "the body upstream")


@clause("SMUG-01")
def test_a_dot_line_at_once_ends_an_empty_message(world: World) -> None:
    with begin(world) as client:
        client.send(b".\r\n")
        client.read_reply()
        expect_reply(client.command("NOOP"), 250, to="NOOP")


@clause("SMUG-01")
@pytest.mark.parametrize("cut", range(1, len(END)))
def test_the_true_end_counts_wherever_it_is_cut(world: World, cut: int) -> None:
    with begin(world) as client:
        client.send_in_pieces([world.message(body="Hello.") + END[:cut], END[cut:]])
        expect_reply(client.read_reply(), 250, to="the end of DATA")
    world.upstream.wait_for_message()


# Octets in a message


@clause("SMUG-02")
@variants_with(b"\n")
def test_a_message_with_a_variant_is_refused_whole(
    world: World, variant: bytes
) -> None:
    refused_whole(world, world.message(body="Hello.") + variant + smuggled(world))


@clause("SMUG-03")
@variants_with(b"\r")
def test_a_message_with_a_variant_that_has_a_bare_cr_is_refused_whole(
    world: World, variant: bytes
) -> None:
    refused_whole(world, world.message(body="Hello.") + variant + smuggled(world))


@clause("SMUG-04")
@variants_with(b"\0")
def test_a_message_with_a_variant_that_has_a_nul_is_refused_whole(
    world: World, variant: bytes
) -> None:
    refused_whole(world, world.message(body="Hello.") + variant + smuggled(world))


@clause("SMUG-02")
@variants_with(b"\n")
def test_a_message_that_starts_with_a_variant_is_refused_whole(
    world: World, variant: bytes
) -> None:
    refused_whole(world, variant.removeprefix(b"\r\n") + smuggled(world))


@clause("SMUG-03")
@variants_with(b"\r")
def test_a_message_that_starts_with_a_bare_cr_is_refused_whole(
    world: World, variant: bytes
) -> None:
    refused_whole(world, variant.removeprefix(b"\r\n") + smuggled(world))


PLACES = {
    "header": b"Subject: a@b\r\n",
    "between header and body": b"X: 1\r\n@\r\n",
    "body": b"\r\n\r\nbo@dy\r\n",
    "last line": b"\r\n\r\nbody@",
}
each_place = pytest.mark.parametrize("place", list(PLACES))


def content_with(world: World, place: str, octets: bytes) -> bytes:
    start = f"From: <{world.sender.address}>\r\n{REST_OF_HEADER}".encode()
    return start + PLACES[place].replace(b"@", octets)


@clause("SMUG-02")
@each_place
def test_a_message_with_a_bare_lf_is_refused(world: World, place: str) -> None:
    refused_whole(world, content_with(world, place, b"\n"))


@clause("SMUG-03")
@each_place
def test_a_message_with_a_bare_cr_is_refused(world: World, place: str) -> None:
    # Before the CR LF of a line end, too.
    refused_whole(world, content_with(world, place, b"\r"))


@clause("SMUG-04")
@each_place
def test_a_message_with_a_nul_is_refused(world: World, place: str) -> None:
    refused_whole(world, content_with(world, place, b"\0"))


@clause("SMUG-10")
@pytest.mark.parametrize("blank", [b" ", b"\t"], ids=["space", "tab"])
@pytest.mark.parametrize("dot", [b"", b"."], ids=["", "after a transparency dot"])
def test_a_message_whose_first_line_begins_with_a_blank_is_refused(
    world: World, blank: bytes, dot: bytes
) -> None:
    refused_whole(world, dot + blank + b"by mx.forged.example\r\n" + world.message())


@clause("SMUG-11")
@pytest.mark.parametrize("place", ["header", "body"])
def test_a_bare_lf_does_not_become_the_end_of_a_line(world: World, place: str) -> None:
    field, body = (
        ("X-Lines: one\ntwo: 2", "") if place == "header" else ("X: 1", "one\ntwo")
    )
    with begin(world) as client:
        client.send(world.message(field, body=body) + END)
        reply = answer(client)
    if reply is None or not reply.positive:
        control(world)
        return
    arrived = world.upstream.wait_for_message()
    expect_not_in(b"one\r\ntwo", arrived.content, "the message upstream")


# Codes, and the session after a refusal

BAD_OCTETS = {"CR": b"\r", "LF": b"\n", "NUL": b"\0"}
each_octet = pytest.mark.parametrize(
    "octet", list(BAD_OCTETS.values()), ids=list(BAD_OCTETS)
)


@clause("SMUG-08")
@each_variant
def test_a_message_with_a_variant_is_answered_once_and_the_session_in_step(
    world: World, variant: bytes
) -> None:
    with begin(world) as client:
        client.send(world.message(body="Hello.") + variant + smuggled(world) + END)
        reply = client.read_reply()
        client.line("RSET")
        after = answer(client)
        if after is None and not reply.positive:
            pytest.skip("the connection is closed after the refusal (RFC 5321 7.8)")
        expect_reply(after, 250, to="RSET")
        expect(codes_until_closed(client), [221], "the codes for QUIT")


@clause("SMUG-15")
@each_octet
def test_after_a_refused_message_the_next_one_is_forwarded(
    world: World, octet: bytes
) -> None:
    with begin(world) as client:
        client.send(content_with(world, "body", octet) + END)
        if client.read_reply().positive:
            pytest.skip("not refused")
        message = world.message("X-N: 2")
        delivery = client.deliver(world.sender.address, world.info, message)
        expect_reply(delivery.end, 250, to="the second message")
    arrived = world.upstream.wait_for_message()
    expect(arrived.fields("X-N"), [("X-N", "2")], "the message upstream")


@clause("SMUG-13")
@pytest.mark.parametrize("octets", [b"\r", b"\n", b"\0", b"\n\r"])
def test_a_message_refused_for_its_octets_is_a_550_560(
    world: World, octets: bytes
) -> None:
    with begin(world) as client:
        client.send(content_with(world, "body", octets) + END)
        reply = client.read_reply()
    if reply.positive:
        pytest.skip("not refused")
    expect_reply(reply, 550, enhanced="5.6.0", to="the message")


@clause("SMUG-17")
@pytest.mark.parametrize("blank", [b" ", b"\t"], ids=["space", "tab"])
def test_the_refusal_of_a_first_line_that_begins_with_a_blank_is_a_550_560(
    world: World, blank: bytes
) -> None:
    with begin(world) as client:
        client.send(blank + b"by mx.forged.example\r\n" + world.message() + END)
        reply = client.read_reply()
    if reply.positive:
        pytest.skip("not refused")
    with begin(world) as client:
        client.send(b"Subject: a test\r\n\r\nHello.\r\n" + END)
        other = client.read_reply()
    if (other.code, other.enhanced) == (reply.code, reply.enhanced):
        pytest.skip("refused like any message without a From field")
    expect_reply(reply, 550, enhanced="5.6.0", to="the message")


@clause("SMUG-13")
@each_octet
def test_a_command_refused_for_its_octets_is_a_500_552(
    world: World, octet: bytes
) -> None:
    with client_in(world, "greeted") as client:
        reply = client.command(b"NOOP a" + octet + b"b")
        more = codes_until_closed(client)
    if reply.positive:
        pytest.skip("not refused")
    if more not in ([], [221]):
        pytest.skip("read as two lines, which SMUG-14 judges")
    expect_reply(reply, 500, enhanced="5.5.2", to="NOOP")


# Octets in a command

COMMANDS = ["NOOP x@y", "MAIL FROM:<a@b.example>", "VRFY x@y", "EHLO x@y"]
each_command = pytest.mark.parametrize("command", COMMANDS)


def command_refused(world: World, line: bytes) -> None:
    """A 5xx for the line. That it is one line, and has one answer, is the business of SMUG-14."""
    with client_in(world, "greeted") as client:
        expect_reply(client.command(line), "5xx", to=repr(line))
        codes = codes_until_closed(client)
    expect_true(
        all(code >= 500 for code in codes if code != 221),
        "nothing but refusals of the line, and 221 to QUIT",
        codes,
    )
    control(world)


@clause("SMUG-05")
@each_command
def test_a_command_with_a_bare_cr_is_refused(world: World, command: str) -> None:
    command_refused(world, command.replace("@", "\r@").encode())


@clause("SMUG-06")
@each_command
def test_a_command_with_a_bare_lf_is_refused(world: World, command: str) -> None:
    command_refused(world, command.replace("@", "\n@").encode())


@clause("SMUG-07")
@each_command
def test_a_command_with_a_nul_is_refused(world: World, command: str) -> None:
    command_refused(world, command.replace("@", "\0@").encode())


def recipient_refused(world: World, octet: bytes) -> None:
    """A RCPT with the octet is refused, and does not count."""
    start, rest = world.info[:2].encode(), world.info[2:].encode()
    line = b"RCPT TO:<" + start + octet + rest + b">"
    with client_in(world, "mail") as client:
        expect_reply(client.command(line), "5xx", to="RCPT")
        client.line("DATA")
        expect_refused(answer(client), "DATA without a recipient")
    control(world)


@clause("SMUG-05")
def test_a_recipient_with_a_bare_cr_is_refused(world: World) -> None:
    recipient_refused(world, b"\r")


@clause("SMUG-06")
def test_a_recipient_with_a_bare_lf_is_refused(world: World) -> None:
    recipient_refused(world, b"\n")


@clause("SMUG-07")
def test_a_recipient_with_a_nul_is_refused(world: World) -> None:
    recipient_refused(world, b"\0")


def one_line(world: World, *parts: bytes) -> None:
    """The parts are one line: it has one answer at most, as has the QUIT after it. They are counted in
    what is said, whatever else is wrong with it."""
    with client_in(world, "greeted") as client:
        replies = final_lines(octets_until_closed(client, *parts))
    later = replies[1:]
    if later and (len(later) > 1 or not later[0].startswith("221")):
        fail("an answer to the line, one to QUIT", " | ".join(replies))
    control(world)


@clause("SMUG-14")
@pytest.mark.parametrize("octet", [b"\r", b"\n"], ids=["CR", "LF"])
@pytest.mark.parametrize(
    "command", ["NOOP", "NOOP x", "VRFY x", "EHLO x.example", "RSET"]
)
def test_what_follows_a_bare_cr_or_lf_is_no_command(
    world: World, octet: bytes, command: str
) -> None:
    hidden = f"MAIL FROM:<{world.sender.address}>"
    one_line(world, command.encode() + octet, hidden.encode())


@clause("SMUG-14")
def test_a_line_that_ends_in_lf_alone_is_no_command(world: World) -> None:
    one_line(
        world,
        f"MAIL FROM:<{world.sender.address}>\n".encode(),
        f"RCPT TO:<{world.info}>".encode(),
    )


@clause("SMUG-16")
@pytest.mark.parametrize(
    "command",
    [
        "NOOP x@y",
        "FROB x@y",
        "EHLO x@y.example",
        "EHLO x.example@",
        "VRFY x@y",
        "MAIL FROM:<a@b>",
    ],
)
def test_a_reply_does_not_repeat_a_bare_cr(world: World, command: str) -> None:
    with client_in(world, "greeted") as client:
        said = octets_until_closed(client, command.replace("@", "\r").encode())
    if re.search(rb"\r(?!\n)", said):
        fail("replies without a bare CR", said)
    control(world)


# Upstream


@clause("SMUG-09")
@also_as("sender")
def test_lines_of_dots_arrive_as_they_were_and_end_nothing_upstream(
    world: World,
) -> None:
    body = ".\r\n..\r\n...\r\n.\r\n.x\r\n. \r\n.\r\n"
    arrived = forward(world, message=world.message(body=body))
    expect(arrived.body, body.encode(), "the body upstream")
    fence(world)
    expect(len(world.upstream.messages), 1, "the number of messages upstream")
    expect(arrived.wire.count(END), 1, "the number of end-of-data lines on the wire")


def expect_whole_line_ends(wire: bytes) -> None:
    rest = wire.replace(b"\r\n", b"")
    expect_true(
        b"\r" not in rest and b"\n" not in rest, "no bare CR and no bare LF", wire
    )


@clause("SMUG-12")
@also_as("sender")
def test_an_ordinary_message_goes_upstream_with_crlf_alone(world: World) -> None:
    expect_whole_line_ends(forward(world).wire)


@clause("SMUG-12")
@pytest.mark.parametrize("octet", [b"\r", b"\n"], ids=["CR", "LF"])
@each_place
def test_a_bare_cr_or_lf_in_the_message_does_not_go_upstream(
    world: World, place: str, octet: bytes
) -> None:
    with begin(world) as client:
        client.send(content_with(world, place, octet) + END)
        reply = answer(client)
    arrived = (
        world.upstream.wait_for_message()
        if reply is not None and reply.positive
        else control(world)
    )
    expect_whole_line_ends(arrived.wire)
