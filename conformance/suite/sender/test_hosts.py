"""Which of the service's hosts a sender tries, in which order and over which version of IP, and domains to
which there is no way."""

from __future__ import annotations

import pytest

from conformance import clause, expect, expect_true
from conformance.lab import Message, SenderWorld, Upstream, hang_up
from conformance.lab.nameserver import faults
from conformance.lab.plan import MX_HOSTS
from conformance.subjects.base import Submission
from conformance.suite.acts import (
    control,
    expect_no_connection,
    fence,
    skip_at_loopback,
)
from conformance.suite.sender.acts import (
    Mended,
    accepted,
    at_once,
    delivered,
    one_host,
    sent,
)
from conformance.suite.sender.reports import status_of

# No route leads there: of IPv6 that is RFC 6666's discard prefix, of IPv4 a private address.
UNREACHABLE = {4: "10.99.99.25", 6: "100::25"}
OTHER = {4: 6, 6: 4}
RECORD = {4: "A", 6: "AAAA"}

each_version = pytest.mark.parametrize("version", [4, 6])


def version_of(message: Message) -> int:
    """The version of IP over which it came."""
    return 6 if ":" in message.dialogue.local_address else 4


# Order


@clause("SND-01")
def test_mail_goes_to_the_services_most_preferred_host(world: SenderWorld) -> None:
    amir, isaac, linda = world.service.in_order
    sent(world)
    arrived = at_once(world, lambda: accepted(amir, isaac, linda), "the message")[0]
    expect(arrived.dialogue.host, amir.name, "the host that got the message")
    for host in (isaac, linda):
        expect_no_connection(host)


each_manner = pytest.mark.parametrize("manner", ["refuses", "hangs up"])


def expect_next(world: SenderWorld, manner: str, down: int) -> None:
    """The mail that the first hosts cannot get goes to the next. Each has one address, since a sender may
    limit how many it tries (RFC 5321 5.1)."""
    world.no_mx(world.zone)
    hosts = [
        world.mx_host(world.zone, preference, label=label, ipv6=False)
        for preference, label in sorted(MX_HOSTS)
    ]
    for host in hosts[:down]:
        if manner == "refuses":
            host.stop_listening()
        else:
            host.on("connect", hang_up())
    sent(world)
    arrived = delivered(world, *hosts)
    expect(arrived.dialogue.host, hosts[down].name, "the host that got the message")


@clause("SND-02")
@each_manner
def test_the_next_host_gets_the_mail_that_the_first_cannot(
    world: SenderWorld, manner: str
) -> None:
    expect_next(world, manner, 1)


@clause("SND-75")
@each_manner
def test_the_third_host_gets_the_mail_that_the_first_two_cannot(
    world: SenderWorld, manner: str
) -> None:
    expect_next(world, manner, 2)


@clause("SND-03")
def test_mail_waits_until_one_of_the_hosts_can_be_reached(world: SenderWorld) -> None:
    hosts = world.service.in_order
    for host in hosts:
        host.stop_listening()
    sent(world)
    at_once(world, lambda: world.dns.queries(world.zone, "MX"), "a look-up of the MX")
    fence(world)
    # The first, since a sender need not come to the others (RFC 5321 5.1).
    hosts[0].start()
    delivered(world, *hosts)
    expect(len(accepted(*hosts)), 1, "the number of messages at the service")


# Versions of IP


@clause("SND-04")
@each_version
def test_a_host_with_addresses_of_one_version_gets_its_mail(
    world: SenderWorld, version: int
) -> None:
    world.no_mx(world.zone)
    host = world.mx_host(
        world.zone, 13, label="one", ipv4=version == 4, ipv6=version == 6
    )
    sent(world)
    expect(version_of(delivered(world, host)), version, "the version of IP")


def fallback(
    world: SenderWorld, host: Upstream, version: int, extra: float = 0
) -> None:
    """The message comes over the other version, in whichever attempt."""
    sent(world)
    arrived = delivered(world, host, extra=extra)
    expect(version_of(arrived), OTHER[version], "the version of IP")


@clause("SND-05")
@each_version
@pytest.mark.parametrize("fault", ["refused", "unreachable"])
def test_the_other_version_is_used_if_one_is_refused_or_unreachable(
    world: SenderWorld, fault: str, version: int
) -> None:
    host = one_host(world, ipv6=True)
    if fault == "refused":
        host.stop_listening(version)
    else:
        world.dns.set(host.name, RECORD[version], UNREACHABLE[version])
    fallback(world, host, version)


@clause("SND-06")
@each_version
def test_the_other_version_is_used_if_one_is_silent(
    world: SenderWorld, version: int
) -> None:
    world.require("timeouts")
    host = one_host(world, ipv6=True)
    host.go_silent(version)
    fallback(world, host, version, world.subject.timeouts.upstream_connect)


@clause("SND-07")
def test_ipv4_is_used_if_the_aaaa_lookup_fails(world: SenderWorld) -> None:
    host = one_host(world, ipv6=True)
    world.dns.fail(host.name, faults.Servfail(), "AAAA")
    fallback(world, host, 6, world.subject.timeouts.dns)


# Domains without a way


def reported_for_domain(
    world: SenderWorld, domain: str
) -> tuple[Submission, Message | None]:
    """Mail for somebody at that domain is refused to its user, which tells him as well, or there is a report
    on it, by a subject that delivers other mail."""
    done = world.submit(recipients=f"somebody@{domain}")
    report = world.wait_for_bounce() if done.accepted else None
    control(world)
    return done, report


@clause("SND-08")
def test_mail_for_a_domain_that_does_not_exist_is_reported(world: SenderWorld) -> None:
    reported_for_domain(world, f"nowhere.{world.destination}")


@clause("SND-09")
def test_mail_for_a_domain_of_whose_hosts_none_has_an_address_is_reported(
    world: SenderWorld,
) -> None:
    domain = f"unusable.{world.destination}"
    world.dns.set(domain, "MX", f"10 no-address.{world.destination}.")
    reported_for_domain(world, domain)


@clause("SND-10")
def test_mail_for_a_domain_with_a_null_mx_is_reported(world: SenderWorld) -> None:
    domain = f"null.{world.destination}"
    own = world.host(domain)
    world.dns.set(domain, "MX", "0 .")
    reported_for_domain(world, domain)
    expect_no_connection(own)


@clause("SND-11")
def test_the_status_of_mail_for_a_domain_with_a_null_mx_is_5_1_10(
    world: SenderWorld,
) -> None:
    domain = f"null.{world.destination}"
    world.dns.set(domain, "MX", "0 .")
    done, report = reported_for_domain(world, domain)
    if report is not None:
        fields = status_of(report).only()
        expect((fields["Status"] or "").split()[:1], ["5.1.10"], "the status")
    elif "5.1.10" not in done.output:
        pytest.skip("it is refused to its user, and the status is not seen")


def taken_for_now(world: SenderWorld, recipient: str) -> None:
    """Hands in a message for a domain that cannot be looked up, which a sender may refuse to its user."""
    if not world.submit(recipients=recipient).accepted:
        pytest.skip("it is refused to its user, who has it still")


@clause("SND-12")
def test_mail_waits_until_the_mx_records_can_be_looked_up(world: SenderWorld) -> None:
    domain = f"flaky.{world.destination}"
    world.dns.set(domain, "MX", f"10 {world.upstream.name}.")
    world.dns.fail(domain, faults.Servfail())
    taken_for_now(world, f"somebody@{domain}")
    at_once(world, lambda: world.dns.queries(domain), "a look-up of the MX")
    fence(world)
    expect_true(not world.bounces(), "no report yet", world.bounces())
    world.dns.fail(domain, Mended())
    delivered(world, world.upstream, extra=world.subject.timeouts.dns)


@clause("SND-13")
def test_mail_for_a_domain_that_leads_to_the_sender_itself_is_reported(
    world: SenderWorld,
) -> None:
    skip_at_loopback(world)
    domain = f"loop.{world.destination}"
    world.dns.set(domain, "MX", f"10 {world.lab.plan.hostname}.")
    reported_for_domain(world, domain)


@clause("MX-16")
@pytest.mark.parametrize(
    "fault",
    [faults.WrongId(), faults.WrongQuestion()],
    ids=["foreign id", "foreign question"],
)
def test_a_foreign_dns_answer_is_not_used(
    world: SenderWorld, fault: faults.Fault
) -> None:
    world.dns.fail(world.destination, fault)
    taken_for_now(world, world.mailbox)
    at_once(world, lambda: world.dns.queries(world.destination), "a look-up of the MX")
    fence(world)
    expect_no_connection(world.upstream)
    world.dns.fail(world.destination, Mended())
    delivered(world, world.upstream, extra=world.subject.timeouts.dns)
