"""Whether the subject is as its capabilities say: each is looked for in the plainest case."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from conformance import ConformanceFailure, also_as, clause, fail
from conformance.expect import Unimplemented
from conformance.lab import World, say
from conformance.suite.acts import forward, reverse_path
from conformance.suite.spf import recorded
from conformance.suite.verifiers import results

REFUSAL = "550 5.1.1 no such mailbox here"


def rewrites_senders(world: World) -> bool:
    forward(world)
    return world.sender.address.lower() not in reverse_path(world.upstream).lower()


def answers_in_session(world: World) -> bool:
    world.upstream.on("rcpt", say(REFUSAL))
    with world.client() as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
    return delivery.final.permanent


def offers_starttls(world: World) -> bool:
    with world.client(greet=False) as client:
        client.banner()
        return "STARTTLS" in client.extensions()


def uses_starttls(world: World) -> bool:
    world.upstream.offer_starttls()
    return forward(world).dialogue.tls is not None


def serves_u_labels(world: World) -> bool:
    forward(world, recipient=world.at("info", world.idn_zone))
    return True


def accepts_postmaster(world: World) -> bool:
    with world.client() as client:
        client.mail(world.sender.address)
        return client.rcpt("postmaster").positive


def refuses_listed_clients(world: World) -> bool:
    address = world.notorious_address()
    world.list_in_dnsbl(address)
    with world.client(source=address) as client:
        return not client.deliver(
            world.sender.address, world.info, world.message()
        ).accepted


def has_field(name: str) -> Callable[[World], bool]:
    return lambda world: bool(forward(world).fields(name))


def records(method: str) -> Callable[[World], bool]:
    """Whether the result of that method is in a field that the subject added."""

    def probe(world: World) -> bool:
        arrived = forward(world, message=world.sender.sign(world.message()))
        return bool(arrived.fields("Authentication-Results")) and bool(
            results(arrived).of(method)
        )

    return probe


def records_spf(world: World) -> bool:
    return bool(recorded(forward(world)))


def signs(world: World) -> bool:
    domain = world.lab.plan.signing_domain
    fields = forward(world).fields("DKIM-Signature")
    return any(f"d={domain}" in value.replace(" ", "") for _, value in fields)


def enforces_dmarc(world: World) -> bool:
    # Without SPF, which would have something to say of a stranger itself.
    world.dns.remove(world.sender.domain, "TXT")
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    signed = world.sender.sign(world.message())
    return not deliver(world, world.message()) and deliver(world, signed)


def deliver(world: World, message: bytes) -> bool:
    """Whether the subject accepts it from a stranger."""
    with world.client(source=world.new_client_addresses()[0]) as client:
        return client.deliver(world.sender.address, world.info, message).accepted


Probes = Mapping[str, Callable[[World], bool]]
PROBES: Probes = {
    "srs": rewrites_senders,
    "in-session": answers_in_session,
    "starttls": offers_starttls,
    "upstream-starttls": uses_starttls,
    "idn": serves_u_labels,
    "postmaster": accepts_postmaster,
    "dnsbl": refuses_listed_clients,
    "spf": records_spf,
    "dkim-verify": records("dkim"),
    "dkim-sign": signs,
    "dmarc": enforces_dmarc,
    "arc-seal": has_field("ARC-Seal"),
    "authres": has_field("Authentication-Results"),
}


@also_as("receiver")
@clause("CAP-01")
@pytest.mark.parametrize("capability", PROBES)
def test_what_is_declared_is_seen(world: World, capability: str) -> None:
    expect_as_declared(world, PROBES, capability)


def expect_as_declared(world: World, probes: Probes, capability: str) -> None:
    """One of the probes finds what is declared."""
    declared = capability in world.subject.capabilities
    try:
        seen, actual = probes[capability](world), "no sign of it"
    except ConformanceFailure as failure:
        seen, actual = False, str(failure)
    if declared and not seen:
        fail(f"capability '{capability}', which is declared, in a plain case", actual)
    if not declared and seen:
        pytest.skip(f"'{capability}' is not declared, but was seen: declare it")
    if not declared:
        raise Unimplemented(capability)
