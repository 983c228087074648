"""Sender rewriting: the reverse-path that goes upstream."""

from __future__ import annotations

import re
import time

import pytest

from conformance import clause, expect, expect_match, expect_true
from conformance.lab import World
from conformance.suite.acts import MAILBOX, forward, reverse_path, unquoted

SRS0 = r"SRS0=([A-Za-z0-9+/]{4})=([A-Za-z2-7]{2})=([^=]+)=(.+)"
SRS1 = r"SRS1=([A-Za-z0-9+/]{4})=([^=]+)=([=+-].+)"
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
SECONDS_A_DAY = 86400
LOCAL_PART_LIMIT = 64


def rewritten(world: World, sender: str, recipient: str | None = None) -> str:
    """The reverse-path upstream for a message from `sender`."""
    forward(world, sender=sender, recipient=recipient)
    return reverse_path(world.upstream, len(world.upstream.messages))


def srs0(world: World, sender: str, recipient: str | None = None) -> re.Match[str]:
    """The parts of the SRS0 address for `sender`: hash, timestamp, domain, local part."""
    local = rewritten(world, sender, recipient).rpartition("@")[0]
    return expect_match(SRS0, local, "the local part of the reverse-path")


def day_stamp(offset_days: int = 0) -> str:
    """SRS timestamp of the present day: days since 1970 modulo 1024, ten bits in base32."""
    day = (int(time.time()) // SECONDS_A_DAY + offset_days) % 1024
    return BASE32[day >> 5] + BASE32[day & 31]


@clause("SRS-01")
def test_the_reverse_path_upstream_is_at_the_forwarding_domain(world: World) -> None:
    address = rewritten(world, world.sender.address)
    expect(address.rpartition("@")[2], world.zone, "the domain of the reverse-path")


@clause("SRS-02")
def test_the_rewritten_sender_carries_the_senders_domain_and_local_part(
    world: World,
) -> None:
    parts = srs0(world, world.sender.address)
    expect(parts.group(3), world.sender.domain, "the domain in the SRS address")
    expect(parts.group(4), "alice", "the local part in the SRS address")


@clause("SRS-02")
def test_equal_signs_in_the_senders_local_part_stay_where_they_are(
    world: World,
) -> None:
    parts = srs0(world, f"list=user=host@{world.sender.domain}")
    expect(parts.group(3), world.sender.domain, "the domain in the SRS address")
    expect(parts.group(4), "list=user=host", "the local part in the SRS address")


@clause("SRS-03")
def test_the_null_reverse_path_stays_null(world: World) -> None:
    expect(rewritten(world, ""), "", "the reverse-path upstream")


@clause("SRS-04")
def test_a_sender_at_the_forwarding_domain_is_left_alone(world: World) -> None:
    sender = world.at("someone")
    expect(rewritten(world, sender), sender, "the reverse-path upstream")


@clause("SRS-05")
def test_each_served_domain_rewrites_to_itself(world: World) -> None:
    first = rewritten(world, world.sender.address)
    second = rewritten(
        world, world.sender.address, world.at("any", world.catchall_zone)
    )
    expect(first.rpartition("@")[2], world.zone, "the domain for the first zone")
    expect(
        second.rpartition("@")[2], world.catchall_zone, "the domain for the second zone"
    )


@clause("SRS-05")
def test_a_served_subdomain_rewrites_to_the_subdomain(world: World) -> None:
    subdomain = f"eu.{world.enterprise_zone}"
    address = rewritten(world, world.sender.address, f"info@{subdomain}")
    expect(address.rpartition("@")[2], subdomain, "the domain of the reverse-path")


@clause("SRS-06")
def test_the_hash_is_the_same_for_the_same_sender(world: World) -> None:
    first = srs0(world, world.sender.address)
    second = srs0(world, world.sender.address)
    if first.group(2) == second.group(2):  # unless midnight came between
        expect(second.group(1), first.group(1), "the hash of the same sender")


@clause("SRS-06")
def test_the_hash_depends_on_the_senders_local_part(world: World) -> None:
    hashes = {
        srs0(world, f"{local}@{world.sender.domain}").group(1).lower()
        for local in ("alice", "bob", "carol")
    }
    expect(len(hashes), 3, "the number of different hashes for three senders")


@clause("SRS-06")
def test_the_hash_depends_on_the_senders_domain(world: World) -> None:
    hashes = {
        srs0(world, f"alice@{domain}").group(1).lower()
        for domain in (world.sender.domain, f"mail.{world.sender.domain}")
    }
    expect(len(hashes), 2, "the number of different hashes for two domains")


@clause("SRS-07")
def test_the_timestamp_is_todays_day_number_in_base32(world: World) -> None:
    before = day_stamp()
    stamp = srs0(world, world.sender.address).group(2).upper()
    expect_true(stamp in (before, day_stamp()), f"{before}, the stamp of today", stamp)


@clause("SRS-07")
@pytest.mark.parametrize("days", [40, 1024 + 40])
def test_the_timestamp_follows_the_calendar_modulo_1024(
    world: World, days: int
) -> None:
    world.travel(days)
    before = day_stamp(days)
    stamp = srs0(world, world.sender.address).group(2).upper()
    expect_true(
        stamp in (before, day_stamp(days)), f"{before}, the stamp of that day", stamp
    )


@clause("SRS-08")
def test_a_foreign_srs0_sender_becomes_srs1_with_its_domain_as_first_hop(
    world: World,
) -> None:
    sender = f"SRS0=AbCd=XY=a.example=bob@{world.sender.domain}"
    local, _, domain = rewritten(world, sender).rpartition("@")
    parts = expect_match(SRS1, local, "the local part of the reverse-path")
    expect(parts.group(2), world.sender.domain, "the first hop")
    expect(parts.group(3), "=AbCd=XY=a.example=bob", "the opaque part")
    expect(domain, world.zone, "the domain of the reverse-path")


@clause("SRS-08")
def test_a_foreign_srs0_sender_is_recognised_in_any_case(world: World) -> None:
    sender = f"srs0=abcd=xy=a.example=bob@{world.sender.domain}"
    local = rewritten(world, sender).rpartition("@")[0]
    parts = expect_match(SRS1, local, "the local part of the reverse-path")
    expect(parts.group(2), world.sender.domain, "the first hop")


@clause("SRS-17")
@pytest.mark.parametrize("opaque", ["=opaque+string", "-list", "+AbCd=a.example"])
def test_a_foreign_srs0_sender_in_another_form_becomes_srs1(
    world: World, opaque: str
) -> None:
    sender = f"SRS0{opaque}@{world.sender.domain}"
    local = rewritten(world, sender).rpartition("@")[0]
    parts = expect_match(SRS1, local, "the local part of the reverse-path")
    expect(parts.group(2), world.sender.domain, "the first hop")
    expect(parts.group(3), opaque, "the opaque part")


@clause("SRS-09")
def test_a_foreign_srs1_sender_keeps_first_hop_and_opaque_part(world: World) -> None:
    sender = f"SRS1=AbCd=hop.example==EfGh=XY=a.example=bob@{world.sender.domain}"
    local, _, domain = rewritten(world, sender).rpartition("@")
    parts = expect_match(SRS1, local, "the local part of the reverse-path")
    expect(parts.group(2), "hop.example", "the first hop")
    expect(parts.group(3), "=EfGh=XY=a.example=bob", "the opaque part")
    expect(domain, world.zone, "the domain of the reverse-path")
    expect_true(parts.group(1) != "AbCd", "a hash of this relay's own", parts.group(1))


@clause("SRS-10")
def test_a_sender_too_long_to_rewrite_becomes_the_overflow_address(
    world: World,
) -> None:
    sender = f"{'a' * 60}@{world.sender.domain}"
    expect(
        rewritten(world, sender), f"bounces@{world.zone}", "the reverse-path upstream"
    )


@clause("SRS-10")
def test_a_foreign_srs1_sender_too_long_to_rewrite_becomes_the_overflow_address(
    world: World,
) -> None:
    local = "SRS0=AbCd=XY=a.example=" + "b" * 30
    expect(
        rewritten(world, f"{local}@{world.sender.domain}"),
        f"bounces@{world.zone}",
        "the reverse-path upstream",
    )


@clause("SRS-11", "SRS-10")
def test_a_rewritten_local_part_of_exactly_64_octets_is_no_overflow(
    world: World,
) -> None:
    room = LOCAL_PART_LIMIT - len(f"SRS0=HHHH=TT={world.sender.domain}=")
    fitting = "a" * room
    parts = srs0(world, f"{fitting}@{world.sender.domain}")
    expect(parts.group(4), fitting, "the local part in the SRS address")
    expect(len(parts.string), LOCAL_PART_LIMIT, "the length of the local part")
    longer = rewritten(world, f"{fitting}a@{world.sender.domain}")
    expect(longer, f"bounces@{world.zone}", "the reverse-path one octet longer")


@clause("SRS-12")
def test_from_and_every_other_original_field_are_untouched(world: World) -> None:
    message = world.message(
        f"Sender: {world.sender.address}",
        f"Reply-To: <{world.sender.address}>",
        f"Return-Path: <{world.sender.address}>",
    )
    arrived = forward(world, message=message)
    expect_true(
        arrived.content.endswith(message), "the original, unchanged", arrived.content
    )
    expect(len(arrived.fields("From")), 1, "the number of From fields")


@clause("SRS-13")
@pytest.mark.parametrize("content", ["a b", "a@b", 'a"b', "a\\b", ".a", "a..b"])
def test_a_quoted_sender_is_rewritten_to_valid_syntax(
    world: World, content: str
) -> None:
    quoted = re.sub(r'(["\\])', r"\\\1", content)
    address = rewritten(world, f'"{quoted}"@{world.sender.domain}')
    expect_match(MAILBOX, address, "the reverse-path")
    parts = expect_match(
        SRS0, unquoted(address.rpartition("@")[0]), "the content of its local part"
    )
    expect(parts.group(4), content, "the sender's local part in it")


@clause("SRS-14")
def test_a_sender_at_an_address_literal_is_rewritten_to_a_valid_address(
    world: World,
) -> None:
    address = rewritten(world, f"alice@[{world.sender.ipv4}]")
    expect_match(MAILBOX, address, "the reverse-path")
    expect(address.rpartition("@")[2], world.zone, "the domain of the reverse-path")


@clause("SRS-15")
@pytest.mark.parametrize("separator", ["+", "-"])
def test_a_foreign_srs0_sender_may_have_another_first_separator(
    world: World, separator: str
) -> None:
    sender = f"SRS0{separator}AbCd=XY=a.example=bob@{world.sender.domain}"
    local = rewritten(world, sender).rpartition("@")[0]
    parts = expect_match(SRS1, local, "the local part of the reverse-path")
    expect(parts.group(3), f"{separator}AbCd=XY=a.example=bob", "the opaque part")


@clause("SRS-16")
def test_the_case_of_the_senders_local_part_survives(world: World) -> None:
    parts = srs0(world, f"Alice.Smith@{world.sender.domain}")
    expect(parts.group(4), "Alice.Smith", "the local part in the SRS address")
