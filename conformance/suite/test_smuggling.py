"""Smuggling: where a message ends, and that nobody can hold another opinion on it.

An end-of-data variant is dangerous in both directions: taken as the end here, what follows it are
commands of somebody who was let in for one message; handed on as content, a server behind might take
it for the end. So every one of them, wherever it stands and however it is cut, must be refused whole,
and no second message may appear anywhere.
"""

from __future__ import annotations

import pytest

from conformance import (
    clause,
    expect,
    expect_in,
    expect_not_in,
    expect_reply,
    expect_true,
)
from conformance.lab import Client, World
from conformance.suite.acts import (
    expect_nothing_upstream,
    fence,
    forward,
    open_transaction,
)

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


def smuggled(world: World) -> bytes:
    """The commands and the message that an attacker hides behind an end that is none."""
    return (
        f"MAIL FROM:<smuggler@{world.sender.domain}>\r\n"
        f"RCPT TO:<{world.other}>\r\n"
        "DATA\r\n"
        f"From: <smuggler@{world.sender.domain}>\r\nSubject: smuggled\r\n\r\nsmuggled"
    ).encode("ascii")


def begin(world: World) -> Client:
    """A client after its 354."""
    client = world.client()
    open_transaction(world, client)
    expect_reply(client.data(), 354, to="DATA")
    return client


def refused_whole(world: World, client: Client) -> None:
    """One 550 5.6.0 for all that was sent, a session in step after it, and nothing upstream."""
    expect_reply(client.read_reply(), 550, enhanced="5.6.0", to="the end of DATA")
    expect_reply(client.command("VRFY postmaster"), 252, to="the next command")
    expect_nothing_upstream(world)


def no_second_message(world: World, client: Client) -> None:
    """All that was sent is one message, taken or refused: besides QUIT it has one answer, and nobody
    upstream hears of the hidden one."""
    client.line("QUIT")
    answers = client.expect_closed().decode("ascii", "backslashreplace").splitlines()
    expect_true(len(answers) <= 2, "an answer to the message, one to QUIT", answers)
    fence(world)
    expect_true(len(world.upstream.messages) <= 1, "one message at most", "two")
    for message in world.upstream.messages:
        expect_not_in("smuggler", message.sender, "the reverse-path upstream")


each_variant = pytest.mark.parametrize(
    "variant", list(VARIANTS.values()), ids=list(VARIANTS)
)


@clause("SMUG-01")
@each_variant
def test_a_variant_in_the_message_does_not_end_it(world: World, variant: bytes) -> None:
    with begin(world) as client:
        client.send(world.message(body="Hello.") + variant + smuggled(world) + END)
        no_second_message(world, client)


@clause("SMUG-01")
@each_variant
def test_a_variant_at_the_very_start_does_not_end_the_message(
    world: World, variant: bytes
) -> None:
    # The CR LF of the DATA line counts as the one before the first line.
    with begin(world) as client:
        client.send(variant.removeprefix(b"\r\n") + smuggled(world) + END)
        no_second_message(world, client)


@clause("SMUG-01")
@each_variant
def test_a_variant_split_over_segments_does_not_end_the_message(
    world: World, variant: bytes
) -> None:
    with begin(world) as client:
        client.send(world.message(body="Hello."))
        client.send_in_pieces(bytes([octet]) for octet in variant)
        client.send(smuggled(world))
        client.send_in_pieces(bytes([octet]) for octet in END)
        no_second_message(world, client)


@clause("SMUG-02", "SMUG-03", "SMUG-04", "SMUG-08")
@each_variant
def test_a_message_with_a_variant_is_refused_whole(
    world: World, variant: bytes
) -> None:
    with begin(world) as client:
        client.send(world.message(body="Hello.") + variant + smuggled(world) + END)
        refused_whole(world, client)


@clause("SMUG-02", "SMUG-03", "SMUG-04", "SMUG-08")
@each_variant
def test_a_message_that_starts_with_a_variant_is_refused_whole(
    world: World, variant: bytes
) -> None:
    with begin(world) as client:
        client.send(variant.removeprefix(b"\r\n") + smuggled(world) + END)
        refused_whole(world, client)


@clause("SMUG-02", "SMUG-03", "SMUG-04", "SMUG-08")
@each_variant
def test_commands_pipelined_behind_a_variant_are_content(
    world: World, variant: bytes
) -> None:
    with begin(world) as client:
        client.send(
            world.message(body="Hello.") + variant + smuggled(world) + END + b"QUIT\r\n"
        )
        expect_reply(client.read_reply(), 550, enhanced="5.6.0", to="the end of DATA")
        expect_reply(client.read_reply(), 221, to="QUIT")
        expect(client.expect_closed(), b"", "what was said after that")
    expect_nothing_upstream(world)


@clause("SMUG-01")
@each_variant
def test_a_variant_at_the_end_leaves_the_message_open(
    world: World, variant: bytes
) -> None:
    with begin(world) as client:
        client.send(world.message(body="Hello.") + variant)
        client.close()
    world.upstream.wait_until_idle()
    expect_nothing_upstream(world)


@clause("SMUG-01", "SMUG-09")
def test_two_dots_on_a_line_are_one_dot_of_content(world: World) -> None:
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


PLACES = {
    "header": b"Subject: a@b\r\n",
    "between header and body": b"X: 1\r\n@\r\n",
    "body": b"\r\n\r\nbo@dy\r\n",
    "last line": b"\r\n\r\nbody@",
}


def content_with(world: World, place: str, octets: bytes) -> bytes:
    start = f"From: <{world.sender.address}>\r\n".encode()
    return start + PLACES[place].replace(b"@", octets)


def octets_refused(world: World, message: bytes) -> None:
    with begin(world) as client:
        client.send(message + END)
        refused_whole(world, client)


@clause("SMUG-02")
@pytest.mark.parametrize("place", list(PLACES))
def test_a_bare_lf_in_the_message_is_a_550_560(world: World, place: str) -> None:
    octets_refused(world, content_with(world, place, b"\n"))


@clause("SMUG-03")
@pytest.mark.parametrize("place", list(PLACES)[:3])
def test_a_bare_cr_in_the_message_is_a_550_560(world: World, place: str) -> None:
    octets_refused(world, content_with(world, place, b"\r"))


@clause("SMUG-03")
def test_a_cr_before_the_final_crlf_is_a_550_560(world: World) -> None:
    octets_refused(world, world.message(body="Hello.\r"))


@clause("SMUG-04")
@pytest.mark.parametrize("place", list(PLACES))
def test_a_nul_in_the_message_is_a_550_560(world: World, place: str) -> None:
    octets_refused(world, content_with(world, place, b"\0"))


COMMANDS = ["NOOP x@y", "MAIL FROM:<a@b.example>", "VRFY x@y", "FROB x@y", "EHLO x@y"]


@clause("SMUG-10")
@pytest.mark.parametrize("blank", [b" ", b"\t"], ids=["space", "tab"])
@pytest.mark.parametrize("dot", [b"", b"."], ids=["", "after a transparency dot"])
def test_a_first_line_that_begins_with_a_blank_is_a_550_560(
    world: World, blank: bytes, dot: bytes
) -> None:
    octets_refused(world, dot + blank + b"by mx.forged.example\r\n" + world.message())


def command_refused(world: World, line: bytes) -> None:
    """500 5.5.2 for the line, one answer only, and nothing taken from it."""
    with world.client() as client:
        reply = client.command(line)
        expect_reply(reply, 500, enhanced="5.5.2", to=repr(line))
        expect_reply(client.rcpt(world.info), 503, to="RCPT")
        expect_reply(client.command("VRFY postmaster"), 252, to="VRFY")


@clause("SMUG-05")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_bare_cr_in_a_command_is_a_500_552(world: World, command: str) -> None:
    command_refused(world, command.replace("@", "\rMAIL FROM:<").encode())


@clause("SMUG-06")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_bare_lf_in_a_command_is_a_500_552(world: World, command: str) -> None:
    command_refused(world, command.replace("@", "\nMAIL FROM:<a@b.example>").encode())


@clause("SMUG-06")
def test_a_command_that_ends_in_lf_alone_is_not_obeyed(world: World) -> None:
    with world.client() as client:
        client.send(
            f"MAIL FROM:<{world.sender.address}>\nRCPT TO:<{world.info}>\r\n".encode()
        )
        expect_reply(client.read_reply(), 500, enhanced="5.5.2", to="both lines")
        expect_reply(client.rcpt(world.info), 503, to="RCPT")


@clause("SMUG-07")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_nul_in_a_command_is_a_500_552(world: World, command: str) -> None:
    command_refused(world, command.replace("@", "\0@").encode())


@clause("SMUG-05", "SMUG-06", "SMUG-07")
@pytest.mark.parametrize("octet", [b"\r", b"\n", b"\0"], ids=["CR", "LF", "NUL"])
def test_such_an_octet_in_a_recipient_is_a_500_and_not_forwarded_to(
    world: World, octet: bytes
) -> None:
    with world.client() as client:
        client.mail(world.sender.address)
        line = f"RCPT TO:<{world.info}>".encode().replace(
            b"info", b"in" + octet + b"fo"
        )
        expect_reply(client.command(line), 500, enhanced="5.5.2", to="RCPT")
        expect_in(client.data().code, (503, 554), "the code for DATA")


@clause("SMUG-08")
def test_after_a_refused_message_the_next_one_goes_through(world: World) -> None:
    message = world.message("X-N: 2")
    with begin(world) as client:
        client.send(world.message("X-N: 1", body="a\nb") + END)
        expect_reply(client.read_reply(), 550, enhanced="5.6.0", to="the first message")
        delivery = client.deliver(world.sender.address, world.info, message)
        expect_reply(delivery.final, 250, to="the second message")
    arrived = world.upstream.wait_for_message()
    expect(arrived.fields("X-N"), [("X-N", "2")], "the message upstream")
    expect(len(world.upstream.messages), 1, "the number of messages upstream")


@clause("SMUG-09", "MSG-08")
def test_lines_of_dots_arrive_as_they_were_and_end_nothing_upstream(
    world: World,
) -> None:
    body = ".\r\n..\r\n...\r\n.\r\n.x\r\n. \r\n.\r\n"
    arrived = forward(world, message=world.message(body=body))
    expect(arrived.body, body.encode(), "the body upstream")
    expect(len(world.upstream.messages), 1, "the number of messages upstream")
    expect(arrived.wire.count(END), 1, "the number of end-of-data lines on the wire")


@clause("SMUG-09")
def test_no_bare_cr_or_lf_goes_upstream(world: World) -> None:
    wire = forward(world).wire
    rest = wire.replace(b"\r\n", b"")
    expect_true(b"\r" not in rest and b"\n" not in rest, "CR LF line ends alone", wire)
