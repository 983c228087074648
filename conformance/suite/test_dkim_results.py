"""DKIM: which result is recorded of a signature that cannot be verified, and what is said of each
(dkim_signature.yaml)."""

from __future__ import annotations

import time

import pytest

from conformance import Seen, clause, expect, expect_in
from conformance.lab import Message, World
from conformance.suite.acts import forward
from conformance.suite.dkim import RECORD, expect_verifies
from conformance.suite.verifiers import (
    dkim_verdicts,
    own_domain,
    raw_fields,
    results,
    sign,
    signatures,
    tags,
)

DAY_S = 86400
SHOWN_OF_B = 8  # octets
LISTED_MAX = 16  # instances of a field


def now(seconds: int = 0) -> str:
    return str(int(time.time()) + seconds)


def claimed(world: World, *tag_list: str, without: str = "") -> bytes:
    """A message with a signature of the sender's that is in order, and not valid; but for those tags, which
    come instead of its own, or without one of these."""
    own = {
        "v": "1",
        "a": "rsa-sha256",
        "d": world.sender.domain,
        "s": "test",
        "h": "from:to:subject",
        "bh": "AAAA",
        "b": "AAAA",
    }
    instead = [tag.partition("=")[0] for tag in tag_list]
    kept = [f"{k}={v}" for k, v in own.items() if k not in (without, *instead)]
    tag_text = "; ".join((*kept, *tag_list)).replace("{domain}", world.sender.domain)
    return f"DKIM-Signature: {tag_text}\r\n".encode("ascii") + world.message()


def forwarded(world: World, message: bytes, sender: str | None) -> Message | None:
    """The message as it arrives, or None if it is refused."""
    earlier = len(world.upstream.messages)
    with world.client() as client:
        envelope = world.sender.address if sender is None else sender
        delivery = client.deliver(envelope, world.info, message)
    if not delivery.accepted:
        return None
    return world.upstream.wait_for_message(earlier + 1)


def expect_recorded(
    world: World, message: bytes, expected: str, sender: str | None = None
) -> None:
    """The result is recorded of the message's only signature; and pass of one that is valid."""
    expect_verifies(world)
    arrived = forwarded(world, message, sender)
    if arrived is None or not arrived.fields("Authentication-Results"):
        said = "refused" if arrived is None else "not recorded"
        expect(said, expected, "the DKIM result")
        return
    expect(results(arrived).of("dkim"), [expected], "the DKIM results")


MALFORMED = [
    ("v=one",),
    ("v=",),
    ("a=",),
    ("b=",),
    ("bh=",),
    ("d=",),
    ("d=com",),
    ("d=a..example",),
    ("s=",),
    ("s=a..b",),
    ("h=",),
    ("h=from:",),
    ("h=from:to:a b",),
    ("i=ann",),
    ("i=@com",),
    ("i==GG@{domain}",),
    ("l=-1",),
    (f"l={'9' * 77}",),
    ("t=soon",),
    ("t=",),
    (f"t={'1' * 13}",),
    ("x=later",),
    (f"x={'9' * 13}",),
    # RFC 6376 3.5: x= MUST be greater than t=.
    ("t=1700000000", "x=1700000000"),
    ("s=test", "s=test"),
    ("1=x",),
]


@clause("DKIM-34")
@pytest.mark.parametrize("tag_list", MALFORMED, ids="; ".join)
def test_a_signature_with_a_malformed_tag_is_recorded_as_neutral(
    world: World, tag_list: tuple[str, ...]
) -> None:
    expect_recorded(world, claimed(world, *tag_list), "neutral")


@clause("DKIM-34")
@pytest.mark.parametrize("value", ["other/relaxed", "relaxed/other", "relaxed/"])
def test_a_signature_in_an_unknown_canonicalization_is_recorded_as_neutral(
    world: World, value: str
) -> None:
    expect_recorded(world, claimed(world, f"c={value}"), "neutral")


@clause("DKIM-47")
@pytest.mark.parametrize("tag", ["v", "a", "d", "s", "h", "bh", "b"])
def test_a_signature_that_lacks_a_tag_is_recorded_as_permerror(
    world: World, tag: str
) -> None:
    expect_recorded(world, claimed(world, without=tag), "permerror")


UNACCEPTABLE = [
    "v=2",
    "h=to:subject",
    "i=@{domain}.other.example",
    "i=@x{domain}",
    "l=1000",
    f"l={'9' * 76}",
]


@clause("DKIM-47")
@pytest.mark.parametrize("tag", UNACCEPTABLE)
def test_a_signature_that_says_what_none_may_say_is_recorded_as_permerror(
    world: World, tag: str
) -> None:
    expect_recorded(world, claimed(world, tag), "permerror")


@clause("DKIM-47")
@pytest.mark.parametrize("tag", ["t", "x"])
def test_a_signature_of_another_time_is_recorded_as_permerror(
    world: World, tag: str
) -> None:
    moment = now(DAY_S if tag == "t" else -DAY_S)
    expect_recorded(world, claimed(world, f"{tag}={moment}"), "permerror")


@clause("DKIM-47")
def test_a_signature_of_a_message_without_from_is_recorded_as_permerror(
    world: World,
) -> None:
    _, _, without = claimed(world).partition(b"From: ")
    field = claimed(world).partition(b"From: ")[0]
    message = field + without.partition(b"\r\n")[2]
    if forwarded(world, message, "") is None:
        pytest.skip("a bounce without From is refused, which DMARC-24 judges")
    expect_recorded(world, message, "permerror", sender="")


UNUSABLE = {
    "no record": None,
    "revoked": "v=DKIM1; p=",
    "no base64": "v=DKIM1; p=!",
    "no key": "v=DKIM1; p=AAAA",
    "another hash": f"{RECORD}; h=sha1",
    "another service": f"{RECORD}; s=tlsrpt",
    "another type": RECORD.replace("k=rsa", "k=dsa"),
}


@clause("DKIM-47")
@pytest.mark.parametrize("what", UNUSABLE)
def test_a_signature_without_a_usable_key_is_recorded_as_permerror(
    world: World, what: str
) -> None:
    record = UNUSABLE[what]
    if record is not None:
        world.dns.add_text(f"void._domainkey.{world.sender.domain}", record)
    message = sign(world.message(), world.sender.domain, selector="void")
    expect_recorded(world, message, "permerror")


@clause("DKIM-47")
def test_a_signature_for_a_subdomain_that_its_key_excludes_is_recorded_as_permerror(
    world: World,
) -> None:
    domain = world.sender.domain
    world.dns.add_text(f"own._domainkey.{domain}", f"{RECORD}; t=s")
    message = sign(world.message(), domain, selector="own", identity=f"@sub.{domain}")
    expect_recorded(world, message, "permerror")


def expect_properties(
    arrived: Message, signature: str, expected: dict[str, str]
) -> None:
    """They are recorded of the only signature, with the beginning of b= or more of it (RFC 6008 4). There may
    be others."""
    found = results(arrived).properties("dkim")
    expect(len(found), 1, "the number of DKIM results")
    wanted = expected | {"header.b": signature[:SHOWN_OF_B]}
    said = {name: found[0][name] for name in wanted if name in found[0]}
    if signature.startswith(said.get("header.b", "none")):
        said["header.b"] = said["header.b"][:SHOWN_OF_B]
    expect(said, wanted, "the properties of the DKIM result")


@clause("DKIM-48")
@pytest.mark.parametrize("identity", ["ann@{domain}", "@sub.{domain}", None])
def test_what_a_valid_signature_says_of_itself_is_recorded(
    world: World, identity: str | None
) -> None:
    domain = world.sender.domain
    said = identity and identity.format(domain=domain)
    message = sign(world.message(), domain, identity=said)
    signature = tags(raw_fields(message, "DKIM-Signature")[0])
    expect_properties(
        forward(world, message=message),
        "".join(signature["b"].split()),
        {
            "header.d": domain,
            "header.i": said or f"@{domain}",
            "header.s": "test",
            "header.a": "rsa-sha256",
        },
    )


@clause("DKIM-48")
def test_what_a_signature_says_that_is_not_verified_is_recorded_too(
    world: World,
) -> None:
    message = claimed(
        world, "v=2", "a=rsa-sha512", "i=ann@{domain}", "b=QUJD\r\n REVGR0hJ"
    )
    expect_properties(
        forward(world, message=message),
        "QUJDREVGR0hJ",
        {
            "header.d": world.sender.domain,
            "header.i": f"ann@{world.sender.domain}",
            "header.s": "test",
            "header.a": "rsa-sha512",
        },
    )


@clause("DKIM-49")
def test_other_fields_than_from_are_signed_as_often_as_they_occur_up_to_16_times(
    world: World,
) -> None:
    resent = [f"Resent-To: <bob{n}@example.org>" for n in range(LISTED_MAX + 4)]
    twice = ["Resent-Cc: <carol@example.org>", "Resent-Cc: <dave@example.org>"]
    arrived = forward(world, message=world.message(*resent, *twice))
    own = own_domain(world).lower()
    found = [s for s in signatures(arrived) if s.get("d", "").lower() == own]
    signature = Seen(found, f"signature of {own}")[0]
    names = signature.get("h", "").lower().split(":")
    listed = {
        name: names.count(name)
        for name in ("resent-to", "resent-cc", "to", "subject", "reply-to")
    }
    expect(
        listed,
        {
            "resent-to": LISTED_MAX,
            "resent-cc": 2,
            "to": 1,
            "subject": 1,
            "reply-to": 0,
        },
        "how often these fields are listed in h=",
    )
    verifying = [domain for domain, good in dkim_verdicts(arrived.content) if good]
    expect_in(own, verifying, "the domains that verify")
