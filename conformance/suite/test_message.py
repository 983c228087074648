"""The message: one Received field on top, and the client's octets below it."""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import pytest

from conformance import (
    clause,
    expect,
    expect_in,
    expect_match,
    expect_not_in,
    expect_true,
)
from conformance.lab import Message, World
from conformance.suite.acts import forward, open_transaction

RECEIVED = (
    r"from (?P<helo>\S+)\s+\((?P<tcp>[^()]*)\)\s+by (?P<by>\S+)(?:\s+\([^()]*\))?"
    r"(?:\s+via \S+)?\s+with (?P<with>\S+)(?:\s+\([^()]*\))?(?:\s+id (?P<id>\S+))?"
    r"(?:\s+for (?P<for>\S+))?\s*;\s*(?P<date>.+)"
)
MINUTES = 60.0


def received(message: Message) -> re.Match[str]:
    """The parts of the topmost Received field."""
    return expect_match(
        RECEIVED, message.fields("Received")[0][1], "the Received field"
    )


def original_below(arrived: Message, message: bytes) -> None:
    """What arrived is `message` with whole fields before it."""
    expect_true(
        arrived.content.endswith(message), "the original, unchanged", arrived.content
    )
    added = arrived.content.removesuffix(message)
    lines = added.split(b"\r\n")
    expect(lines[-1], b"", "the end of the last added line")
    for line in lines[:-1]:
        expect_match(
            r"(?:[!-9;-~]+:|[ \t]+\S).*", line.decode("ascii"), "an added line"
        )


@clause("MSG-01")
def test_a_received_field_is_put_on_top(world: World) -> None:
    message = world.message()
    arrived = forward(world, message=message)
    original_below(arrived, message)
    expect(len(arrived.fields("Received")), 1, "the number of Received fields")


@clause("MSG-01", "MSG-12")
def test_earlier_received_fields_stay_below_in_their_order(world: World) -> None:
    trace = b"".join(
        b"Received: from %c.example by b.example; Mon, 23 Nov 2026 12:00:00 +0000\r\n"
        % letter
        for letter in b"xyz"
    )
    arrived = forward(world, message=trace + world.message())
    values = [value for _, value in arrived.fields("Received")]
    expect(len(values), 4, "the number of Received fields")
    expect([value[5] for value in values[1:]], ["x", "y", "z"], "the earlier ones")


@clause("MSG-02")
@pytest.mark.parametrize("name", ["mail.client.example", "[192.0.2.5]"])
def test_its_from_clause_has_the_ehlo_name_and_the_clients_address(
    world: World, name: str
) -> None:
    with world.client(greet=False) as client:
        client.greet(name)
        client.deliver(world.sender.address, world.info, world.message())
    parts = received(world.upstream.wait_for_message())
    expect(parts["helo"], name, "the name in the FROM clause")
    expect_in(f"[{world.sender.ipv4}]", parts["tcp"], "the TCP information")


@clause("MSG-03")
def test_its_by_clause_has_the_receiving_hosts_name(world: World) -> None:
    assert world.subject.plan is not None
    expect(received(forward(world))["by"], world.subject.plan.hostname, "the BY clause")


@clause("MSG-04")
@pytest.mark.parametrize(
    ("greeting", "protocol"),
    [("HELO", "SMTP"), ("EHLO", "ESMTP"), ("STARTTLS", "ESMTPS")],
)
def test_its_with_clause_tells_the_protocol(
    world: World, greeting: str, protocol: str
) -> None:
    with world.client(greet=False) as client:
        client.banner()
        if greeting == "STARTTLS":
            world.require("starttls")
            client.ehlo()
            client.starttls()
        client.command("HELO a.example" if greeting == "HELO" else "EHLO a.example")
        client.deliver(world.sender.address, world.info, world.message())
    expect(
        received(world.upstream.wait_for_message())["with"], protocol, "the protocol"
    )


@clause("MSG-05")
def test_it_ends_in_the_present_date_and_time(world: World) -> None:
    text = received(forward(world))["date"]
    expect_match(
        r"(?:[A-Z][a-z]{2}, )?[0-9]{1,2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{5,8} [+-][0-9]{4}.*",
        text,
        "the date-time",
    )
    age = abs(
        (datetime.now(timezone.utc) - parsedate_to_datetime(text)).total_seconds()
    )
    expect_true(age < 10 * MINUTES, "a date-time that is now", text)


@clause("MSG-06", "MSG-02")
def test_an_ipv6_clients_address_is_tagged(world: World) -> None:
    with world.client(6) as client:
        client.deliver(world.sender.address, world.info, world.message())
    tcp = received(world.upstream.wait_for_message())["tcp"]
    literal = expect_match(r".*\[IPv6:([0-9A-Fa-f:.]+)\].*", tcp, "the TCP information")
    expect(
        ipaddress.ip_address(literal.group(1)),
        ipaddress.ip_address(world.sender.ipv6),
        "the address",
    )


@clause("MSG-02", "MSG-01")
@pytest.mark.parametrize(
    "name", ["a.example(comment)", "x;y", "a\tb", "<a.example>", '"q"']
)
def test_a_strange_ehlo_name_cannot_break_the_field(world: World, name: str) -> None:
    message = world.message()
    with world.client(greet=False) as client:
        client.banner()
        if client.ehlo(name).positive:
            client.deliver(world.sender.address, world.info, message)
            original_below(world.upstream.wait_for_message(), message)


SHAPES = {
    "folded": b"X-Folded: one\r\n two\r\n\tthree\r\n",
    "white space": b"X-Space:    lots   of \t it  \r\nX-Tabs:\t\ta\t\r\n",
    "empty values": b"X-Empty:\r\nX-Space-Only: \r\n",
    "odd case": b"x-lower: a\r\nX-UPPER: B\r\nx-LoWeR: c\r\n",
    "twice": b"X-Same: 1\r\nX-Same: 2\r\nX-Same: 1\r\n",
    "many": b"".join(b"X-%d: %d\r\n" % (n, n) for n in range(300)),
    "encoded words": b"X-Word: =?utf-8?q?pi=C3=B1ata?= (=?utf-8?b?w7E=?=)\r\n",
    "long": b"X-Long: " + b"a" * 900 + b"\r\n",
    "8 bit": "X-Eight: piñata\r\n".encode(),
    "form feed": b"X-Feed: a\x0cb\x0bc\r\n",
}


@clause("MSG-07")
@pytest.mark.parametrize("fields", list(SHAPES.values()), ids=list(SHAPES))
def test_header_fields_arrive_byte_for_byte(world: World, fields: bytes) -> None:
    message = fields + world.message()
    original_below(forward(world, message=message), message)


BODIES = {
    "blank lines": "\r\n\r\n\r\ntext\r\n\r\n\r\n",
    "trailing space": "text   \r\n \r\n\t\r\n",
    "From line": "From here on\r\n>From there\r\n",
    "looks like a header": "Subject: no\r\n\r\nReceived: no\r\n",
    "mime": "--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n",
    "control": "bell\x07 escape\x1b del\x7f\r\n",
    "short lines": "a\r\n" * 5000,
}


@clause("MSG-07")
@pytest.mark.parametrize("body", list(BODIES.values()), ids=list(BODIES))
def test_bodies_arrive_byte_for_byte(world: World, body: str) -> None:
    message = world.message(body=body)
    original_below(forward(world, message=message), message)


@clause("MSG-08")
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
def test_leading_dots_survive(world: World, body: str) -> None:
    message = world.message(body=body)
    arrived = forward(world, message=message)
    original_below(arrived, message)
    expect(arrived.body, body.encode(), "the body")


@clause("MSG-08", "SMUG-09")
def test_a_dot_across_every_boundary_of_blocks_survives(world: World) -> None:
    # Line lengths that walk the dot over any power of two where a buffer might end.
    body = "".join(
        "x" * (n % 83) + "\r\n." + "y" * (n % 7) + "\r\n" for n in range(4000)
    )
    message = world.message(body=body)
    original_below(forward(world, message=message), message)


@clause("MSG-09")
@pytest.mark.parametrize("declared", ["", "BODY=8BITMIME"])
def test_octets_above_127_arrive_unchanged(world: World, declared: str) -> None:
    message = world.message() + bytes(range(128, 256)) + b"\r\n"
    with world.client() as client:
        delivery = client.deliver(
            world.sender.address, world.info, message, *declared.split()
        )
        expect_true(delivery.accepted, "a 2xx for the message", delivery.final)
    original_below(world.upstream.wait_for_message(), message)


@clause("MSG-10")
@pytest.mark.parametrize("ending", [b"", b"\r\n"], ids=["header alone", "empty body"])
def test_a_message_without_a_body_is_handed_on(world: World, ending: bytes) -> None:
    header = world.message(body="").removesuffix(b"\r\n")
    original_below(forward(world, message=header + ending), header + ending)


@clause("MSG-11")
@pytest.mark.parametrize(
    "name",
    ["Return-Path", "Message-ID", "Date", "Sender", "To", "Subject", "Delivered-To"],
)
def test_a_field_that_is_not_there_is_not_added(world: World, name: str) -> None:
    message = (
        f"From: <{world.sender.address}>\r\nX-Bare: yes\r\n\r\nHello.\r\n".encode()
    )
    arrived = forward(world, message=message)
    original_below(arrived, message)
    expect(arrived.fields(name), [], f"the {name} fields")


@clause("MSG-12")
@pytest.mark.parametrize(
    "name",
    ["Bcc", "Return-Path", "Resent-Bcc", "Content-Length", "Status", "X-Envelope-To"],
)
def test_a_field_that_is_there_is_not_removed(world: World, name: str) -> None:
    message = world.message(f"{name}: <someone@example.org>")
    arrived = forward(world, message=message)
    original_below(arrived, message)


@clause("MSG-13")
def test_a_message_of_five_megabytes_arrives_whole(world: World) -> None:
    line = "The quick brown fox jumps over the lazy dog, and then once more.\r\n"
    message = world.message(body=line * (5 * 2**20 // len(line)))
    original_below(forward(world, message=message), message)


@clause("MSG-14")
def test_the_for_clause_names_nobody_where_there_are_two_recipients(
    world: World,
) -> None:
    with world.client() as client:
        open_transaction(world, client)
        client.rcpt(world.other)
        client.data()
        client.content(world.message())
    value = world.upstream.wait_for_message().fields("Received")[0][1]
    for address in (world.info, world.other):
        expect_not_in(address, value, "the Received field")


FORGED = [
    "Authentication-Results: {id}; dmarc=pass header.from=example.org",
    "authentication-results: {id}; spf=pass",
    "AUTHENTICATION-RESULTS:{ID}; spf=pass",
    "Authentication-Results:\r\n {id};\r\n spf=pass",
    "Authentication-Results: (comment) {id}; spf=pass",
    'Authentication-Results: "{id}"; spf=pass',
    "Authentication-Results: {id} 1; spf=pass",
    "Authentication-Results: {id} (c); none",
    "Authentication-Results : {id}; spf=pass",
    "Authentication-Results: i=1; {id}; dmarc=pass",
]


@clause("MSG-15")
@pytest.mark.parametrize("forged", FORGED)
def test_results_forged_in_the_relays_name_are_removed(
    world: World, forged: str
) -> None:
    genuine = forward(world).fields("Authentication-Results")
    expect(len(genuine), 1, "the number of fields on a message without any")
    authserv_id = genuine[0][1].split(";")[0].strip()
    field = forged.format(id=authserv_id, ID=authserv_id.upper())
    with world.client() as client:
        client.deliver(
            world.sender.address, world.info, f"{field}\r\n".encode() + world.message()
        )
    arrived = world.upstream.wait_for_message(2)
    names = [name.lower() for name, _ in arrived.fields()]
    expect(names.count("authentication-results"), 1, "the number of such fields")


@clause("MSG-15")
def test_results_of_others_stay(world: World) -> None:
    message = world.message("Authentication-Results: mx.other.example; spf=pass")
    original_below(forward(world, message=message), message)


@clause("MSG-16")
def test_the_prepended_fields_stand_in_the_decided_order(world: World) -> None:
    message = world.message()
    arrived = forward(world, message=message)
    names = [name for name, _ in arrived.fields()]
    expect(
        names[:7],
        [
            "ARC-Seal",
            "ARC-Message-Signature",
            "ARC-Authentication-Results",
            "DKIM-Signature",
            "Authentication-Results",
            "Received-SPF",
            "Received",
        ],
        "the first fields",
    )
    expect(names[7], "From", "the first field of the original")
