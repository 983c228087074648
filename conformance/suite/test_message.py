"""The message: its header fields and its body arrive as they were sent. test_message_trace.py has what is
put on top of them.
"""

from __future__ import annotations

import pytest

from conformance import (
    also_as,
    clause,
    expect,
    expect_in,
    expect_match,
    expect_reply,
    fail,
)
from conformance.lab import Message, World
from conformance.suite.acts import forward


def raw_fields(header: bytes) -> list[bytes]:
    """The fields of a header block as they are on the wire, without their last CRLF."""
    fields: list[bytes] = []
    for line in header.removesuffix(b"\r\n").split(b"\r\n"):
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] += b"\r\n" + line
        else:
            fields.append(line)
    return fields


def expect_unmodified(arrived: Message, message: bytes) -> None:
    """Every field of `message` arrived as it is and in its order, whatever was added anywhere, and the
    body is the same."""
    header, _, body = message.partition(b"\r\n\r\n")
    found = iter(raw_fields(arrived.header))
    for field in raw_fields(header + b"\r\n"):
        if field not in found:  # which moves on to it
            fail(f"the field {field!r}, unchanged and in its place", arrived.header)
    expect(arrived.body, body, "the body")


def first_difference(content: bytes, message: bytes) -> str:
    """Where the end of what arrived departs from the message, going backwards."""
    same = 0
    while same < min(len(content), len(message)):
        if content[-1 - same] != message[-1 - same]:
            break
        same += 1
    was = message[: len(message) - same][-40:]
    now = content[: len(content) - same][-40:]
    return f"{now!r} in place of {was!r}, {same} octets before the end"


def expect_original_below(arrived: Message, message: bytes) -> None:
    """What arrived is `message` with whole fields before it."""
    if not arrived.content.endswith(message):
        fail("the original, unchanged", first_difference(arrived.content, message))
    lines = arrived.content.removesuffix(message).split(b"\r\n")
    expect(lines[-1], b"", "the end of the last added line")
    for line in lines[:-1]:
        text = line.decode("ascii", "backslashreplace")
        expect_match(r"(?:[!-9;-~]+:|[ \t]+\S).*", text, "an added line")


SHAPES = {
    "folded": b"X-Folded: one\r\n two\r\n\tthree\r\n",
    "white space": b"X-Space:    lots   of \t it  \r\nX-Tabs:\t\ta\t\r\n",
    "empty values": b"X-Empty:\r\nX-Space-Only: \r\n",
    "odd case": b"x-lower: a\r\nX-UPPER: B\r\nx-LoWeR: c\r\n",
    "twice": b"X-Same: 1\r\nX-Same: 2\r\nX-Same: 1\r\n",
    "many": b"".join(b"X-%d: %d\r\n" % (n, n) for n in range(300)),
    "encoded words": b"X-Word: =?utf-8?q?pi=C3=B1ata?= (=?utf-8?b?w7E=?=)\r\n",
    "long": b"X-Long: " + b"a" * 900 + b"\r\n",
}
BODIES = {
    "blank lines": "\r\n\r\n\r\ntext\r\n\r\n\r\n",
    "trailing space": "text   \r\n \r\n\t\r\n",
    "From line": "From here on\r\n>From there\r\n",
    "looks like a header": "Subject: no\r\n\r\nReceived: no\r\n",
    "mime": "--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n",
    "control": "bell\x07 escape\x1b del\x7f\r\n",
    "short lines": "a\r\n" * 5000,
}
# Against RFC 5322, which has such octets in no field, or as obs- forms.
UNUSUAL = {
    "8 bit": "X-Eight: piñata\r\n".encode(),
    "form feed": b"X-Feed: a\x0cb\x0bc\r\n",
}


@clause("MSG-07")
@pytest.mark.parametrize("fields", list(SHAPES.values()), ids=list(SHAPES))
def test_header_fields_are_not_modified(world: World, fields: bytes) -> None:
    message = fields + world.message()
    expect_unmodified(forward(world, message=message), message)


@clause("MSG-07")
@pytest.mark.parametrize("body", list(BODIES.values()), ids=list(BODIES))
def test_a_body_is_not_modified(world: World, body: str) -> None:
    message = world.message(body=body)
    expect_unmodified(forward(world, message=message), message)


@clause("MSG-23")
def test_whatever_is_added_stands_above_the_original(world: World) -> None:
    message = world.message()
    arrived = forward(world, message=message)
    if arrived.content == message:
        pytest.skip("the subject adds nothing")
    expect_original_below(arrived, message)


@clause("MSG-24")
@pytest.mark.parametrize("fields", list(UNUSUAL.values()), ids=list(UNUSUAL))
def test_unusual_octets_in_a_field_arrive_byte_for_byte(
    world: World, fields: bytes
) -> None:
    message = fields + world.message()
    expect_original_below(forward(world, message=message), message)


@clause("MSG-08")
@also_as("sender")
@pytest.mark.parametrize(
    "body",
    [
        ".\r\n",
        ".x\r\n",
        "..\r\n",
        "...\r\n",
        ". \r\n",
        "a\r\n.\r\n.\r\n",
        ".." * 400 + "\r\n",
    ],
)
def test_leading_periods_arrive_as_they_were_sent(world: World, body: str) -> None:
    arrived = forward(world, message=world.message(body=body))
    expect(arrived.body, body.encode(), "the body")


@clause("MSG-08")
@also_as("sender")
def test_a_leading_period_across_every_boundary_of_blocks_arrives(world: World) -> None:
    # Line lengths that walk the period over any power of two where a buffer might end.
    body = "".join(
        "x" * (n % 83) + "\r\n." + "y" * (n % 7) + "\r\n" for n in range(4000)
    )
    arrived = forward(world, message=world.message(body=body))
    expect(arrived.body, body.encode(), "the body")


@clause("MSG-08")
@also_as("sender")
def test_a_leading_period_that_begins_a_block_arrives(world: World) -> None:
    # Lines of 5 octets, or of 7 with the period doubled: of so many blocks of up to 64 KiB one begins
    # with a line, wherever the first did, and whether blocks are cut before or after the doubling.
    body = ".ab\r\n" * 70000 + ".abc\r\n" * 70000
    arrived = forward(world, message=world.message(body=body))
    expect(arrived.body, body.encode(), "the body")


@clause("MSG-09")
@pytest.mark.parametrize("declared", ["", "BODY=8BITMIME"])
def test_octets_above_127_arrive_unchanged(world: World, declared: str) -> None:
    fields = (
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=iso-8859-1",
        "Content-Transfer-Encoding: 8bit",
    )
    body = bytes(range(0xA0, 0x100)) + b"\r\n"
    with world.client() as client:
        offered = client.extensions(world.sender.domain)
        if "8BITMIME" not in offered:
            pytest.skip("the subject does not offer 8BITMIME")
        delivery = client.deliver(
            world.sender.address,
            world.info,
            world.message(*fields, body="") + body,
            *declared.split(),
        )
        if not declared and delivery.end is not None and delivery.end.permanent:
            return  # what was not declared may be refused
        expect_reply(delivery.end, "2xx", to="the end of DATA")
        client.quit()
    expect(world.upstream.wait_for_message().body, body, "the body")


@clause("MSG-10")
@pytest.mark.parametrize("ending", [b"", b"\r\n"], ids=["header alone", "empty body"])
def test_a_message_without_a_body_arrives_byte_for_byte(
    world: World, ending: bytes
) -> None:
    message = world.message(body="").removesuffix(b"\r\n") + ending
    expect_original_below(forward(world, message=message), message)


def without(message: bytes, name: str) -> bytes:
    """`message` without the field of that name, which is one line."""
    lines = message.splitlines(keepends=True)
    start = f"{name}:".lower().encode()
    return b"".join(line for line in lines if not line.lower().startswith(start))


def expect_not_added(world: World, name: str) -> None:
    """A message that has all usual fields but that one arrives without it."""
    complete = world.message()
    message = without(complete, name)
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, message)
        usual = message != complete
        if usual and delivery.end is not None and delivery.end.permanent:
            pytest.skip(f"the subject refuses a message without {name}")
        expect_reply(delivery.end, "2xx", to="the end of DATA")
        client.quit()
    arrived = world.upstream.wait_for_message()
    expect(arrived.fields(name), [], f"the {name} fields")


@clause("MSG-11")
@pytest.mark.parametrize("name", ["Message-ID", "Date"])
def test_a_missing_message_id_or_date_is_not_added(world: World, name: str) -> None:
    expect_not_added(world, name)


@clause("MSG-18")
@pytest.mark.parametrize(
    "name", ["Return-Path", "Sender", "To", "Subject", "Reply-To", "Delivered-To"]
)
def test_a_field_that_is_missing_is_not_added(world: World, name: str) -> None:
    expect_not_added(world, name)


def expect_kept(world: World, name: str) -> None:
    message = world.message(f"{name}: <someone@example.org>")
    arrived = forward(world, message=message)
    wanted = (name, "<someone@example.org>")
    expect_in(wanted, arrived.fields(), "the fields")


@clause("MSG-12")
@pytest.mark.parametrize(
    "name", ["Bcc", "Resent-Bcc", "Content-Length", "Status", "X-Envelope-To"]
)
def test_a_field_that_is_there_is_not_removed(world: World, name: str) -> None:
    expect_kept(world, name)


@clause("MSG-19")
def test_a_return_path_field_is_left_as_it_is(world: World) -> None:
    expect_kept(world, "Return-Path")


@clause("MSG-13")
def test_a_message_of_five_megabytes_arrives_byte_for_byte(world: World) -> None:
    line = "The quick brown fox jumps over the lazy dog, and then once more.\r\n"
    message = world.message(body=line * (5 * 2**20 // len(line)))
    with world.client() as client:
        declared = client.extensions(world.sender.domain).get("SIZE", "")
    if declared.isdecimal() and 0 < int(declared) < len(message):
        pytest.skip(f"the subject declares SIZE {declared}")
    expect_original_below(forward(world, message=message), message)
