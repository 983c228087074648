"""DMARC: whose policy it is. From fields that are missing, repeated, malformed or in disguise, and those
with several authors (dmarc_enforcing.yaml)."""

from __future__ import annotations

import pytest

from conformance import clause, expect, expect_one_of, expect_true
from conformance.lab import World
from conformance.suite.dmarc import (
    dmarc_result,
    forwarded,
    refused,
    send,
    with_from,
)

UNUSABLE = [
    (),
    ("From:",),
    ("From: ",),
    ("From: Alice",),
    ("From: <>",),
    ("From: alice@",),
    ("From: undisclosed:;",),
]


@clause("DMARC-10")
@pytest.mark.parametrize(
    "fields", UNUSABLE, ids=["".join(f) or "none" for f in UNUSABLE]
)
def test_a_message_whose_from_field_names_no_domain_is_refused(
    world: World, fields: tuple[str, ...]
) -> None:
    refused(world, with_from(world, *fields), stranger=False)


@clause("DMARC-11")
@pytest.mark.parametrize("second", ["From", "from", "FROM", "From ", "From\t"])
def test_a_message_with_two_from_fields_is_refused(world: World, second: str) -> None:
    address = world.sender.address
    message = with_from(world, f"From: <{address}>", f"{second}: <{address}>")
    refused(world, message, stranger=False)


# Names that are shown as From by whoever leaves out what he cannot print.
DISGUISED = ["\x01From", "Fr\x08om", "From\x7f", "Fr om", "Fr\u200bom", "From\r\n "]


@clause("DMARC-35")
@pytest.mark.parametrize("name", DISGUISED, ids=ascii)
@pytest.mark.parametrize("first", [False, True], ids=["below", "above"])
def test_a_message_with_a_from_field_and_one_in_disguise_is_refused(
    world: World, name: str, first: bool
) -> None:
    fields = [
        f"From: <{world.sender.address}>",
        f"{name}: <ceo@{world.elsewhere}>",
    ]
    message = with_from(world, *(reversed(fields) if first else fields))
    refused(world, message, stranger=False)


@clause("DMARC-12")
@pytest.mark.parametrize(
    "authors",
    [
        "{own}, mallory@other.example",
        "Alice <{own}>, Mallory <mallory@other.example>",
        "friends: {own}, mallory@other.example;",
    ],
)
def test_a_message_with_authors_at_two_domains_is_refused(
    world: World, authors: str
) -> None:
    field = "From: " + authors.format(own=world.sender.address)
    refused(world, with_from(world, field), stranger=False)


@clause("DMARC-28")
@pytest.mark.parametrize(
    "fields",
    [
        ("From: Alice",),
        ("From: <{own}>", "From: <{own}>"),
        ("From: {own}, mallory@other.example",),
        ("From: Doe, a@other.example <{own}>",),
    ],
    ids=["no domain", "two fields", "two domains", "malformed"],
)
def test_the_refusal_of_a_from_field_without_a_single_domain_is_550_5_7_1(
    world: World, fields: tuple[str, ...]
) -> None:
    own = world.sender.address
    message = with_from(world, *(field.format(own=own) for field in fields))
    refused(world, message, 550, enhanced="5.7.1", stranger=False)


# Each shows a stranger's address to somebody; the author is the sender.
DISGUISES = [
    '"ceo@{victim}" <{own}>',
    "ceo@{victim} <{own}>",
    "<{own}> (ceo@{victim})",
    "(<ceo@{victim}>) {own}",
    "=?utf-8?q?ceo=40{victim}?= <{own}>",
    "=?utf-8?b?PGNlb0B2aWN0aW0uZXhhbXBsZT4=?= <{own}>",
    '"<ceo@{victim}>" <{own}>',
    "Alice (a \\( comment <ceo@{victim}>) <{own}>",
    '"Alice \\" <ceo@{victim}>" <{own}>',
    "Alice\r\n <{own}>",
    "(nested (ceo@{victim})) <{own}>",
    # An obsolete route (RFC 5322 4.4).
    "<@{victim}:{own}>",
    "Alice <@other.example, @{victim} : {own}>",
]
# Here it is the other way round: the address is the victim's.
UNDISGUISED = [
    '"{own}" <ceo@{victim}>',
    "<ceo@{victim}> ({own})",
    "=?utf-8?q?{own}?= <ceo@{victim}>",
    '<"alice@{sender}"@{victim}>',
    "<ceo@(comment){victim}>",
    "ceo (a) @ (b) {victim}",
    "<ceo@{victim_capitals}>",
]


def dressed(world: World, text: str, policy: str) -> bytes:
    """A message with that From field, and a victim of that policy."""
    victim = f"victim.{world.elsewhere}"
    world.dns.add(victim, "A", world.sender.ipv4)
    world.dns.add_text(f"_dmarc.{victim}", f"v=DMARC1; p={policy}")
    value = text.format(
        own=world.sender.address,
        sender=world.sender.domain,
        victim=victim,
        victim_capitals=victim.upper(),
    )
    return with_from(world, f"From: {value}")


@clause("DMARC-15")
@pytest.mark.parametrize("text", DISGUISES)
def test_an_address_that_is_only_shown_is_not_the_author(
    world: World, text: str
) -> None:
    world.require("authres")  # it alone says who was judged
    world.sender.publish_dmarc("v=DMARC1; p=none")
    # Under p=reject a refusal would not say whether it is the victim's or that of a field without author.
    message = dressed(world, text, "none")
    delivery = send(world, message, stranger=False)
    if delivery.end is not None and delivery.end.permanent:
        return  # what cannot be read for certain may be refused
    expect_true(delivery.accepted, "a 2xx or 5xx to the end of DATA", delivery.final)
    result, domain = dmarc_result(world.upstream.wait_for_message())
    # The sender's SPF is aligned with no other author than itself.
    expect(result, "pass", "the DMARC result")
    expect_one_of(domain, (world.sender.domain, ""), "header.from, if there is one")


@clause("DMARC-15")
@pytest.mark.parametrize("text", UNDISGUISED)
def test_the_address_in_from_is_the_author_whatever_is_shown(
    world: World, text: str
) -> None:
    refused(world, dressed(world, text, "reject"), stranger=False)


@clause("DMARC-16")
def test_several_authors_at_one_domain_fail_where_it_has_no_pass(world: World) -> None:
    refused(world, two_authors_under_reject(world))


@clause("DMARC-16")
def test_several_authors_at_one_domain_pass_where_it_has_a_pass(world: World) -> None:
    forwarded(world, two_authors_under_reject(world), stranger=False)


def two_authors_under_reject(world: World) -> bytes:
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    domain = world.sender.domain
    return with_from(world, f"From: Alice <alice@{domain}>, bob@{domain}")


IMPROPER = [
    "Doe, Alice <{address}>",
    "Support: Alice <{address}>",
    "[Team] Alice <{address}>",
    "Alice (Support <{address}>",
    "Alice <a..lice.@{domain}>",
]


def written(world: World, value: str) -> bytes:
    """A message whose From field has the sender's address in that form, under p=reject."""
    sender = world.sender
    sender.publish_dmarc("v=DMARC1; p=reject")
    local = sender.address.partition("@")[0]
    text = value.format(address=sender.address, local=local, domain=sender.domain)
    return with_from(world, f"From: {text}")


@clause("DMARC-23")
@pytest.mark.parametrize("value", IMPROPER)
def test_a_malformed_from_field_with_one_address_passes_where_its_domain_does(
    world: World, value: str
) -> None:
    forwarded(world, written(world, value), stranger=False)


@clause("DMARC-23")
@pytest.mark.parametrize("value", IMPROPER)
def test_a_malformed_from_field_with_one_address_fails_where_its_domain_does(
    world: World, value: str
) -> None:
    refused(world, written(world, value))


@clause("DMARC-23")
@pytest.mark.parametrize(
    "value", ["Doe, a@other.example <{address}>", "Doe, Alice <{address}> b@other"]
)
@pytest.mark.parametrize("null", [False, True], ids=["mail", "bounce"])
def test_a_malformed_from_field_with_two_addresses_is_refused(
    world: World, value: str, null: bool
) -> None:
    field = "From: " + value.format(address=world.sender.address)
    sender = "" if null else None
    refused(world, with_from(world, field), sender=sender, stranger=False)


ROUTED = ["<@{domain}:{address}>", "Alice <@a.example, @b.example:{address}>"]


@clause("DMARC-50")
@pytest.mark.parametrize("value", ROUTED)
def test_an_author_behind_a_route_passes_where_its_domain_does(
    world: World, value: str
) -> None:
    forwarded(world, written(world, value), stranger=False)


@clause("DMARC-50")
@pytest.mark.parametrize("value", ROUTED)
def test_an_author_behind_a_route_fails_where_its_domain_does(
    world: World, value: str
) -> None:
    refused(world, written(world, value))


CONTROLLED = [
    "Ali\x07ce <{address}>",
    '"Ali\x1bce" <{address}>',
    "\x01Alice <{address}>",
    "Alice <{address}> (\x7f)",
]
CONTROLLED_NAMELESS = ["MAILER\x01DAEMON", "MAILER-DAEMON (\x7f)"]


@clause("DMARC-36")
@pytest.mark.parametrize("value", CONTROLLED, ids=ascii)
def test_a_from_field_with_a_control_character_is_refused(
    world: World, value: str
) -> None:
    refused(world, written(world, value), stranger=False)


@clause("DMARC-36")
@pytest.mark.parametrize("value", CONTROLLED_NAMELESS, ids=ascii)
def test_a_from_field_with_a_control_character_is_refused_of_a_bounce_too(
    world: World, value: str
) -> None:
    forwarded(world, with_from(world, "From: MAILER-DAEMON"), sender="")
    refused(world, with_from(world, f"From: {value}"), sender="", stranger=False)


# Wherever RFC 5322 3.2.2 and 3.4 have white space.
FOLDED = [
    "\r\n Alice <{local}@{domain}>",
    "\r\n {local}@{domain}",
    "Alice\r\n <{local}@{domain}>",
    "Alice\r\n\t<{local}@{domain}>",
    "Alice\r\n Smith\r\n  of\r\n\tAccounts <{local}@{domain}>",
    '"Alice\r\n Smith" <{local}@{domain}>',
    "=?utf-8?q?Alice?=\r\n =?utf-8?q?Smith?= <{local}@{domain}>",
    "Alice <\r\n {local}@{domain}\r\n >",
    "{local}\r\n @\r\n {domain}",
    "Alice (of\r\n Accounts) <{local}@{domain}>",
    "<{local}@{domain}>\r\n (Alice)",
]


@clause("DMARC-33")
@pytest.mark.parametrize("value", FOLDED, ids=ascii)
def test_a_folded_from_field_passes_where_its_domain_does(
    world: World, value: str
) -> None:
    forwarded(world, written(world, value), stranger=False)


@clause("DMARC-33")
@pytest.mark.parametrize("value", FOLDED, ids=ascii)
def test_a_folded_from_field_fails_where_its_domain_does(
    world: World, value: str
) -> None:
    refused(world, written(world, value))


NAMELESS = [
    (),
    ("From:",),
    ("From: <>",),
    ("From: MAILER-DAEMON",),
    ("From: Mail Delivery System <MAILER-DAEMON>",),
    ("From: undisclosed:;",),
]


@clause("DMARC-24")
@pytest.mark.parametrize(
    "fields", NAMELESS, ids=["".join(f) or "none" for f in NAMELESS]
)
def test_a_bounce_whose_from_field_names_no_domain_is_forwarded(
    world: World, fields: tuple[str, ...]
) -> None:
    forwarded(world, with_from(world, *fields), sender="")


@clause("DMARC-31")
def test_the_lack_of_an_author_domain_is_recorded_as_none(world: World) -> None:
    world.require("dmarc")
    message = with_from(world, "From: <MAILER-DAEMON>")
    delivery = send(world, message, sender="")
    if not delivery.accepted:
        pytest.skip("the message is refused, which DMARC-24 judges")
    outcome = dmarc_result(world.upstream.wait_for_message())
    expect(outcome, ("none", ""), "the DMARC result and header.from")
