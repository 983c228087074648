"""Sender rewriting: the reverse-path that goes upstream."""

from __future__ import annotations

import re
import time

import pytest

from conformance import clause, expect, expect_match, expect_one_of, expect_true
from conformance.lab import Message, World, say
from conformance.subjects.plan_file import a_label
from conformance.suite.acts import MAILBOX, forward, unquoted
from conformance.suite.envelope import reverse_path_of

# Of either alphabet of RFC 4648: only the one who made a hash reads it.
HASH = r"[A-Za-z0-9+/_-]{4}"
SRS0 = rf"SRS0=({HASH})=([A-Za-z2-7]{{2}})=([^=]+)=(.+)"
SRS1 = rf"SRS1=({HASH})=([^=]+)=([=+-].+)"
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
SECONDS_A_DAY = 86400
LOCAL_PART_LIMIT = 64


def rewritten(world: World, sender: str, recipient: str | None = None) -> str:
    """The reverse-path upstream for a message from `sender`."""
    return reverse_path_of(forward(world, sender=sender, recipient=recipient))


def rewritten_if_accepted(world: World, sender: str) -> str:
    """Likewise. A subject that does not accept such a sender has nothing to rewrite."""
    with world.client() as client:
        reply = client.mail(sender)
    if not reply.positive:
        pytest.skip(f"MAIL FROM:<{sender}> is refused: {reply}")
    return rewritten(world, sender)


def domain_of(address: str) -> str:
    """An address's domain in lower case."""
    return address.rpartition("@")[2].lower()


def expect_rewritten(world: World, address: str) -> None:
    """It is at one of the domains for which the subject forwards."""
    domain = domain_of(address)
    served = {a_label(zone.domain).lower() for zone in world.lab.plan.zones}
    good = domain in served or domain.partition(".")[2] in served
    expect_true(good, "a reverse-path at a forwarding domain", address)


def ordinary_sender_is_rewritten(world: World) -> Message:
    """The positive control of what is said of other senders. Returns the message."""
    arrived = forward(world)
    expect_rewritten(world, reverse_path_of(arrived))
    return arrived


def quoted_sender(world: World, content: str) -> str:
    """The sender's address with `content` as its local part, in a quoted string."""
    quoted = re.sub(r'(["\\])', r"\\\1", content)
    return f'"{quoted}"@{world.sender.domain}'


def srs0(world: World, sender: str, recipient: str | None = None) -> re.Match[str]:
    """The parts of the SRS0 address for `sender`: hash, timestamp, domain, local part."""
    local = unquoted(rewritten(world, sender, recipient).rpartition("@")[0])
    return expect_match(SRS0, local, "the local part of the reverse-path")


def day_stamp(offset_days: int = 0) -> str:
    """SRS timestamp of the present day: days since 1970 modulo 1024, ten bits in base32."""
    day = (int(time.time()) // SECONDS_A_DAY + offset_days) % 1024
    return BASE32[day >> 5] + BASE32[day & 31]


@clause("SRS-01")
def test_the_reverse_path_upstream_is_at_a_forwarding_domain(world: World) -> None:
    ordinary_sender_is_rewritten(world)


@clause("SRS-18")
def test_the_rewritten_local_part_has_the_form_of_srs(world: World) -> None:
    local = rewritten(world, world.sender.address).rpartition("@")[0]
    expect_match("(?i:SRS0)[=+-].+", unquoted(local), "the rewritten local part")


@clause("SRS-02")
def test_the_rewritten_sender_has_the_senders_domain_and_local_part(
    world: World,
) -> None:
    parts = srs0(world, world.sender.address)
    expect(parts.group(3), world.sender.domain, "the domain in the SRS address")
    expect(parts.group(4), "alice", "the local part in the SRS address")


@clause("SRS-02")
@pytest.mark.parametrize("content", ["a b", "a@b", 'a"b', "a\\b", ".a", "a..b"])
def test_the_rewritten_sender_has_the_content_of_a_quoted_local_part(
    world: World, content: str
) -> None:
    parts = srs0(world, quoted_sender(world, content))
    expect(parts.group(4), content, "the local part in the SRS address")


@clause("SRS-02")
@pytest.mark.parametrize("local", ["list=user=host", "list=user=host==more"])
def test_equal_signs_in_the_senders_local_part_stay_where_they_are(
    world: World, local: str
) -> None:
    parts = srs0(world, f"{local}@{world.sender.domain}")
    expect(parts.group(3), world.sender.domain, "the domain in the SRS address")
    expect(parts.group(4), local, "the local part in the SRS address")


@clause("SRS-03")
def test_a_null_reverse_path_stays_null(world: World) -> None:
    ordinary_sender_is_rewritten(world)
    expect(rewritten(world, ""), "", "the reverse-path upstream")


@clause("SRS-04")
def test_a_sender_at_the_forwarding_domain_is_left_alone(world: World) -> None:
    ordinary_sender_is_rewritten(world)
    sender = world.at("someone")
    expect(rewritten(world, sender), sender, "the reverse-path upstream")


@clause("SRS-05")
def test_each_served_domain_is_the_forwarding_domain_of_its_addresses(
    world: World,
) -> None:
    for zone, local in ((world.zone, "info"), (world.catchall_zone, "any")):
        address = rewritten(world, world.sender.address, world.at(local, zone))
        expect(domain_of(address), zone, "the domain of the reverse-path")


@clause("SRS-05")
def test_a_served_subdomain_is_the_forwarding_domain_of_its_addresses(
    world: World,
) -> None:
    subdomain = f"eu.{world.enterprise_zone}"
    address = rewritten(world, world.sender.address, f"info@{subdomain}")
    expect(domain_of(address), subdomain, "the domain of the reverse-path")


@clause("SRS-05")
def test_a_refused_recipient_does_not_set_the_forwarding_domain(world: World) -> None:
    world.upstream.on("rcpt", say("550 5.1.1 no"), recipient=world.mailbox)
    recipients = [world.info, world.at("any", world.catchall_zone)]
    with world.client() as client:
        delivery = client.deliver(world.sender.address, recipients, world.message())
    if not delivery.accepted:
        pytest.skip("the other recipient is not taken in the same transaction")
    if delivery.recipients[0].positive:
        pytest.skip("nobody is refused while the client waits")
    address = reverse_path_of(world.upstream.wait_for_message())
    expect(domain_of(address), world.catchall_zone, "the domain of the reverse-path")


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
    expect_one_of(stamp, (before, day_stamp()), "the stamp of today")


@clause("SRS-07")
@pytest.mark.parametrize("days", [40, 512 + 40, 1024 + 40])
def test_the_timestamp_follows_the_calendar_modulo_1024(
    world: World, days: int
) -> None:
    world.travel(days)
    before = day_stamp(days)
    stamp = srs0(world, world.sender.address).group(2).upper()
    expect_one_of(stamp, (before, day_stamp(days)), "the stamp of that day")


@clause("SRS-08")
def test_a_foreign_srs0_sender_becomes_srs1_with_its_domain_as_first_hop(
    world: World,
) -> None:
    sender = f"SRS0=AbCd=XY=a.example=bob@{world.sender.domain}"
    address = rewritten(world, sender)
    local = address.rpartition("@")[0]
    parts = expect_match(SRS1, local, "the local part of the reverse-path")
    expect(parts.group(2), world.sender.domain, "the first hop")
    expect(parts.group(3), "=AbCd=XY=a.example=bob", "the opaque part")
    expect_rewritten(world, address)


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
    address = rewritten(world, sender)
    local = address.rpartition("@")[0]
    parts = expect_match(SRS1, local, "the local part of the reverse-path")
    expect(parts.group(2), "hop.example", "the first hop")
    expect(parts.group(3), "=EfGh=XY=a.example=bob", "the opaque part")
    expect_true(parts.group(1) != "AbCd", "a hash of this relay's own", parts.group(1))
    expect_rewritten(world, address)


@clause("SRS-20")
@pytest.mark.parametrize(
    "local",
    [
        "SRS1=AbCd===EfGh",
        "SRS1==hop.example==EfGh",
        "SRS1=AbCd=hop.example",
        "SRS1=AbCd=hop.example=EfGh",
    ],
)
def test_a_sender_that_only_begins_like_srs1_is_rewritten_like_any_other(
    world: World, local: str
) -> None:
    parts = srs0(world, f"{local}@{world.sender.domain}")
    expect(parts.group(3), world.sender.domain, "the domain in the SRS address")
    expect(parts.group(4), local, "the local part in the SRS address")


@clause("SRS-10")
@pytest.mark.parametrize(
    "local", ["a" * 60, f"SRS0=AbCd=XY=a.example={'b' * 30}"], ids=["plain", "SRS0"]
)
def test_a_sender_too_long_to_rewrite_becomes_the_overflow_address(
    world: World, local: str
) -> None:
    address = rewritten(world, f"{local}@{world.sender.domain}")
    expect(address, f"bounces@{world.zone}", "the reverse-path upstream")


@clause("SRS-10")
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


@clause("SRS-11")
@pytest.mark.parametrize(
    "local",
    ["a" * 33, "a" * 64, f"SRS0=AbCd=XY=a.example={'b' * 30}"],
    ids=["33 octets", "64 octets", "SRS0"],
)
def test_no_rewritten_local_part_has_more_than_64_octets(
    world: World, local: str
) -> None:
    ordinary_sender_is_rewritten(world)
    expect_within_limit(rewritten_if_accepted(world, f"{local}@{world.sender.domain}"))


@clause("SRS-11")
def test_no_rewritten_local_part_has_one_octet_too_many(world: World) -> None:
    short = ordinary_sender_is_rewritten(world)
    added = len(reverse_path_of(short).rpartition("@")[0]) - len("alice")
    # In whatever form the subject writes it, it would have 65.
    count = LOCAL_PART_LIMIT + 1 - added
    if not 0 < count <= LOCAL_PART_LIMIT:
        pytest.skip(f"{added} octets are added to a local part")
    address = rewritten_if_accepted(world, f"{'a' * count}@{world.sender.domain}")
    expect_within_limit(address)


def expect_within_limit(address: str) -> None:
    sent = address.rpartition("@")[0]
    expect_true(
        len(sent) <= LOCAL_PART_LIMIT,
        f"a local part of at most {LOCAL_PART_LIMIT} octets",
        f"{len(sent)} octets: {sent}",
    )


@clause("SRS-12")
def test_the_from_field_has_the_authors_address_still(world: World) -> None:
    authors = ordinary_sender_is_rewritten(world).fields("From")
    expect(len(authors), 1, "the number of From fields")
    same = world.sender.address.lower() in authors[0][1].lower()
    expect_true(same, f"From with {world.sender.address}", authors[0][1])


@clause("SRS-19")
def test_every_header_field_is_left_as_it_was(world: World) -> None:
    message = world.message(
        f"Sender: {world.sender.address}",
        f"Reply-To: <{world.sender.address}>",
        f"Return-Path: <{world.sender.address}>",
    )
    arrived = forward(world, message=message)
    expect_rewritten(world, reverse_path_of(arrived))
    header = message.partition(b"\r\n\r\n")[0] + b"\r\n"
    unchanged = arrived.header.endswith(header)
    expect_true(unchanged, "the original header, unchanged", arrived.header)
    expect(len(arrived.fields("From")), 1, "the number of From fields")


@clause("SRS-13")
@pytest.mark.parametrize(
    "content", ["a b", "a@b", 'a"b', "a\\b", ".a", "a..b", "a.,b", "a. b"]
)
def test_a_quoted_sender_is_rewritten_to_valid_syntax(
    world: World, content: str
) -> None:
    ordinary_sender_is_rewritten(world)
    address = rewritten_if_accepted(world, quoted_sender(world, content))
    expect_match(MAILBOX, address, "the reverse-path")


@clause("SRS-14")
def test_a_sender_at_an_address_literal_is_rewritten_to_a_valid_address(
    world: World,
) -> None:
    address = rewritten(world, f"alice@[{world.sender.ipv4}]")
    expect_match(MAILBOX, address, "the reverse-path")
    expect_rewritten(world, address)


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
def test_the_case_of_the_senders_local_part_is_preserved(world: World) -> None:
    address = rewritten(world, f"Alice.Smith@{world.sender.domain}")
    expect_rewritten(world, address)
    if "alice.smith" not in address.lower():
        pytest.skip(f"the sender's local part is not in the address: {address}")
    expect_true("Alice.Smith" in address, "Alice.Smith in the address", address)
