"""What the tests of a receiver do in the same way: send mail as the service does, find it in the mailbox,
read what the receiver recorded of it, and make sure that nothing further comes.

Results are read by the authres library; what it cannot read, since an MTA writes more than RFC 8601 2.2 has,
by a reader that allows for that. That the syntax is right is the business of one clause (RCV-78).
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from dataclasses import dataclass, replace

import authres
import dkim

from conformance import expect, expect_true
from conformance.lab import Client, Delivery, Message, ReceiverWorld, Upstream
from conformance.lab.plan import EHLO, MX_DOMAIN, SUBJECT_IPV4
from conformance.lab.world import reversed_address
from conformance.suite.verifiers import SENDER_RSA, Results, key_record

# By whom the reference relay and the scripted mail of the service record results.
SERVICE_IDS = (f"amir.{MX_DOMAIN}", EHLO)


# Mail as the service sends it


def trace_of_the_service(world: ReceiverWorld) -> bytes:
    """The Received field of the service's inbound host."""
    return (
        f"Received: from mail.{world.sender.domain} (mail.{world.sender.domain} [{world.sender.ipv4}])\r\n"
        f" by amir.{MX_DOMAIN} with ESMTP; Mon, 23 Nov 2026 12:00:01 +0000\r\n"
    ).encode("ascii")


def claims_of_the_service(
    world: ReceiverWorld, claims: str, authserv_id: str = EHLO
) -> bytes:
    """Results that the service recorded."""
    return f"Authentication-Results: {authserv_id}; {claims}\r\n".encode("ascii")


def forwarded(
    world: ReceiverWorld,
    message: bytes | None = None,
    *,
    claims: str | None = None,
) -> bytes:
    """A message (default: a plain one) as the service forwards it: with its trace, its results, its signature
    and its ARC set on top."""
    if claims is None:
        domain = world.sender.domain
        claims = f"arc=none; spf=pass smtp.mailfrom={domain}; dmarc=none header.from={domain}"
    content = trace_of_the_service(world) + (
        world.message() if message is None else message
    )
    return world.sealed(claims_of_the_service(world, claims) + world.signed(content))


def sealed_by(message: bytes, domain: str, claims: str) -> bytes:
    """`message`, which has no chain, with an ARC set by another forwarder of those results on top."""
    claimed = (
        f"Authentication-Results: {domain}; {claims}\r\n".encode("ascii") + message
    )
    name = domain.encode("ascii")
    fields = dkim.arc_sign(
        claimed,
        b"test",
        name,
        SENDER_RSA,
        name,
        include_headers=[b"from", b"to", b"subject"],
    )
    return b"".join(fields) + message


def with_altered_results(message: bytes) -> bytes:
    """`message` with every pass that its newest ARC set reports a fail, or the other way round. Its seal does
    not verify; all other signatures do, its message signature too."""
    field = _newest(message, "ARC-Authentication-Results")
    swapped = {b"=pass": b"=fail", b"=fail": b"=pass"}
    altered = re.sub(rb"=(?:pass|fail)\b", lambda found: swapped[found[0]], field)
    return message.replace(field, altered, 1)


def with_broken_seal(message: bytes) -> bytes:
    """`message` with another b= in its newest seal; all other signatures verify."""
    field = _newest(message, "ARC-Seal")
    start, tag, signature = field.rpartition(b"b=")
    other = b"A" if signature[4:5] != b"A" else b"B"
    broken = start + tag + signature[:4] + other + signature[5:]
    return message.replace(field, broken, 1)


def _newest(message: bytes, name: str) -> bytes:
    """The topmost header field of a name, with its folds."""
    pattern = rf"^{name}:[^\r]*\r\n(?:[ \t][^\r]*\r\n)*"
    found = re.search(pattern.encode(), message, re.M)
    if found is None:
        raise RuntimeError(f"no {name}")
    return found[0]


def another_forwarder(world: ReceiverWorld) -> str:
    """The domain of a forwarder that nobody has told the subject of, with a key for `sign` and `arc_seal`."""
    domain = f"forwarder-{world.slot:04d}.example"
    world.dns.set(domain, "A", world.sender.ipv4)
    world.dns.remove(f"test._domainkey.{domain}")
    world.dns.add_text(f"test._domainkey.{domain}", key_record(SENDER_RSA))
    return domain


def publish_ptr(world: ReceiverWorld, address: str) -> None:
    """The pair of records that the service has for each of its addresses."""
    parsed = ipaddress.ip_address(address)
    number = int(parsed) & 0xFFFF
    name = f"{'a' if parsed.version == 4 else 'c'}{number >> 8}-{number & 0xFF}.{EHLO}"
    tree = "in-addr.arpa" if parsed.version == 4 else "ip6.arpa"
    world.dns.set(f"{reversed_address(address)}.{tree}", "PTR", f"{name}.")
    world.dns.set(name, "A" if parsed.version == 4 else "AAAA", address)


def send(
    world: ReceiverWorld,
    message: bytes | None = None,
    *,
    sender: str | None = None,
    recipients: str | list[str] | None = None,
    source: str = SUBJECT_IPV4,
    parameters: tuple[str, ...] = (),
) -> Delivery:
    """A transaction of the service with the subject, in a session of its own. Unless others are given: a plain
    message as the service forwards it, with the SRS address of its author, to `mailbox`.
    """
    with world.service_client(source=source) as client:
        delivery = client.deliver(
            world.srs(world.sender.address) if sender is None else sender,
            world.mailbox if recipients is None else recipients,
            forwarded(world) if message is None else message,
            *parameters,
        )
        if delivery.end is not None:
            client.line("QUIT")
        return delivery


def open_transaction(
    world: ReceiverWorld, client: Client, sender: str | None = None
) -> None:
    """MAIL and RCPT for `mailbox`, both accepted."""
    mail = client.mail(world.srs(world.sender.address) if sender is None else sender)
    expect_true(mail.code // 100 == 2, "a 2xx to MAIL", mail)
    rcpt = client.rcpt(world.mailbox)
    expect_true(rcpt.code // 100 == 2, "a 2xx to RCPT", rcpt)


# What becomes of it


def expect_accepted(delivery: Delivery) -> None:
    expect_true(delivery.accepted, "a 2xx for the message", delivery.final)


def delivered(
    world: ReceiverWorld,
    message: bytes | None = None,
    *,
    sender: str | None = None,
    recipient: str | None = None,
    source: str = SUBJECT_IPV4,
) -> Message:
    """The same, accepted; returns the message as it is in the mailbox."""
    mailbox = recipient or world.mailbox
    earlier = len(world.inbox.at(mailbox))
    expect_accepted(
        send(world, message, sender=sender, recipients=mailbox, source=source)
    )
    return world.inbox.wait_for_message_at(mailbox, earlier + 1)


def delivered_by_the_relay(
    world: ReceiverWorld, message: bytes | None = None, *, sender: str | None = None
) -> Message:
    """What the service's own relay forwards, accepted, as it is in the mailbox."""
    earlier = len(world.inbox.at(world.mailbox))
    expect_accepted(world.forward(message, sender=sender))
    return world.inbox.wait_for_message_at(world.mailbox, earlier + 1)


def expect_refused(delivery: Delivery, of_class: int | None = None) -> None:
    """4xx or 5xx (or one of them alone) to some step of the transaction."""
    reply = delivery.final
    good = reply.code // 100 in ((4, 5) if of_class is None else (of_class,))
    named = "a 4xx or 5xx" if of_class is None else f"a {of_class}xx"
    expect_true(good, f"{named} in the session", reply)


def fence(world: ReceiverWorld) -> None:
    """One more message, to another mailbox: when that has arrived, an earlier one would have. Its author is
    somebody of whose domain neither SPF nor DMARC says anything."""
    domain = f"later-{world.slot:04d}.example"
    world.dns.set(domain, "A", world.sender.ipv4)
    world.dns.set(domain, "MX", f"10 {domain}.")
    author = f"later@{domain}"
    identity = f"later{len(world.inbox.messages)}@{domain}"
    message = (
        f"From: <{author}>\r\nTo: <{world.far}>\r\nSubject: later\r\n"
        f"Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nMessage-ID: <{identity}>\r\n\r\nLater.\r\n"
    ).encode("ascii")
    delivered(world, message, sender=world.srs(author), recipient=world.far)


def expect_once(world: ReceiverWorld, mailbox: str | None = None) -> None:
    """The mailbox has one message, and gets no other."""
    fence(world)
    count = len(world.inbox.at(mailbox or world.mailbox))
    expect(count, 1, f"the number of messages for <{mailbox or world.mailbox}>")


def expect_nothing(world: ReceiverWorld, mailbox: str | None = None) -> None:
    """The mailbox has no message, and gets none, while another gets its own."""
    fence(world)
    count = len(world.inbox.at(mailbox or world.mailbox))
    expect(count, 0, f"the number of messages for <{mailbox or world.mailbox}>")


def return_host(world: ReceiverWorld) -> Upstream:
    """The MX host to which mail for the service's SRS addresses goes, in place of the relay: scripted, so that
    what comes there is seen. To be asked for before any mail."""
    world.no_mx(world.zone)
    return world.mx_host(world.zone, label="return")


def expect_no_report(world: ReceiverWorld, back: Upstream) -> None:
    """Nobody has been told of anything: neither the author, nor anybody at the SRS address's host."""
    fence(world)
    expect(world.author_mx.messages, [], "messages at the author's MX host")
    expect(back.messages, [], "messages to SRS addresses")


# What is recorded


@dataclass(frozen=True)
class Result:
    """One result of Authentication-Results; names in small letters."""

    method: str
    result: str
    properties: dict[str, str]

    @property
    def signer(self) -> str:
        """The signing domain of a DKIM result, which header.i may tell as well (RFC 8601 2.7.1)."""
        auid = self.properties.get("header.i", "").rpartition("@")[2]
        return self.properties.get("header.d", auid).lower()


def authserv_id(field: str) -> str:
    """In small letters; nothing where there is none."""
    try:
        parsed = authres.AuthenticationResultsHeader.parse(
            f"Authentication-Results: {field}"
        )
        return str(parsed.authserv_id).lower()
    except authres.AuthResError:
        words = field.partition(";")[0].split()
        return words[0].strip('"').lower() if words else ""


def results_in(field: str) -> list[Result]:
    """The results in a field's value."""
    try:
        parsed = authres.AuthenticationResultsHeader.parse(
            f"Authentication-Results: {field}"
        )
    except authres.AuthResError:
        read = Results(field)
        return [
            Result(
                method, result, read.properties(method)[read.of(method).index(result)]
            )
            for method, result in dict.fromkeys(read.pairs)
        ]
    return [
        Result(
            str(found.method).lower(),
            str(found.result).lower(),
            {
                f"{p.type}.{p.name}".lower(): str(p.value or "")
                for p in found.properties
            },
        )
        for found in parsed.results
    ]


def own_fields(arrived: Message, sent: bytes = b"") -> list[str]:
    """The Authentication-Results fields that the receiver added to a message: those that it was not sent
    with, by nobody of the service."""
    had = Counter(_values(sent, "Authentication-Results"))
    own = []
    for _, value in arrived.fields("Authentication-Results"):
        text = " ".join(value.split())
        if had[text]:
            had[text] -= 1
        elif authserv_id(value) not in SERVICE_IDS:
            own.append(value)
    return own


def results_of(arrived: Message, method: str, sent: bytes = b"") -> list[Result]:
    """The receiver's results of a method."""
    fields = own_fields(arrived, sent)
    return [
        found
        for field in fields
        for found in results_in(field)
        if found.method == method
    ]


def by_signer(arrived: Message, sent: bytes = b"") -> dict[str, set[str]]:
    """The DKIM results by signing domain."""
    found: dict[str, set[str]] = {}
    for result in results_of(arrived, "dkim", sent):
        found.setdefault(result.signer, set()).add(result.result)
    return found


def as_sent(message: bytes) -> Message:
    """A message to be read as one that arrived."""
    return Message("", [], [], message, message)


def without_what_it_had(arrived: Message, sent: bytes = b"") -> Message:
    """The message with no results but the receiver's own, in Authentication-Results and Received-SPF."""
    had = Counter(_values(sent, "Received-SPF"))
    lines = [f"Authentication-Results: {value}" for value in own_fields(arrived, sent)]
    for _, value in arrived.fields("Received-SPF"):
        text = " ".join(value.split())
        if had[text]:
            had[text] -= 1
        else:
            lines.append(f"Received-SPF: {value}")
    header = "".join(f"{line}\r\n" for line in lines).encode("utf-8")
    return replace(arrived, content=header + b"\r\n")


def _values(message: bytes, name: str) -> list[str]:
    """In single spaces."""
    return [" ".join(value.split()) for _, value in as_sent(message).fields(name)]
