"""DMARC: the policy that is recorded of a message that fails, and what a repeated tag or a DNS failure elsewhere
has to do with it (dmarc_enforcing.yaml)."""

from __future__ import annotations

import pytest

from conformance import clause, expect, expect_true
from conformance.lab import World
from conformance.lab.nameserver import faults
from conformance.suite.dmarc import (
    EVERY_CLIENT,
    existing_subdomain,
    forwarded,
    from_domain,
    publish_key,
    refused,
    require_enforcement,
    send,
)
from conformance.suite.verifiers import results, sign


def expect_policy(world: World, domain: str, expected: str) -> None:
    """A message by an author there is recorded as failing, with that policy. Other clauses judge whether it
    is refused for it."""
    world.require("authres")
    # Another sender, who is aligned with nobody.
    sender = f"x@{world.elsewhere}"
    earlier = len(world.upstream.messages)
    delivery = send(world, from_domain(world, domain), sender=sender)
    if delivery.end is not None and delivery.end.permanent:
        pytest.skip(f"the message is refused, and no result seen ({delivery.final})")
    expect_true(delivery.accepted, "a 2xx or 5xx to the end of DATA", delivery.final)
    found = results(world.upstream.wait_for_message(earlier + 1))
    said = [properties.get("policy.dmarc") for properties in found.properties("dmarc")]
    expect((found.of("dmarc"), said), (["fail"], [expected]), "dmarc and policy.dmarc")


@clause("DMARC-48")
@pytest.mark.parametrize(
    ("record", "policy"),
    [
        ("p=none; sp=quarantine", "none"),
        ("p=quarantine; sp=none", "quarantine"),
        ("p=reject; t=y", "quarantine"),
        ("p=quarantine; t=y", "none"),
        ("p=none; t=y", "none"),
    ],
)
def test_the_policy_of_a_domain_is_recorded(
    world: World, record: str, policy: str
) -> None:
    world.require("dmarc-rfc9989")
    world.sender.publish_dmarc(f"v=DMARC1; {record}")
    expect_policy(world, world.sender.domain, policy)


@clause("DMARC-48")
@pytest.mark.parametrize("exists", [True, False], ids=["existing", "absent"])
@pytest.mark.parametrize(
    ("record", "policies"),
    [
        ("p=none; sp=quarantine", ("quarantine", "quarantine")),
        ("p=quarantine", ("quarantine", "quarantine")),
        ("p=none; np=quarantine", ("none", "quarantine")),
        ("p=reject; sp=quarantine; np=none", ("quarantine", "none")),
        ("p=none; sp=none; np=reject; t=y", ("none", "quarantine")),
        ("p=none; sp=reject; np=none; t=y", ("quarantine", "none")),
    ],
)
def test_the_policy_of_a_subdomain_is_recorded(
    world: World, record: str, policies: tuple[str, str], exists: bool
) -> None:
    world.require("dmarc-rfc9989")
    domain = existing_subdomain(world)
    if not exists:
        domain = f"absent.{world.sender.domain}"
    world.sender.publish_dmarc(f"v=DMARC1; {record}")
    expect_policy(world, domain, policies[0 if exists else 1])


@clause("DMARC-48")
def test_the_policy_for_messages_outside_pct_is_recorded(world: World) -> None:
    world.reconfigure(dmarc_edition="rfc7489")
    strict, lenient = world.sender.domain, f"lenient-{world.sender.domain}"
    world.sender.publish_dmarc("v=DMARC1; p=reject; pct=0")
    world.dns.add(lenient, "A", world.sender.ipv4)
    world.dns.add_text(f"_dmarc.{lenient}", "v=DMARC1; p=quarantine; pct=0")
    expect_policy(world, strict, "quarantine")
    expect_policy(world, lenient, "none")


@clause("DMARC-49")
@pytest.mark.parametrize("first", ["reject", "none"])
def test_of_a_tag_that_is_repeated_the_first_counts(world: World, first: str) -> None:
    second = "none" if first == "reject" else "reject"
    world.sender.publish_dmarc(f"v=DMARC1; p={first}; p={second}")
    if first == "reject":
        refused(world, world.message())
    else:
        forwarded(world, world.message())
        require_enforcement(world)


@clause("DMARC-13")
@pytest.mark.parametrize("what", ["SPF", "signature"])
def test_a_dns_failure_of_another_organizations_record_leaves_nothing_open(
    world: World, what: str
) -> None:
    # Whatever the record says, the other domain is above, below or beside none of the author's.
    other = f"other-{world.sender.domain}"
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    world.dns.fail(f"_dmarc.{other}", faults.Servfail())
    message, sender = world.message(), f"x@{world.elsewhere}"
    if what == "SPF":
        world.dns.add_text(other, EVERY_CLIENT)
        sender = f"x@{other}"
    else:
        publish_key(world, other)
        message = sign(message, other)
    refused(world, message, sender=sender)
