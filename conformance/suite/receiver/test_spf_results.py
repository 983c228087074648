"""SPF of forwarded mail: whose it is, what is recorded, and for what nothing is refused."""

from __future__ import annotations

import pytest

from conformance import clause, expect, expect_in, expect_true, fail
from conformance.lab import Message, ReceiverWorld
from conformance.lab.plan import EHLO, SUBJECT_IPV4, SUBJECT_IPV6
from conformance.suite.receiver.acts import (
    delivered,
    expect_accepted,
    expect_refused,
    forwarded,
    publish_ptr,
    send,
    without_what_it_had,
)
from conformance.suite.spf import Result, recorded
from conformance.suite.verifiers import spf_result

UNCOVERED_IPV4 = "104.30.16.7"


def spf_of(arrived: Message, sent: bytes) -> list[Result]:
    """The receiver's SPF results, that of MAIL FROM first."""
    return recorded(without_what_it_had(arrived, sent))


def domain_in(result: Result, name: str) -> str:
    """That of smtp.mailfrom or smtp.helo, which may be an address or a domain (RFC 8601 2.7.2)."""
    return result[1].get(name, "").rpartition("@")[2].strip("<>.").lower()


def sent_from(
    world: ReceiverWorld, source: str, sender: str | None = None
) -> list[Result]:
    """What is recorded of a message from an address of the service."""
    publish_ptr(world, source)
    message = forwarded(world)
    return spf_of(delivered(world, message, sender=sender, source=source), message)


def expect_of_the_forwarding_domain(
    world: ReceiverWorld, found: list[Result], expected: str
) -> None:
    expect_true(found, "an SPF result in the header", "none")
    # One that does not say whose it is is taken for that of MAIL FROM: the properties are optional in
    # Received-SPF (RFC 7208 9.1) and in Authentication-Results (RFC 8601 2.2).
    named = [r for r in found if domain_in(r, "smtp.mailfrom")]
    unnamed = [r for r in found if not (r in named or domain_in(r, "smtp.helo"))]
    if not named and not unnamed:
        fail("an SPF result of MAIL FROM, HELO having none", f"{found}")
    result, identity = (named or unnamed)[0]
    if named:
        domain = domain_in((result, identity), "smtp.mailfrom")
        expect(domain, world.zone, "the domain judged")
    expect(result, expected, "the SPF result")


@clause("RCV-10")
def test_spf_is_judged_for_the_domain_of_the_srs_address(world: ReceiverWorld) -> None:
    # For the author's domain it would be a fail.
    message = forwarded(world)
    arrived = delivered(world, message)
    if not spf_of(arrived, message):
        pytest.skip("no SPF result is recorded: see RCV-11")
    expect_of_the_forwarding_domain(world, spf_of(arrived, message), "pass")


@clause("RCV-11")
@pytest.mark.parametrize("source", [SUBJECT_IPV4, UNCOVERED_IPV4])
def test_the_spf_result_is_recorded(world: ReceiverWorld, source: str) -> None:
    found = sent_from(world, source)
    expect_true(found, "Received-SPF, or spf in Authentication-Results", "neither")
    sender = world.srs(world.sender.address)
    expect(found[0][0], spf_result(source, sender, EHLO), "the SPF result")


@clause("RCV-12")
@pytest.mark.parametrize("source", [UNCOVERED_IPV4, "104.30.31.7", SUBJECT_IPV6])
def test_mail_from_beyond_the_spf_record_is_accepted(
    world: ReceiverWorld, source: str
) -> None:
    if ":" in source:
        world.require("ipv6")
    publish_ptr(world, source)
    delivered(world, source=source)


@clause("RCV-13")
@pytest.mark.parametrize("source", [UNCOVERED_IPV4, "104.30.31.7", SUBJECT_IPV6])
def test_mail_from_beyond_the_spf_record_is_marked_softfail(
    world: ReceiverWorld, source: str
) -> None:
    if ":" in source:
        world.require("ipv6")
    expect_of_the_forwarding_domain(world, sent_from(world, source), "softfail")


def republish(world: ReceiverWorld, record: str | None) -> None:
    """Gives the forwarding domain another SPF record, or none."""
    world.dns.remove(world.zone, "TXT")
    if record is not None:
        world.dns.add_text(world.zone, record)


@clause("RCV-14")
@pytest.mark.parametrize("record", ["v=spf1 ~all", "v=spf1 ip4:192.0.2.1 ~all"])
def test_softfail_alone_is_no_reason_to_refuse(
    world: ReceiverWorld, record: str
) -> None:
    republish(world, record)
    delivered(world)


@clause("RCV-15")
def test_neutral_is_treated_like_none(world: ReceiverWorld) -> None:
    without = f"none-{world.slot:04d}.example"
    world.dns.set(without, "MX", f"10 {without}.")
    world.dns.set(without, "A", world.sender.ipv4)
    republish(world, "v=spf1 ?all")
    with_none = send(world, sender=f"a@{without}")
    with_neutral = send(world)
    if with_none.accepted:
        expect_accepted(with_neutral)
        world.inbox.wait_for_message_at(world.mailbox, 2)
    else:
        expect_refused(with_neutral, with_none.final.code // 100)


@clause("RCV-16")
def test_spf_of_the_null_reverse_path_is_that_of_the_ehlo_name(
    world: ReceiverWorld,
) -> None:
    message = forwarded(world)
    found = spf_of(delivered(world, message, sender=""), message)
    if not found:
        pytest.skip("no SPF result is recorded of the null reverse-path")
    domains = {
        domain_in(r, name) for r in found for name in ("smtp.helo", "smtp.mailfrom")
    }
    expect_true(domains <= {EHLO, ""}, f"no domain but {EHLO}", sorted(domains))
    expected = spf_result(SUBJECT_IPV4, "", EHLO)
    expect_in(expected, [result for result, _ in found], "the SPF results")


@clause("RCV-17")
@pytest.mark.parametrize("record", ["v=spf1 -all", "v=spf1 a -all"])
def test_spf_of_the_authors_domain_is_not_applied(
    world: ReceiverWorld, record: str
) -> None:
    world.dns.remove(world.sender.domain, "TXT")
    world.dns.add_text(world.sender.domain, record)
    delivered(world)
