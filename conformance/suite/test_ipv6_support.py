"""IPv6 support: IPv6 first, IPv4 where that is not possible."""

from __future__ import annotations

import time

import pytest

from conformance import also_as, clause, expect, expect_reply, expect_true
from conformance.lab import Delivery, Upstream, World, say
from conformance.lab.nameserver import faults
from conformance.suite.acts import fence, forward

# RFC 6666's discard prefix: no route leads there.
UNREACHABLE = "100::25"
# Inside the lab's IPv6 prefix, and nobody listens.
NOBODY = "2001:db8:dead::25"
# As the Postmaster page records it.
GMAIL = "2a00:1450:400c:c09::1b"
CLIENT_WAITS_FOR_RCPT_S = 300


def family_used(upstream: Upstream) -> int:
    """Over which family the message came."""
    address = upstream.wait_for_message().dialogue.local_address
    return 6 if ":" in address else 4


def deliver(world: World, *, family: int = 4, patience: float = 0.0) -> Delivery:
    """A message to `info`, in a session of its own. `patience` is added to the client's."""
    with world.client(family) as client:
        client.patience += patience
        return client.deliver(world.sender.address, world.info, world.message())


def uses_ipv6(world: World) -> None:
    """The positive control of a fallback: with nothing in its way, IPv6 is used. Skips the test where
    it is not."""
    forward(world, recipient=world.far, upstream=world.far_upstream)
    if family_used(world.far_upstream) != 6:
        pytest.skip("there is no IPv6 to fall back from: see IPV6-01")


def expect_no_connection(upstream: Upstream) -> None:
    expect(upstream.dialogues, [], f"connections to {upstream.name}")


@clause("IPV6-01")
def test_a_host_with_aaaa_is_reached_over_ipv6(world: World) -> None:
    forward(world)
    expect(family_used(world.upstream), 6, "the IP version used")


@clause("IPV6-01")
def test_a_host_with_aaaa_alone_is_reached_over_ipv6(world: World) -> None:
    world.no_mx()
    upstream = world.mx_host(world.destination, label="mx6", ipv4=False)
    forward(world, upstream=upstream)
    expect(family_used(upstream), 6, "the IP version used")


@clause("IPV6-02")
def test_ipv4_is_used_if_the_ipv6_connection_is_refused(world: World) -> None:
    uses_ipv6(world)
    world.upstream.stop_listening(6)
    forward(world)
    expect(family_used(world.upstream), 4, "the IP version used")


@clause("IPV6-03")
def test_ipv4_is_used_if_the_ipv6_address_is_silent(world: World) -> None:
    world.require("timeouts")
    uses_ipv6(world)
    connect = world.subject.timeouts.upstream_connect
    world.upstream.go_silent(6)
    delivery = deliver(world, patience=connect)
    expect_true(delivery.accepted, "a 2xx for the message", delivery.final)
    world.upstream.patience += connect  # a subject with a queue connects only now
    expect(family_used(world.upstream), 4, "the IP version used")


@clause("IPV6-04")
def test_ipv4_is_used_if_the_ipv6_network_is_unreachable(world: World) -> None:
    uses_ipv6(world)
    world.dns.set(world.upstream.name, "AAAA", UNREACHABLE)
    forward(world)
    expect(family_used(world.upstream), 4, "the IP version used")


@clause("IPV6-05")
def test_ipv4_is_used_if_there_is_no_aaaa(world: World) -> None:
    world.no_mx()
    upstream = world.mx_host(world.destination, label="mx4", ipv6=False)
    forward(world, upstream=upstream)
    expect(family_used(upstream), 4, "the IP version used")


@clause("IPV6-14")
def test_ipv4_is_used_if_the_aaaa_lookup_fails(world: World) -> None:
    uses_ipv6(world)
    world.dns.fail(world.upstream.name, faults.Servfail(), "AAAA")
    forward(world)
    expect(family_used(world.upstream), 4, "the IP version used")


@clause("IPV6-06")
def test_every_aaaa_of_a_host_is_tried_before_its_a(world: World) -> None:
    world.dns.add(world.upstream.name, "AAAA", NOBODY, UNREACHABLE)
    forward(world)
    expect(family_used(world.upstream), 6, "the IP version used")


@clause("IPV6-07")
def test_the_preferred_hosts_ipv4_comes_before_the_next_hosts_ipv6(
    world: World,
) -> None:
    uses_ipv6(world)
    second = world.mx_host(world.destination, 20, label="mx2")
    world.upstream.stop_listening(6)
    forward(world)
    expect(family_used(world.upstream), 4, "the IP version used")
    expect(second.dialogues, [], "connections to the second host")


@clause("IPV6-08")
def test_the_mx_hosts_accept_mail_over_ipv6(world: World) -> None:
    delivery = deliver(world, family=6)
    expect_true(delivery.accepted, "a 2xx for the message", delivery.final)
    world.upstream.wait_for_message()


@clause("IPV6-09")
@pytest.mark.parametrize("text", ["450 4.2.0 later", "550 5.1.1 never"])
@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "end"])
def test_a_refusal_after_ehlo_is_final_and_no_other_host_is_tried(
    world: World, stage: str, text: str
) -> None:
    world.require("in-session")
    second = world.mx_host(world.destination, 20, label="mx2")
    world.upstream.on(stage, say(text))
    expect_reply(deliver(world).final, f"{text[0]}xx")
    expect(len(world.upstream.dialogues), 1, "connections to the preferred host")
    expect_no_connection(second)


@clause("IPV6-10")
@also_as("sender")
@pytest.mark.parametrize("banner", ["421 4.3.2 busy", "554 5.7.1 no service"])
def test_after_a_refusing_banner_the_next_host_is_tried(
    world: World, banner: str
) -> None:
    second = world.mx_host(world.destination, 20, label="mx2")
    world.upstream.on("connect", say(banner))
    forward(world, upstream=second)
    world.upstream.wait_for_dialogue()


@clause("IPV6-11")
@also_as("sender")
@pytest.mark.parametrize("text", ["421 4.3.2 busy", "550 5.7.1 not you"])
def test_after_a_refused_ehlo_the_next_host_is_tried(world: World, text: str) -> None:
    second = world.mx_host(world.destination, 20, label="mx2")
    world.upstream.on("ehlo", say(text))
    world.upstream.on("helo", say(text))
    forward(world, upstream=second)
    world.upstream.wait_for_command(b"EHLO")


@clause("IPV6-12")
def test_mail_for_gmail_as_recorded_goes_to_its_first_host_over_ipv6(
    world: World,
) -> None:
    gmail = world.recorded_host("gmail-smtp-in.l.google.com", GMAIL)
    # Its addresses are not among the records, and without one it could not be preferred by mistake.
    second = world.host("alt1.gmail-smtp-in.l.google.com")
    forward(world, recipient=world.to_gmail, upstream=gmail)
    dialogue = gmail.wait_for_message().dialogue
    expect(dialogue.local_address, GMAIL, "the address connected to")
    expect_no_connection(second)


@pytest.mark.slow
@clause("IPV6-13")
def test_fallbacks_end_within_the_clients_time_for_rcpt(world: World) -> None:
    world.require("in-session")
    world.require("timeouts")
    limit = min(CLIENT_WAITS_FOR_RCPT_S, world.subject.timeouts.recipient + 5)
    hosts = [world.mx_host(world.destination, 20 + n, label=f"s{n}") for n in range(8)]
    for upstream in (world.upstream, *hosts):
        upstream.go_silent()
    with world.client() as client:
        client.mail(world.sender.address)
        began = time.monotonic()
        reply = client.rcpt(world.info, patience=limit)
        took = time.monotonic() - began
    expect_reply(reply, "4xx", to="RCPT")
    expect_true(took <= limit, f"a reply in {limit:g} s", f"{took:.1f} s")
    fence(world)


@clause("IPV6-15")
def test_an_ipv4_address_in_the_form_of_ipv6_is_dialled(world: World) -> None:
    uses_ipv6(world)
    name = f"mapped.{world.destination}"
    address = world.lab.host_addresses(world.slot)[0]
    world.dns.add(name, "AAAA", f"::ffff:{address}")
    world.dns.set(world.destination, "MX", f"10 {name}.")
    forward(world, upstream=world.recorded_host(name, address))
