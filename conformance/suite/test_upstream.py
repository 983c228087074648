"""The relay as a client of the upstream: its commands, and how it takes replies. Its sessions, from the
first message to the last, are in test_upstream_sessions.py."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from conformance import (
    also_as,
    clause,
    expect,
    expect_in,
    expect_match,
    expect_not_in,
    expect_reply,
    expect_true,
)
from conformance.lab import (
    Client,
    Dialogue,
    SenderWorld,
    World,
    hang_up,
    hold,
    raw,
    say,
)
from conformance.lab.client import Delivery
from conformance.suite.acts import DOMAIN, MAILBOX, control, fence, forward

PATIENT_PIECES = 12

# RFC 5321 4.1.2, with the address literals of 4.1.3.
ADDRESS = rf"(?:{MAILBOX}|{MAILBOX.removesuffix(DOMAIN)}\[[!-Z^-~]+\])"
PATH = rf"<(?:@{DOMAIN}(?:,@{DOMAIN})*:)?{ADDRESS}>"
PARAMETERS = r"(?: [A-Za-z0-9][A-Za-z0-9-]*(?:=[!-<>-~]+)?)*"

# Of an 8-bit message: without them, no MTA could convert it.
MIME = (
    "MIME-Version: 1.0",
    "Content-Type: text/plain; charset=utf-8",
    "Content-Transfer-Encoding: 8bit",
)


@contextmanager
def under_way(world: World) -> Iterator[Future[Delivery]]:
    """An ordinary delivery in a thread of its own, since it may take as long as the upstream is held.
    The upstream may be needed at RCPT or after the end of DATA."""

    def deliver() -> Delivery:
        with world.client() as client:
            return client.deliver(world.sender.address, world.info, world.message())

    with ThreadPoolExecutor(1) as executor:
        yield executor.submit(deliver)


def other_client_served(world: World) -> None:
    """A round trip with the subject: what it wanted to say upstream, it has said by now."""
    if isinstance(world, SenderWorld):
        fence(world)
        return
    with world.client(source=world.new_client_addresses()[0]) as other:
        expect_reply(other.command("NOOP"), 250, to="NOOP")
    world.lab.loop.catch_up()


def commands(dialogue: Dialogue, verb: str) -> list[str]:
    """The commands of that verb, as sent."""
    shown = [
        command.decode("ascii", "backslashreplace") for command in dialogue.commands
    ]
    return [command for command in shown if command.upper().startswith(verb)]


def parameters(dialogue: Dialogue) -> list[str]:
    """All parameters of MAIL and RCPT, in capitals."""
    sent = commands(dialogue, "MAIL") + commands(dialogue, "RCPT")
    return [
        word.upper() for command in sent for word in command.rpartition(">")[2].split()
    ]


def declarable(world: World, client: Client, *wanted: str) -> list[str]:
    """Those of the parameters whose extension the subject offers: others must not be sent to it."""
    keywords = {"BODY": "8BITMIME"}
    offered = client.extensions(world.sender.domain)
    return [
        parameter
        for parameter in wanted
        if keywords.get(parameter.partition("=")[0], parameter.partition("=")[0])
        in offered
    ]


def expect_no_parameters(world: World, *wanted: str) -> None:
    """A message that is declared with those that the subject offers goes upstream without any."""
    with world.client() as client:
        usable = declarable(world, client, *wanted)
        delivery = client.deliver(
            world.sender.address, world.info, world.message(), *usable
        )
        expect_reply(delivery.end, "2xx", to="the end of DATA")
    arrived = world.upstream.wait_for_message()
    expect(parameters(arrived.dialogue), [], "parameters of MAIL and RCPT")


def send_8bit(world: World, where: str = "body") -> Delivery:
    """Sends a message that is 8-bit there; skips where the subject does not take any."""
    with world.client() as client:
        if not declarable(world, client, "BODY=8BITMIME"):
            pytest.skip("the subject does not offer 8BITMIME")
        if where == "body":
            message = world.message(*MIME, body="piñata\r\n")
        else:
            message = world.message(*MIME, "X-Note: piñata")
        return client.deliver(
            world.sender.address, world.info, message, "BODY=8BITMIME"
        )


# Greeting


@clause("UPS-01")
@also_as("sender")
def test_the_relay_sends_nothing_before_the_banner(world: World) -> None:
    gate = hold()
    world.upstream.on("connect", gate)
    with under_way(world) as delivery:
        try:
            gate.wait_until_reached(world.patience)
            other_client_served(world)
            said = bytes(world.upstream.wait_for_dialogue().received)
        finally:
            gate.release()
        expect_true(
            delivery.result().accepted, "a 2xx for the message", delivery.result().final
        )
    expect(said, b"", "what was sent before the banner")
    world.upstream.wait_for_message()


@clause("UPS-31")
@also_as("sender")
def test_a_session_starts_by_ehlo(world: World) -> None:
    forward(world)
    verbs = world.upstream.wait_for_dialogue().verbs
    expect(verbs[:1], ["EHLO"], "the first command upstream")


@clause("UPS-32")
@also_as("sender")
def test_ehlo_or_helo_precedes_mail(world: World) -> None:
    verbs = forward(world).dialogue.verbs
    before = list(itertools.takewhile(lambda verb: verb != "MAIL", verbs))
    expect_true({"EHLO", "HELO"} & set(before), "EHLO or HELO before MAIL", verbs)


UNKNOWN = ["500 what", "502 5.5.1 not implemented"]


@clause("UPS-02")
@also_as("sender")
@pytest.mark.parametrize("text", UNKNOWN)
def test_helo_follows_where_ehlo_is_unknown(world: World, text: str) -> None:
    world.upstream.on("ehlo", say(text))
    dialogue = forward(world).dialogue
    expect_in("EHLO", world.upstream.verbs, "the commands upstream")
    expect_in("HELO", dialogue.verbs, "the commands of the session with the message")


# Commands


@clause("ERR-03")
def test_a_temporary_refusal_of_ehlo_is_the_reply_to_rcpt(world: World) -> None:
    # HELO is for a host that does not know EHLO (RFC 5321 3.2); this one does.
    world.upstream.on("ehlo", say("451 4.7.0 not today"))
    with world.client() as client:
        expect_reply(client.mail(world.sender.address), 250, to="MAIL")
        expect_reply(client.rcpt(world.info), 451, enhanced="4.7.0", to="RCPT")


@clause("UPS-03")
@also_as("sender")
def test_mail_is_in_the_syntax_of_rfc_5321(world: World) -> None:
    for command in commands(forward(world).dialogue, "MAIL"):
        expect_match(rf"(?i:MAIL FROM:){PATH}{PARAMETERS}", command, "a MAIL command")


@clause("UPS-34")
@also_as("sender")
def test_rcpt_is_in_the_syntax_of_rfc_5321(world: World) -> None:
    for command in commands(forward(world).dialogue, "RCPT"):
        expect_match(rf"(?i:RCPT TO:){PATH}{PARAMETERS}", command, "a RCPT command")


@clause("UPS-04")
@also_as("sender")
@pytest.mark.parametrize("declared", ["SIZE=500", "BODY=7BIT", "SIZE=500 BODY=7BIT"])
def test_no_parameters_are_sent_to_an_upstream_without_extensions(
    world: World, declared: str
) -> None:
    world.upstream.extensions = []
    expect_no_parameters(world, *declared.split())


@clause("UPS-04")
@also_as("sender")
def test_the_first_line_of_a_reply_to_ehlo_offers_no_extension(world: World) -> None:
    # It has the host's name and a greeting (RFC 5321 4.1.1.1), whatever the name.
    world.upstream.on("ehlo", say("250-8BITMIME at your service\n250 HELP"))
    send_8bit(world)
    world.upstream.wait_for_dialogue()
    fence(world)
    for dialogue in world.upstream.dialogues:
        what = "parameters of MAIL and RCPT to a host whose name alone is 8BITMIME"
        expect(parameters(dialogue), [], what)


@clause("UPS-04")
@also_as("sender")
@pytest.mark.parametrize("text", UNKNOWN)
def test_no_parameters_are_sent_after_helo(world: World, text: str) -> None:
    world.upstream.on("ehlo", say(text))
    expect_no_parameters(world, "SIZE=500", "BODY=7BIT")


@clause("UPS-04")
@also_as("sender")
def test_what_was_offered_in_the_clear_is_not_used_after_helo_inside_tls(
    world: World,
) -> None:
    # Neither is what is said in the clear remembered (RFC 3207 4.2), nor does HELO offer anything.
    world.upstream.offer_starttls()
    world.upstream.on("ehlo", say("502 5.5.1 not inside TLS"), nth=2)
    with world.client() as client:
        usable = declarable(world, client, "SIZE=500", "BODY=8BITMIME")
        client.deliver(world.sender.address, world.info, world.message(), *usable)
    world.upstream.wait_for_dialogue()
    fence(world)
    after_helo = [d for d in world.upstream.dialogues if "HELO" in d.verbs]
    if not after_helo:
        pytest.skip("it does not say HELO inside TLS")
    for dialogue in after_helo:
        expect(parameters(dialogue), [], "parameters of MAIL and RCPT")


def sizes_declared(world: World) -> tuple[list[str], int]:
    """The values of SIZE upstream for a large message, and the size that its client declared."""
    world.upstream.extensions = ["SIZE 1000000", "8BITMIME"]
    message = world.message(body=f"{'x' * 70}\r\n" * 2000)
    with world.client() as client:
        declared = declarable(world, client, f"SIZE={len(message)}")
        if not declared:
            pytest.skip("the subject does not offer SIZE: it may not know the size")
        delivery = client.deliver(world.sender.address, world.info, message, *declared)
        expect_reply(delivery.end, "2xx", to="the end of DATA")
    sent = parameters(world.upstream.wait_for_message().dialogue)
    return [p.partition("=")[2] for p in sent if p.startswith("SIZE")], len(message)


@clause("UPS-05")
@also_as("sender")
def test_the_size_of_a_large_message_is_declared(world: World) -> None:
    sizes, _ = sizes_declared(world)
    expect(len(sizes), 1, "the number of SIZE parameters")
    expect_match(r"[0-9]{1,20}", sizes[0], "a size")


@clause("UPS-38")
@also_as("sender")
def test_the_declared_size_is_not_less_than_the_clients(world: World) -> None:
    sizes, size = sizes_declared(world)
    if not sizes:
        pytest.skip("no size is declared, which UPS-05 judges")
    value = expect_match(r"[0-9]{1,20}", sizes[0], "a size").group()
    expect_true(int(value) >= size, f"a size of at least {size}", value)


@clause("UPS-38")
@also_as("sender")
def test_no_size_is_made_up_for_a_message_whose_client_declares_none(
    world: World,
) -> None:
    message = world.message(body=f"{'x' * 70}\r\n" * 2000)
    sent = parameters(forward(world, message=message).dialogue)
    sizes = [p.partition("=")[2] for p in sent if p.startswith("SIZE=")]
    # Who reads the message before MAIL knows its size.
    for size in sizes:
        value = expect_match(r"[0-9]{1,20}", size, "a size").group()
        expect_true(
            int(value) >= len(message), f"a size of at least {len(message)}", value
        )


@clause("UPS-06")
@also_as("sender")
def test_8bit_content_is_sent_with_body_8bitmime(world: World) -> None:
    world.upstream.extensions = ["8BITMIME"]
    expect_reply(send_8bit(world).end, "2xx", to="the end of DATA")
    arrived = world.upstream.wait_for_message()
    if arrived.content.isascii():
        pytest.skip("the message was converted to 7 bits")
    expect_in("BODY=8BITMIME", parameters(arrived.dialogue), "parameters of MAIL")


@clause("UPS-07")
@also_as("sender")
@pytest.mark.parametrize("where", ["body", "header"])
def test_8bit_content_is_not_sent_to_an_upstream_without_8bitmime(
    world: World, where: str
) -> None:
    world.upstream.extensions = ["SIZE"]
    delivery = send_8bit(world, where)
    if delivery.final.permanent and not world.upstream.dialogues:
        # RFC 5321 2.4: what is 8-bit and no MIME may be refused, wherever it was to go.
        pytest.skip(f"the subject does not take it ({delivery.final.shown})")
    # Of what it takes, it cannot follow the rule without a look at what the upstream offers.
    world.upstream.wait_for_dialogue()
    fence(world)
    for dialogue in world.upstream.dialogues:
        octets = bytes(dialogue.received)
        expect_true(octets.isascii(), "nothing but ASCII upstream", octets)


@clause("UPS-37")
@pytest.mark.parametrize("where", ["body", "header"])
def test_8bit_content_is_refused_for_an_upstream_without_8bitmime(
    world: World, where: str
) -> None:
    world.upstream.extensions = ["SIZE"]
    expect_reply(send_8bit(world, where).final, "5xx", enhanced="5.6.3")
    expect_in("EHLO", world.upstream.verbs, "the commands upstream")


@clause("UPS-08")
@also_as("sender")
@pytest.mark.parametrize("stage", ["ehlo", "mail", "rcpt", "data"])
def test_without_pipelining_each_command_waits_for_its_reply(
    world: World, stage: str
) -> None:
    world.upstream.extensions = []
    gate = hold()
    world.upstream.on(stage, gate)
    with under_way(world) as delivery:
        try:
            gate.wait_until_reached(world.patience)
            other_client_served(world)
            verbs = world.upstream.dialogues[0].verbs
        finally:
            gate.release()
        expect_true(
            delivery.result().accepted, "a 2xx for the message", delivery.result().final
        )
    expect(verbs[-1:], [stage.upper()], "the last command before that reply")
    world.upstream.wait_for_message()


@clause("UPS-33")
@also_as("sender")
@pytest.mark.parametrize(
    "text", ["554 5.5.1 no valid recipients", "451 4.3.0 not now", "250 2.0.0 fine"]
)
def test_the_message_is_not_sent_without_a_3xx(world: World, text: str) -> None:
    world.upstream.on("data", say(text))
    with world.client() as client:
        client.deliver(
            world.sender.address, world.info, world.message(body="content\r\n")
        )
    world.upstream.wait_for_command(b"DATA")
    fence(world)
    for dialogue in world.upstream.dialogues:
        expect_not_in(b"content\r\n", bytes(dialogue.received), "what was sent")


@clause("UPS-39")
@also_as("sender")
@pytest.mark.parametrize("code", [300, 359, 399])
def test_a_3xx_to_data_is_taken_like_354(world: World, code: int) -> None:
    world.upstream.on("data", say(f"{code} go on"))
    forward(world)


# Lines


@clause("UPS-09")
@also_as("sender")
def test_every_line_ends_in_crlf(world: World) -> None:
    octets = bytes(forward(world).dialogue.received)
    rest = re.sub(rb"\r\n", b"", octets)
    expect_true(
        b"\r" not in rest and b"\n" not in rest, "no bare CR and no bare LF", octets
    )


@clause("UPS-40")
@also_as("sender")
@pytest.mark.parametrize("empty_lines", [0, 1])
def test_no_empty_line_is_added_before_the_end_of_data(
    world: World, empty_lines: int
) -> None:
    body = "Hello." + "\r\n" * (1 + empty_lines)
    content = forward(world, message=world.message(body=body)).content
    end = content[len(content.rstrip(b"\r\n")) :]
    expect_true(
        end.count(b"\r\n") <= 1 + empty_lines,
        f"no more than {empty_lines} empty lines at the end",
        content[-40:],
    )


# Replies


@clause("UPS-12")
@also_as("sender")
@pytest.mark.parametrize("stage", ["connect", "ehlo", "mail", "rcpt", "data", "end"])
def test_replies_in_fragments_are_understood(world: World, stage: str) -> None:
    name = world.upstream.name
    replies = {
        "connect": f"220-{name} welcome\n220 {name}",
        "ehlo": f"250-{name}\n250-SIZE\n250 8BITMIME",
        "data": "354-go\n354 on",
    }
    text = replies.get(stage, "250-2.0.0 well\n250 2.0.0 done")
    world.upstream.on(stage, say(text, pieces=PATIENT_PIECES))
    forward(world)


@clause("UPS-35")
@also_as("sender")
@pytest.mark.parametrize("reply", [b"250\r\n", b"250 \r\n", b"250-\r\n250\r\n"])
def test_a_reply_without_text_is_accepted(world: World, reply: bytes) -> None:
    world.upstream.on("rcpt", raw(reply))
    forward(world)


@clause("UPS-36")
@also_as("sender")
@pytest.mark.parametrize(
    ("stage", "text"),
    [
        ("mail", "250 5.1.8 sender rejected"),
        ("rcpt", "250 550 5.1.1 no such user"),
        ("end", "250 554 5.7.1 refused as spam"),
    ],
)
def test_a_2xx_is_a_success_whatever_its_text(
    world: World, stage: str, text: str
) -> None:
    world.upstream.on(stage, say(text))
    forward(world)


@clause("UPS-36")
@also_as("sender")
@pytest.mark.parametrize("text", ["550 2.1.5 ok", "450 250 recipient accepted"])
def test_a_refusal_is_one_whatever_its_text(world: World, text: str) -> None:
    world.upstream.on("rcpt", say(text))
    with world.client() as client:
        client.deliver(world.sender.address, world.info, world.message())
    world.upstream.wait_for_command(b"RCPT")
    fence(world)
    expect(len(world.upstream.messages), 0, "the number of messages upstream")


@clause("UPS-17")
@also_as("sender")
@pytest.mark.parametrize(
    ("stage", "text"),
    [("mail", "239 yes"), ("rcpt", "259 as good as any"), ("end", "247 taken")],
)
def test_an_unknown_code_is_taken_by_its_first_digit(
    world: World, stage: str, text: str
) -> None:
    world.upstream.on(stage, say(text))
    forward(world)


TOO_LONG = {
    "one line": b"550 " + b"x" * 4_000_000 + b"\r\n",
    "many lines": b"550-on and on\r\n" * 300_000,
}


@clause("UPS-13")
@pytest.mark.parametrize("shape", list(TOO_LONG))
def test_a_reply_that_is_too_long_becomes_451_450(world: World, shape: str) -> None:
    world.upstream.on("rcpt", raw(TOO_LONG[shape]), hang_up())
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
        expect_reply(delivery.final, 451, enhanced="4.5.0")
        expect_reply(client.command("NOOP"), 250, to="NOOP")
    expect_in("RCPT", world.upstream.verbs, "the commands upstream")


@clause("UPS-14")
@pytest.mark.parametrize("stage", ["rcpt", "end"])
@pytest.mark.parametrize("text", ["250-yes\n550 no", "550-no\n250 yes"])
def test_a_multiline_reply_whose_codes_differ_becomes_451_450(
    world: World, stage: str, text: str
) -> None:
    world.upstream.on(stage, say(text))
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
    expect_reply(delivery.final, 451, enhanced="4.5.0")
    expect_in("RCPT", world.upstream.verbs, "the commands upstream")


# Extensions that are not for a relay


@clause("UPS-15")
@also_as("sender")
def test_auth_vrfy_and_expn_are_not_used(world: World) -> None:
    world.upstream.extensions = ["AUTH PLAIN LOGIN", "VRFY", "EXPN", "ETRN", "DSN"]
    forward(world)
    for verb in ("AUTH", "VRFY", "EXPN"):
        expect_not_in(verb, world.upstream.verbs, "the commands upstream")


@clause("UPS-16")
@pytest.mark.parametrize("is_declared", [True, False], ids=["declared", "undeclared"])
def test_a_message_over_the_upstreams_limit_is_refused_and_not_sent(
    world: World, is_declared: bool
) -> None:
    world.upstream.extensions = ["SIZE 20000"]
    control(world)
    message = world.message(body="x\r\n" * 10000)
    with world.client() as client:
        size = f"SIZE={len(message)}"
        declared = declarable(world, client, size) if is_declared else []
        delivery = client.deliver(world.sender.address, world.info, message, *declared)
    expect_reply(delivery.final, "5xx")
    fence(world)
    expect(len(world.upstream.messages), 1, "the number of messages upstream")
