"""What the tests of the dialogue and of smuggling share: clients that have got to a certain step, and
answers of which any safe one will do."""

from __future__ import annotations

import re

from conformance import ConformanceFailure, expect_reply, expect_true, fail
from conformance.lab import Client, Reply, World
from conformance.suite.acts import DOMAIN, fence

LITERAL = r"\[(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[a-zA-Z0-9-]*[a-zA-Z0-9]:[\x21-\x5a\x5e-\x7e]+)\]"
PART_PAUSE = 0.2  # seconds in which a part of a line would be answered
STATES = ("connected", "greeted", "mail", "rcpt")


def client_in(world: World, state: str) -> Client:
    """A client that has got so far."""
    client = world.client(greet=False)
    expect_reply(client.banner(), 220, to="the connection")
    if state != "connected":
        expect_reply(client.ehlo(), 250, to="EHLO")
    if state in ("mail", "rcpt"):
        expect_reply(client.mail(world.sender.address), 250, to="MAIL")
    if state == "rcpt":
        expect_reply(client.rcpt(world.info), 250, to="RCPT")
    return client


def first_word(reply: Reply) -> str:
    return reply.lines[0].split(" ")[0]


def expect_a_name(reply: Reply) -> None:
    """The first word is a domain name or an address literal."""
    word = first_word(reply)
    named = re.fullmatch(rf"{DOMAIN}|{LITERAL}", word) is not None
    expect_true(named, "a domain name or an address literal as the first word", reply)


def expect_refused(reply: Reply | None, to: str) -> None:
    """4xx or 5xx, or the connection closed instead of a reply."""
    if reply is not None and reply.positive:
        fail(f"a refusal of {to}", reply)


def answer(client: Client) -> Reply | None:
    """The next reply; None if the subject closed the connection without one."""
    try:
        return client.read_reply()
    except ConformanceFailure as failure:
        if failure.actual == "the connection was closed":
            return None
        raise


def replies_until_closed(client: Client) -> list[str]:
    """QUIT, and the last lines of all replies from here to the end of the connection."""
    client.line("QUIT")
    said = client.expect_closed()
    replies = []
    for line in said.split(b"\r\n")[:-1]:
        match = re.match(rb"[2-5][0-9][0-9]([ -]|$)", line)
        if match is None:
            fail("replies in the syntax of RFC 5321 4.2", said)
        if match.group(1) != b"-":
            replies.append(line.decode("ascii", "backslashreplace"))
    return replies


def replies_to_message(client: Client) -> list[str]:
    """The reply to the message that was sent, then QUIT and all else that is said. Not pipelined: what
    becomes of commands behind the end of the message is another question."""
    reply = answer(client)
    if reply is None:
        return []
    return [reply.shown.rpartition(" | ")[2], *replies_until_closed(client)]


def codes_until_closed(client: Client) -> list[int]:
    """QUIT, and the codes of all replies from here to the end of the connection."""
    return [int(reply[:3]) for reply in replies_until_closed(client)]


FINAL_LINE = re.compile(rb"^[2-5][0-9][0-9](?: .*|\r?)$", re.MULTILINE)


def octets_to_a_final_line(client: Client, said: bytes = b"") -> bytes:
    """What is said, after what has been, until there is the last line of a reply in it, or no more."""
    while not FINAL_LINE.search(said):
        more = client.read_octets(client.patience)
        if not more:
            break
        said += more
    return said


def octets_until_closed(client: Client, *parts: bytes) -> bytes:
    """All that is said to a line that is sent in parts, and to a QUIT after it, in whatever syntax.
    A reply to one part is read before the next leaves: to many who talk out of turn a server says only
    that ("synchronization error")."""
    said = b""
    for part in parts[:-1]:
        client.send(part)
        said += client.read_octets(PART_PAUSE)
    client.send(parts[-1] + b"\r\n")
    if FINAL_LINE.search(said):
        said += client.read_octets(PART_PAUSE)
    said = octets_to_a_final_line(client, said)
    client.line("QUIT")
    return said + client.expect_closed()


def final_lines(said: bytes) -> list[str]:
    """The last lines of the replies in what a subject has said, whatever else is in them."""
    return [
        line.decode("ascii", "backslashreplace").rstrip("\r")
        for line in FINAL_LINE.findall(said)
    ]


def recipients_upstream(world: World) -> list[str]:
    """Of all messages at the test's upstream, in lower case and sorted; there is at least one, and
    a later one by another route has arrived."""
    world.upstream.wait_for_message()
    fence(world)
    arrived = [recipient for m in world.upstream.messages for recipient in m.recipients]
    return sorted(recipient.lower() for recipient in arrived)
