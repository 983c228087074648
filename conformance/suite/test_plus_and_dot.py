"""Local parts: compared whole, with no sign of a special meaning."""

from __future__ import annotations

import pytest

from conformance import clause, expect
from conformance.lab import World
from conformance.suite.acts import forward
from conformance.suite.refusals import recipients_refused

UNKNOWN = ("nobody", "inf", "infoo", "xinfo")


def destination_of(world: World, recipient: str) -> str:
    """The local part to which mail for `recipient` goes."""
    return forward(world, recipient=recipient).recipients[0].rpartition("@")[0]


def unknown(world: World, *local_parts: str) -> None:
    """None of them is an address of the test's zone."""
    recipients_refused(world, *(world.at(local) for local in local_parts))


@clause("CHAR-01")
def test_a_plus_starts_no_tag(world: World) -> None:
    unknown(world, "info+tag", "info+", "plain+box")


@clause("CHAR-02")
def test_a_route_with_a_plus_takes_mail_for_exactly_that_address(world: World) -> None:
    expect(destination_of(world, world.at("box+tag")), "tagged", "the destination")
    unknown(world, "box", "box+", "box+other", "box+tag+tag")


@clause("CHAR-03")
def test_a_route_with_a_dot_takes_mail_for_exactly_that_address(world: World) -> None:
    expect(destination_of(world, world.at("first.last")), "dotted", "the destination")
    unknown(world, "firstlast", "first", "f.irstlast", "first.l.ast")


@clause("CHAR-03")
def test_an_address_with_a_dot_added_is_another_address(world: World) -> None:
    unknown(world, "in.fo", "i.n.f.o", "pla.in")


@clause("CHAR-04")
@pytest.mark.parametrize("local", ["INFO", "Info", "iNfO"])
def test_ascii_case_of_a_recipient_is_folded(world: World, local: str) -> None:
    expect(destination_of(world, world.at(local)), "mailbox", "the destination")


@clause("CHAR-04")
@pytest.mark.parametrize("local", ["MixedCase", "mixedcase", "MIXEDCASE"])
def test_ascii_case_of_a_route_is_folded(world: World, local: str) -> None:
    expect(destination_of(world, world.at(local)), "mixed", "the destination")


@clause("CHAR-05")
@pytest.mark.parametrize(
    ("quoted", "destination"),
    [('"info"', "mailbox"), ('"first.last"', "dotted"), ('"box+tag"', "tagged")],
)
def test_a_quoted_local_part_is_the_address_of_its_content(
    world: World, quoted: str, destination: str
) -> None:
    expect(destination_of(world, world.at(quoted)), destination, "the destination")


@clause("CHAR-12")
def test_a_quoted_local_part_with_other_content_is_another_address(
    world: World,
) -> None:
    unknown(world, '"info "', '" info"', '"in fo"')


@clause("CHAR-06")
@pytest.mark.parametrize("quoted", ['"in\\fo"', '"\\i\\n\\f\\o"', '"inf\\o"'])
def test_a_quoted_pair_is_equivalent_to_its_character(
    world: World, quoted: str
) -> None:
    expect(destination_of(world, world.at(quoted)), "mailbox", "the destination")


@clause("CHAR-07")
def test_an_unknown_address_is_refused_with_550(world: World) -> None:
    recipients_refused(world, *map(world.at, UNKNOWN), code=550)


@clause("CHAR-07")
def test_a_literal_asterisk_is_not_the_address_of_a_catch_all(world: World) -> None:
    recipients_refused(world, world.at("*"), code=550)


@clause("CHAR-13")
def test_the_refusal_of_an_unknown_address_is_550_5_1_1(world: World) -> None:
    at_a_subdomain = f"nobody@eu.{world.enterprise_zone}"
    recipients_refused(
        world, *map(world.at, UNKNOWN), at_a_subdomain, code=550, enhanced="5.1.1"
    )


@clause("CHAR-08")
def test_a_catch_all_takes_what_has_no_route_of_its_own(world: World) -> None:
    address = world.at("what.ever+tag", world.catchall_zone)
    expect(destination_of(world, address), "everything", "the destination")


@clause("CHAR-08")
def test_a_route_of_its_own_comes_before_the_catch_all(world: World) -> None:
    address = world.at("listed", world.catchall_zone)
    expect(destination_of(world, address), "listed", "the destination")


@clause("CHAR-09")
@pytest.mark.parametrize(
    ("local", "destination"),
    [("info", "mailbox"), ("box+tag", "tagged"), ("first.last", "dotted")],
)
def test_the_forward_path_is_the_routes_destination_and_nothing_else(
    world: World, local: str, destination: str
) -> None:
    arrived = forward(world, recipient=world.at(local))
    wanted = f"{destination}@{world.destination}"
    expect(arrived.recipients, [wanted], "the forward-paths sent to the upstream")


@clause("CHAR-10")
def test_the_domain_is_compared_without_regard_to_case(world: World) -> None:
    recipient = world.at("info", world.zone.upper())
    expect(destination_of(world, recipient), "mailbox", "the destination")


@clause("CHAR-11")
@pytest.mark.parametrize("sign", ["-", "_", "=", "#", "/", "%", "&", "'"])
def test_no_other_sign_starts_a_tag(world: World, sign: str) -> None:
    unknown(world, f"info{sign}tag", f"info{sign}")
