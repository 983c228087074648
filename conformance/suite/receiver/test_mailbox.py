"""The message as it is in the mailbox: what was forwarded, with the receiver's own results on top and nobody
else's in its name."""

from __future__ import annotations

from email.utils import getaddresses

import authres
import pytest

from conformance import clause, expect, expect_in, expect_not_in, expect_true, fail
from conformance.lab import Delivery, Message, ReceiverWorld
from conformance.lab.plan import EHLO
from conformance.suite.receiver.acts import (
    as_sent,
    claims_of_the_service,
    delivered,
    delivered_by_the_relay,
    expect_accepted,
    forwarded,
    own_fields,
    send,
)
from conformance.suite.test_message import raw_fields
from conformance.suite.verifiers import arc_verdict, dkim_verdicts, sign

# That a receiver may remove, or has to, and in place of which it may have its own.
NOT_KEPT = (b"return-path", b"authentication-results")
FIRST = "X-First: of the original"
MARK = "forged.example"


def name_of(field: bytes) -> bytes:
    return field.partition(b":")[0].strip().lower()


def expect_intact(arrived: Message, sent: bytes) -> None:
    """Every field that was sent is there as it was and in its order, and the body is the same."""
    header, _, body = sent.partition(b"\r\n\r\n")
    found = iter(raw_fields(arrived.header))
    for field in raw_fields(header + b"\r\n"):
        if name_of(field) not in NOT_KEPT and field not in found:
            fail(f"the field {field!r}, unchanged and in its place", arrived.header)
    expect(arrived.body, body, "the body in the mailbox")


each_author = pytest.mark.parametrize(
    "author",
    [
        "Alice <{}>",
        '"Alice (via a list)" <{}>',
        "{}",
        "<{}>",
        "=?utf-8?q?Al=C3=ADce?= <{}>",
    ],
)


def written_by(world: ReceiverWorld, author: str) -> bytes:
    """A message with that form of From."""
    _, _, rest = world.message().partition(b"\r\n")
    return f"From: {author.format(world.sender.address)}\r\n".encode() + rest


@clause("RCV-71")
@pytest.mark.parametrize("by", ["the relay", "a script"])
@each_author
def test_from_still_names_the_original_author(
    world: ReceiverWorld, by: str, author: str
) -> None:
    message = written_by(world, author)
    if by == "the relay":
        arrived = delivered_by_the_relay(world, message)
    else:
        arrived = delivered(world, forwarded(world, message))
    fields = [" ".join(value.split()) for _, value in arrived.fields("From")]
    expect(len(fields), 1, "the number of From fields")
    named = [address for _, address in getaddresses(fields)]
    expect(named, [world.sender.address], "the addresses in From")


@clause("RCV-72")
@each_author
def test_from_is_delivered_as_it_was_written(world: ReceiverWorld, author: str) -> None:
    message = forwarded(world, written_by(world, author))
    expect_intact(delivered(world, message), message)


SHAPES = {
    "folded": ("X-Folded: one\r\n two\r\n\tthree",),
    "white space": ("X-Space:    lots   of \t it  ", "X-Empty:"),
    "repeated": ("X-Same: 1", "X-Same: 2", "X-Same: 1"),
    "in odd case": ("x-lower: a", "X-UPPER: B"),
    "of other systems": (
        "Delivered-To: someone@other.example",
        "X-Spam-Flag: NO",
        "X-Original-To: someone@other.example",
        "Errors-To: <somebody@other.example>",
    ),
    "of encoded words": ("X-Word: =?utf-8?q?pi=C3=B1ata?= (=?utf-8?b?w7E=?=)",),
}


@clause("RCV-72")
@pytest.mark.parametrize("shape", list(SHAPES))
def test_header_fields_are_delivered_as_they_came(
    world: ReceiverWorld, shape: str
) -> None:
    message = forwarded(world, world.message(*SHAPES[shape]))
    expect_intact(delivered(world, message), message)


BODIES = {
    "dots": ".\r\n..\r\n.x\r\n...\r\n",
    "blanks": "a  b \t\r\n \r\n\t\r\n",
    "empty lines": "\r\n\r\nlate\r\n\r\n\r\n",
    "no body": "",
    "from lines": "From here\r\n>From there\r\nFrom: nobody\r\n",
    "a long line": "x" * 990 + "\r\n",
}


@clause("RCV-72")
@pytest.mark.parametrize("body", list(BODIES))
def test_the_body_is_delivered_as_it_came(world: ReceiverWorld, body: str) -> None:
    message = forwarded(world, world.message(body=BODIES[body]))
    expect_intact(delivered(world, message), message)


@clause("RCV-72")
def test_what_the_relay_forwards_has_the_original_below(world: ReceiverWorld) -> None:
    message = world.message(FIRST, body="..\r\nHello.\r\n")
    expect_intact(delivered_by_the_relay(world, message), message)


def expect_verifies(arrived: Message, domain: str) -> None:
    good = [signer for signer, verifies in dkim_verdicts(arrived.content) if verifies]
    for signer in (domain, EHLO):
        expect_in(signer, good, "the signatures that verify in the mailbox")
    expect(arc_verdict(arrived.content), "pass", "the chain in the mailbox")


@clause("RCV-73")
@pytest.mark.parametrize("by", ["the relay", "a script"])
@pytest.mark.parametrize("body", ["Hello.\r\n", "a  b \t\r\n\r\n\r\n", ".\r\n"])
def test_signatures_and_chain_verify_in_the_mailbox(
    world: ReceiverWorld, by: str, body: str
) -> None:
    message = sign(world.message(body=body), world.sender.domain)
    if by == "the relay":
        arrived = delivered_by_the_relay(world, message)
    else:
        arrived = delivered(world, forwarded(world, message))
    expect_verifies(arrived, world.sender.domain)


@clause("RCV-73")
def test_signatures_over_simple_canonical_forms_verify_in_the_mailbox(
    world: ReceiverWorld,
) -> None:
    message = sign(
        world.message("X-Space:   much \t of it "),
        world.sender.domain,
        canonicalize=(b"simple", b"simple"),
    )
    expect_verifies(delivered(world, forwarded(world, message)), world.sender.domain)


EIGHT_BIT = (
    "MIME-Version: 1.0",
    "Content-Type: text/plain; charset=iso-8859-1",
    "Content-Transfer-Encoding: 8bit",
)


HIGH_OCTETS = bytes(range(0xA0, 0x100)) + b"\r\n"


def of_eight_bits(world: ReceiverWorld, *parameters: str) -> Delivery:
    """A message with octets above 127, sent where that is offered, after one without has been delivered."""
    with world.service_client() as client:
        if "8BITMIME" not in client.extensions():
            pytest.skip("8BITMIME is not offered")
    delivered(world)
    message = forwarded(world, world.message(*EIGHT_BIT, body="") + HIGH_OCTETS)
    return send(world, message, parameters=parameters)


def expect_high_octets(world: ReceiverWorld, delivery: Delivery) -> None:
    expect_accepted(delivery)
    arrived = world.inbox.wait_for_message_at(world.mailbox, 2)
    expect(arrived.body, HIGH_OCTETS, "the body in the mailbox")


@clause("RCV-74")
def test_octets_above_127_are_delivered_unchanged(world: ReceiverWorld) -> None:
    expect_high_octets(world, of_eight_bits(world, "BODY=8BITMIME"))


@clause("RCV-101")
def test_octets_above_127_that_were_not_declared_are_delivered_or_refused(
    world: ReceiverWorld,
) -> None:
    delivery = of_eight_bits(world)
    if not delivery.final.permanent:
        expect_high_octets(world, delivery)


# Authentication-Results


def own_id(world: ReceiverWorld) -> str:
    """The authserv-id under which the receiver records its own results."""
    message = forwarded(world)
    fields = own_fields(delivered(world, message), message)
    if not fields:
        fail("an Authentication-Results field of the receiver's own", "none")
    try:
        parsed = authres.AuthenticationResultsHeader.parse(
            f"Authentication-Results: {fields[0]}"
        )
        return str(parsed.authserv_id)
    except authres.AuthResError:
        return (fields[0].partition(";")[0].split() or [""])[0]


FORGED = {
    "plain": "Authentication-Results: {id}; dmarc=pass header.from={mark}",
    "in capitals": "AUTHENTICATION-RESULTS:{ID}; dmarc=pass header.from={mark}",
    "folded": "Authentication-Results:\r\n {id};\r\n dmarc=pass header.from={mark}",
    "after a comment": "Authentication-Results: (a) {id}; dmarc=pass header.from={mark}",
    "quoted": 'Authentication-Results: "{id}"; dmarc=pass header.from={mark}',
    "of version 1": "Authentication-Results: {id} 1; dmarc=pass header.from={mark}",
}


@clause("RCV-75")
@pytest.mark.parametrize("forged", list(FORGED))
@pytest.mark.parametrize("place", ["on top", "below the chain"])
def test_results_forged_in_the_receivers_name_are_removed(
    world: ReceiverWorld, forged: str, place: str
) -> None:
    name = own_id(world)
    field = FORGED[forged].format(id=name, ID=name.upper(), mark=MARK)
    line = f"{field}\r\n".encode()
    if place == "on top":
        message = line + forwarded(world)
    else:
        message = forwarded(world, line + world.message())
    delivery = send(world, message)
    if delivery.final.permanent:
        return  # as safe
    expect_true(delivery.accepted, "a 2xx for the message", delivery.final)
    arrived = world.inbox.wait_for_message_at(world.mailbox, 2)
    fields = [value for _, value in arrived.fields("Authentication-Results")]
    expect_not_in(MARK, "\n".join(fields), "the Authentication-Results fields")
    expect_true(own_fields(arrived, message), "the receiver's own results", fields)


@clause("RCV-75")
def test_results_that_the_author_forged_are_removed_after_the_relay_too(
    world: ReceiverWorld,
) -> None:
    name = own_id(world)
    line = f"Authentication-Results: {name}; dmarc=pass header.from={MARK}\r\n"
    arrived = delivered_by_the_relay(world, line.encode() + world.message())
    fields = [value for _, value in arrived.fields("Authentication-Results")]
    expect_not_in(MARK, "\n".join(fields), "the Authentication-Results fields")


OTHERS = "mx.other.example; spf=pass smtp.mailfrom=other.example"


@clause("RCV-76")
@pytest.mark.parametrize("whose", ["the service's", "another's"])
def test_results_of_others_are_delivered(world: ReceiverWorld, whose: str) -> None:
    field = f"Authentication-Results: {OTHERS}"
    message = forwarded(world, world.message(field))
    arrived = delivered(world, message)
    fields = [" ".join(v.split()) for _, v in arrived.fields("Authentication-Results")]
    wanted = OTHERS
    if whose == "the service's":
        sent = as_sent(message).fields("Authentication-Results")
        wanted = " ".join(sent[0][1].split())
    expect_in(wanted, fields, "the Authentication-Results fields")
    expect_true(own_fields(arrived, message), "the receiver's own results", fields)


@clause("RCV-77")
def test_results_are_recorded_above_the_message_as_it_came(
    world: ReceiverWorld,
) -> None:
    message = f"{FIRST}\r\n".encode() + forwarded(world)
    arrived = delivered(world, message)
    own = own_fields(arrived, message)
    expect_true(own, "an Authentication-Results field of its own", arrived.header)
    pairs = list(arrived.fields())
    first = [name for name, _ in pairs].index("X-First") if pairs else 0
    above = [value for name, value in pairs[:first]]
    for field in own:
        expect_in(field, above, "the fields above those that came")


@clause("RCV-78")
@pytest.mark.parametrize("kind", ["signed", "unsigned", "null", "p=reject"])
def test_results_have_the_syntax_of_rfc_8601(world: ReceiverWorld, kind: str) -> None:
    message = world.message()
    if kind != "unsigned":
        message = sign(message, world.sender.domain)
    if kind == "p=reject":
        world.sender.publish_dmarc("v=DMARC1; p=reject")
    sent = forwarded(world, message)
    arrived = delivered(world, sent, sender="" if kind == "null" else None)
    own = own_fields(arrived, sent)
    expect_true(own, "an Authentication-Results field of its own", arrived.header)
    for field in own:
        try:
            authres.AuthenticationResultsHeader.parse(
                f"Authentication-Results: {field}"
            )
        except authres.AuthResError as error:
            fail("a field in the syntax of RFC 8601 2.2", f"{error}: {field}")


@clause("RCV-79")
def test_no_result_is_added_to_a_field_that_came(world: ReceiverWorld) -> None:
    claims = "spf=pass smtp.mailfrom=other.example"
    field = claims_of_the_service(world, claims, "mx.other.example").decode().strip()
    message = forwarded(world, world.message(field))
    arrived = delivered(world, message)
    sent = [
        " ".join(v.split())
        for _, v in as_sent(message).fields("Authentication-Results")
    ]
    for _, value in arrived.fields("Authentication-Results"):
        text = " ".join(value.split())
        whole = text in sent
        begun = any(text.startswith(one) or one.startswith(text) for one in sent)
        expect_true(whole or not begun, "the fields that came, as they were", text)
