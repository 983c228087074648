"""The content of a message on its way from the user to the service: as it was, but for what a sender is to add."""

from __future__ import annotations

import email
import re

import pytest

from conformance import clause, expect, expect_true
from conformance.lab import Message, SenderWorld
from conformance.suite.acts import control
from conformance.suite.sender.acts import (
    accepted,
    at_once,
    delivered_or_reported,
    one_host,
    sent,
)

MIME = (
    "MIME-Version: 1.0",
    "Content-Type: text/plain; charset=utf-8",
    "Content-Transfer-Encoding: 8bit",
)
TEXT = "El piñata, 8 bits: äöü.\r\nFrom here on: ñ.\r\n"

BODIES = {
    "blanks at the ends of lines": "one \r\ntwo\t\r\n \r\n",
    "empty lines": "\r\n\r\none\r\n\r\n\r\n\r\n",
    "empty": "",
    "From at the beginning": "From here on\r\n>From there\r\n",
    "a line of 998 octets": "x" * 998 + "\r\ny\r\n",
    "what looks like fields": "Received: from nobody\r\nDate: none\r\n\r\nBcc: x@y\r\n",
    "what looks encoded": "=3D=\r\n=20\r\n",
    "controls": "a\x08b\x0bc\x0cd\x1be\x7f\r\n",
}


def through(world: SenderWorld, message: bytes) -> Message:
    """The message as it arrives at the service."""
    host = one_host(world)
    sent(world, message)
    return at_once(world, lambda: accepted(host), "the message")[0]


@clause("SND-42")
@pytest.mark.parametrize("case", list(BODIES))
def test_the_body_arrives_as_it_was(world: SenderWorld, case: str) -> None:
    arrived = through(world, world.message(body=BODIES[case]))
    expect(arrived.body, BODIES[case].encode("ascii"), "the body")


@clause("SND-42")
def test_an_8bit_body_arrives_as_it_was_where_8bitmime_is_offered(
    world: SenderWorld,
) -> None:
    arrived = through(world, world.message(*MIME, body=TEXT))
    if arrived.content.isascii():
        pytest.skip("the message was converted to 7 bits")
    expect(arrived.body, TEXT.encode("utf-8"), "the body")


def long_message(world: SenderWorld, octets: int) -> bytes:
    """A message of at least that size, whose lines are all different and some of which begin with a dot."""
    line = "{:08d} is the number of this line, which is one of very many.\r\n"
    head = world.message(body="")
    count = octets // (len(line) + 3) + 1
    lines = ("." * (n % 3 == 0) + line.format(n) for n in range(count))
    return head + "".join(lines).encode("ascii")


@clause("SND-43")
def test_a_message_of_64k_octets_arrives_whole(world: SenderWorld) -> None:
    message = long_message(world, 65536)[:65534] + b"\r\n"
    body = message.partition(b"\r\n\r\n")[2]
    expect_true(through(world, message).body == body, "the body as it was", "another")


@clause("SND-44")
def test_a_message_of_8_mib_arrives_whole(world: SenderWorld) -> None:
    message = long_message(world, 8 * 1024 * 1024)
    body = message.partition(b"\r\n\r\n")[2]
    arrived = through(world, message).body
    expect(len(arrived), len(body), "the length of the body")
    expect_true(arrived == body, "the body as it was", "another")


@clause("SND-45")
def test_8bit_content_for_a_host_without_8bitmime_is_converted_or_reported(
    world: SenderWorld,
) -> None:
    host = one_host(world, extensions=["SIZE", "PIPELINING"])
    done = world.submit(world.message(*MIME, body=TEXT))
    arrived = delivered_or_reported(world, host) if done.accepted else None
    if arrived is not None:
        octets = arrived.content
        expect_true(octets.isascii(), "the message in 7 bits", octets)
        text = email.message_from_bytes(octets).get_payload(decode=True)
        expect(text, TEXT.encode("utf-8"), "the text, decoded")
    control(world)


# Header fields


def message_without(world: SenderWorld, name: str) -> bytes:
    """The plain message without one of its fields."""
    return re.sub(rf"(?m)^{name}: .*\r\n".encode(), b"", world.message(), count=1)


@clause("SND-49")
def test_a_message_without_a_date_arrives_with_one(world: SenderWorld) -> None:
    arrived = through(world, message_without(world, "Date"))
    expect(len(arrived.fields("Date")), 1, "the number of Date fields")


@clause("SND-50")
def test_a_message_without_a_message_id_arrives_with_one(world: SenderWorld) -> None:
    arrived = through(world, message_without(world, "Message-ID"))
    expect(len(arrived.fields("Message-ID")), 1, "the number of Message-ID fields")


FIELDS = (
    "Cc: Bob <bob@example.org>, =?utf-8?q?Jos=C3=A9?= <jose@example.org>",
    "Reply-To: <answers@example.org>",
    "X-Long: " + " ".join(["words"] * 60),
    "X-Folded: one\r\n\ttwo\r\n   three",
    "X-Twice: 1",
    "X-Twice: 2",
    "X-Empty:",
    "x-lower-case: yes",
    "List-Id: <a.list.example.org>",
)


@clause("SND-51")
def test_the_fields_of_a_message_arrive_as_they_were(world: SenderWorld) -> None:
    message = world.message(*FIELDS)
    arrived = through(world, message).header
    header = message.partition(b"\r\n\r\n")[0] + b"\r\n"
    own = re.findall(rb"(?m)^[^ \t\r\n].*\r\n(?:[ \t].*\r\n)*", header)
    found = re.findall(rb"(?m)^[^ \t\r\n].*\r\n(?:[ \t].*\r\n)*", arrived)
    kept = [field for field in found if field in own]
    expect(kept, own, "the message's own fields, as they arrived")
    for name in (b"date", b"from", b"message-id", b"to", b"subject"):
        names = [field.partition(b":")[0].strip().lower() for field in found]
        expect(names.count(name), 1, f"the number of {name.decode()} fields")


RECEIVED = (
    "Received: from a.example.org by b.example.org; Mon, 23 Nov 2026 11:00:01 +0000",
    "Received: from z.example.org by a.example.org; Mon, 23 Nov 2026 11:00:00 +0000",
)


@clause("SND-52")
def test_received_fields_stay_in_their_order_below_those_that_are_added(
    world: SenderWorld,
) -> None:
    head = "\r\n".join(RECEIVED).encode("ascii") + b"\r\n"
    arrived = through(world, head + world.message())
    values = [value for _, value in arrived.fields("Received")]
    own = [field.partition(": ")[2] for field in RECEIVED]
    expect(values[-2:], own, "the last two Received fields")
    names = [name.lower() for name, _ in arrived.fields()]
    first = names.index("from") if "from" in names else len(names)
    late = "received" in names[first:]
    expect_true(not late, "no Received field below those of the message", names)


@clause("SND-53")
def test_a_message_is_not_sent_with_a_return_path(world: SenderWorld) -> None:
    field = b"Return-Path: <somebody@example.org>\r\n"
    arrived = through(world, field + world.message())
    expect(arrived.fields("Return-Path"), [], "Return-Path fields")
