"""MX records: those of the service's own zones, and how those of destinations are followed.
test_mx_records_dns.py has what becomes of a destination when DNS fails, test_mx_records_loops.py what
of mail that comes back."""

from __future__ import annotations

import queue

import dns.exception
import dns.rdatatype
import dns.zone
import pytest

from conformance import (
    ConformanceFailure,
    also_as,
    clause,
    expect,
    expect_reply,
    expect_true,
    fail,
)
from conformance.expect import counted
from conformance.lab import World, hang_up, raw, say
from conformance.lab.nameserver import faults
from conformance.lab.script import Action
from conformance.suite.acts import (
    expect_no_connection,
    expect_nothing_upstream,
    fence,
    forward,
    look_up,
    skip_at_loopback,
)
from conformance.suite.refusals import mail_refused, refusal_of_mail

FRESH_ZONE = "fresh.example"
PAGE_MX = [
    "13 amir.mx.cloudflare.net.",
    "24 isaac.mx.cloudflare.net.",
    "86 linda.mx.cloudflare.net.",
]
PAGE_SPF = '"v=spf1 include:_spf.mx.cloudflare.net ~all"'
PAGE_TTL = 300
ADDRESSES_MAX, HOSTS_MAX = 8, 10  # that the service tries
ROUNDS = 16  # all sixteen to one of two hosts: once in 32768 runs


def provisioned(world: World) -> dns.zone.Zone:
    """The records that the service adds to a zone, read as a master file (RFC 1035 5)."""
    text = world.subject.provision(FRESH_ZONE)
    try:
        return dns.zone.from_text(
            text, f"{FRESH_ZONE}.", relativize=False, check_origin=False
        )
    except (dns.exception.DNSException, ValueError) as error:
        fail("records in master-file form", f"{error}, in {text!r}")


def provisioned_records(world: World, rdtype: str) -> tuple[list[str], int]:
    """Those of one type in master-file form, sorted, and their TTL."""
    found = provisioned(world).get_rdataset(f"{FRESH_ZONE}.", rdtype)
    if found is None:
        fail(f"{rdtype} records", "none")
    return sorted(record.to_text() for record in found), found.ttl


@clause("MX-01")
def test_the_mx_records_added_to_a_zone_are_those_of_the_page(world: World) -> None:
    records, ttl = provisioned_records(world, "MX")
    expect(records, PAGE_MX, "the MX records")
    expect(ttl, PAGE_TTL, "their TTL")


@clause("MX-02")
def test_the_spf_record_added_to_a_zone_is_that_of_the_page(world: World) -> None:
    records, ttl = provisioned_records(world, "TXT")
    expect(records, [PAGE_SPF], "the TXT records")
    expect(ttl, PAGE_TTL, "their TTL")


@clause("MX-03")
@pytest.mark.parametrize("host", ["amir", "linda", "isaac"])
@pytest.mark.parametrize("family", [4, 6])
def test_every_mx_host_of_the_page_accepts_mail_for_the_zone(
    world: World, host: str, family: int
) -> None:
    if family == 6:
        world.require("ipv6")
    at = look_up(f"{host}.mx.cloudflare.net", "A" if family == 4 else "AAAA")
    if world.subject.addresses[0 if family == 4 else 1] not in at:
        pytest.skip(f"in the lab's DNS {host}.mx.cloudflare.net is another host")
    with world.client(family) as client:
        delivery = client.deliver(world.sender.address, world.info, world.message())
    expect_reply(delivery.end, "2xx", to="the end of DATA")
    world.upstream.wait_for_message()


@clause("MX-04")
@also_as("sender")
def test_the_host_of_the_lowest_preference_is_tried_first(world: World) -> None:
    others = [
        world.mx_host(world.destination, preference, label=f"p{preference}")
        for preference in (9, 100, 11)
    ]
    forward(world, upstream=others[0])
    for upstream in (world.upstream, *others[1:]):
        expect_no_connection(upstream)


@clause("MX-04")
@also_as("sender")
@pytest.mark.parametrize(
    "address",
    [
        "1.0.0.1",
        "126.255.255.254",
        "128.0.0.1",
        "169.253.255.254",
        "169.255.0.1",
        "223.255.255.254",
    ],
)
def test_a_host_next_to_loopback_link_local_or_multicast_is_tried_first(
    world: World, address: str
) -> None:
    name = f"next.{world.destination}"
    world.dns.add(name, "A", address)
    world.dns.add(world.destination, "MX", f"5 {name}.")
    forward(world, upstream=world.recorded_host(name, address))
    expect_no_connection(world.upstream)


@clause("MX-05")
@also_as("sender")
def test_the_next_host_is_used_if_the_first_cannot_be_reached(world: World) -> None:
    second = world.mx_host(world.destination, 20, label="mx2")
    third = world.mx_host(world.destination, 30, label="mx3")
    world.upstream.stop_listening()
    forward(world, upstream=second)
    expect_no_connection(third)


@clause("MX-05")
@also_as("sender")
def test_a_host_without_any_address_is_passed_over(world: World) -> None:
    world.dns.add(world.destination, "MX", f"5 nowhere.{world.destination}.")
    forward(world)


@clause("MX-06")
@also_as("sender")
def test_hosts_of_equal_preference_share_the_load(world: World) -> None:
    arrivals: queue.Queue[str] = queue.Queue()
    hosts = (world.upstream, world.mx_host(world.destination, label="mx2"))
    for host in hosts:
        host.on_message = lambda message: arrivals.put(message.dialogue.host)
    chosen: set[str] = set()
    for _ in range(ROUNDS):
        with world.client() as client:
            delivery = client.deliver(world.sender.address, world.info, world.message())
            expect_true(delivery.accepted, "a 2xx for the message", delivery.final)
            client.quit()
        try:
            chosen.add(arrivals.get(timeout=world.patience))
        except queue.Empty:
            fail("the message at one of the two hosts", "it arrived at neither")
        if len(chosen) == 2:
            return
        # Over a connection that is kept the next message would not choose. A host may not just close it
        # (RFC 5321 4.1.1.10).
        try:
            for host in hosts:
                host.wait_until_idle()
        except ConformanceFailure:
            pytest.skip(f"connections are kept for more than {world.patience:g} s")
    fail("messages at both hosts", f"{ROUNDS} messages, all at {', '.join(chosen)}")


@clause("MX-07")
@also_as("sender")
def test_a_domain_without_mx_is_its_own_host(world: World) -> None:
    world.no_mx()
    own = world.host(world.destination)
    forward(world, upstream=own)


@clause("MX-08")
@also_as("sender")
def test_the_address_of_a_domain_with_a_null_mx_is_not_connected_to(
    world: World,
) -> None:
    world.dns.set(world.destination, "MX", "0 .")
    own = world.host(world.destination)
    with world.client() as client:
        client.deliver(world.sender.address, world.info, world.message())
    expect_nothing_upstream(world, own)
    expect_no_connection(own)


@clause("MX-26")
def test_a_refusal_for_a_null_mx_is_556(world: World) -> None:
    world.dns.set(world.destination, "MX", "0 .")
    expect_reply(mail_refused(world), 556)


@clause("MX-27")
def test_the_refusal_for_a_null_mx_is_556_5_1_10(world: World) -> None:
    world.dns.set(world.destination, "MX", "0 .")
    expect_reply(mail_refused(world), 556, enhanced="5.1.10")


def remove_the_destination(world: World) -> None:
    """Leaves no record at or below the destination's name."""
    world.no_mx()
    world.dns.remove(world.upstream.name)


@clause("MX-09")
def test_mail_for_a_destination_that_does_not_exist_is_refused(world: World) -> None:
    remove_the_destination(world)
    expect_reply(mail_refused(world), "5xx")


@clause("MX-28")
def test_the_refusal_for_a_destination_that_does_not_exist_is_550_5_1_2(
    world: World,
) -> None:
    remove_the_destination(world)
    expect_reply(mail_refused(world), 550, enhanced="5.1.2")


def publish_own_addresses(world: World, name: str) -> None:
    """Has `name` lead to the subject."""
    skip_at_loopback(world)
    for address in set(world.subject.addresses):
        world.dns.set(name, "AAAA" if ":" in address else "A", address)


def own_hostname(world: World) -> str:
    """The subject's name. Skips the test where the lab's DNS has it at other addresses."""
    name = world.lab.plan.hostname
    if not {*look_up(name, "A"), *look_up(name, "AAAA")} & {*world.subject.addresses}:
        pytest.skip(f"in the lab's DNS {name} is another host")
    return name


@clause("MX-20")
@pytest.mark.parametrize("known_by", ["name", "address"])
def test_mail_for_a_destination_that_is_the_relay_itself_is_refused(
    world: World, known_by: str
) -> None:
    own = f"own.{world.destination}" if known_by == "address" else own_hostname(world)
    if known_by == "address":
        publish_own_addresses(world, own)
    world.dns.set(world.destination, "MX", f"10 {own}.", f"20 {world.upstream.name}.")
    expect_reply(mail_refused(world), "5xx")
    expect_no_connection(world.upstream)


@clause("MX-21")
@pytest.mark.parametrize("known_by", ["name", "address"])
def test_the_refusal_of_a_loop_to_the_relay_itself_is_554_5_4_6(
    world: World, known_by: str
) -> None:
    own = f"own.{world.destination}" if known_by == "address" else own_hostname(world)
    if known_by == "address":
        publish_own_addresses(world, own)
    world.dns.set(world.destination, "MX", f"10 {own}.")
    expect_reply(mail_refused(world), 554, enhanced="5.4.6")
    # A relay that had sent itself the mail would have asked who may send for the forwarding domain.
    asked = world.dns.queries(world.zone, "TXT")
    expect(asked, [], "DNS queries by which the relay judges its own mail")


@clause("MX-22")
@also_as("sender")
@pytest.mark.parametrize(
    ("address", "answered_at"),
    [
        ("0.0.0.0", "127.0.0.1"),
        ("127.0.0.9", "127.0.0.9"),
        ("127.255.255.254", "127.255.255.254"),
        ("169.254.0.1", "169.254.0.1"),
        ("169.254.255.254", "169.254.255.254"),
        ("::", "::1"),
        ("::1", "::1"),
        ("::ffff:127.0.0.9", "127.0.0.9"),
    ],
)
def test_a_host_at_an_address_that_is_never_dialled_is_passed_over(
    world: World, address: str, answered_at: str
) -> None:
    name = f"nowhere.{world.destination}"
    world.dns.add(name, "AAAA" if ":" in address else "A", address)
    world.dns.add(world.destination, "MX", f"5 {name}.")
    try:
        trap = world.recorded_host(name, answered_at)
    except OSError as error:
        pytest.skip(f"nobody else can listen at {answered_at}: {error}")
    # Whoever does dial goes on to the next host, so that nobody waits for a message that the trap has.
    trap.on("connect", hang_up())
    try:
        forward(world)
    finally:
        dialled = f"{counted(len(trap.dialogues), 'connection')} to {answered_at}"
        expect_true(not trap.dialogues, f"no connection for {address}", dialled)


@clause("MX-39")
@pytest.mark.parametrize(
    "address", ["240.0.0.1", "255.255.255.254", "fe00::1", "fec0::1"]
)
def test_a_host_at_a_reserved_address_is_dialled(world: World, address: str) -> None:
    name = f"reserved.{world.destination}"
    if ":" in address:
        world.require("ipv6")
    world.dns.add(name, "AAAA" if ":" in address else "A", address)
    world.dns.add(world.destination, "MX", f"5 {name}.")
    host = world.recorded_host(name, address)
    host.on("connect", hang_up())
    forward(world)
    expect_true(host.dialogues, f"a connection to {address}", "none")


@clause("MX-23")
def test_no_host_of_the_preference_of_the_relay_itself_is_tried(world: World) -> None:
    own = f"own.{world.destination}"
    publish_own_addresses(world, own)
    world.dns.add(world.destination, "MX", f"10 {own}.")
    for _ in range(ROUNDS):
        expect_reply(refusal_of_mail(world), "5xx")
    fence(world)
    expect_no_connection(world.upstream)


@clause("MX-34")
@pytest.mark.parametrize("family", [4, 6])
def test_eight_addresses_of_a_host_are_tried_and_no_more(
    world: World, family: int
) -> None:
    if family == 6:
        world.require("ipv6")
    pairs = [world.lab.host_addresses(world.slot) for _ in range(ADDRESSES_MAX + 1)]
    addresses = [pair[0 if family == 4 else 1] for pair in pairs]
    name = f"many.{world.destination}"
    for address in addresses:
        world.dns.add(name, "A" if family == 4 else "AAAA", address)
    world.dns.add(world.destination, "MX", f"5 {name}.")
    host = world.recorded_host(name, *addresses)
    host.on("connect", hang_up())
    forward(world)
    expect(len(host.dialogues), ADDRESSES_MAX, "connections to the host")


@clause("MX-34")
def test_ten_hosts_are_tried_and_no_more(world: World) -> None:
    hosts = [
        world.mx_host(world.destination, 20 + n, label=f"host{n}", ipv6=False)
        for n in range(HOSTS_MAX)
    ]
    for host in (world.upstream, *hosts):
        host.on("connect", hang_up())
    expect_reply(mail_refused(world), "4xx")
    tried = [len(host.dialogues) > 0 for host in hosts]
    expect(tried, [True] * (HOSTS_MAX - 1) + [False], "the hosts tried after the first")


def silence_every_host(world: World) -> None:
    """Leaves the destination two hosts, of which neither takes connections."""
    second = world.mx_host(world.destination, 20, label="mx2")
    world.upstream.stop_listening()
    second.stop_listening()


@clause("MX-30")
def test_mail_is_put_off_if_no_host_can_be_reached(world: World) -> None:
    silence_every_host(world)
    expect_reply(mail_refused(world), "4xx")


@clause("MX-11")
def test_a_destination_of_which_no_host_can_be_reached_is_a_451_4_4_1(
    world: World,
) -> None:
    silence_every_host(world)
    expect_reply(mail_refused(world), 451, enhanced="4.4.1")


LOST = hang_up()
GARBAGE = raw(b"no SMTP at all\r\n")
REFUSAL = say("554 5.7.1 no service for you")
FAILED_HOSTS = {  # None: it takes no connections
    "refusal after silence": (None, REFUSAL, 554, "5.7.1"),
    "refusal after garbage": (GARBAGE, REFUSAL, 554, "5.7.1"),
    "two refusals": (REFUSAL, say("550 5.7.25 no name"), 554, "5.7.1"),
    "loss after silence": (None, LOST, 451, "4.4.2"),
    "garbage before silence": (GARBAGE, None, 451, "4.5.0"),
}


@clause("MX-31")
@pytest.mark.parametrize(
    ("preferred", "second", "code", "enhanced"),
    list(FAILED_HOSTS.values()),
    ids=list(FAILED_HOSTS),
)
def test_of_several_hosts_the_one_that_says_most_is_reported(
    world: World,
    preferred: Action | None,
    second: Action | None,
    code: int,
    enhanced: str,
) -> None:
    hosts = (world.upstream, world.mx_host(world.destination, 20, label="mx2"))
    for host, action in zip(hosts, (preferred, second)):
        if action is None:
            host.stop_listening()
        else:
            host.on("connect", action)
    expect_reply(mail_refused(world), code, enhanced=enhanced)


@clause("MX-31")
@pytest.mark.parametrize("second", ["fails in DNS", "is the relay itself"])
def test_a_refusal_is_reported_whatever_keeps_the_next_host_from_being_tried(
    world: World, second: str
) -> None:
    name = f"second.{world.destination}"
    if second == "fails in DNS":
        world.dns.fail(name, faults.Servfail())
    else:
        publish_own_addresses(world, name)
    world.dns.add(world.destination, "MX", f"20 {name}.")
    world.upstream.on("connect", REFUSAL)
    expect_reply(mail_refused(world), 554, enhanced="5.7.1")


@clause("MX-12")
@also_as("sender")
def test_the_domains_own_address_is_not_used_if_mx_records_exist(
    world: World,
) -> None:
    own = world.host(world.destination)
    world.upstream.stop_listening()
    with world.client() as client:
        client.deliver(world.sender.address, world.info, world.message())
    expect_nothing_upstream(world, own)
    expect_no_connection(own)


@clause("MX-13")
@also_as("sender")
def test_a_destination_that_is_an_alias_is_looked_up_by_its_target(
    world: World,
) -> None:
    world.no_mx()
    world.dns.add(world.destination, "CNAME", f"{world.elsewhere}.")
    forward(world, upstream=world.far_upstream)


@clause("MX-17")
def test_mail_for_a_destination_without_mx_and_address_is_refused(
    world: World,
) -> None:
    world.no_mx()
    world.dns.add(world.destination, "TXT", '"no mail here"')
    expect_reply(mail_refused(world), "5xx")


@clause("MX-18")
def test_the_records_added_to_a_zone_are_printed_in_master_file_form(
    world: World,
) -> None:
    records = provisioned(world).iterate_rdatas()
    printed = {dns.rdatatype.to_text(rdata.rdtype) for _, _, rdata in records}
    expect(sorted(printed), ["MX", "TXT"], "the types of the records")


@clause("MX-19")
@pytest.mark.parametrize("fault", ["missing", "wrong", "foreign", "two spf records"])
def test_a_fault_of_a_live_zone_is_reported(world: World, fault: str) -> None:
    expect(world.subject.check_zone(world.zone), True, "whether the zone is in order")
    if fault == "missing":
        world.dns.set(world.zone, "MX", *PAGE_MX[:2])
    elif fault == "wrong":
        world.dns.set(world.zone, "MX", "99" + PAGE_MX[0][2:], *PAGE_MX[1:])
    elif fault == "foreign":
        world.dns.add(world.zone, "MX", f"10 {world.upstream.name}.")
    else:
        world.dns.add_text(world.zone, "v=spf1 -all")
    expect(world.subject.check_zone(world.zone), False, "whether the zone is in order")
