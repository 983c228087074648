"""What the tests of DKIM have in common: what the service makes of a signature."""

from __future__ import annotations

from conformance import expect, expect_true
from conformance.lab import World
from conformance.lab.plan import KEYS
from conformance.suite.verifiers import key_record, results, sign

RECORD = key_record((KEYS / "test-sender-rsa2048.pem").read_bytes())


def publish_key(world: World, domain: str) -> None:
    """The key that sign() uses, at another domain than the sender's."""
    world.dns.add_text(f"test._domainkey.{domain}", RECORD)


def judged(world: World, message: bytes, domain: str | None = None) -> str:
    """What the service makes of the signature of a domain (default: the sender's): the result that it
    records, if it does, or its refusal of the message."""
    earlier = len(world.upstream.messages)
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, message)
    if not delivery.accepted:
        return f"refused: {delivery.final.shown}"
    arrived = world.upstream.wait_for_message(earlier + 1)
    if not arrived.fields("Authentication-Results"):
        return "not recorded"
    signer = (domain or world.sender.domain).lower()
    return results(arrived).dkim().get(signer, "not recorded")


def expect_verifies(world: World) -> None:
    """The control of a test of bad signatures: a good one is verified, and recorded as pass."""
    message = sign(world.message(), world.sender.domain)
    expect(judged(world, message), "pass", "the DKIM result of a good signature")


def expect_no_pass(world: World, message: bytes) -> None:
    """A good signature is recorded as pass, that of `message` is not. The message may be refused."""
    expect_verifies(world)
    result = judged(world, message)
    expect_true(result != "pass", "another DKIM result than pass", result)


def expect_permanent(world: World, message: bytes) -> None:
    """Neither is it a pass, nor a failure that is worth another attempt."""
    expect_no_pass(world, message)
    result = judged(world, message)
    temporary = result == "temperror" or result.startswith("refused: 4")
    expect_true(not temporary, "a permanent failure of the signature", result)
