"""DKIM: the service's signature on everything it forwards, and what it finds of others'. Whose keys it uses
is in test_dkim_keys.py."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from conformance import (
    Seen,
    clause,
    expect,
    expect_in,
    expect_match,
    expect_not_in,
    expect_one_of,
    expect_reply,
    expect_true,
)
from conformance.lab import Message, World
from conformance.lab.nameserver import faults
from conformance.lab.plan import FIXTURES, KEYS
from conformance.suite.acts import forward
from conformance.suite.dkim import (
    RECORD,
    expect_no_pass,
    expect_verifies,
    judged,
    publish_key,
)
from conformance.suite.verifiers import (
    dkim_verdicts,
    key_record,
    own_domain,
    results,
    sign,
    sign_until,
    signatures,
)

ED25519 = (KEYS / "test-sender-ed25519.pem").read_bytes()
DAY_S = 86400
MOST_VERIFIED = 8
# RFC 8601 6.7
REGISTERED = ("fail", "neutral", "none", "pass", "permerror", "policy", "temperror")


def verifying(message: Message) -> list[str]:
    """The domains whose signatures verify at the receiver."""
    return [domain for domain, good in dkim_verdicts(message.content) if good]


def own_signatures(world: World, message: Message) -> Seen[dict[str, str]]:
    """The tags of the service's signatures, top first. There may be one for each algorithm."""
    own = own_domain(world).lower()
    found = [s for s in signatures(message) if s.get("d", "").lower() == own]
    return Seen(found, f"signature of {own}")


def own_signature(world: World, message: Message) -> dict[str, str]:
    """The tags of the service's topmost signature."""
    return own_signatures(world, message)[0]


@clause("DKIM-01")
@pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
@pytest.mark.parametrize("null", [True, False], ids=["bounce", "mail"])
def test_a_forwarded_message_is_signed_on_behalf_of_the_service(
    world: World, signed: bool, null: bool
) -> None:
    message = world.message()
    if signed:
        message = sign(message, world.sender.domain)
    arrived = forward(world, sender="" if null else None, message=message)
    signers = verifying(arrived)
    expect_in(own_domain(world), signers, "the domains whose signatures verify")


@clause("DKIM-02")
@pytest.mark.parametrize("body", ["Hello.\r\n", "", "\r\n\r\n", "a  b \t\r\n.\r\n\r\n"])
def test_an_unsigned_message_arrives_with_a_signature_that_verifies(
    world: World, body: str
) -> None:
    signers = verifying(forward(world, message=world.message(body=body)))
    expect_in(own_domain(world), signers, "the domains whose signatures verify")


@clause("DKIM-03")
@pytest.mark.parametrize("canonicalization", ["simple", "relaxed"])
@pytest.mark.parametrize(
    "body",
    [
        "Hello.\r\n",
        "",
        "a  b \t\r\n.\r\n\r\n",
        pytest.param(f"a  {'b' * 990}\r\n" * 2, id="blanks between long words"),
    ],
)
def test_the_senders_signature_verifies_at_the_receiver(
    world: World, canonicalization: str, body: str
) -> None:
    kind = canonicalization.encode("ascii")
    message = sign(
        world.message(body=body), world.sender.domain, canonicalize=(kind, kind)
    )
    signers = verifying(forward(world, message=message))
    expect_in(world.sender.domain, signers, "the domains whose signatures verify")


@clause("DKIM-04")
def test_the_recorded_key_record_is_a_usable_key(world: World) -> None:
    # No signature of that key can be made; but one that claims it fails as a signature does, and
    # not for want of a key.
    name = f"2022._domainkey.{own_domain(world)}."
    path = Path(FIXTURES) / "zones" / "email-routing.zone"
    records = [line for line in path.read_text().splitlines() if line.startswith(name)]
    other = f"recorded.{world.sender.domain}"
    world.dns.add(f"2022._domainkey.{other}", "TXT", records[0].split(" TXT ")[1])
    message = sign(world.message(), other, selector="2022")
    expect(judged(world, message, other), "fail", "the DKIM result")


@clause("DKIM-05")
def test_the_services_signature_is_rsa_sha256_and_relaxed_relaxed(world: World) -> None:
    signature = own_signature(world, forward(world))
    expect(signature.get("a"), "rsa-sha256", "a=")
    expect(signature.get("c"), "relaxed/relaxed", "c=")


@clause("DKIM-06")
def test_a_from_field_added_on_top_invalidates_the_services_signature(
    world: World,
) -> None:
    arrived = forward(world)
    names = own_signature(world, arrived).get("h", "").lower().split(":")
    expect(names.count("from"), 2, "how often From is signed, with one there")
    expect_in(own_domain(world), verifying(arrived), "the domains that verify")
    added = b"From: Mallory <mallory@example.org>\r\n" + arrived.content
    expect(dkim_verdicts(added), [(own_domain(world), False)], "signatures with it")


@clause("DKIM-07")
def test_the_services_signature_is_dated_and_expires_in_seven_days(
    world: World,
) -> None:
    signature = own_signature(world, forward(world))
    signed = expect_match("[0-9]{1,12}", signature.get("t", "no t="), "t=")
    expires = expect_match("[0-9]{1,12}", signature.get("x", "no x="), "x=")
    lifetime = int(expires.group()) - int(signed.group())
    expect(lifetime, 7 * DAY_S, "the seconds from t= to x=")
    expect_not_in("l", list(signature), "the tags of the signature")


@clause("DKIM-23")
def test_the_service_signs_with_rsa_sha256_and_not_with_rsa_sha1(world: World) -> None:
    own = own_signatures(world, forward(world))
    algorithms = [signature.get("a", "").lower() for signature in own]
    expect_in("rsa-sha256", algorithms, "the algorithms of the service's signatures")
    expect_not_in("rsa-sha1", algorithms, "the algorithms of the service's signatures")


@clause("DKIM-24")
def test_the_services_signature_covers_from(world: World) -> None:
    arrived = forward(world)
    names = own_signature(world, arrived).get("h", "").lower().split(":")
    expect_in("from", names, "h= of the service's signature")
    expect_in(own_domain(world), verifying(arrived), "the domains that verify")


@clause("DKIM-08")
@pytest.mark.parametrize("canonicalization", ["simple", "relaxed"])
def test_a_valid_rsa_sha256_signature_is_recorded_as_pass(
    world: World, canonicalization: str
) -> None:
    kind = canonicalization.encode("ascii")
    message = sign(world.message(), world.sender.domain, canonicalize=(kind, kind))
    expect(judged(world, message), "pass", "the DKIM result")


@clause("DKIM-08")
def test_blanks_on_the_last_line_count_under_simple_canonicalization(
    world: World,
) -> None:
    # RFC 6376 3.4.3: only empty lines are ignored.
    message = sign(
        world.message(body="Hello.\r\n \t\r\n"),
        world.sender.domain,
        canonicalize=(b"simple", b"simple"),
    )
    expect(judged(world, message), "pass", "the DKIM result")


@clause("DKIM-08")
def test_a_valid_signature_with_many_unknown_tags_is_recorded_as_pass(
    world: World,
) -> None:
    # RFC 6376 3.2: unrecognized tags MUST be ignored. With the others there are 64.
    unknown, until = [f"x{n}=1" for n in range(54)], int(time.time()) + DAY_S
    message = sign_until(world.message(), world.sender.domain, until, *unknown)
    expect(judged(world, message), "pass", "the DKIM result")


@clause("DKIM-08")
def test_a_field_that_is_not_signed_may_be_added(world: World) -> None:
    message = b"X-Added: yes\r\n" + sign(world.message(), world.sender.domain)
    expect(judged(world, message), "pass", "the DKIM result")


@clause("DKIM-09")
def test_a_valid_ed25519_sha256_signature_is_recorded_as_pass(world: World) -> None:
    world.dns.add_text(
        f"ed._domainkey.{world.sender.domain}", key_record(ED25519, "ed25519")
    )
    message = sign(
        world.message(),
        world.sender.domain,
        selector="ed",
        algorithm="ed25519-sha256",
        key=ED25519,
    )
    expect(judged(world, message), "pass", "the DKIM result")


def signed_by_sha1(world: World) -> bytes:
    """A message with an rsa-sha1 signature that is good, and by a key that does not exclude it."""
    world.dns.add_text(f"old._domainkey.{world.sender.domain}", RECORD)
    return sign(
        world.message(), world.sender.domain, selector="old", algorithm="rsa-sha1"
    )


@clause("DKIM-10")
def test_an_rsa_sha1_signature_is_not_recorded_as_pass(world: World) -> None:
    expect_no_pass(world, signed_by_sha1(world))


def signed_in(world: World, what: str) -> bytes:
    """A message with a signature that is neither simply good nor simply bad."""
    if what == "rsa-sha1":
        return signed_by_sha1(world)
    world.dns.add_text(f"trial._domainkey.{world.sender.domain}", f"{RECORD}; t=y")
    if what == "t=y":
        return sign(world.message(), world.sender.domain, selector="trial")
    if what == "t=y, altered":
        message = sign(world.message(), world.sender.domain, selector="trial")
        return message + b"added\r\n"
    message = sign(world.message(), world.sender.domain)
    return message.replace(b"a=rsa-sha256", b"a=rsa-sha512", 1)


@clause("DKIM-32")
@pytest.mark.parametrize(
    ("what", "result"),
    [
        ("rsa-sha1", "permerror"),
        ("unknown algorithm", "neutral"),
        ("t=y", "neutral"),
        ("t=y, altered", "neutral"),
    ],
)
def test_the_result_of_a_signature_that_is_not_to_be_used(
    world: World, what: str, result: str
) -> None:
    expect(judged(world, signed_in(world, what)), result, "the DKIM result")


@clause("DKIM-12")
def test_the_ninth_and_later_signatures_are_recorded_as_policy(world: World) -> None:
    message = world.message()
    for n in range(MOST_VERIFIED + 2):
        publish_key(world, f"s{n}.{world.sender.domain}")
        message = sign(message, f"s{n}.{world.sender.domain}")
    outcomes = results(forward(world, message=message)).of("dkim")
    expect(outcomes.count("pass"), MOST_VERIFIED, "the number of passes")
    expect(outcomes.count("policy"), 2, "the number of results policy")


@clause("DKIM-13")
def test_a_signature_that_leaves_appended_text_out_gives_no_alignment(
    world: World,
) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    message = sign(world.message(), world.sender.domain, length=True)
    stranger = world.new_client_addresses()[0]
    with world.client(source=stranger) as client:
        whole = client.deliver(f"x@{world.elsewhere}", world.info, message)
        expect_reply(whole.end, "2xx", to="the message as it was signed")
        appended = message + b"And one more thing.\r\n"
        longer = client.deliver(f"x@{world.elsewhere}", world.info, appended)
        expect_reply(longer.end, "5xx", to="the message with more")


def altered(world: World, what: str) -> bytes:
    """A message that was altered after its sender had signed it."""
    message = sign(world.message(), world.sender.domain)
    if what == "body":
        return message + b"Added.\r\n"
    return message.replace(b"Subject: a test", b"Subject: another")


@clause("DKIM-14")
@pytest.mark.parametrize("what", ["body", "signed field"])
def test_a_signature_over_what_was_altered_is_not_recorded_as_pass(
    world: World, what: str
) -> None:
    expect_no_pass(world, altered(world, what))


@clause("DKIM-30")
@pytest.mark.parametrize("what", ["body", "signed field"])
def test_a_signature_over_what_was_altered_is_recorded_as_fail(
    world: World, what: str
) -> None:
    expect(judged(world, altered(world, what)), "fail", "the DKIM result")


@clause("DKIM-34")
@pytest.mark.parametrize("tag", [b" bh=", b" b=", b" l="])
def test_a_signature_with_a_syntax_error_is_recorded_as_neutral(
    world: World, tag: bytes
) -> None:
    message = sign(world.message(), world.sender.domain, length=True)
    expect(judged(world, message), "pass", "the DKIM result as it was signed")
    malformed = message.replace(tag, tag + b"!", 1)
    expect(judged(world, malformed), "neutral", "the DKIM result")


def with_broken_dns(world: World) -> bytes:
    """A message whose signature's key cannot be looked up at this time."""
    world.dns.fail(f"broken._domainkey.{world.sender.domain}", faults.Servfail())
    return sign(world.message(), world.sender.domain, selector="broken")


@clause("DKIM-15")
def test_a_dns_failure_for_the_key_is_temperror(world: World) -> None:
    expect_verifies(world)
    result = judged(world, with_broken_dns(world))
    # Or the message is deferred, which RFC 6376 6.3 permits.
    good = result == "temperror" or result.startswith("refused: 4")
    expect_true(good, "the DKIM result: temperror", result)


@clause("DKIM-29")
@pytest.mark.parametrize(
    "what", ["good", "altered", "without key", "DNS failure", "rsa-sha1"]
)
def test_a_dkim_result_has_a_registered_code(world: World, what: str) -> None:
    expect_verifies(world)
    if what == "good":
        message = sign(world.message(), world.sender.domain)
    elif what == "altered":
        message = altered(world, "body")
    elif what == "without key":
        message = sign(world.message(), world.sender.domain, selector="absent")
    elif what == "DNS failure":
        message = with_broken_dns(world)
    else:
        message = signed_by_sha1(world)
    result = judged(world, message)
    if result.startswith("refused") or result == "not recorded":
        pytest.skip(f"there is no result to judge ({result})")
    expect_one_of(result, REGISTERED, "the DKIM result")


@clause("DKIM-16")
def test_a_signature_that_has_expired_is_not_recorded_as_pass(world: World) -> None:
    now = int(time.time())
    for end in (now + DAY_S, 10**12 - 1):  # 3.5: x= has up to 12 digits
        live = sign_until(world.message(), world.sender.domain, end)
        expect(judged(world, live), "pass", "the DKIM result before the expiry")
    expired = sign_until(world.message(), world.sender.domain, now - DAY_S)
    result = judged(world, expired)
    expect_true(result != "pass", "another result than pass a day after it", result)


@clause("DKIM-19")
def test_the_third_value_of_l_is_recorded_as_policy(world: World) -> None:
    message = world.message(body="")
    for n in range(4):
        message += b"One more line.\r\n"
        publish_key(world, f"s{n}.{world.sender.domain}")
        message = sign(message, f"s{n}.{world.sender.domain}", length=True)
    whole = results(forward(world, message=message)).of("dkim")
    expect(whole.count("pass"), 3, "the number of passes, one over the whole body")
    expect(whole.count("policy"), 1, "the number of results policy")


@clause("DKIM-19")
def test_signatures_with_the_same_l_are_all_verified(world: World) -> None:
    message = world.message()
    for n in range(4):
        publish_key(world, f"s{n}.{world.sender.domain}")
        message = sign(message, f"s{n}.{world.sender.domain}", length=True)
    message += b"One more line.\r\n"
    outcomes = results(forward(world, message=message)).of("dkim")
    expect(outcomes, ["pass"] * 4, "the DKIM results")


@clause("DKIM-19")
def test_the_same_l_in_another_canonicalization_is_verified(world: World) -> None:
    # The first line has 8 octets, and so have both once their blanks are one.
    message = world.message(body="a    b\r\n")
    for kind in (b"simple", b"relaxed"):
        kinds = (kind, kind)
        message = sign(message, world.sender.domain, canonicalize=kinds, length=True)
        message += b"x\r\n"
    outcomes = results(forward(world, message=message)).of("dkim")
    expect(outcomes, ["pass", "pass"], "the DKIM results")


@clause("DKIM-36")
@pytest.mark.parametrize(
    ("methods", "result"), [("dns/txt", "pass"), ("http/get", "neutral")]
)
def test_a_signature_without_a_known_query_method_is_neutral(
    world: World, methods: str, result: str
) -> None:
    message = sign_until(
        world.message(), world.sender.domain, int(time.time()) + DAY_S, f"q={methods}"
    )
    expect(judged(world, message), result, "the DKIM result")


@clause("DKIM-17")
def test_the_services_own_signature_is_not_among_the_results(world: World) -> None:
    world.require("dkim-verify")
    message = sign(world.message(), world.sender.domain)
    arrived = forward(world, message=message)
    own_signature(world, arrived)
    recorded = results(arrived).dkim()
    expect(recorded.get(world.sender.domain), "pass", "the sender's DKIM result")
    expect_not_in(own_domain(world).lower(), recorded, "domains with DKIM results")


@clause("DKIM-31")
def test_an_unsigned_message_is_recorded_as_none(world: World) -> None:
    unsigned = results(forward(world))
    expect(unsigned.of("dkim"), ["none"], "the DKIM results")
