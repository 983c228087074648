"""Limits: what must be taken, what is refused beyond it, and that a refusal is orderly. How much of
everything one session and one client may have is in test_budgets.py."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pytest

from conformance import (
    also_as,
    clause,
    expect,
    expect_match,
    expect_one_of,
    expect_reply,
    expect_true,
)
from conformance.lab import Client, ReceiverWorld, Reply, World
from conformance.suite.acts import expect_nothing_upstream, forward, open_transaction
from conformance.suite.sizes import CRLF, ENDLESS, begin_data, of_size

COMMAND_LINE = 512
TEXT_LINE = 1000
LOCAL_PART = 64
RECIPIENTS = 100
RECEIVED_FIELDS = 100
HEADER_FIELDS_MAX = 10_000  # of the reference relay
# A limit beyond this is not tried out.
TRIED_SIZE_MAX = 64 * 1024 * 1024
OVERSIZE_CUTOFF = 4  # times the limit, after which the service reads no more


# Lines


@also_as("receiver")
@clause("LIM-01")
def test_a_command_line_of_512_octets_is_received(world: World) -> None:
    with world.client() as client:
        short = client.command("NOOP x")
        if short.code != 250:
            pytest.skip(f"a NOOP with an argument is answered {short}")
        line = "NOOP ".ljust(COMMAND_LINE - 2, "x")
        expect_reply(client.command(line), 250, to="NOOP of 512 octets")


@also_as("receiver")
@clause("LIM-02")
@pytest.mark.parametrize("length", [COMMAND_LINE + 1, 1000, 5000, 100_000])
def test_a_command_line_of_more_than_512_octets_is_refused_with_500_or_501(
    world: World, length: int
) -> None:
    with world.client() as client:
        verb = verb_with_free_argument(client)
        reply = client.command(f"{verb} " + "x" * (length - 7))
        expect_one_of(reply.code, (500, 501), "the code")
        # If there is more than one reply to it, that is the business of LIM-34.
        client.line("RSET")
        for _ in range(length):
            if client.read_reply().code == 250:
                break
        open_transaction(world, client)


def verb_with_free_argument(client: Client) -> str:
    """Of which a short argument is no error of syntax, so that what is refused is the length."""
    for verb in ("NOOP", "HELP", "VRFY"):
        if client.command(f"{verb} x").code not in (500, 501):
            return verb
    pytest.skip("no command takes any argument")


LONG_LINES = {
    "NOOP of 513": "NOOP ".ljust(COMMAND_LINE - 1, "x"),
    "NOOP of 5000": "NOOP ".ljust(5000, "x"),
    "NOOP of 100000": "NOOP ".ljust(100_000, "x"),
    "MAIL at 512": "NOOP ".ljust(COMMAND_LINE) + "MAIL FROM:<a@sender.example>",
    "RSETs throughout": "NOOP ".ljust(100_000, "x").replace("xxxxxx", " RSET "),
}


@also_as("receiver")
@clause("LIM-34")
@pytest.mark.parametrize("line", LONG_LINES.values(), ids=LONG_LINES.keys())
def test_no_part_of_a_long_command_line_is_read_as_another_command(
    world: World, line: str
) -> None:
    with world.client() as client:
        client.line(line)
        # Were the line cut in two, its rest would be answered too. To close is an answer as well.
        waited = client.is_silent_for(client.patience)
        expect_true(not waited, "a reply to the line, or the end", "silence")
        client.line("QUIT")
        said = client.expect_closed()
        replies = re.findall(rb"^[2-5][0-9][0-9](?: [^\r\n]*)?\r$", said, re.M)
        expect_true(
            len(replies) <= 2, "one reply to the line at most, and one to QUIT", said
        )


def expect_lines(lines: bytes, content: bytes) -> None:
    """`lines` are in what arrived; a failure does not show the whole of it."""
    longest = max(len(line) + 2 for line in content.split(CRLF))
    octets = max(len(line) + 2 for line in lines.split(CRLF))
    expect_true(
        lines in content,
        f"a line of {octets} octets as it was sent",
        f"another text, whose longest line has {longest} octets",
    )


@also_as("receiver")
@clause("LIM-03")
@pytest.mark.parametrize("start", ["x", "."], ids=["text", "leading dot"])
def test_a_text_line_of_1000_octets_is_received(world: World, start: str) -> None:
    line = start.ljust(TEXT_LINE - 2, "y").encode() + CRLF
    arrived = forward(world, message=world.message() + line * 3)
    expect_lines(line * 3, arrived.content)


@also_as("receiver")
@clause("LIM-03")
def test_a_header_line_of_1000_octets_is_received(world: World) -> None:
    text = "z" * (TEXT_LINE - 10)
    arrived = forward(world, message=world.message(f"X-Long: {text}"))
    expect_lines(text.encode(), arrived.header)


@also_as("receiver")
@clause("LIM-04")
@pytest.mark.parametrize("length", [TEXT_LINE + 1, 2048, 200_000])
def test_a_text_line_of_more_than_1000_octets_is_forwarded_as_it_is(
    world: World, length: int
) -> None:
    line = b"x" * (length - 2) + CRLF
    arrived = forward(world, message=world.message() + line + b"the end\r\n")
    expect_lines(CRLF + line + b"the end", arrived.content)


@also_as("receiver")
@clause("LIM-04")
@pytest.mark.parametrize("length", [TEXT_LINE + 1, 2048, 200_000])
def test_a_header_line_of_more_than_1000_octets_is_forwarded_as_it_is(
    world: World, length: int
) -> None:
    field = "X-Long: ".ljust(length - 2, "x")
    arrived = forward(world, message=world.message(field))
    expect_lines(CRLF + field.encode() + CRLF, arrived.header)


# Addresses


@also_as("receiver")
@clause("LIM-05")
def test_a_sender_with_a_local_part_of_64_octets_is_received(world: World) -> None:
    forward(world, sender=f"{'x' * LOCAL_PART}@{world.sender.domain}")


@clause("LIM-05")
def test_a_recipient_with_a_local_part_of_64_octets_is_received(world: World) -> None:
    forward(world, recipient=world.at("x" * LOCAL_PART, world.catchall_zone))


@clause("LIM-06")
@pytest.mark.parametrize("length", [LOCAL_PART + 1, 200])
def test_a_sender_with_a_local_part_of_more_than_64_octets_is_refused(
    world: World, length: int
) -> None:
    with world.client() as client:
        reply = client.mail(f"{'x' * length}@{world.sender.domain}")
        expect_reply(reply, "5xx", to="MAIL")
        open_transaction(world, client)


@clause("LIM-06")
@pytest.mark.parametrize("length", [LOCAL_PART + 1, 200])
def test_a_recipient_with_a_local_part_of_more_than_64_octets_is_refused(
    world: World, length: int
) -> None:
    with world.client() as client:
        open_transaction(world, client, world.at("x", world.catchall_zone))
        reply = client.rcpt(world.at("x" * length, world.catchall_zone))
        expect_reply(reply, "5xx", to="RCPT")


LONG_DOMAIN = ".".join(["x" * 60] * 4 + ["y" * 11, "example"])


@also_as("receiver")
@clause("LIM-07")
def test_a_sender_with_a_domain_of_more_than_255_octets_is_refused(
    world: World,
) -> None:
    with world.client() as client:
        expect_reply(client.mail(f"alice@{LONG_DOMAIN}"), "5xx", to="MAIL")
        open_transaction(world, client)


@also_as("receiver")
@clause("LIM-07")
def test_a_recipient_with_a_domain_of_more_than_255_octets_is_refused(
    world: World,
) -> None:
    with world.client() as client:
        open_transaction(world, client)
        expect_reply(client.rcpt(f"info@{LONG_DOMAIN}"), "5xx", to="RCPT")


# Recipients


def many_addresses(world: World) -> Iterator[str]:
    """Addresses of one destination, without end, none of which is `another`. A receiver has so many mailboxes
    as the tests of a run have together; if those are too few, they come again."""
    if isinstance(world, ReceiverWorld):
        boxes = (world.mailbox, *world.lab.plan.mailboxes)
        return itertools.cycle(box for box in boxes if box != world.other)
    return (world.at(f"box{n}", world.catchall_zone) for n in itertools.count())


def another(world: World) -> str:
    """One that leads to a mailbox of its own."""
    if isinstance(world, ReceiverWorld):
        return world.other
    return world.at("listed", world.catchall_zone)


def name_recipients(world: World, client: Client, count: int) -> list[Reply]:
    """RCPT for so many addresses, each waited for; the replies."""
    return [client.rcpt(box) for box in itertools.islice(many_addresses(world), count)]


def expect_all_accepted(replies: list[Reply]) -> None:
    for number, reply in enumerate(replies, 1):
        expect_reply(reply, "2xx", to=f"recipient {number} of {len(replies)}")


def expect_both_reached(world: World) -> None:
    """The first of the many and the other one get the message at the destination: together, or each in a
    copy of its own, since an MTA may divide the recipients."""
    receives = isinstance(world, ReceiverWorld)
    names = ("mailbox", "other") if receives else ("everything", "listed")
    wanted = {f"{name}@{world.destination}" for name in names}
    reached: set[str] = set()
    while not wanted <= reached:
        before = len(reached)
        for message in world.upstream.messages:
            reached |= set(message.recipients)
        if len(reached) == before:
            world.upstream.wait_for_message(len(world.upstream.messages) + 1)


@also_as("receiver")
@clause("LIM-08")
def test_100_recipients_are_buffered(world: World) -> None:
    with world.client() as client:
        expect_reply(client.mail(world.sender.address), "2xx", to="MAIL")
        expect_all_accepted(name_recipients(world, client, RECIPIENTS - 1))
        # The only one that goes elsewhere is the last.
        last = client.rcpt(another(world))
        expect_reply(last, "2xx", to=f"recipient {RECIPIENTS}")
        expect_reply(client.data(), 354, to="DATA")
        expect_reply(client.content(world.message()), "2xx", to="the end of DATA")
    expect_both_reached(world)


@also_as("receiver")
@clause("LIM-09")
def test_a_recipient_past_the_limit_is_refused_with_452_or_5yz(world: World) -> None:
    limit = world.subject.limits.recipients
    with world.client() as client:
        expect_reply(client.mail(world.sender.address), "2xx", to="MAIL")
        replies = name_recipients(world, client, limit + 2)
    expect_all_accepted(replies[:limit])
    for reply in replies[limit:]:
        good = reply.code == 452 or reply.permanent
        expect_true(good, "452 or 5yz to a recipient past the limit", reply)


@also_as("receiver")
@clause("LIM-36")
def test_recipients_before_the_limit_get_the_message(world: World) -> None:
    limit = world.subject.limits.recipients
    with world.client() as client:
        expect_reply(client.mail(world.sender.address), "2xx", to="MAIL")
        first = client.rcpt(another(world))
        expect_reply(first, "2xx", to="the first recipient")
        past = name_recipients(world, client, limit)[-1]
        if past.positive:
            pytest.skip(f"recipient {limit + 1} was accepted")
        expect_reply(client.data(), 354, to="DATA")
        expect_reply(client.content(world.message()), "2xx", to="the end of DATA")
    expect_both_reached(world)


@also_as("receiver")
@clause("LIM-19")
def test_the_count_of_recipients_starts_anew_after_rset(world: World) -> None:
    limit = world.subject.limits.recipients
    with world.client() as client:
        for _ in range(2):
            expect_reply(client.rset(), 250, to="RSET")
            expect_reply(client.mail(world.sender.address), "2xx", to="MAIL")
            replies = name_recipients(world, client, limit * 3 // 5)
            expect_all_accepted(replies)
        more = name_recipients(world, client, limit - len(replies) + 1)
        if more[-1].positive:
            pytest.skip(f"recipient {limit + 1} of a transaction was accepted")


# Sizes


def offered_size(world: World) -> str:
    """The parameter of SIZE in the reply to EHLO; skips the test where SIZE is not offered."""
    with world.client(greet=False) as client:
        client.banner()
        extensions = client.extensions(world.sender.domain)
    if "SIZE" not in extensions:
        pytest.skip("SIZE is not offered")
    return extensions["SIZE"].strip()


def size_limit(world: World, tried_max: int | None = None) -> int:
    """The largest message that the subject says it takes; skips the test where it does not say."""
    offered = offered_size(world)
    if not re.fullmatch(r"[0-9]{1,20}", offered) or int(offered) == 0:
        pytest.skip(f"no limit is advertised, only SIZE {offered}")
    limit = int(offered)
    if tried_max is not None and limit > tried_max:
        pytest.skip(f"{limit} octets are more than this test sends")
    return limit


def accept_small_size(world: World, client: Client) -> None:
    """MAIL with a harmless SIZE is accepted, and taken back: what is refused after that is refused for
    its size."""
    reply = client.mail(world.sender.address, "SIZE=1000")
    expect_reply(reply, "2xx", to="MAIL with SIZE=1000")
    expect_reply(client.rset(), 250, to="RSET")


@also_as("receiver")
@clause("LIM-10")
@pytest.mark.parametrize("excess", [1, 10**9, 10**18])
def test_a_declared_size_over_the_one_advertised_is_refused_with_552(
    world: World, excess: int
) -> None:
    size = size_limit(world) + excess
    with world.client() as client:
        accept_small_size(world, client)
        reply = client.mail(world.sender.address, f"SIZE={size}")
        expect_reply(reply, 552, to=f"MAIL with SIZE={size}")


@also_as("receiver")
@clause("LIM-11")
@pytest.mark.parametrize("declared", ["", "SIZE=1000"], ids=["undeclared", "belied"])
def test_a_message_over_the_size_advertised_is_refused_with_552_after_its_end(
    world: World, declared: str
) -> None:
    message = of_size(world.message(), size_limit(world, TRIED_SIZE_MAX) + 1)
    with world.client() as client:
        reply = client.mail(world.sender.address, *declared.split())
        expect_reply(reply, "2xx", to="MAIL")
        expect_reply(client.rcpt(world.info), "2xx", to="RCPT")
        expect_reply(client.data(), 354, to="DATA")
        expect_reply(client.content(message), 552, to="the end of DATA")
    expect_nothing_upstream(world)


@clause("LIM-39")
@pytest.mark.parametrize("content", ENDLESS)
def test_a_client_that_sends_four_times_the_size_is_told_552_and_disconnected(
    world: World, content: str
) -> None:
    octets = ENDLESS[content]
    size = OVERSIZE_CUTOFF * size_limit(world, TRIED_SIZE_MAX)
    with world.client() as client:
        begin_data(world, client)
        client.send(world.message())
        for _ in range(size // len(octets) + 1):
            client.send(octets)
        expect_reply(client.read_reply(), 552, to="a message without an end")
        client.expect_closed()
    expect_nothing_upstream(world)


@also_as("receiver")
@clause("LIM-12")
def test_a_message_of_exactly_the_size_advertised_is_forwarded(world: World) -> None:
    message = of_size(world.message(), size_limit(world, TRIED_SIZE_MAX))
    arrived = forward(world, message=message)
    body = message.partition(CRLF * 2)[2]
    expect_true(
        arrived.body == body, "the original body", f"{len(arrived.body)} octets"
    )


@also_as("receiver")
@clause("LIM-20")
@pytest.mark.parametrize("value", ["", "x", "-1", "1k", "1.5", "0x10", "9" * 21])
def test_a_size_that_is_not_1_to_20_digits_is_refused(world: World, value: str) -> None:
    offered_size(world)
    with world.client() as client:
        accept_small_size(world, client)
        reply = client.mail(world.sender.address, f"SIZE={value}")
        expect_reply(reply, "5xx", to=f"MAIL with SIZE={value}")


@also_as("receiver")
@clause("LIM-37")
@pytest.mark.parametrize("value", ["0", "1000", "1000".zfill(20)])
def test_a_size_of_1_to_20_digits_is_accepted(world: World, value: str) -> None:
    offered_size(world)
    with world.client() as client:
        reply = client.mail(world.sender.address, f"SIZE={value}")
        expect_reply(reply, "2xx", to=f"MAIL with SIZE={value}")


@also_as("receiver")
@clause("LIM-21")
def test_the_size_advertised_is_the_limit_that_is_enforced(world: World) -> None:
    limit = world.subject.limits.message_size
    offered = offered_size(world)
    expect_match(r"[0-9]+", offered, "the parameter of SIZE")
    expect(int(offered), limit, "the size advertised")
    with world.client() as client:
        reply = client.mail(world.sender.address, f"SIZE={limit}")
        expect_reply(reply, "2xx", to=f"MAIL with SIZE={limit}")
        expect_reply(client.rset(), 250, to="RSET")
        reply = client.mail(world.sender.address, f"SIZE={limit + 1}")
        expect_reply(reply, "5xx", to=f"MAIL with SIZE={limit + 1}")


# Header blocks


def with_received(world: World, count: int) -> bytes:
    trace = (
        b"Received: from a.example by b.example; Mon, 23 Nov 2026 12:00:00 +0000\r\n"
    )
    return trace * count + world.message()


@also_as("receiver")
@clause("LIM-13")
@pytest.mark.parametrize("more", [0, 1, 400])
def test_a_message_with_100_received_fields_is_refused(world: World, more: int) -> None:
    with world.client() as client:
        begin_data(world, client)
        reply = client.content(
            with_received(world, world.subject.limits.received_fields + more)
        )
        expect_reply(reply, "5xx", to="the end of DATA")
    expect_nothing_upstream(world)


@also_as("receiver")
@clause("LIM-13")
def test_received_fields_count_in_any_spelling(world: World) -> None:
    count = world.subject.limits.received_fields
    message = b"rEcEiVeD :\r\n by a.example; now\r\n" * count + world.message()
    with world.client() as client:
        begin_data(world, client)
        expect_reply(client.content(message), "5xx", to="the end of DATA")


@also_as("receiver")
@clause("LIM-14")
def test_a_message_with_98_received_fields_is_forwarded(world: World) -> None:
    # The server's own field may be counted.
    forward(world, message=with_received(world, RECEIVED_FIELDS - 2))
    with world.client() as client:
        begin_data(world, client)
        reply = client.content(with_received(world, 5 * RECEIVED_FIELDS))
        if reply.positive:
            pytest.skip(
                "not even 500 Received fields are refused: they are not counted"
            )


@also_as("receiver")
@clause("LIM-14")
def test_received_fields_in_the_body_do_not_count(world: World) -> None:
    trace = "Received: from a.example by b.example; now\r\n"
    forward(world, message=world.message(body=trace * 150))


@also_as("receiver")
@clause("LIM-15")
@pytest.mark.parametrize("shape", ["many fields", "one folded field"])
def test_a_message_with_a_header_block_over_256_kib_is_refused(
    world: World, shape: str
) -> None:
    with world.client() as client:
        begin_data(world, client)
        reply = client.content(with_large_header(world, shape))
        expect_reply(reply, "5xx", to="the end of DATA")
    expect_nothing_upstream(world)


def with_large_header(world: World, shape: str = "many fields") -> bytes:
    """A message whose header block is over the limit."""
    lines = world.subject.limits.header_size // 100 + 1
    start = b"X-Field: " if shape == "many fields" else b" " * 9
    header = b"X-First: 1\r\n" + (start + b"y" * 89 + CRLF) * lines
    return header + world.message()


@also_as("receiver")
@clause("LIM-15")
def test_a_message_with_a_header_block_under_256_kib_is_forwarded(
    world: World,
) -> None:
    lines = (world.subject.limits.header_size - 2000) // 100
    header = (b"X-Field: " + b"y" * 89 + CRLF) * lines
    arrived = forward(world, message=header + world.message())
    found = len(arrived.fields("X-Field"))
    expect(found, lines, "the number of X-Field fields")


@also_as("receiver")
@clause("LIM-38")
@pytest.mark.parametrize("fields", [9_000, 22_000])
def test_a_message_with_very_many_fields_is_not_put_off(
    world: World, fields: int
) -> None:
    message = b"X:\r\n" * fields + world.message()
    with world.client() as client:
        begin_data(world, client)
        reply = client.content(message)
        if 400 <= reply.code < 500:
            begin_data(world, client)
            reply = client.content(message)
        expect_one_of(reply.code // 100, (2, 5), "the first digit of the reply at last")
    if reply.positive:
        world.upstream.wait_for_message()


# The reference relay's own codes


@clause("LIM-35")
def test_the_refusal_of_a_long_command_line_is_500_5_5_2(world: World) -> None:
    with world.client() as client:
        reply = client.command("NOOP ".ljust(COMMAND_LINE, "x"))
        expect_reply(reply, 500, enhanced="5.5.2", to="a command line too long")
        open_transaction(world, client)


@clause("LIM-35")
def test_the_refusal_of_a_declared_size_is_552_5_3_4(world: World) -> None:
    with world.client() as client:
        size = world.subject.limits.message_size + 1
        reply = client.mail(world.sender.address, f"SIZE={size}")
        expect_reply(reply, 552, enhanced="5.3.4", to="MAIL")
        open_transaction(world, client)


@clause("LIM-35")
def test_the_refusal_of_a_recipient_past_the_limit_is_452_4_5_3(world: World) -> None:
    with world.client() as client:
        client.mail(world.sender.address)
        past = name_recipients(world, client, world.subject.limits.recipients + 1)[-1]
        expect_reply(past, 452, enhanced="4.5.3", to="RCPT")


@clause("LIM-35")
@pytest.mark.parametrize(
    ("fault", "code", "enhanced"),
    [
        ("size", 552, "5.3.4"),
        ("header", 552, "5.3.4"),
        ("fields", 552, "5.3.4"),
        ("loop", 554, "5.4.6"),
    ],
)
def test_the_refusal_of_a_message_over_a_limit_has_its_code_and_the_session_goes_on(
    world: World, fault: str, code: int, enhanced: str
) -> None:
    limits = world.subject.limits
    if fault == "size":
        message = of_size(world.message(), limits.message_size + 1)
    elif fault == "header":
        message = with_large_header(world)
    elif fault == "fields":
        message = b"X:\r\n" * HEADER_FIELDS_MAX + world.message()
    else:
        message = with_received(world, limits.received_fields)
    with world.client() as client:
        begin_data(world, client)
        reply = client.content(message)
        expect_reply(reply, code, enhanced=enhanced, to="the end of DATA")
        open_transaction(world, client)
