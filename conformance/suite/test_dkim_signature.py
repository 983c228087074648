"""DKIM: the service's signature on everything it forwards, and what it finds of others'."""

from __future__ import annotations

import math
from pathlib import Path

import dns.zonefile
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from conformance import clause, expect, expect_in, expect_reply, expect_true
from conformance.lab import Message, World
from conformance.lab.nameserver import faults
from conformance.lab.world import FIXTURES, KEYS
from conformance.suite.acts import forward
from conformance.suite.verifiers import (
    dkim_verdicts,
    key_record,
    own_domain,
    public_key_record,
    results,
    sign,
    signatures,
    tags,
)

ED25519 = (KEYS / "test-sender-ed25519.pem").read_bytes()
RSA768 = (KEYS / "test-vectors-rsa768.pem").read_bytes()
SEVEN_DAYS_S = 7 * 86400
MOST_VERIFIED = 8


def publish_key(world: World, domain: str) -> None:
    """The key that sign() uses, at another domain than the sender's."""
    record = key_record((KEYS / "test-sender-rsa2048.pem").read_bytes())
    world.dns.add_text(f"test._domainkey.{domain}", record)


def private_pem(key: rsa.RSAPrivateKey) -> bytes:
    assert isinstance(key, rsa.RSAPrivateKeyWithSerialization)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def rsa_key_with_exponent(bits: int) -> bytes:
    """The private key, in PEM, to a public exponent of so many bits."""
    numbers = rsa.generate_private_key(65537, 2048).private_numbers()
    p, q = numbers.p, numbers.q
    e = (1 << bits) - 1
    while math.gcd(e, (p - 1) * (q - 1)) != 1:
        e -= 2
    d = pow(e, -1, (p - 1) * (q - 1))
    chosen = rsa.RSAPrivateNumbers(
        p,
        q,
        d,
        rsa.rsa_crt_dmp1(d, p),
        rsa.rsa_crt_dmq1(d, q),
        numbers.iqmp,
        rsa.RSAPublicNumbers(e, p * q),
    )
    return private_pem(chosen.private_key())


def own_signature(world: World, message: Message) -> dict[str, str]:
    """The tags of the service's signature, which there is once."""
    own = [s for s in signatures(message) if s["d"] == own_domain(world)]
    expect(len(own), 1, "the number of the service's signatures")
    return own[0]


def result_for(world: World, message: bytes, domain: str | None = None) -> str:
    """The recorded DKIM result for a domain of a forwarded message."""
    recorded = results(forward(world, message=message)).dkim()
    expect_in(domain or world.sender.domain, recorded, "the domains with DKIM results")
    return recorded[domain or world.sender.domain]


@clause("DKIM-01", "DKIM-02")
@pytest.mark.parametrize("body", ["Hello.\r\n", "", "\r\n\r\n", "a  b \t\r\n.\r\n\r\n"])
def test_an_unsigned_message_arrives_with_a_signature_that_verifies(
    world: World, body: str
) -> None:
    arrived = forward(world, message=world.message(body=body))
    verdicts = dkim_verdicts(arrived.content)
    expect(verdicts, [(own_domain(world), True)], "signatures and whether they verify")


@clause("DKIM-03", "DKIM-01")
def test_the_senders_signature_verifies_at_the_receiver_beside_the_services(
    world: World,
) -> None:
    arrived = forward(world, message=sign(world.message(), world.sender.domain))
    verdicts = dkim_verdicts(arrived.content)
    expected = [(own_domain(world), True), (world.sender.domain, True)]
    expect(verdicts, expected, "signatures and whether they verify")


@clause("DKIM-04")
def test_the_recorded_key_record_is_a_usable_key(world: World) -> None:
    name = f"2022._domainkey.{own_domain(world)}."
    path = Path(FIXTURES) / "zones" / "email-routing.zone"
    (line,) = [line for line in path.read_text().splitlines() if line.startswith(name)]
    rdata = line.split(" TXT ")[1]
    expect(rdata.count('" "'), 1, "boundaries between the record's strings")
    (rrset,) = dns.zonefile.read_rrsets(line, origin=".", rdclass=None)
    expect(tags(b"".join(rrset[0].strings).decode())["h"], "sha256", "the h= tag")
    # No signature of that key can be made; but one that claims it fails as a signature does, and
    # not for want of a key.
    other = f"recorded.{world.sender.domain}"
    world.dns.add(f"2022._domainkey.{other}", "TXT", rdata)
    message = sign(world.message(), other, selector="2022")
    expect(result_for(world, message, other), "fail", "the DKIM result")


@clause("DKIM-05")
def test_the_services_signature_is_rsa_sha256_and_relaxed_relaxed(world: World) -> None:
    signature = own_signature(world, forward(world))
    expect(signature["a"], "rsa-sha256", "a=")
    expect(signature["c"], "relaxed/relaxed", "c=")


@clause("DKIM-06")
def test_a_from_field_added_behind_the_service_breaks_its_signature(
    world: World,
) -> None:
    arrived = forward(world)
    names = own_signature(world, arrived)["h"].lower().split(":")
    expect(names.count("from"), 2, "how often From is signed, with one there")
    added = b"From: Mallory <mallory@example.org>\r\n" + arrived.content
    expect(dkim_verdicts(added), [(own_domain(world), False)], "signatures with it")


@clause("DKIM-07")
def test_the_services_signature_is_dated_and_expires_in_seven_days(
    world: World,
) -> None:
    signature = own_signature(world, forward(world))
    expect_true("t" in signature and "x" in signature, "t= and x=", list(signature))
    lifetime = int(signature["x"]) - int(signature["t"])
    expect(lifetime, SEVEN_DAYS_S, "the seconds from t= to x=")
    expect_true("l" not in signature, "no l=", signature.get("l"))


@clause("DKIM-08")
def test_a_valid_rsa_signature_is_a_pass(world: World) -> None:
    message = sign(world.message(), world.sender.domain)
    expect(result_for(world, message), "pass", "the DKIM result")


@clause("DKIM-09")
def test_a_valid_ed25519_signature_is_a_pass(world: World) -> None:
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
    expect(result_for(world, message), "pass", "the DKIM result")


@clause("DKIM-10")
def test_an_rsa_sha1_signature_is_no_pass(world: World) -> None:
    name = f"test._domainkey.{world.sender.domain}"
    record = key_record((KEYS / "test-sender-rsa2048.pem").read_bytes())
    world.dns.remove(name)
    world.dns.add_text(name, record)
    message = sign(world.message(), world.sender.domain, algorithm="rsa-sha1")
    expect_true(
        result_for(world, message) != "pass", "another result than pass", "pass"
    )


@clause("DKIM-11")
def test_a_signature_by_a_short_key_is_no_pass(world: World) -> None:
    world.dns.add_text(f"short._domainkey.{world.sender.domain}", key_record(RSA768))
    message = sign(world.message(), world.sender.domain, selector="short", key=RSA768)
    expect_true(
        result_for(world, message) != "pass", "another result than pass", "pass"
    )


@clause("DKIM-12")
def test_the_ninth_signature_is_recorded_as_policy(world: World) -> None:
    message = world.message()
    for n in range(MOST_VERIFIED + 2):
        world.dns.add_text(
            f"test._domainkey.s{n}.{world.sender.domain}",
            key_record((KEYS / "test-sender-rsa2048.pem").read_bytes()),
        )
        message = sign(message, f"s{n}.{world.sender.domain}")
    outcomes = results(forward(world, message=message)).of("dkim")
    expect(outcomes.count("pass"), MOST_VERIFIED, "the number of passes")
    expect(outcomes.count("policy"), 2, "the number of results policy")


@clause("DKIM-13", "DMARC-03")
def test_a_signature_that_leaves_appended_text_out_gives_no_alignment(
    world: World,
) -> None:
    world.sender.publish_dmarc("v=DMARC1; p=reject")
    message = sign(world.message(), world.sender.domain, length=True)
    stranger = world.new_client_addresses()[0]
    with world.client(source=stranger) as client:
        whole = client.deliver(f"x@{world.elsewhere}", world.info, message)
        expect_reply(whole.final, 250, to="the message as it was signed")
        appended = message + b"And one more thing.\r\n"
        longer = client.deliver(f"x@{world.elsewhere}", world.info, appended)
        expect_reply(longer.final, 550, enhanced="5.7.26", to="the message with more")


@clause("DKIM-14")
@pytest.mark.parametrize("what", ["body", "signed field"])
def test_a_signature_over_what_was_altered_is_a_fail(world: World, what: str) -> None:
    message = sign(world.message(), world.sender.domain)
    if what == "body":
        message += b"Added.\r\n"
    else:
        message = message.replace(b"Subject: a test", b"Subject: another")
    expect(result_for(world, message), "fail", "the DKIM result")


@clause("DKIM-03", "DKIM-14")
def test_an_unsigned_field_may_be_added(world: World) -> None:
    message = b"X-Added: yes\r\n" + sign(world.message(), world.sender.domain)
    expect(result_for(world, message), "pass", "the DKIM result")


@clause("DKIM-15")
def test_a_dns_failure_for_the_key_is_a_temperror(world: World) -> None:
    name = f"test._domainkey.{world.sender.domain}"
    world.dns.fail(name, faults.Servfail())
    message = sign(world.message(), world.sender.domain)
    expect(result_for(world, message), "temperror", "the DKIM result")


@clause("DKIM-15")
@pytest.mark.parametrize("record", [None, "v=DKIM1; p=", "v=DKIM1; p=!", "no key"])
def test_a_key_that_is_absent_or_void_is_no_pass_for_good(
    world: World, record: str | None
) -> None:
    name = f"test._domainkey.{world.sender.domain}"
    world.dns.remove(name)
    if record is not None:
        world.dns.add_text(name, record)
    message = sign(world.message(), world.sender.domain)
    expect_in(result_for(world, message), ("permerror", "fail"), "the DKIM result")


@clause("DKIM-16", "DKIM-07")
def test_a_signature_past_its_expiry_is_no_pass(world: World) -> None:
    # The only signer with x= at hand is the service itself: its own message comes round again.
    arrived = forward(world)
    world.travel(6)
    again = results(forward(world, message=arrived.content)).dkim()
    expect(again[own_domain(world)], "pass", "the DKIM result after six days")
    world.travel(8)
    again = results(forward(world, message=arrived.content)).dkim()
    expect_true(again[own_domain(world)] != "pass", "no pass after eight days", again)


@clause("DKIM-18", "DKIM-08")
@pytest.mark.parametrize(("bits", "result"), [(32, "pass"), (33, "permerror")])
def test_a_public_exponent_of_more_than_32_bits_is_a_permerror(
    world: World, bits: int, result: str
) -> None:
    key = rsa_key_with_exponent(bits)
    world.dns.add_text(f"e._domainkey.{world.sender.domain}", key_record(key))
    message = sign(world.message(), world.sender.domain, selector="e", key=key)
    expect(result_for(world, message), result, "the DKIM result")


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


@clause("DKIM-20")
@pytest.mark.parametrize(("size", "result"), [(8192, "pass"), (8193, "permerror")])
def test_a_key_record_of_more_than_8_kib_is_a_permerror(
    world: World, size: int, result: str
) -> None:
    record = key_record((KEYS / "test-sender-rsa2048.pem").read_bytes()) + "; n="
    world.dns.add_text(f"big._domainkey.{world.sender.domain}", record.ljust(size, "x"))
    message = sign(world.message(), world.sender.domain, selector="big")
    expect(result_for(world, message), result, "the DKIM result")


@clause("DKIM-21")
def test_an_rsa_key_of_more_than_4096_bits_is_a_permerror(world: World) -> None:
    numbers = rsa.RSAPublicNumbers(65537, 1 << 4096 | 1)
    world.dns.add_text(
        f"long._domainkey.{world.sender.domain}",
        public_key_record(numbers.public_key()),
    )
    message = sign(world.message(), world.sender.domain, selector="long")
    expect(result_for(world, message), "permerror", "the DKIM result")


@clause("DKIM-21")
def test_an_rsa_key_of_4096_bits_is_a_pass(world: World) -> None:
    key = private_pem(rsa.generate_private_key(65537, 4096))
    world.dns.add_text(f"long._domainkey.{world.sender.domain}", key_record(key))
    message = sign(world.message(), world.sender.domain, selector="long", key=key)
    expect(result_for(world, message), "pass", "the DKIM result")


@clause("DKIM-17")
def test_the_services_own_signature_is_not_among_the_results(world: World) -> None:
    unsigned = results(forward(world))
    expect(unsigned.of("dkim"), ["none"], "the DKIM results of an unsigned message")
    message = sign(world.message(), world.sender.domain)
    with world.client() as client:
        client.deliver(world.sender.address, world.info, message)
    signed = results(world.upstream.wait_for_message(2)).dkim()
    expect(list(signed), [world.sender.domain], "domains with DKIM results")
