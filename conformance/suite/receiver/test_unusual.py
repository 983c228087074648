"""Forwarded mail that is unusual: large, with UTF-8 in its header or much of it, a list's, forwarded twice. It is
delivered as it came, or what is too large refused in the session."""

from __future__ import annotations

import pytest

from conformance import clause, expect, expect_in, expect_reply, expect_true
from conformance.lab import Delivery, ReceiverWorld
from conformance.suite.receiver.acts import (
    another_forwarder,
    delivered,
    delivered_by_the_relay,
    expect_once,
    forwarded,
    return_host,
    send,
)
from conformance.suite.sizes import of_size
from conformance.suite.verifiers import arc_seal, sign

SERVICE_SIZE_MAX = 26214400  # that the service takes
OWN_FIELDS = 8192  # more than the service adds


def size_offered(world: ReceiverWorld) -> int | None:
    """The largest message that the subject says it takes; None where it does not say."""
    with world.service_client() as client:
        offered = client.extensions().get("SIZE", "")
    return int(offered) if offered.isdecimal() and int(offered) > 0 else None


def large(world: ReceiverWorld) -> bytes:
    """A message as large as the service forwards."""
    return forwarded(world, of_size(world.message(), SERVICE_SIZE_MAX - OWN_FIELDS))


def expect_whole_or_refused(
    world: ReceiverWorld, delivery: Delivery, message: bytes
) -> None:
    """The second message for `mailbox` is there with its whole body, or was refused for its size."""
    if delivery.accepted:
        arrived = world.inbox.wait_for_message_at(world.mailbox, 2)
        body = message.partition(b"\r\n\r\n")[2]
        same = arrived.body == body
        expect_true(
            same, f"a body of {len(body)} octets", f"{len(arrived.body)} octets"
        )
    else:
        expect_in(delivery.final.code, (552, 452), "the code of the refusal")


@clause("RCV-80")
def test_a_message_of_25_mib_is_delivered_whole_or_refused_in_the_session(
    world: ReceiverWorld,
) -> None:
    delivered(world)
    message = large(world)
    delivery = send(world, message, parameters=(f"SIZE={len(message)}",))
    expect_whole_or_refused(world, delivery, message)


@clause("RCV-80")
def test_a_large_message_through_the_relay_is_delivered_whole_or_refused(
    world: ReceiverWorld,
) -> None:
    delivered_by_the_relay(world)
    message = of_size(world.message(), SERVICE_SIZE_MAX)
    delivery = world.forward(message)
    expect_whole_or_refused(world, delivery, message)


@clause("RCV-81")
def test_a_declared_size_over_the_limit_is_refused_in_reply_to_mail(
    world: ReceiverWorld,
) -> None:
    limit = size_offered(world)
    if limit is None:
        pytest.skip("no limit is advertised")
    delivered(world)
    sender = world.srs(world.sender.address)
    with world.service_client() as client:
        expect_reply(client.mail(sender, "SIZE=1000"), "2xx", to="MAIL, SIZE=1000")
        expect_reply(client.rset(), 250, to="RSET")
        refusal = client.mail(sender, f"SIZE={limit + 1}")
        expect_reply(refusal, "5xx", to=f"MAIL with SIZE={limit + 1}")


DEFECTS = {
    "no Message-ID": "-Message-ID",
    "no Date": "-Date",
    "no Subject and no To": "-Subject -To",
    "two Subjects": "Subject: another",
    "a Date in no syntax": "-Date Date: yesterday",
    "a Message-ID in no syntax": "-Message-ID Message-ID: none",
    "To in no syntax": "-To To: undisclosed recipients",
    "a boundary that is missing": "Content-Type: multipart/mixed; boundary=missing",
    "an unknown charset": "Content-Type: text/plain; charset=none-such",
}


def with_defect(world: ReceiverWorld, defect: str) -> bytes:
    words = DEFECTS[defect].split(" ")
    removed = [word[1:].lower() for word in words if word.startswith("-")]
    added = " ".join(word for word in words if not word.startswith("-"))
    header, _, body = world.message().partition(b"\r\n\r\n")
    lines = [
        line
        for line in header.split(b"\r\n")
        if line.partition(b":")[0].decode().lower() not in removed
    ]
    lines += [added.encode()] * bool(added)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@clause("RCV-82")
@pytest.mark.parametrize("defect", list(DEFECTS))
def test_a_defect_of_the_header_is_no_reason_to_refuse(
    world: ReceiverWorld, defect: str
) -> None:
    delivered(world, forwarded_without_chain(world, with_defect(world, defect)))


def forwarded_without_chain(world: ReceiverWorld, message: bytes) -> bytes:
    """As the service forwards it, signed by From alone, which every message here has."""
    return sign(message, another_forwarder(world))


UTF_8 = {
    "a subject": "Subject: una piñata",
    "a U-label domain in Reply-To": "Reply-To: info@piñata.example",
    "an address that is all UTF-8": "Cc: información@piñata.example",
    "a name": "X-Name: José <jose@other.example>",
    "a trace": "Received: from piñata.example by b.example; Mon, 23 Nov 2026 12:00:00 +0000",
}


@clause("RCV-83")
@pytest.mark.parametrize("field", list(UTF_8))
@pytest.mark.parametrize("by", ["the relay", "a script"])
def test_utf_8_in_the_header_is_delivered_as_it_came(
    world: ReceiverWorld, field: str, by: str
) -> None:
    delivered(world)
    message = world.message(UTF_8[field])
    if by == "the relay":
        arrived = delivered_by_the_relay(world, message)
    else:
        arrived = delivered(world, forwarded(world, message))
    expect_in(UTF_8[field].encode(), arrived.header, "the header in the mailbox")


@clause("RCV-83")
def test_an_author_at_a_u_label_domain_is_delivered_as_it_came(
    world: ReceiverWorld,
) -> None:
    delivered(world)
    line = "From: alice@piñata.example".encode()
    message = line + b"\r\n" + world.message().partition(b"\r\n")[2]
    arrived = delivered(world, forwarded(world, message))
    expect_in(line, arrived.header, "the header in the mailbox")


def with_many_sets(world: ReceiverWorld, size: int) -> bytes:
    """A message with so many ARC sets that its header has that size."""
    message = sign(world.message(), world.sender.domain)
    hops = size // 1100
    claims = "arc=pass; spf=pass smtp.mailfrom=other.example"
    sealed = arc_seal(message, another_forwarder(world), hops)
    return forwarded(world, sealed, claims=claims)


@clause("RCV-84")
@pytest.mark.parametrize("kind", ["ARC sets", "one field", "many fields"])
def test_a_message_with_a_header_of_40_kib_is_delivered(
    world: ReceiverWorld, kind: str
) -> None:
    if kind == "ARC sets":
        message = with_many_sets(world, 40000)
    else:
        count = 500
        start = "X-Many: " if kind == "many fields" else "        "
        lines = "\r\n".join(f"{start}{'y' * 70}" for _ in range(count))
        message = forwarded(world, world.message(f"X-One: 1\r\n{lines}"))
    arrived = delivered(world, message)
    body = message.partition(b"\r\n\r\n")[2]
    expect(arrived.body, body, "the body in the mailbox")


LIST_FIELDS = (
    "Sender: list-bounces@{domain}",
    "List-Id: A list <list.{domain}>",
    "List-Unsubscribe: <mailto:list-leave@{domain}>",
    "List-Post: <mailto:list@{domain}>",
    "Precedence: list",
    "Errors-To: list-bounces@{domain}",
    "X-Mailman-Version: 3.3",
)


def of_a_list(world: ReceiverWorld) -> bytes:
    """A list's message, whose From the list has rewritten."""
    domain = world.sender.domain
    fields = [field.format(domain=domain) for field in LIST_FIELDS]
    message = world.message(*fields, body="Hello.\r\n-- \r\nlist footer\r\n")
    author = f"From: Alice via List <list@{domain}>".encode()
    return author + b"\r\n" + message.partition(b"\r\n")[2]


@clause("RCV-85")
@pytest.mark.parametrize("by", ["the relay", "a script"])
def test_a_lists_message_is_delivered_with_the_lists_from(
    world: ReceiverWorld, by: str
) -> None:
    message = sign(of_a_list(world), world.sender.domain)
    sender = f"list-bounces+mailbox=x@{world.sender.domain}"
    if by == "the relay":
        arrived = delivered_by_the_relay(world, message, sender=sender)
    else:
        arrived = delivered(world, forwarded(world, message), sender=world.srs(sender))
    authors = [" ".join(value.split()) for _, value in arrived.fields("From")]
    wanted = f"Alice via List <list@{world.sender.domain}>"
    expect(authors, [wanted], "the From fields in the mailbox")
    for name in ("List-Id", "List-Unsubscribe", "Precedence"):
        expect(len(arrived.fields(name)), 1, f"the number of {name} fields")


@clause("RCV-85")
def test_a_lists_message_that_failed_dmarc_for_its_footer_is_delivered_under_p_none(
    world: ReceiverWorld,
) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=none")
    message = sign(world.message(), world.sender.domain) + b"list footer\r\n"
    delivered(world, forwarded(world, message))


@clause("RCV-86")
@pytest.mark.parametrize("by", ["the relay", "a script"])
def test_mail_that_two_services_have_forwarded_is_delivered(
    world: ReceiverWorld, by: str
) -> None:
    first = another_forwarder(world)
    message = sign(sign(world.message(), world.sender.domain), first)
    trace = (
        f"Received: from mail.{world.sender.domain} by mx.{first} with ESMTP;\r\n"
        " Mon, 23 Nov 2026 12:00:00 +0000\r\n"
    )
    message = arc_seal(trace.encode() + message, first)
    # Short enough for an SRS1 address of 64 octets: nobody can ask for the overflow address.
    rewritten = f"SRS0=HhH1=TT={world.sender.domain}=a@{first}"
    if by == "the relay":
        # From the first forwarder's own host, which is that of the sender in the lab's DNS.
        world.dns.add_text(first, f"v=spf1 ip4:{world.sender.ipv4} -all")
        delivered_by_the_relay(world, message, sender=rewritten)
    else:
        return_host(world)  # in case the receiver asks
        twice = forwarded(
            world, message, claims=f"arc=pass; spf=pass smtp.mailfrom={first}"
        )
        delivered(
            world,
            twice,
            sender=f"SRS1=HhH2={first}==HhH1=TT=a.example=a@{world.zone}",
        )
    expect_once(world)


TRACES = {
    "no date": "Received: from a.example by b.example",
    "a comment alone": "Received: (qmail 1234 invoked from network); 23 Nov 2026 12:00:00 -0000",
    "an obsolete date": "Received: from a by b; Mon, 23-Nov-26 12:00:00 GMT",
    "nothing": "Received:",
    "other words": "Received: by 2002:a05:6000:1::1 with SMTP id x; Mon, 23 Nov 2026 04:00:00 -0800 (PST)",
    "a Return-Path in no syntax": "Return-Path: somebody or other",
}


@clause("RCV-87")
@pytest.mark.parametrize("trace", list(TRACES))
def test_the_format_of_a_trace_field_is_no_reason_to_refuse(
    world: ReceiverWorld, trace: str
) -> None:
    message = f"{TRACES[trace]}\r\n".encode() + world.message()
    delivered(world, forwarded(world, message))
