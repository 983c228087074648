"""What the tests of DMARC have in common: messages by authors of every kind, and what became of them."""

from __future__ import annotations

import pytest

from conformance import expect, expect_reply, expect_true
from conformance.lab import Delivery, Message, World
from conformance.lab.plan import KEYS
from conformance.suite.acts import fence
from conformance.suite.verifiers import Results, key_record

RSA = (KEYS / "test-sender-rsa2048.pem").read_bytes()

# By which each of the lab's clients passes SPF; not +all, which some receivers distrust.
EVERY_CLIENT = "v=spf1 ip4:192.0.2.0/24 -all"


def send(
    world: World,
    message: bytes,
    *,
    sender: str | None = None,
    stranger: bool = True,
) -> Delivery:
    """Sends a message, by default from an address that the sender's SPF record does not know."""
    source = world.new_client_addresses()[0] if stranger else world.sender.ipv4
    with world.client(source=source) as client:
        return client.deliver(
            world.sender.address if sender is None else sender, world.info, message
        )


def refused(
    world: World,
    message: bytes,
    code: int | str = "5xx",
    *,
    sender: str | None = None,
    stranger: bool = True,
    enhanced: str | None = None,
) -> None:
    """Sends a message, to the end of which the subject says no. Nothing of it goes upstream, and other
    mail does, so that this was not for want of forwarding."""
    earlier = len(world.upstream.messages)
    delivery = send(world, message, sender=sender, stranger=stranger)
    expect_reply(delivery.end, code, enhanced=enhanced, to="the end of DATA")
    fence(world)
    expect(len(world.upstream.messages), earlier, "the number of messages upstream")


def forwarded(
    world: World,
    message: bytes,
    *,
    sender: str | None = None,
    stranger: bool = True,
) -> Message:
    """Sends a message, which arrives upstream, sooner or later."""
    earlier = len(world.upstream.messages)
    delivery = send(world, message, sender=sender, stranger=stranger)
    expect_true(delivery.accepted, "a 2xx to the end of DATA", delivery.final)
    return world.upstream.wait_for_message(earlier + 1)


def require_enforcement(world: World) -> None:
    """Ends a test that saw a message forwarded: skips it if the subject does not refuse one under
    p=reject. If it has no DMARC, what was seen says nothing."""
    domain = f"strict-{world.sender.domain}"
    world.dns.add(domain, "A", world.sender.ipv4)
    world.dns.add_text(f"_dmarc.{domain}", "v=DMARC1; p=reject")
    earlier = len(world.upstream.messages)
    delivery = send(world, from_domain(world, domain), sender=f"alice@{domain}")
    own = len(world.upstream.messages) == earlier  # not the upstream's refusal
    if delivery.end is None or not delivery.end.permanent or not own:
        pytest.skip(
            f"the subject did not refuse a message that fails under p=reject ({delivery.final}), "
            "so that one forwarded says nothing of DMARC"
        )


def dmarc_result(message: Message) -> tuple[str, str]:
    """The DMARC result that the subject recorded, and the domain judged. The fields may be several;
    the messages of these tests come without any."""
    found: list[tuple[str, str]] = []
    for _, value in message.fields("Authentication-Results"):
        recorded = Results(value)
        domains = (p.get("header.from") or "" for p in recorded.properties("dmarc"))
        found += zip(recorded.of("dmarc"), (domain.lower() for domain in domains))
    expect_true(found, "a DMARC result in Authentication-Results", message.header)
    expect(len(set(found)), 1, f"the number of different DMARC results in {found}")
    return found[0]


def from_domain(world: World, domain: str) -> bytes:
    """A message whose author is at `domain`."""
    return world.message().replace(
        f"alice@{world.sender.domain}".encode(), f"alice@{domain}".encode(), 1
    )


def with_from(world: World, *fields: str) -> bytes:
    """A message with other From fields than its own."""
    first, _, rest = world.message().partition(b"\r\n")
    assert first.startswith(b"From: ")
    return "".join(f"{field}\r\n" for field in fields).encode("utf-8") + rest


def publish_key(world: World, domain: str) -> None:
    """The sender's key, for signatures by another domain."""
    world.dns.add_text(f"test._domainkey.{domain}", key_record(RSA))


def existing_subdomain(world: World) -> str:
    """A name under the sender's domain that exists, without a DMARC record."""
    domain = f"sub.{world.sender.domain}"
    world.dns.add(domain, "A", world.sender.ipv4)
    return domain
