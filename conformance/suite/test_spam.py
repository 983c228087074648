"""Spam: a client that a DNSBL lists is turned away with the Postmaster page's words."""

from __future__ import annotations

import ipaddress

import pytest

from conformance import clause, expect, expect_match, expect_reply, expect_true
from conformance.lab import World
from conformance.lab.nameserver import faults
from conformance.lab.world import DNSBL, DNSBL_NAME

PAGE = "https://developers.cloudflare.com/email-routing/postmaster/#spam-and-abusive-traffic/"


def listed_name(address: str) -> str:
    """Where a DNSBL has its records of an address (RFC 5782 2.1, 2.4)."""
    pointer = ipaddress.ip_address(address).reverse_pointer
    return pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa") + f".{DNSBL}"


def refused(world: World, source: str) -> None:
    """RCPT gets the Postmaster page's refusal, word for word, and nobody upstream is asked."""
    with world.client(source=source) as client:
        expect_reply(client.mail(world.sender.address), 250, to="MAIL")
        reply = client.rcpt(world.info)
    shown = reply.shown
    if ":" in source:
        # One address has several spellings; the text around it has one.
        said = expect_match(r"554 ([0-9a-fA-F:]+) .*", shown, "the refusal").group(1)
        expect(ipaddress.ip_address(said), ipaddress.ip_address(source), "the address")
        shown = shown.replace(said, source, 1)
    text = f"554 {source} found on one or more DNSBLs ({DNSBL_NAME}). Refer to {PAGE}"
    expect(shown, text, "the answer to RCPT")
    expect(world.upstream.dialogues, [], "connections upstream")


def served(world: World, source: str, patience: float = 0) -> None:
    """A message from there is forwarded."""
    with world.client(source=source) as client:
        client.patience += patience
        delivery = client.deliver(world.sender.address, world.info, world.message())
    expect_reply(delivery.final, 250, to="the end of DATA")


def listed(world: World, *answers: str) -> str:
    """A client address of which the DNSBL says so."""
    address = world.notorious_address()
    for answer in answers:
        world.list_in_dnsbl(address, answer)
    return address


@clause("SPAM-01")
@pytest.mark.parametrize("answer", ["127.0.0.2", "127.0.0.10", "127.1.2.3"])
def test_a_listed_client_is_refused_in_the_words_of_the_page(
    world: World, answer: str
) -> None:
    refused(world, listed(world, answer))


@clause("SPAM-01")
def test_every_recipient_of_a_listed_client_is_refused(world: World) -> None:
    with world.client(source=listed(world, "127.0.0.2")) as client:
        client.mail(world.sender.address)
        codes = [client.rcpt(r).code for r in (world.info, world.other, world.far)]
        expect(codes, [554, 554, 554], "the answers to RCPT")


@clause("SPAM-02")
def test_a_client_that_is_not_listed_is_served(world: World) -> None:
    served(world, world.notorious_address())
    served(world, world.sender.ipv6)


@clause("SPAM-02")
def test_the_listing_of_a_neighbour_is_nobodys_business(world: World) -> None:
    listed(world, "127.0.0.2")
    served(world, world.notorious_address())


@clause("SPAM-03", "SPAM-01")
def test_a_listed_ipv6_client_is_refused_alike(world: World) -> None:
    world.list_in_dnsbl(world.sender.ipv6)
    refused(world, world.sender.ipv6)


@clause("SPAM-04")
@pytest.mark.parametrize("answer", ["192.0.2.1", "126.0.0.2", "128.0.0.2", "0.0.0.0"])
def test_an_answer_outside_127_lists_nobody(world: World, answer: str) -> None:
    served(world, listed(world, answer))


@clause("SPAM-04")
def test_one_answer_that_counts_is_enough_among_others(world: World) -> None:
    with world.client(source=listed(world, "192.0.2.1", "127.0.0.4")) as client:
        client.mail(world.sender.address)
        expect_reply(client.rcpt(world.info), 554, to="RCPT")


@clause("SPAM-05")
@pytest.mark.parametrize("answer", ["127.255.255.252", "127.255.255.254"])
def test_an_error_code_of_the_list_lists_nobody(world: World, answer: str) -> None:
    served(world, listed(world, answer))


@clause("SPAM-05")
def test_an_answer_just_below_the_error_codes_lists(world: World) -> None:
    refused(world, listed(world, "127.255.254.255"))


@clause("SPAM-06")
@pytest.mark.parametrize(
    "fault", [faults.Servfail(), faults.Drop()], ids=["failing", "silent"]
)
def test_a_list_that_does_not_answer_lists_nobody(
    world: World, fault: faults.Fault
) -> None:
    world.require("timeouts")
    address = listed(world, "127.0.0.2")
    world.dns.fail(listed_name(address), fault)
    served(world, address, world.subject.timeouts.dns)


@clause("SPAM-07")
def test_mail_to_postmaster_is_not_refused_for_a_listing(world: World) -> None:
    with world.client(source=listed(world, "127.0.0.2")) as client:
        for recipient in ("postmaster", world.at("postmaster"), world.at("PostMaster")):
            client.mail(world.sender.address)
            reply = client.rcpt(recipient)
            expect_true(reply.positive, f"250 to RCPT of {recipient}", reply)
            client.rset()
