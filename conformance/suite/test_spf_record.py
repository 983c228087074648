"""SPF: the service's own record, and what is recorded of every sender's."""

from __future__ import annotations

import re
import socket
import struct

import pytest

from conformance import (
    clause,
    expect,
    expect_in,
    expect_match,
    expect_one_of,
    expect_true,
    fail,
)
from conformance.lab import Client, Delivery, Message, World
from conformance.lab.nameserver import faults
from conformance.lab.nameserver.faults import TTL
from conformance.lab.plan import SUBJECT_IPV4
from conformance.suite.acts import forward, reverse_path
from conformance.suite.spf import (
    REFUSALS,
    first,
    in_received_spf,
    in_results,
    is_received_spf,
    pairs_of,
    recorded,
)
from conformance.suite.verifiers import parts, raw_fields, spf_result

SERVICE = "v=spf1 include:_spf.mx.cloudflare.net ~all"
# RFC 7208 9.1, and RFC 8601 6.7 in addition.
RESULTS = ("pass", "fail", "softfail", "neutral", "none", "temperror", "permerror")
REGISTERED = (*RESULTS, "policy")
# By which the sender's client passes.
PASSING = "v=spf1 ip4:{client} -all"


def allowing(world: World, *terms: str) -> str:
    """A record by which the sender's client passes, after those terms. Not by +all, which a receiver's
    policy may not honour."""
    return " ".join(["v=spf1", *terms, f"ip4:{world.sender.ipv4}", "-all"])


# That an evaluation may take at least (RFC 7208 4.6.4), and there may be one of HELO and one of MAIL FROM.
EVALUATION_S = 20
DNS_TEXT_MAX = 16_384  # octets of one answer that the reference uses


def publish(world: World, *records: str) -> None:
    """Gives the sender's domain other SPF records."""
    world.dns.remove(world.sender.domain, "TXT")
    for record in records:
        world.dns.add_text(world.sender.domain, record)


def service_address(world: World) -> str:
    """An address of the included record's from which a client can connect."""
    address = SUBJECT_IPV4
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            pytest.skip(f"no client can connect from {address} here")
    return address


def send(
    world: World,
    source: str,
    sender: str | None = None,
    helo: str | None = None,
) -> Delivery:
    """Sends a message from the sender, whose client is at that address. HELO may be refused."""
    with world.client(source=source, greet=False) as client:
        return _deliver(world, client, sender, helo or world.sender.domain)


def _deliver(world: World, client: Client, sender: str | None, helo: str) -> Delivery:
    banner = client.banner()
    greeting = client.ehlo(helo) if banner.positive else banner
    if not greeting.positive:
        return Delivery(greeting)
    envelope = world.sender.address if sender is None else sender
    return client.deliver(envelope, world.info, world.message())


def judged(
    world: World,
    source: str | None = None,
    sender: str | None = None,
    helo: str | None = None,
) -> tuple[str, Message | None]:
    """The SPF result that is recorded, in either field, and the message as it arrives; or the refusal
    of the message."""
    earlier = len(world.upstream.messages)
    delivery = send(world, source or world.sender.ipv4, sender, helo)
    if not delivery.accepted:
        return f"refused: {delivery.final.shown}", None
    arrived = world.upstream.wait_for_message(earlier + 1)
    return first(recorded(arrived)) or "not recorded", arrived


def expect_result(
    world: World,
    expected: str,
    source: str | None = None,
    sender: str | None = None,
    helo: str | None = None,
) -> None:
    """The SPF result is recorded, or the message is refused as such a result may be; then another
    sender's must be recorded as pass."""
    result, _ = judged(world, source, sender, helo)
    if not result.startswith(f"refused: {REFUSALS.get(expected, 'never')}"):
        expect(result, expected, "the SPF result")
        return
    expect_pass_of_another(world)


def expect_pass_of_another(world: World) -> None:
    """The control: a sender that passes is recorded so. Its domain is another one, since the subject
    may remember a record."""
    other = f"passing.{world.sender.domain}"
    world.dns.add_text(other, allowing(world))
    result, _ = judged(world, sender=f"alice@{other}", helo=other)
    expect(result, "pass", "the SPF result of a sender that passes")


@clause("SPF-01")
def test_the_services_record_gives_pass_for_the_services_addresses(
    world: World,
) -> None:
    publish(world, SERVICE)
    expect_result(world, "pass", service_address(world))


@clause("SPF-02")
@pytest.mark.parametrize("family", [4, 6])
def test_the_services_record_gives_softfail_for_others_whose_mail_is_accepted(
    world: World, family: int
) -> None:
    publish(world, SERVICE)
    source = world.new_client_addresses()[0 if family == 4 else 1]
    expect_result(world, "softfail", source)


@clause("SPF-03")
def test_the_included_record_gives_pass_for_its_subnet_and_softfail_otherwise(
    world: World,
) -> None:
    publish(world, "v=spf1 redirect=_spf.mx.cloudflare.net")
    expect_result(world, "softfail", world.new_client_addresses()[0])
    expect_result(world, "pass", service_address(world))


@clause("SPF-04")
def test_the_result_is_recorded_in_the_header(world: World) -> None:
    expect_result(world, "pass")


@clause("SPF-14")
def test_the_result_is_recorded_in_both_fields(world: World) -> None:
    arrived = forward(world)
    expect(first(in_results(arrived)), "pass", "the result in Authentication-Results")
    expect(first(in_received_spf(arrived)), "pass", "the result in Received-SPF")
    identity = in_results(arrived)[0][1].get("smtp.mailfrom")
    domains = (world.sender.domain, world.sender.address)
    expect_one_of(identity, domains, "smtp.mailfrom")


def key_value_list(field: str) -> str:
    """What follows the result and its comment in Received-SPF (RFC 7208 9.1); empty if it is no such
    list."""
    text = "; ".join(parts(field))
    found = re.match(r"\s*\w+\s+([A-Za-z][\w.-]*\s*=.*)", text)
    return found[1] if found else ""


@clause("SPF-15")
def test_received_spf_has_what_the_result_can_be_verified_by(world: World) -> None:
    arrived = forward(world)
    fields = arrived.fields("Received-SPF")
    if not fields and in_results(arrived):
        pytest.skip("the subject records the result in Authentication-Results alone")
    pairs = {
        "client-ip": world.sender.ipv4,
        "helo": world.sender.domain,
        "envelope-from": world.sender.address,
    }
    said = " | ".join(field for _, field in fields) or "no Received-SPF field"
    lists = [key_value_list(field) for _, field in fields]
    for key, value in pairs.items():
        pattern = rf'(?i)\b{key}\s*=\s*["<]*{re.escape(value)}[">]*(?![\w.@-])'
        found = any(re.search(pattern, text) for text in lists)
        expect_true(found, f"{key} with {value} in Received-SPF", said)


@clause("SPF-05")
def test_helo_is_evaluated_if_the_reverse_path_is_null(world: World) -> None:
    expect_result(world, "pass", sender="")
    expect_result(world, "fail", world.new_client_addresses()[0], sender="")


@clause("SPF-05")
def test_a_null_reverse_path_is_evaluated_anew_after_another_ehlo(world: World) -> None:
    world.dns.add_text(f"other.{world.sender.domain}", "v=spf1 ~all")
    with world.client() as client:
        expect_session(world, client, {"": "pass"})
        greeting = client.ehlo(f"other.{world.sender.domain}")
        if not greeting.positive:
            pytest.skip("a second name in EHLO is refused")
        expect_session(world, client, {"": "softfail"})


def expect_session(world: World, client: Client, results: dict[str, str]) -> None:
    """One message from each reverse-path, in one session, has the result recorded."""
    for sender, result in results.items():
        earlier = len(world.upstream.messages)
        delivery = client.deliver(sender, world.info, world.message())
        expect_true(delivery.accepted, "a 2xx for the message", delivery.final)
        arrived = world.upstream.wait_for_message(earlier + 1)
        expect(first(recorded(arrived)), result, f"the SPF result of <{sender}>")


@clause("SPF-06")
def test_each_reverse_path_of_a_session_has_its_own_result(world: World) -> None:
    world.dns.add_text(f"other.{world.sender.domain}", "v=spf1 ~all")
    other = f"alice@other.{world.sender.domain}"
    with world.client() as client:
        results = {world.sender.address: "pass", other: "softfail", "": "pass"}
        expect_session(world, client, results)


@clause("SPF-16")
def test_the_result_for_a_null_reverse_path_is_that_of_helo(world: World) -> None:
    result, arrived = judged(world, sender="")
    if arrived is None:
        fail("a 2xx for the message", result)
    found = in_results(arrived) or in_received_spf(arrived)
    expect_true(found, "an SPF result", arrived.header)
    said = [properties.get("smtp.helo", "") for _, properties in found]
    expect_in(world.sender.domain, said, "the values of HELO that a result is of")


@clause("SPF-16")
def test_the_result_for_a_null_reverse_path_is_that_of_helo_with_an_address(
    world: World,
) -> None:
    address = world.sender.ipv4
    result, arrived = judged(world, address, "", f"[{address}]")
    if arrived is None:
        pytest.skip(f"the subject wants another HELO ({result})")
    # Of an address literal there is nothing to evaluate (RFC 7208 2.3).
    found = [*in_results(arrived), *in_received_spf(arrived)]
    if not found:
        pytest.skip("no result is recorded for an address")
    said = [properties.get("smtp.helo", "") for _, properties in found]
    expect_in(address, " ".join(said), "the values of HELO that a result is of")


@clause("SPF-17")
@pytest.mark.parametrize("helo", ["a domain", "an address"])
def test_a_null_reverse_path_with_helo_without_a_domain_that_exists_gives_none(
    world: World, helo: str
) -> None:
    expect_result(world, "pass", sender="")
    address = world.sender.ipv4
    name = f"[{address}]" if helo == "an address" else f"absent.{world.destination}"
    result, _ = judged(world, address, "", name)
    if result.startswith("refused"):
        pytest.skip(f"the subject wants another HELO ({result})")
    # Of an address literal there is nothing to evaluate (RFC 7208 2.3).
    allowed = ("none", "not recorded") if helo == "an address" else ("none",)
    expect_one_of(result, allowed, "the SPF result")


@clause("SPF-06")
@pytest.mark.parametrize(
    ("record", "result"),
    [
        (PASSING, "pass"),
        ("v=spf1 -all", "fail"),
        ("v=spf1 ~all", "softfail"),
        ("v=spf1 ?all", "neutral"),
        ("v=spf1", "neutral"),
        ("v=spf10 -all", "none"),
        ("v=spf1 frob -all", "permerror"),
    ],
)
def test_each_result_is_told_from_the_others(
    world: World, record: str, result: str
) -> None:
    publish(world, record.format(client=world.sender.ipv4))
    expect_result(world, result)


@clause("SPF-06")
def test_a_record_that_lets_every_client_pass_gives_pass_or_is_against_policy(
    world: World,
) -> None:
    # RFC 7208 5.1: "all" always matches. What follows from a pass is the receiver's policy (8.3), which
    # may refuse the message, or write that it overrides the pass (RFC 8601 2.7.2).
    publish(world, "v=spf1 +all")
    result, _ = judged(world)
    if not result.startswith("refused: 5"):
        expect_one_of(result, ("pass", "policy"), "the SPF result")
    expect_pass_of_another(world)


@clause("SPF-06")
def test_a_domain_without_a_record_gives_none(world: World) -> None:
    publish(world)
    expect_result(world, "none")


@clause("SPF-06")
def test_a_record_is_found_among_many_other_texts(world: World) -> None:
    world.dns.add(world.sender.domain, "TXT", *(f"other={n}" for n in range(200)))
    expect_result(world, "pass")


@clause("SPF-06")
def test_each_of_many_hosts_is_judged_by_its_own_address(world: World) -> None:
    # The client is near the hosts of the first terms, and far from those of the last.
    near = world.new_client_addresses()[0]
    exchanges = [f"m{m}.{world.sender.domain}" for m in range(6)]
    for m, exchange in enumerate(exchanges):
        for n in range(10):
            world.dns.add(exchange, "MX", f"10 h{n}.{exchange}.")
            world.dns.add(f"h{n}.{exchange}", "A", near if m < 4 else "203.0.113.254")
    lengths = [32] * 4 + [24] * 2
    terms = (f"mx:{name}/{bits}" for name, bits in zip(exchanges, lengths))
    publish(world, " ".join(["v=spf1", *terms, "-all"]))
    expect_result(world, "fail")


def chain(world: World, length: int) -> None:
    """A record whose evaluation needs `length` further look-ups, all in existence."""
    for n in range(1, length + 1):
        following = f"include:i{n + 1}.{world.sender.domain}" if n < length else ""
        world.dns.add_text(
            f"i{n}.{world.sender.domain}", f"v=spf1 {following} ?all".replace("  ", " ")
        )
    publish(world, allowing(world, f"include:i1.{world.sender.domain}"))


@clause("SPF-07")
@pytest.mark.parametrize(("lookups", "result"), [(10, "pass"), (11, "permerror")])
def test_the_eleventh_lookup_gives_permerror(
    world: World, lookups: int, result: str
) -> None:
    chain(world, lookups)
    expect_result(world, result)


@clause("SPF-08")
@pytest.mark.parametrize(("voids", "result"), [(2, "pass"), (3, "permerror")])
def test_the_third_void_lookup_gives_permerror(
    world: World, voids: int, result: str
) -> None:
    terms = [f"a:void{n}.{world.sender.domain}" for n in range(voids)]
    publish(world, allowing(world, *terms))
    expect_result(world, result)


@clause("SPF-09")
@pytest.mark.parametrize("where", ["record", "include", "a"])
def test_a_dns_failure_gives_temperror(world: World, where: str) -> None:
    broken = f"broken.{world.sender.domain}"
    if where == "record":
        broken = world.sender.domain
    elif where == "include":
        publish(world, allowing(world, f"include:{broken}"))
    else:
        publish(world, allowing(world, f"a:{broken}"))
    world.dns.fail(broken, faults.Servfail(), "A" if where == "a" else "TXT")
    expect_result(world, "temperror")


def text_in_wire_form(*strings: bytes, claimed: int) -> bytes:
    """A TXT record of the name asked for, the last of whose strings has the length `claimed`."""
    lengths = [len(string) for string in strings[:-1]] + [claimed]
    data = b"".join(bytes([n]) + string for n, string in zip(lengths, strings))
    fixed = struct.pack("!HHHIH", 0xC00C, 16, 1, TTL, len(data))  # RFC 1035 4.1.3
    return fixed + data


@clause("SPF-20")
@pytest.mark.parametrize(
    ("strings", "claimed"),
    [((b"v=spf1 -all",), 12), ((b"v=spf1 -all",), 255), ((b"v=spf1 -all", b""), 1)],
    ids=["one octet", "all", "an empty string"],
)
def test_a_record_whose_strings_do_not_fit_gives_temperror(
    world: World, strings: tuple[bytes, ...], claimed: int
) -> None:
    record = text_in_wire_form(*strings, claimed=claimed)
    world.dns.fail(world.sender.domain, faults.Malformed(record), "TXT")
    expect_result(world, "temperror")


@clause("LIM-41")
@pytest.mark.parametrize(("octets", "result"), [(0, "pass"), (1, "none")])
def test_of_a_dns_answer_as_much_text_is_used(
    world: World, octets: int, result: str
) -> None:
    record = allowing(world)
    room = DNS_TEXT_MAX - len(record) + octets
    publish(
        world, "v=x".ljust(room // 2, "x"), "v=y".ljust(room - room // 2, "y"), record
    )
    expect_result(world, result)


@clause("SPF-10")
def test_two_records_give_permerror(world: World) -> None:
    publish(world, allowing(world), "v=spf1 -all")
    expect_result(world, "permerror")


def forwarded_with(world: World, what: str) -> Message:
    """A message that is forwarded with a result of that kind."""
    expect_pass_of_another(world)
    if what == "DNS failure":
        world.dns.fail(f"broken.{world.sender.domain}", faults.Servfail(), "TXT")
        publish(world, allowing(world, f"include:broken.{world.sender.domain}"))
    else:
        publish(world, what.format(client=world.sender.ipv4))
    result, arrived = judged(world)
    if arrived is None:
        pytest.skip(f"there is no result to judge ({result})")
    return arrived


EACH = [PASSING, "v=spf1 -all", "v=spf1 ~all", "v=spf1 frob", "DNS failure"]


@clause("SPF-18")
@pytest.mark.parametrize("what", EACH)
def test_an_spf_result_has_a_registered_code(world: World, what: str) -> None:
    result = first(in_results(forwarded_with(world, what)))
    if result is None:
        pytest.skip("the subject records the result in Received-SPF alone")
    expect_one_of(result, REGISTERED, "the SPF result in Authentication-Results")


@clause("SPF-19")
@pytest.mark.parametrize("what", EACH)
def test_received_spf_begins_with_a_result_of_its_grammar(
    world: World, what: str
) -> None:
    result = first(in_received_spf(forwarded_with(world, what)))
    if result is None:
        pytest.skip("the subject records the result in Authentication-Results alone")
    expect_one_of(result, RESULTS, "the result in Received-SPF")


@clause("SPF-21")
@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (faults.Servfail(), "SERVFAIL|server failure"),
        (faults.Refused(), "REFUSED"),
        (faults.Drop(), "time(d |-)?out|no (answer|response)"),
    ],
    ids=["SERVFAIL", "REFUSED", "no answer"],
)
def test_received_spf_says_what_dns_answered(
    world: World, fault: faults.Fault, problem: str
) -> None:
    world.dns.fail(world.sender.domain, fault, "TXT")
    world.patience += 2 * EVALUATION_S
    arrived = with_received_spf(*judged(world))
    fields = [value for _, value in arrived.fields("Received-SPF")]
    said = [pairs_of(field).get("problem", "no problem=") for field in fields]
    found = any(re.search(problem, text, re.IGNORECASE) for text in said)
    expect_true(found, f"{problem} in problem=", " | ".join(said))


def with_received_spf(result: str, arrived: Message | None) -> Message:
    """What arrived; skips where nothing did, or the result is recorded elsewhere."""
    if arrived is None:
        pytest.skip(f"the message is not forwarded ({result})")
    if not arrived.fields("Received-SPF"):
        pytest.skip("the subject records the result in Authentication-Results alone")
    return arrived


def fields_recorded(result: str, arrived: Message | None) -> list[str]:
    """The Received-SPF fields of a message that was to be forwarded, as they came."""
    content = with_received_spf(result, arrived).content
    return list(raw_fields(content, "Received-SPF"))


def expect_syntax(result: str, arrived: Message | None) -> None:
    for field in fields_recorded(result, arrived):
        expect_true(is_received_spf(field), "the syntax of RFC 7208 9.1", field)


ODD_NAMES = ["[{client}]", "a..b", ".a.b", "a.b.", "a,b", 'a"b', "a\\b", "a(b", "a)b"]


@clause("SPF-22")
@pytest.mark.parametrize("null", [False, True], ids=["mail", "bounce"])
@pytest.mark.parametrize("helo", ODD_NAMES)
def test_received_spf_has_its_syntax_whatever_the_client_is_called(
    world: World, helo: str, null: bool
) -> None:
    name = helo.format(client=world.sender.ipv4)
    expect_syntax(*judged(world, sender="" if null else None, helo=name))


@clause("SPF-22")
@pytest.mark.parametrize("local", ['"a b"', '"a\\"b"', '"a)b"', "a+b"])
def test_received_spf_has_its_syntax_whatever_the_sender_is_called(
    world: World, local: str
) -> None:
    expect_syntax(*judged(world, sender=f"{local}@{world.sender.domain}"))


def identity_checked(arrived: Message | None, null: bool) -> str:
    """That of which a result is recorded. A result of HELO may stand alone (RFC 7208 2.3), and MAIL FROM is
    postmaster at HELO for the null reverse-path (2.4)."""
    of = {name for _, said in (recorded(arrived) if arrived else []) for name in said}
    usual, other = ("helo", "mailfrom") if null else ("mailfrom", "helo")
    return other if f"smtp.{usual}" not in of and f"smtp.{other}" in of else usual


@clause("SPF-23")
@pytest.mark.parametrize(
    ("record", "mechanism"),
    [
        ("v=spf1 a:absent.{domain} ip4:{client} -all", "ip4"),
        ("v=spf1 a:absent.{domain} -all", "all"),
        ("v=spf1 a:absent.{domain}", "default"),
    ],
)
@pytest.mark.parametrize("null", [False, True], ids=["mail", "bounce"])
def test_received_spf_says_what_was_checked_and_what_matched(
    world: World, record: str, mechanism: str, null: bool
) -> None:
    publish(world, record.format(client=world.sender.ipv4, domain=world.sender.domain))
    result, arrived = judged(world, sender="" if null else None)
    found = [pairs_of(field) for field in fields_recorded(result, arrived)]
    # There may be one for HELO beside that for MAIL FROM (RFC 7208 2.3).
    identity = identity_checked(arrived, null)
    identities = [pairs.get("identity", "no identity=").lower() for pairs in found]
    expect_in(identity, identities, "the values of identity=")
    for pairs in found:
        if pairs.get("identity", "").lower() != identity:
            continue
        matched = pairs.get("mechanism", "no mechanism=")
        expect_match(rf"[-+~?]?{mechanism}\b.*", matched, "mechanism=")


@clause("SPF-23")
def test_received_spf_names_the_host_of_the_banner_as_receiver(world: World) -> None:
    with world.client(greet=False) as client:
        name = (client.banner().text.split() or [""])[0].lower()
    for field in fields_recorded(*judged(world)):
        receiver = pairs_of(field).get("receiver", "no receiver=")
        expect(receiver.lower(), name, "receiver=")


@clause("SPF-13")
@pytest.mark.parametrize("where", ["record", "include"])
@pytest.mark.parametrize(("size", "result"), [(8192, "pass"), (8193, "permerror")])
def test_a_record_of_more_than_8_kib_gives_permerror(
    world: World, size: int, result: str, where: str
) -> None:
    big = f"{allowing(world)} x=".ljust(size, "x")
    if where == "record":
        publish(world, big)
    else:
        world.dns.add_text(f"big.{world.sender.domain}", big)
        publish(world, f"v=spf1 include:big.{world.sender.domain} -all")
    expect_result(world, result)


@clause("SPF-11")
def test_mail_is_not_refused_for_an_spf_fail_alone(world: World) -> None:
    result, _ = judged(world, world.new_client_addresses()[0])
    expect(result, "fail", "the SPF result")


@clause("SPF-12")
def test_the_rewritten_sender_gets_pass_at_the_upstream(world: World) -> None:
    # From where the subject sends in this lab is the business of other clauses.
    dialogue = forward(world).dialogue
    address = SUBJECT_IPV4
    result = spf_result(address, reverse_path(world.upstream), dialogue.ehlo or "")
    expect(result, "pass", f"SPF of the reverse-path, from {address}")
