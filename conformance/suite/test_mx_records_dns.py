"""MX records: DNS servers on the way to a destination that fail, are late, old or forged, or whose answers
are long."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager

import dns.rcode
import dns.rdatatype
import pytest

from conformance import also_as, clause, expect, expect_reply, expect_true
from conformance.expect import ConformanceFailure
from conformance.lab import Client, Upstream, World
from conformance.lab.nameserver import faults
from conformance.lab.nameserver.faults import TTL
from conformance.lab.nameserver.server import Query
from conformance.suite.acts import (
    expect_no_connection,
    expect_nothing_upstream,
    fence,
    forward,
    look_up,
)
from conformance.suite.refusals import mail_refused, refusal_of_mail
from conformance.suite.spf import first, recorded

LATE_S = 0.5  # of the second that the lab's resolv.conf has a resolver wait


def name_of(world: World, what: str) -> str:
    """That of the destination, or of its host."""
    return world.destination if what == "destination" else world.upstream.name


def forward_despite(world: World, what: str, fault: faults.Fault) -> None:
    """A message arrives though DNS answers so for the destination or its host."""
    world.dns.fail(name_of(world, what), fault)
    world.patience += world.subject.timeouts.dns  # a resolver asks again when it likes
    forward(world)


@clause("MX-10")
def test_mail_is_put_off_if_the_dns_server_fails(world: World) -> None:
    world.dns.fail(world.destination, faults.Servfail())
    expect_reply(mail_refused(world), "4xx")


@clause("MX-29")
@pytest.mark.parametrize("fault", [faults.Servfail(), faults.Refused()], ids=str)
def test_a_dns_server_that_fails_is_a_451_4_4_3(
    world: World, fault: faults.Fault
) -> None:
    world.dns.fail(world.destination, fault)
    expect_reply(mail_refused(world), 451, enhanced="4.4.3")


@clause("MX-29")
@pytest.mark.parametrize("of", ["mx", "address of the domain", "address of the mx"])
def test_a_dns_server_that_only_refers_to_others_is_a_451_4_4_3(
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
    expect_reply(mail_refused(world), 451, enhanced="4.4.3")


@clause("MX-29")
def test_a_dns_server_that_is_silent_is_a_451_4_4_3(world: World) -> None:
    world.require("timeouts")
    world.dns.fail(world.destination, faults.Drop())
    reply = mail_refused(world, world.subject.timeouts.dns)
    expect_reply(reply, 451, enhanced="4.4.3")


def in_wire_form(rdtype: str, data: bytes) -> bytes:
    """A record of the name asked for (RFC 1035 4.1.3)."""
    number = dns.rdatatype.from_text(rdtype)
    return struct.pack("!HHHIH", 0xC00C, number, 1, TTL, len(data)) + data


# The data of MX records begins 24 octets into them, after which it has its name.
AFTER_THE_NAME, RESERVED_BITS = b"\0\x0a\x01x\0y", b"\0\x0a\x40" + 64 * b"x" + b"\0"
TOO_LONG = b"\0\x0a" + 5 * (b"\x3f" + 63 * b"x") + b"\0"
UNUSABLE = {
    "malformed": faults.Malformed(),
    "alias of itself": faults.CnameLoop(),
    "truncated over TCP too": faults.TruncateAll(),
    "MX without a name": faults.Malformed(in_wire_form("MX", b"\0\x0a")),
    "MX with more than a name": faults.Malformed(in_wire_form("MX", AFTER_THE_NAME)),
    "MX with reserved bits": faults.Malformed(in_wire_form("MX", RESERVED_BITS)),
    "MX with too long a name": faults.Malformed(in_wire_form("MX", TOO_LONG)),
    "less than it says": faults.Malformed(in_wire_form("MX", b"\0\x0a\x01x\0")[:-1]),
    "no answer, but recursion": faults.Referral(recurses=True),
    "no answer, and no recursion": faults.Referral(has_servers=False),
    "BADVERS": faults.Code(dns.rcode.BADVERS),
    "NOTAUTH": faults.Code(dns.rcode.NOTAUTH),
    "records of what does not exist": faults.Contradiction(),
    "records of another name": faults.OtherOwner(),
    "SOA of another zone": faults.OtherSoa(),
}


@clause("MX-29")
@pytest.mark.parametrize("fault", UNUSABLE.values(), ids=list(UNUSABLE))
def test_a_dns_answer_that_cannot_be_used_is_a_451_4_4_3(
    world: World, fault: faults.Fault
) -> None:
    world.dns.fail(world.destination, fault)
    reply = mail_refused(world, world.subject.timeouts.dns)
    expect_reply(reply, 451, enhanced="4.4.3")


@clause("MX-29")
@pytest.mark.parametrize(("rdtype", "octets"), [("A", 3), ("A", 5), ("AAAA", 15)])
def test_an_address_of_another_length_than_its_type_has_is_a_451_4_4_3(
    world: World, rdtype: str, octets: int
) -> None:
    record = in_wire_form(rdtype, bytes(range(1, octets + 1)))
    world.dns.remove(world.upstream.name)
    world.dns.fail(world.upstream.name, faults.Malformed(record), rdtype)
    reply = mail_refused(world, world.subject.timeouts.dns)
    expect_reply(reply, 451, enhanced="4.4.3")


@clause("MX-14")
@also_as("sender")
def test_if_the_address_lookup_of_one_host_fails_the_next_is_tried(
    world: World,
) -> None:
    second = world.mx_host(world.destination, 20, label="mx2")
    world.dns.fail(world.upstream.name, faults.Servfail())
    forward(world, upstream=second)


@contextmanager
def truncated_without_tcp(world: World, name: str, tcp: str) -> Iterator[None]:
    """Answers for `name` are truncated over UDP, and TCP connections for the rest are closed, or
    refused."""
    world.dns.fail(name, faults.TruncateOnly())
    if tcp == "closed":
        yield
    elif world.lab.commons.shared:
        pytest.skip("other labs use the same nameserver")
    else:
        with world.dns.closed_to_tcp():
            yield


WITHOUT_TCP = pytest.mark.parametrize("tcp", ["closed", "refused"])


@clause("MX-10")
@WITHOUT_TCP
def test_mail_is_put_off_if_a_truncated_answer_is_all_there_is(
    world: World, tcp: str
) -> None:
    with truncated_without_tcp(world, world.destination, tcp):
        reply = refusal_of_mail(world)
    expect_reply(reply, "4xx")
    fence(world)


@clause("MX-29")
@WITHOUT_TCP
@pytest.mark.parametrize("what", ["destination", "host"])
def test_a_truncated_answer_that_is_all_there_is_is_a_451_4_4_3(
    world: World, what: str, tcp: str
) -> None:
    with truncated_without_tcp(world, name_of(world, what), tcp):
        reply = refusal_of_mail(world)
    expect_reply(reply, 451, enhanced="4.4.3")
    fence(world)


@clause("MX-15")
@also_as("sender")
@pytest.mark.parametrize("what", ["destination", "host"])
def test_a_truncated_answer_is_asked_for_again_over_tcp(
    world: World, what: str
) -> None:
    forward_despite(world, what, faults.Truncate())


@clause("MX-15")
@also_as("sender")
def test_an_answer_too_large_for_udp_is_used(world: World) -> None:
    for n in range(140):
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
    with world.client() as client:
        client.patience += world.subject.timeouts.dns
        client.deliver(world.sender.address, world.info, world.message())
    expect_nothing_upstream(world)
    expect_no_connection(world.upstream)


# Old servers, slow ones, and those that say little


@clause("MX-07")
@also_as("sender")
def test_a_domain_whose_server_says_no_more_than_that_it_has_no_mx_is_its_own_host(
    world: World,
) -> None:
    world.no_mx()
    # RFC 2308 2.2: a NODATA answer may come without an SOA.
    world.dns.fail(world.destination, faults.NoAuthority(), "MX")
    own = world.host(world.destination)
    forward(world, upstream=own)


@clause("MX-33")
@also_as("sender")
@pytest.mark.parametrize("rcode", ["FORMERR", "NOTIMP"])
@pytest.mark.parametrize("what", ["destination", "host"])
def test_a_dns_server_without_edns_is_asked_without_it(
    world: World, what: str, rcode: str
) -> None:
    forward_despite(world, what, faults.NoEdns(dns.rcode.from_text(rcode)))


@clause("MX-33")
@also_as("sender")
@pytest.mark.parametrize("rcode", ["FORMERR", "NOTIMP"])
def test_a_dns_server_without_edns_may_answer_with_a_header_alone(
    world: World, rcode: str
) -> None:
    # It has not read the question that it does not understand.
    fault = faults.NoEdns(dns.rcode.from_text(rcode), is_header_alone=True)
    forward_despite(world, "destination", fault)


@clause("MX-33")
@also_as("sender")
def test_a_long_answer_of_a_dns_server_without_edns_is_used(world: World) -> None:
    # It is truncated, and comes over TCP, where the server does not know EDNS either.
    for n in range(30):
        host = f"unused-{n}.{world.destination}."
        world.dns.add(world.destination, "MX", f"{100 + n} {host}")
    forward_despite(world, "destination", faults.NoEdns())


@clause("MX-32")
@also_as("sender")
@pytest.mark.parametrize("what", ["destination", "host"])
def test_an_answer_that_is_late_is_used(world: World, what: str) -> None:
    forward_despite(world, what, faults.Late(LATE_S))


def ask_slowly(world: World, client: Client) -> None:
    """The destination's MX records are asked for, which takes a while."""
    world.dns.fail(world.destination, faults.Late(LATE_S), "MX")
    client.mail(world.sender.address)
    client.line(f"RCPT TO:<{world.info}>")
    # A later command of somebody else is answered after this one was read.
    with world.client(source=world.new_client_addresses()[0]) as other:
        expect_reply(other.command("NOOP"), 250, to="NOOP")


@clause("MX-16")
def test_the_answer_to_one_question_is_not_that_to_another_that_is_asked_meanwhile(
    world: World,
) -> None:
    with world.client() as client:
        ask_slowly(world, client)
        fence(world)
        expect_reply(client.read_reply(), 250, to="RCPT")


@clause("MX-16")
def test_the_answer_to_one_question_is_not_that_to_one_for_another_type(
    world: World,
) -> None:
    world.require("spf")
    source = world.new_client_addresses()[0]
    world.dns.add_text(world.destination, f"v=spf1 ip4:{source} -all")
    with world.client() as client, world.client(source=source) as other:
        ask_slowly(world, client)
        sender = f"alice@{world.destination}"
        delivery = other.deliver(sender, world.far, world.message())
        expect_reply(delivery.final, "2xx", to="the message")
        expect_reply(client.read_reply(), 250, to="RCPT")
    arrived = world.far_upstream.wait_for_message()
    expect(first(recorded(arrived)), "pass", "the SPF result")


@clause("MX-43")
@also_as("sender")
@pytest.mark.parametrize("what", ["destination", "host"])
def test_a_question_whose_answer_is_lost_is_asked_again(
    world: World, what: str
) -> None:
    forward_despite(world, what, faults.Lost())


FORGED = ["id", "name", "type", "class", "query", "opcode", "length", "port"]


@clause("MX-44")
@also_as("sender")
@pytest.mark.parametrize("wrong", FORGED)
@pytest.mark.parametrize("what", ["destination", "host"])
def test_a_forged_packet_does_not_keep_the_answer_from_being_used(
    world: World, what: str, wrong: str
) -> None:
    forward_despite(world, what, faults.Forged(wrong=wrong))


@clause("MX-43")
@also_as("sender")
def test_a_question_is_asked_again_though_a_forged_packet_came(world: World) -> None:
    forward_despite(world, "destination", faults.Forged(count=1))


@clause("MX-35")
@also_as("sender")
@pytest.mark.parametrize("what", ["destination", "host"])
def test_a_dns_server_that_only_recurses_is_asked_to(world: World, what: str) -> None:
    forward_despite(world, what, faults.Unasked())


@clause("MX-36")
def test_an_answer_is_not_asked_for_again_within_its_ttl(world: World) -> None:
    names = (world.destination, world.upstream.name)
    forward(world)
    asked = [(query.name, query.rdtype) for query in questions(world, *names)]
    expect_true(asked, "questions for the destination", asked)
    forward(world)
    again = [(query.name, query.rdtype) for query in questions(world, *names)]
    expect(again[len(asked) :], [], "questions for a second message")


@clause("MX-36")
def test_that_there_is_no_mx_is_not_asked_for_again_within_its_ttl(
    world: World,
) -> None:
    world.no_mx()
    own = world.host(world.destination)
    world.dns.fail(world.destination, faults.NegativeTtl(TTL, TTL), "MX")
    asked = [questions_for_mx(world, own) for _ in range(2)]
    expect_true(asked[0] > 0, "questions for MX records", "none")
    expect(asked[1], 0, "questions for MX records for a second message")


@clause("MX-45")
@pytest.mark.parametrize(("ttl", "minimum"), [(0, TTL), (TTL, 0)])
def test_that_there_is_no_mx_is_forgotten_by_the_lesser_of_the_soas_two_times(
    world: World, ttl: int, minimum: int
) -> None:
    no_mx_is_asked_for_twice(world, faults.NegativeTtl(ttl, minimum))


@clause("MX-46")
def test_that_there_is_no_mx_is_not_kept_without_an_soa(world: World) -> None:
    no_mx_is_asked_for_twice(world, faults.NoAuthority())


@clause("MX-40")
@also_as("sender")
@pytest.mark.parametrize("what", ["destination", "host"])
def test_an_answer_with_the_largest_ttl_is_used(world: World, what: str) -> None:
    forward_despite(world, what, faults.LongLived())


@clause("MX-42")
def test_an_answer_whose_ttl_has_its_highest_bit_set_is_not_kept(world: World) -> None:
    world.dns.fail(world.destination, faults.LongLived(2**31 + 300))
    forward(world)
    asked = len(questions(world, world.destination))
    forward(world)
    again = questions(world, world.destination)[asked:]
    expect_true(again, "the destination asked for again", "no question")


# Aliases


def make_alias(world: World, *names: str, ttl: int = TTL) -> None:
    """Each of the names is an alias of the next."""
    for name, target in zip(names, names[1:]):
        world.dns.set(name, "CNAME", f"{target}.", ttl=ttl)


@clause("MX-47")
@pytest.mark.parametrize("count", [1, 2])
def test_the_target_of_an_alias_that_comes_alone_is_asked_for(
    world: World, count: int
) -> None:
    world.no_mx()
    names = [world.destination, f"alias.{world.destination}"][:count]
    make_alias(world, *names, world.elsewhere)
    for name in names:
        world.dns.fail(name, faults.AliasAlone())
    forward(world, upstream=world.far_upstream)


@clause("MX-29")
def test_aliases_that_come_alone_and_lead_to_each_other_are_a_451_4_4_3(
    world: World,
) -> None:
    world.no_mx()
    other = f"alias.{world.destination}"
    make_alias(world, world.destination, other, world.destination)
    for name in (world.destination, other):
        world.dns.fail(name, faults.AliasAlone())
    expect_reply(mail_refused(world), 451, enhanced="4.4.3")


def forward_by_alias(world: World, apart: bool) -> None:
    """A message arrives at the alias's target; skips where an alias that comes alone is not followed."""
    try:
        forward(world, upstream=world.far_upstream)
    except ConformanceFailure as failure:
        if not apart:
            raise
        pytest.skip(f"no target is asked for, which MX-47 judges ({failure.actual})")


@clause("MX-48")
@pytest.mark.parametrize("apart", [False, True], ids=["in one answer", "in two"])
def test_what_an_alias_leads_to_is_not_kept_longer_than_the_alias(
    world: World, apart: bool
) -> None:
    world.no_mx()
    make_alias(world, world.destination, world.elsewhere, ttl=0)
    if apart:
        world.dns.fail(world.destination, faults.AliasAlone())
    asked = []
    for _ in range(2):
        earlier = len(questions(world, world.destination))
        forward_by_alias(world, apart)
        asked.append(questions(world, world.destination)[earlier:])
    one, other = world.far_upstream.messages
    if one.dialogue is other.dialogue:
        pytest.skip("the upstream session is kept for the next message")
    expect_true(all(asked), "questions for the alias for each of two messages", asked)


# What DNS has for the relay's own name


@contextmanager
def led_elsewhere(world: World, name: str) -> Iterator[None]:
    """DNS has the upstream's addresses for `name`, which all tests share, and its own again in the end."""
    if world.lab.commons.shared:
        pytest.skip("other labs use the same nameserver")
    own = {rdtype: look_up(name, rdtype) for rdtype in ("A", "AAAA")}
    for rdtype in own:
        world.dns.set(name, rdtype, *look_up(world.upstream.name, rdtype))
    try:
        yield
    finally:
        for rdtype, addresses in own.items():
            world.dns.set(name, rdtype, *addresses)


@clause("MX-41")
def test_a_host_by_a_name_of_the_relay_is_the_relay_wherever_dns_has_it(
    world: World,
) -> None:
    world.require("provisioning")
    name = "isaac.mx.cloudflare.net"  # of the three MX hosts the one that no other test needs
    world.dns.set(world.destination, "MX", f"10 {name}.")
    with led_elsewhere(world, name):
        expect_reply(mail_refused(world), "5xx")
    expect_no_connection(world.upstream)


# The case of letters, by which a resolver knows its own question


@clause("MX-37")
def test_a_question_is_in_random_letter_case(world: World) -> None:
    forward(world)
    # Each has at least twenty letters.
    written = [query.written for query in questions(world, world.destination)]
    mixed = [name for name in written if name not in (name.lower(), name.upper())]
    expect_true(mixed, "a name in letters of both cases", written)


@clause("MX-38")
@also_as("sender")
@pytest.mark.parametrize("what", ["destination", "host"])
def test_an_answer_in_another_letter_case_is_used(world: World, what: str) -> None:
    forward_despite(world, what, faults.SmallLetters())


def questions(world: World, *names: str) -> list[Query]:
    """Those for the names so far, oldest first."""
    return [query for query in world.dns.queries() if query.name in names]


def questions_for_mx(world: World, upstream: Upstream) -> int:
    """How many a message for the destination causes."""
    earlier = len(questions(world, world.destination))
    forward(world, upstream=upstream)
    asked = questions(world, world.destination)[earlier:]
    return sum(query.rdtype == "MX" for query in asked)


def no_mx_is_asked_for_twice(world: World, negative: faults.Fault) -> None:
    """Each of two messages causes questions for the destination's MX records, of which that is the answer.
    Skips where the second goes over the connection of the first, for which nobody has to ask.
    """
    world.no_mx()
    own = world.host(world.destination)
    world.dns.fail(world.destination, negative, "MX")
    asked = [questions_for_mx(world, own) for _ in range(2)]
    if own.messages[0].dialogue is own.messages[1].dialogue:
        pytest.skip("the upstream session is kept for the next message")
    expect_true(all(asked), "questions for MX records for each of two messages", asked)
