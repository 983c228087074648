"""Spam: a client that a DNSBL lists is refused, and told why."""

from __future__ import annotations

import ipaddress

import pytest

from conformance import clause, expect, expect_match, expect_reply, expect_true
from conformance.lab import Client, Delivery, Message, Reply, World
from conformance.lab.nameserver import faults
from conformance.lab.plan import DNSBL, DNSBL_NAME
from conformance.suite.acts import control, fence

PAGE = "https://developers.cloudflare.com/email-routing/postmaster/#spam-and-abusive-traffic/"


def listed_name(address: str) -> str:
    """Where a DNSBL has its records of an address (RFC 5782 2.1, 2.4)."""
    pointer = ipaddress.ip_address(address).reverse_pointer
    return pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa") + f".{DNSBL}"


def listed(world: World, *answers: str) -> str:
    """A client address of which the DNSBL says so."""
    address = world.notorious_address()
    for answer in answers:
        world.list_in_dnsbl(address, answer)
    return address


def attempt(
    world: World, source: str, recipient: str | None = None, patience: float = 0
) -> Reply:
    """The reply that decides on a message from there, at whatever step that is: a DNSBL may be asked
    as soon as the client connects, or when its message is there."""
    with world.client(source=source, greet=False) as client:
        client.patience += patience
        return _decision(world, client, recipient or world.info).final


def _decision(world: World, client: Client, recipient: str) -> Delivery:
    banner = client.banner()
    greeting = client.ehlo(world.sender.domain) if banner.positive else banner
    if not greeting.positive:
        return Delivery(greeting)
    return client.deliver(world.sender.address, recipient, world.message())


def expect_refused(world: World, source: str) -> Reply:
    """A message from there is refused for good, while one from elsewhere is forwarded."""
    control(world)
    reply = attempt(world, source)
    expect_reply(reply, "5xx", to="a message from a listed client")
    fence(world)
    expect(len(world.upstream.messages), 1, "messages upstream, with the control")
    return reply


def expect_served(world: World, source: str, patience: float = 0) -> None:
    """A message from there is forwarded, while a listed client is refused."""
    earlier = len(world.upstream.messages)
    reply = attempt(world, source, patience=patience)
    expect_reply(reply, "2xx", to="a message from a client that is not listed")
    world.upstream.wait_for_message(earlier + 1)
    reply = attempt(world, listed(world, "127.0.0.2"))
    expect_reply(reply, "5xx", to="a message from a listed client")


@clause("SPAM-01")
def test_a_listed_client_is_refused_with_the_details(world: World) -> None:
    source = listed(world, "127.0.0.2")
    text = expect_refused(world, source).text.lower()
    named = any(detail in text for detail in (source, DNSBL, DNSBL_NAME))
    expect_true(named, "a text with the client's address or the list's name", text)


@clause("SPAM-09")
@pytest.mark.parametrize("answer", ["127.0.0.2", "127.0.0.10", "127.1.2.3"])
def test_any_listing_gets_the_client_refused(world: World, answer: str) -> None:
    expect_refused(world, listed(world, answer))


def expect_words_of_the_page(world: World, source: str) -> None:
    """RCPT is answered with the Postmaster page's refusal, word for word; no upstream is asked."""
    with world.client(source=source) as client:
        expect_reply(client.mail(world.sender.address), 250, to="MAIL")
        reply = client.rcpt(world.info)
    # A long text may be in several lines.
    shown = f"{reply.code} {' '.join(reply.lines)}"
    if ":" in source:
        # One address has several spellings; the text around it has one.
        said = expect_match(r"554 ([0-9a-fA-F:]+) .*", shown, "the refusal").group(1)
        try:
            same = ipaddress.ip_address(said) == ipaddress.ip_address(source)
        except ValueError:
            same = False
        expect_true(same, f"the address {source}", said)
        shown = shown.replace(said, source, 1)
    text = f"554 {source} found on one or more DNSBLs ({DNSBL_NAME}). Refer to {PAGE}"
    expect(shown, text, "the reply to RCPT")
    expect(world.upstream.dialogues, [], "connections upstream")


@clause("SPAM-08")
def test_a_listed_client_is_refused_in_the_words_of_the_page(world: World) -> None:
    expect_words_of_the_page(world, listed(world, "127.0.0.2"))


@clause("SPAM-08")
def test_a_listed_ipv6_client_is_refused_in_the_words_of_the_page(world: World) -> None:
    world.list_in_dnsbl(world.sender.ipv6)
    expect_words_of_the_page(world, world.sender.ipv6)


@clause("SPAM-08")
def test_every_recipient_of_a_listed_client_is_refused(world: World) -> None:
    with world.client(source=listed(world, "127.0.0.2")) as client:
        client.mail(world.sender.address)
        codes = [client.rcpt(r).code for r in (world.info, world.other, world.far)]
        expect(codes, [554, 554, 554], "the replies to RCPT")


@clause("SPAM-02")
@pytest.mark.parametrize("family", [4, 6])
def test_a_client_that_no_list_names_is_served(world: World, family: int) -> None:
    expect_served(
        world, world.notorious_address() if family == 4 else world.sender.ipv6
    )


@clause("SPAM-03")
def test_a_listed_ipv6_client_is_refused(world: World) -> None:
    world.list_in_dnsbl(world.sender.ipv6)
    expect_refused(world, world.sender.ipv6)


@clause("SPAM-04")
@pytest.mark.parametrize("answer", ["192.0.2.1", "126.0.0.2", "128.0.0.2", "0.0.0.0"])
def test_an_answer_outside_of_127_lists_nobody(world: World, answer: str) -> None:
    expect_served(world, listed(world, answer))


@clause("SPAM-04")
def test_one_answer_that_counts_is_enough_among_others(world: World) -> None:
    expect_refused(world, listed(world, "192.0.2.1", "127.0.0.4"))


@clause("SPAM-05")
@pytest.mark.parametrize("answer", ["127.255.255.252", "127.255.255.254"])
def test_an_error_code_of_the_list_lists_nobody(world: World, answer: str) -> None:
    expect_served(world, listed(world, answer))


@clause("SPAM-05")
def test_an_answer_just_below_the_error_codes_lists_the_client(world: World) -> None:
    expect_refused(world, listed(world, "127.255.254.255"))


def expect_served_in_spite_of(world: World, fault: faults.Fault) -> None:
    """A client of which the list would say that it is listed is served while the list has a fault."""
    address = listed(world, "127.0.0.2")
    world.dns.fail(listed_name(address), fault)
    expect_served(world, address, world.subject.timeouts.dns)


@clause("SPAM-06")
def test_a_list_that_fails_lists_nobody(world: World) -> None:
    expect_served_in_spite_of(world, faults.Servfail())


@clause("SPAM-06")
def test_a_list_that_is_silent_lists_nobody(world: World) -> None:
    world.require("timeouts")
    expect_served_in_spite_of(world, faults.Drop())


def arrived_at_contact(world: World, earlier: int) -> Message:
    """The test's message at the deployment's contact address, where that of other tests arrives too."""
    identity = f"@{world.sender.domain}>".encode("ascii")
    while True:
        earlier += 1
        message = world.standing.wait_for_message(earlier)
        if identity in message.header:
            return message


@clause("SPAM-07")
@pytest.mark.parametrize("local", ["postmaster", "PostMaster"])
@pytest.mark.parametrize("qualified", [True, False], ids=["at the zone", "alone"])
def test_mail_to_postmaster_is_not_blocked_by_a_listing(
    world: World, local: str, qualified: bool
) -> None:
    world.require("postmaster")
    source = listed(world, "127.0.0.2")
    expect_reply(attempt(world, source), "5xx", to="a message to another recipient")
    earlier = len(world.standing.messages)
    reply = attempt(world, source, world.at(local) if qualified else local)
    expect_reply(reply, "2xx", to=f"a message to {local}")
    arrived_at_contact(world, earlier)
