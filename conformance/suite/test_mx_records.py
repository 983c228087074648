"""MX records: those of the service's own zones, and how those of destinations are followed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import dns.resolver
import pytest

from conformance import clause, expect, expect_in, expect_reply, expect_true
from conformance.lab import Client, Reply, World, hold
from conformance.lab.nameserver import faults
from conformance.suite.acts import (
    expect_nothing_upstream,
    fence,
    forward,
    look_up,
    reverse_path,
)

PAGE_MX = [
    "13 amir.mx.cloudflare.net.",
    "24 isaac.mx.cloudflare.net.",
    "86 linda.mx.cloudflare.net.",
]
PAGE_SPF = "v=spf1 include:_spf.mx.cloudflare.net ~all"
PAGE_TTL = 300
NESTED_ROUNDS = 10  # that the service lets wait
ROUNDS = 16  # all sixteen to one of two hosts: once in 32768 runs


def refusal(world: World, patience: float = 0.0) -> Reply:
    """The answer to RCPT of the ordinary address, which must refuse."""
    with world.client() as client:
        client.mail(world.sender.address)
        reply = client.rcpt(world.info, patience=client.patience + patience)
    expect_true(not reply.positive, "a refusal of RCPT", reply)
    return reply


@clause("MX-01")
def test_a_zone_has_the_three_mx_records_of_the_page(world: World) -> None:
    expect(look_up(world.zone, "MX"), PAGE_MX, "the zone's MX records")
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    answer = resolver.resolve(world.zone, "MX").rrset
    expect(answer.ttl if answer else None, PAGE_TTL, "their TTL")


@clause("MX-02")
def test_a_zone_has_the_spf_record_of_the_page(world: World) -> None:
    expect(look_up(world.zone, "TXT"), [f'"{PAGE_SPF}"'], "the zone's TXT records")


@clause("MX-03")
@pytest.mark.parametrize("host", ["amir", "linda", "isaac"])
@pytest.mark.parametrize("rdtype", ["A", "AAAA"])
def test_every_mx_host_of_the_page_takes_mail_for_the_zone(
    world: World, host: str, rdtype: str
) -> None:
    addresses = look_up(f"{host}.mx.cloudflare.net", rdtype)
    expect_true(addresses, f"an {rdtype} record of the MX host", addresses)
    source = world.sender.ipv4 if rdtype == "A" else world.sender.ipv6
    with Client(
        (addresses[0], world.subject.port),
        source=source,
        transcript=world.transcript,
        patience=world.patience,
        preamble=world.subject.preamble(source, addresses[0], world.subject.port),
    ) as client:
        client.greet()
        delivery = client.deliver(world.sender.address, world.info, world.message())
    expect_reply(delivery.final, 250, to="the end of DATA")


@clause("MX-04")
def test_the_host_of_the_lowest_preference_is_tried_first(world: World) -> None:
    others = [
        world.mx_host(world.destination, preference, label=f"p{preference}")
        for preference in (9, 100, 11)
    ]
    forward(world, upstream=others[0])
    for upstream in (world.upstream, *others[1:]):
        expect(upstream.dialogues, [], f"connections to {upstream.name}")


@clause("MX-05")
def test_the_next_host_is_used_where_the_first_cannot_be_reached(world: World) -> None:
    second = world.mx_host(world.destination, 20, label="mx2")
    third = world.mx_host(world.destination, 30, label="mx3")
    world.upstream.stop_listening()
    forward(world, upstream=second)
    expect(third.dialogues, [], "connections to the third host")


@clause("MX-05")
def test_a_host_without_any_address_is_passed_over(world: World) -> None:
    world.dns.add(world.destination, "MX", f"5 nowhere.{world.destination}.")
    forward(world)


@clause("MX-06")
def test_hosts_of_equal_preference_share_the_load(world: World) -> None:
    second = world.mx_host(world.destination, 10, label="mx2")
    for _ in range(ROUNDS):
        with world.client() as client:
            delivery = client.deliver(world.sender.address, world.info, world.message())
            expect_reply(delivery.final, 250, to="the end of DATA")
            client.quit()
    # A subject with a queue delivers later: it has the usual patience for the last one.
    hosts = (world.upstream, second)
    until = time.monotonic() + world.patience
    while (arrived := sum(len(host.messages) for host in hosts)) < ROUNDS:
        expect_true(time.monotonic() < until, "all messages at the hosts", arrived)
        fence(world)
    counts = [len(host.dialogues) for host in hosts]
    expect_true(all(counts), "connections to both hosts", counts)


@clause("MX-07")
def test_a_domain_without_mx_is_its_own_host(world: World) -> None:
    world.no_mx()
    own = world.host(world.destination)
    forward(world, upstream=own)


@clause("MX-08")
def test_a_null_mx_is_refused_and_not_connected_to(world: World) -> None:
    world.dns.set(world.destination, "MX", "0 .")
    own = world.host(world.destination)
    expect_reply(refusal(world), 556, enhanced="5.1.10", to="RCPT")
    expect(own.dialogues, [], "connections to the domain's own address")


@clause("MX-09")
def test_a_destination_that_does_not_exist_is_refused(world: World) -> None:
    world.no_mx()
    world.dns.remove(world.upstream.name)
    expect_reply(refusal(world), 550, enhanced="5.1.2", to="RCPT")


@clause("MX-20")
@pytest.mark.parametrize("known_by", ["name", "address"])
def test_mail_for_a_destination_that_is_the_relay_itself_is_refused(
    world: World, known_by: str
) -> None:
    own = world.lab.plan.hostname
    if known_by == "address":
        own = f"own.{world.destination}"
        world.dns.set(own, "A", world.lab.plan.ipv4)
    world.dns.set(world.destination, "MX", f"10 {own}.", f"20 {world.upstream.name}.")
    reply = refusal(world)
    expect_true(reply.permanent, "a 5yz reply to RCPT", reply)
    expect(world.upstream.dialogues, [], "connections to a less preferred host")
    # A relay that had sent itself the mail would have asked who may send for the forwarding domain.
    asked = world.dns.queries(world.zone, "TXT")
    expect(asked, [], "DNS queries by which the relay judges its own mail")


@clause("MX-21")
def test_a_loop_to_the_relay_itself_is_a_554_546(world: World) -> None:
    world.dns.set(world.destination, "MX", f"10 {world.lab.plan.hostname}.")
    expect_reply(refusal(world), 554, enhanced="5.4.6", to="RCPT")


@clause("MX-22")
@pytest.mark.parametrize("address", ["0.0.0.0", "::", "127.0.0.9"])
def test_a_host_at_an_address_that_is_never_dialled_is_passed_over(
    world: World, address: str
) -> None:
    name = f"nowhere.{world.destination}"
    world.dns.add(name, "AAAA" if ":" in address else "A", address)
    world.dns.add(world.destination, "MX", f"5 {name}.")
    trap = world.recorded_host(name, "127.0.0.9")
    forward(world)
    expect(trap.dialogues, [], "connections to the host on the loopback interface")


@clause("MX-23")
def test_no_host_of_the_preference_of_the_relay_itself_is_tried(world: World) -> None:
    own = f"own.{world.destination}"
    world.dns.set(own, "AAAA", world.lab.plan.ipv6)
    world.dns.add(world.destination, "MX", f"10 {own}.")
    for _ in range(ROUNDS):
        reply = refusal(world)
        expect_true(reply.permanent, "a 5yz reply to RCPT", reply)
    expect(world.upstream.dialogues, [], "connections to the host of that preference")


@contextmanager
def waiting_upstream(world: World) -> Iterator[None]:
    """The upstream's replies to RCPT wait, as those of a relay do that asks the next one first."""
    gate = hold()
    world.upstream.on("rcpt", gate)
    yield
    gate.release()


@clause("MX-24")
@pytest.mark.parametrize("form", ["SRS0", "SRS1", "srs1 in another case"])
def test_mail_that_comes_back_while_it_is_being_forwarded_is_refused(
    world: World, form: str
) -> None:
    with waiting_upstream(world), world.client() as first, world.client(6) as second:
        first.mail(f"a@{world.sender.domain}")
        first.line(f"RCPT TO:<{world.info}>")
        world.upstream.wait_for_command(b"RCPT")
        path = reverse_path(world.upstream)
        if form != "SRS0":
            local, _, domain = path.rpartition("@")
            path = f"SRS1=XXXX={domain}={local.removeprefix('SRS0')}@{world.elsewhere}"
        if "case" in form:
            path = path.lower()
        expect_reply(second.mail(path), 250, to="MAIL")
        reply = second.rcpt(world.info)
        expect_reply(reply, 554, enhanced="5.4.6", to="RCPT of the second round")
        # Another recipient, and another sender, are no round.
        second.line(f"RCPT TO:<{world.other}>")
        world.upstream.wait_for_command(b"RCPT", 2)
    expect(len(world.upstream.dialogues), 2, "connections upstream")


@clause("MX-24")
def test_a_reverse_path_with_a_forged_hash_is_no_loop(world: World) -> None:
    with waiting_upstream(world), world.client() as first, world.client(6) as second:
        first.mail(f"a@{world.sender.domain}")
        first.line(f"RCPT TO:<{world.info}>")
        world.upstream.wait_for_command(b"RCPT")
        tag, _, rest = reverse_path(world.upstream).split("=", 2)
        second.mail(f"{tag}=AAAA={rest}")
        second.line(f"RCPT TO:<{world.info}>")
        world.upstream.wait_for_command(b"RCPT", 2)


@clause("MX-25")
def test_rounds_that_cannot_be_recognised_are_bounded_and_called_a_loop(
    world: World,
) -> None:
    with waiting_upstream(world), ExitStack() as stack:
        for n in range(NESTED_ROUNDS):
            client = stack.enter_context(world.client())
            client.mail("")
            client.line(f"RCPT TO:<{world.info}>")
            world.upstream.wait_for_command(b"RCPT", n + 1)
        client = stack.enter_context(world.client())
        client.mail("")
        reply = client.rcpt(world.info)
        expect_reply(reply, 451, enhanced="4.4.6", to="RCPT of one round more")
        innocent = stack.enter_context(world.client(6))
        innocent.mail("")
        innocent.line(f"RCPT TO:<{world.info}>")
        world.upstream.wait_for_command(b"RCPT", NESTED_ROUNDS + 1)


@clause("MX-10")
@pytest.mark.parametrize("fault", [faults.Servfail(), faults.Refused()], ids=str)
def test_a_dns_server_that_fails_is_a_451_443(
    world: World, fault: faults.Fault
) -> None:
    world.dns.fail(world.destination, fault)
    expect_reply(refusal(world), 451, enhanced="4.4.3", to="RCPT")


@clause("MX-10")
@pytest.mark.parametrize("of", ["mx", "address of the domain", "address of the mx"])
def test_a_dns_server_that_only_refers_to_others_is_a_451_443(
    world: World, of: str
) -> None:
    rdtypes, name = ["A", "AAAA"], world.destination
    if of == "mx":
        rdtypes = ["MX"]
    elif of == "address of the domain":
        world.no_mx()
    else:
        name = world.upstream.name
    for rdtype in rdtypes:
        world.dns.fail(name, faults.Referral(), rdtype)
    expect_reply(refusal(world), 451, enhanced="4.4.3", to="RCPT")


@clause("MX-10")
def test_a_dns_server_that_is_silent_is_a_451_443(world: World) -> None:
    world.require("timeouts")
    world.dns.fail(world.destination, faults.Drop())
    expect_reply(
        refusal(world, world.subject.timeouts.dns), 451, enhanced="4.4.3", to="RCPT"
    )


@clause("MX-10")
@pytest.mark.parametrize(
    "fault",
    [faults.Malformed(), faults.CnameLoop()],
    ids=["malformed", "alias of itself"],
)
def test_a_dns_answer_that_is_none_is_a_temporary_or_permanent_refusal_in_time(
    world: World, fault: faults.Fault
) -> None:
    world.dns.fail(world.destination, fault)
    reply = refusal(world, world.subject.timeouts.dns)
    expect_in(getattr(reply, "code"), (451, 550), "the code")


@clause("MX-11")
def test_a_destination_with_no_host_that_can_be_reached_is_a_451_441(
    world: World,
) -> None:
    second = world.mx_host(world.destination, 20, label="mx2")
    world.upstream.stop_listening()
    second.stop_listening()
    expect_reply(refusal(world), 451, enhanced="4.4.1", to="RCPT")


@clause("MX-12")
def test_the_domains_own_address_is_not_used_where_mx_records_exist(
    world: World,
) -> None:
    own = world.host(world.destination)
    world.upstream.stop_listening()
    with world.client() as client:
        client.deliver(world.sender.address, world.info, world.message())
    expect_nothing_upstream(world, own)
    expect(own.dialogues, [], "connections to the domain's own address")


@clause("MX-13")
def test_a_destination_that_is_an_alias_is_looked_up_by_its_target(
    world: World,
) -> None:
    world.no_mx()
    world.dns.add(world.destination, "CNAME", f"{world.elsewhere}.")
    arrived = forward(world, upstream=world.far_upstream)
    expect(arrived.recipients, [world.mailbox], "the recipient upstream")


@clause("MX-14")
def test_a_dns_failure_for_one_host_leaves_the_next(world: World) -> None:
    second = world.mx_host(world.destination, 20, label="mx2")
    world.dns.fail(world.upstream.name, faults.Servfail())
    forward(world, upstream=second)


@clause("MX-14", "IPV6-05")
def test_a_dns_failure_for_aaaa_leaves_the_a_record(world: World) -> None:
    world.dns.fail(world.upstream.name, faults.Servfail(), "AAAA")
    forward(world)


@clause("MX-15")
@pytest.mark.parametrize("what", ["destination", "host"])
def test_a_truncated_answer_is_asked_for_again_over_tcp(
    world: World, what: str
) -> None:
    name = world.destination if what == "destination" else world.upstream.name
    world.dns.fail(name, faults.Truncate())
    forward(world)


@clause("MX-15")
def test_an_answer_too_large_for_udp_is_used_whole(world: World) -> None:
    for n in range(120):
        world.dns.add(
            world.destination, "MX", f"{100 + n} unused-{n}.{world.destination}."
        )
    forward(world)


@clause("MX-16")
@pytest.mark.parametrize(
    "fault",
    [faults.WrongId(), faults.WrongQuestion()],
    ids=["foreign id", "foreign question"],
)
def test_a_foreign_dns_answer_is_not_used(world: World, fault: faults.Fault) -> None:
    world.require("timeouts")
    world.dns.fail(world.destination, fault)
    reply = refusal(world, world.subject.timeouts.dns)
    expect_reply(reply, 451, enhanced="4.4.3", to="RCPT")
    expect(world.upstream.dialogues, [], "connections to the destination's host")


@clause("MX-17")
def test_a_destination_without_mx_and_address_is_refused_for_good(world: World) -> None:
    world.no_mx()
    world.dns.add(world.destination, "TXT", '"no mail here"')
    expect_reply(refusal(world), "5xx", to="RCPT")


@clause("MX-18")
def test_the_records_that_are_added_to_a_zone_are_those_of_the_page(
    world: World,
) -> None:
    world.require("provisioning")
    records = world.subject.provision("fresh.example")
    for mx in PAGE_MX:
        expect_in(f"fresh.example. {PAGE_TTL} IN MX {mx}", records, "the records")
    expect_in(f'fresh.example. {PAGE_TTL} IN TXT "{PAGE_SPF}"', records, "the records")


@clause("MX-19")
def test_a_live_zone_that_lacks_a_record_is_told_so(world: World) -> None:
    world.require("provisioning")
    expect(world.subject.check_zone(world.zone), True, "whether the zone is in order")
    world.dns.set(world.zone, "MX", PAGE_MX[0])
    expect(world.subject.check_zone(world.zone), False, "whether the zone is in order")
