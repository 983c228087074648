"""DKIM: which keys are used, and what becomes of a signature whose key is not (dkim_signature.yaml)."""

from __future__ import annotations

import math

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from conformance import clause, expect
from conformance.lab import World
from conformance.lab.plan import KEYS
from conformance.lab.signing import private_key
from conformance.suite.dkim import RECORD, expect_no_pass, expect_permanent, judged
from conformance.suite.verifiers import SENDER_RSA, key_record, sign

RSA768 = (KEYS / "test-vectors-rsa768.pem").read_bytes()
RSA4096 = (KEYS / "test-vectors-rsa4096.pem").read_bytes()
RSA4104 = (KEYS / "test-sender-rsa4104.pem").read_bytes()


def rsa_key(bits: int) -> bytes:
    """A private key, in PEM. To make a long one would take seconds."""
    if bits in (2048, 4096):
        return SENDER_RSA if bits == 2048 else RSA4096
    return private_pem(rsa.generate_private_key(65537, bits))


def private_pem(key: rsa.RSAPrivateKey) -> bytes:
    assert isinstance(key, rsa.RSAPrivateKeyWithSerialization)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def rsa_key_with_exponent(bits: int) -> bytes:
    """The private key, in PEM, to a public exponent of so many bits."""
    sender = serialization.load_pem_private_key(SENDER_RSA, None)
    assert isinstance(sender, rsa.RSAPrivateKeyWithSerialization)
    numbers = sender.private_numbers()
    p, q = numbers.p, numbers.q
    e = (1 << bits) - 1
    while math.gcd(e, (p - 1) * (q - 1)) != 1:
        e -= 2
    d = pow(e, -1, (p - 1) * (q - 1))
    return private_pem(private_key(p, q, e, d))


@clause("DKIM-11")
def test_a_signature_by_a_short_key_is_not_recorded_as_pass(world: World) -> None:
    world.dns.add_text(f"short._domainkey.{world.sender.domain}", key_record(RSA768))
    expect_no_pass(
        world,
        sign(world.message(), world.sender.domain, selector="short", key=RSA768),
    )


@clause("DKIM-22")
def test_a_key_record_is_read_with_its_strings_concatenated(world: World) -> None:
    # The boundaries are inside of a tag's name, of a value, and of the key.
    cuts = (0, 9, 12, 150, 300, len(RECORD))
    pieces = [RECORD[start:end] for start, end in zip(cuts, cuts[1:])]
    strings = " ".join(f'"{piece}"' for piece in pieces)
    world.dns.add(f"split._domainkey.{world.sender.domain}", "TXT", strings)
    message = sign(world.message(), world.sender.domain, selector="split")
    expect(judged(world, message), "pass", "the DKIM result")


@clause("DKIM-25")
@pytest.mark.parametrize("bits", [1024, 2048, 4096])
def test_a_signature_by_an_rsa_key_of_1024_to_4096_bits_is_recorded_as_pass(
    world: World, bits: int
) -> None:
    key = rsa_key(bits)
    world.dns.add_text(f"sized._domainkey.{world.sender.domain}", key_record(key))
    message = sign(world.message(), world.sender.domain, selector="sized", key=key)
    expect(judged(world, message), "pass", "the DKIM result")


@clause("DKIM-26")
def test_a_signature_without_a_key_record_fails_permanently(world: World) -> None:
    expect_permanent(
        world, sign(world.message(), world.sender.domain, selector="absent")
    )


def expect_key_refused(world: World, record: str) -> None:
    """A good signature fails permanently if that is the record of its key."""
    world.dns.add_text(f"void._domainkey.{world.sender.domain}", record)
    expect_permanent(world, sign(world.message(), world.sender.domain, selector="void"))


@clause("DKIM-27")
def test_a_signature_by_a_revoked_key_fails_permanently(world: World) -> None:
    expect_key_refused(world, "v=DKIM1; p=")


@clause("DKIM-28")
@pytest.mark.parametrize(
    "record",
    [
        "v=DKIM1; p=!",
        "no key",
        pytest.param(f"{RECORD}; n=a\x7fb", id="DEL in a tag"),
    ],
)
def test_a_signature_with_a_malformed_key_record_fails_permanently(
    world: World, record: str
) -> None:
    expect_key_refused(world, record)


@clause("DKIM-33")
@pytest.mark.parametrize("flag", ["1", "y-", "y_x", "y:"])
def test_a_signature_whose_key_has_a_malformed_flag_fails_permanently(
    world: World, flag: str
) -> None:
    expect_key_refused(world, f"{RECORD}; t={flag}")


@clause("DKIM-50")
@pytest.mark.parametrize("tag", ["h=sha256:1", "h=sha256:sha-", "s=email:1", "s=*:e_x"])
def test_a_signature_whose_key_has_a_malformed_list_fails_permanently(
    world: World, tag: str
) -> None:
    expect_key_refused(world, f"{RECORD}; {tag}")


@clause("DKIM-28")
def test_a_signature_whose_key_record_is_not_utf_8_fails_permanently(
    world: World,
) -> None:
    # RFC 8616 3 adds UTF-8 to the tags' values, and no other octet above 127.
    tags, _, key = RECORD.partition("p=")
    strings = [f"{tags}n=\\128; p=", key[:200], key[200:]]
    name = f"void._domainkey.{world.sender.domain}"
    world.dns.add(name, "TXT", " ".join(f'"{string}"' for string in strings))
    expect_permanent(world, sign(world.message(), world.sender.domain, selector="void"))


@clause("DKIM-18")
@pytest.mark.parametrize(("bits", "result"), [(32, "pass"), (33, "permerror")])
def test_a_public_exponent_of_more_than_32_bits_is_permerror(
    world: World, bits: int, result: str
) -> None:
    key = rsa_key_with_exponent(bits)
    world.dns.add_text(f"e._domainkey.{world.sender.domain}", key_record(key))
    message = sign(world.message(), world.sender.domain, selector="e", key=key)
    expect(judged(world, message), result, "the DKIM result")


@clause("DKIM-20")
@pytest.mark.parametrize(("size", "result"), [(8192, "pass"), (8193, "permerror")])
def test_a_key_record_of_more_than_8_kib_is_permerror(
    world: World, size: int, result: str
) -> None:
    # The key is at the end: who reads only the beginning has none.
    notes, key = "v=DKIM1; k=rsa; n=", f"; p={RECORD.partition('p=')[2]}"
    record = notes.ljust(size - len(key), "x") + key
    world.dns.add_text(f"big._domainkey.{world.sender.domain}", record)
    message = sign(world.message(), world.sender.domain, selector="big")
    expect(judged(world, message), result, "the DKIM result")


@clause("DKIM-37")
@pytest.mark.parametrize(("others", "result"), [(3, "pass"), (4, "permerror")])
def test_of_the_records_at_the_name_of_a_key_four_are_tried(
    world: World, others: int, result: str
) -> None:
    name = f"many._domainkey.{world.sender.domain}"
    for record in (*(f"v=spf{n} -all" for n in range(others)), RECORD):
        world.dns.add_text(name, record)
    message = sign(world.message(), world.sender.domain, selector="many")
    expect(judged(world, message), result, "the DKIM result")


@clause("DKIM-37")
@pytest.mark.parametrize(("first", "result"), [(True, "pass"), (False, "fail")])
def test_of_several_usable_keys_at_one_name_the_first_counts(
    world: World, first: bool, result: str
) -> None:
    name = f"two._domainkey.{world.sender.domain}"
    records = [RECORD, key_record(RSA4096)]
    for record in records if first else reversed(records):
        world.dns.add_text(name, record)
    message = sign(world.message(), world.sender.domain, selector="two")
    expect(judged(world, message), result, "the DKIM result")


@clause("DKIM-21")
def test_an_rsa_key_of_more_than_4096_bits_is_permerror(world: World) -> None:
    world.dns.add_text(f"long._domainkey.{world.sender.domain}", key_record(RSA4104))
    message = sign(world.message(), world.sender.domain, selector="long", key=RSA4104)
    expect(judged(world, message), "permerror", "the DKIM result")
