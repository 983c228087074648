"""SPF: the service's own record, and what is recorded of every sender's."""

from __future__ import annotations

import pytest

from conformance import clause, expect, expect_in, expect_match, expect_true
from conformance.lab import Message, World
from conformance.lab.nameserver import faults
from conformance.suite.acts import forward, reverse_path
from conformance.suite.verifiers import results, spf_result

SERVICE = "v=spf1 include:_spf.mx.cloudflare.net ~all"


def publish(world: World, *records: str) -> None:
    """Gives the sender's domain other SPF records."""
    world.dns.remove(world.sender.domain, "TXT")
    for record in records:
        world.dns.add_text(world.sender.domain, record)


def seen_from(
    world: World,
    source: str,
    sender: str | None = None,
    helo: str | None = None,
) -> Message:
    """A message from the sender, forwarded for a client at another address."""
    with world.client(source=source, greet=False) as client:
        client.greet(helo or world.sender.domain)
        delivery = client.deliver(
            world.sender.address if sender is None else sender,
            world.info,
            world.message(),
        )
        expect_true(delivery.accepted, "a 2xx for the message", delivery.final)
    return world.upstream.wait_for_message(len(world.upstream.messages))


def recorded(world: World, source: str | None = None) -> str:
    """The SPF result that is recorded, in both fields alike."""
    arrived = seen_from(world, source or world.sender.ipv4)
    outcomes = results(arrived).of("spf")
    expect(len(outcomes), 1, "the number of SPF results")
    field = arrived.fields("Received-SPF")[0][1]
    expect(field.split()[0].lower(), outcomes[0], "the result in Received-SPF")
    return outcomes[0]


@clause("SPF-01")
def test_the_services_record_passes_the_services_addresses(world: World) -> None:
    publish(world, SERVICE)
    expect(recorded(world, world.subject.addresses[0]), "pass", "the SPF result")


@clause("SPF-02", "SPF-11")
@pytest.mark.parametrize("family", [4, 6])
def test_the_services_record_softfails_all_others_whose_mail_is_accepted(
    world: World, family: int
) -> None:
    publish(world, SERVICE)
    source = world.new_client_addresses()[0 if family == 4 else 1]
    expect(recorded(world, source), "softfail", "the SPF result")


@clause("SPF-03")
def test_the_included_record_by_itself_passes_and_softfails_alike(world: World) -> None:
    publish(world, "v=spf1 redirect=_spf.mx.cloudflare.net")
    expect(recorded(world, world.subject.addresses[0]), "pass", "from the subnet")
    stranger = world.new_client_addresses()[0]
    expect(recorded(world, stranger), "softfail", "from elsewhere")


@clause("SPF-03")
@pytest.mark.parametrize(
    ("address", "result"),
    [
        ("104.29.255.255", "softfail"),
        ("104.30.0.0", "pass"),
        ("104.30.15.255", "pass"),
        ("104.30.16.0", "softfail"),
    ],
)
def test_a_receiver_finds_exactly_the_published_subnet_allowed(
    world: World, address: str, result: str
) -> None:
    sender = world.at("bounces")
    expect(
        spf_result(address, sender, "email.cloudflare.net"), result, "the SPF result"
    )


@clause("SPF-04")
def test_the_result_for_mail_from_is_recorded_in_both_fields(world: World) -> None:
    arrived = seen_from(world, world.sender.ipv4)
    properties = results(arrived).properties("spf")
    expect_in("smtp.mailfrom", properties[0], "the properties of the SPF result")
    expect_in(
        properties[0]["smtp.mailfrom"],
        (world.sender.domain, world.sender.address),
        "smtp.mailfrom",
    )
    field = arrived.fields("Received-SPF")[0][1]
    expect_match(
        rf'pass\b.*\bclient-ip="?{world.sender.ipv4}"?\b.*', field, "Received-SPF"
    )


@clause("SPF-05")
def test_helo_is_evaluated_where_the_reverse_path_is_null(world: World) -> None:
    arrived = seen_from(world, world.sender.ipv4, sender="")
    expect(results(arrived).of("spf"), ["pass"], "the SPF result")
    expect(
        results(arrived).properties("spf")[0].get("smtp.helo"),
        world.sender.domain,
        "smtp.helo",
    )


@clause("SPF-05")
@pytest.mark.parametrize("helo", ["no-such-host.example", "[192.0.2.99]"])
def test_a_null_reverse_path_with_a_helo_without_record_is_none(
    world: World, helo: str
) -> None:
    arrived = seen_from(world, world.sender.ipv4, sender="", helo=helo)
    expect(results(arrived).of("spf"), ["none"], "the SPF result")


@clause("SPF-06")
@pytest.mark.parametrize(
    ("record", "result"),
    [
        ("v=spf1 +all", "pass"),
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
    publish(world, record)
    expect(recorded(world), result, "the SPF result")


@clause("SPF-06")
def test_a_domain_without_a_record_is_none(world: World) -> None:
    publish(world)
    expect(recorded(world), "none", "the SPF result")


def chain(world: World, length: int) -> None:
    """A record whose evaluation needs `length` further look-ups, all in existence."""
    for n in range(1, length + 1):
        following = f"include:i{n + 1}.{world.sender.domain}" if n < length else ""
        world.dns.add_text(
            f"i{n}.{world.sender.domain}", f"v=spf1 {following} ?all".replace("  ", " ")
        )
    publish(world, f"v=spf1 include:i1.{world.sender.domain} +all")


@clause("SPF-07")
@pytest.mark.parametrize(("lookups", "result"), [(10, "pass"), (11, "permerror")])
def test_the_eleventh_lookup_is_one_too_many(
    world: World, lookups: int, result: str
) -> None:
    chain(world, lookups)
    expect(recorded(world), result, "the SPF result")


@clause("SPF-08")
@pytest.mark.parametrize(("voids", "result"), [(2, "pass"), (3, "permerror")])
def test_the_third_void_lookup_is_one_too_many(
    world: World, voids: int, result: str
) -> None:
    terms = " ".join(f"a:void{n}.{world.sender.domain}" for n in range(voids))
    publish(world, f"v=spf1 {terms} +all")
    expect(recorded(world), result, "the SPF result")


@clause("SPF-09")
@pytest.mark.parametrize("where", ["record", "include", "a"])
def test_a_dns_failure_is_a_temperror(world: World, where: str) -> None:
    broken = f"broken.{world.sender.domain}"
    if where == "record":
        broken = world.sender.domain
    elif where == "include":
        publish(world, f"v=spf1 include:{broken} +all")
    else:
        publish(world, f"v=spf1 a:{broken} +all")
    world.dns.fail(broken, faults.Servfail(), "A" if where == "a" else "TXT")
    expect(recorded(world), "temperror", "the SPF result")


@clause("SPF-10")
def test_two_records_are_a_permerror(world: World) -> None:
    publish(world, "v=spf1 +all", "v=spf1 -all")
    expect(recorded(world), "permerror", "the SPF result")


@clause("SPF-13")
@pytest.mark.parametrize("where", ["record", "include"])
@pytest.mark.parametrize(("size", "result"), [(8192, "pass"), (8193, "permerror")])
def test_a_record_of_more_than_8_kib_is_a_permerror(
    world: World, size: int, result: str, where: str
) -> None:
    big = "v=spf1 +all x=".ljust(size, "x")
    if where == "record":
        publish(world, big)
    else:
        world.dns.add_text(f"big.{world.sender.domain}", big)
        publish(world, f"v=spf1 include:big.{world.sender.domain} -all")
    expect(recorded(world), result, "the SPF result")


@clause("SPF-11", "DMARC-14")
def test_a_fail_alone_does_not_refuse_the_mail(world: World) -> None:
    expect(recorded(world, world.new_client_addresses()[0]), "fail", "the SPF result")


@clause("SPF-12", "PSPF-01")
def test_the_rewritten_sender_passes_at_the_upstream_from_the_lower_half(
    world: World,
) -> None:
    world.upstream.stop_listening(6)
    dialogue = forward(world).dialogue
    result = spf_result(
        dialogue.peer_address, reverse_path(world.upstream), dialogue.ehlo or ""
    )
    expect(result, "pass", f"SPF at the upstream, from {dialogue.peer_address}")
