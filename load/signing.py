"""Signatures that cost their verifier dear, and are right: RSA keys with any public exponent.

What the vectors' generator does not need is here: OpenSSL makes no such keys, so primes are OpenSSL's and
the rest is arithmetic (RFC 8017).
"""

from __future__ import annotations

import base64
import hashlib
import math
import random
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from fixtures.vectors.generate.arc_chain import Hop, seal
from fixtures.vectors.generate.keys import Key
from fixtures.vectors.generate.samples import HEADERS
from fixtures.vectors.generate.signing import (
    SIGNED_AT,
    Change,
    Mail,
    Tags,
    put,
    sign_message,
)

# DER of DigestInfo for SHA-256 (RFC 8017 9.2, note 1).
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


@dataclass(frozen=True)
class CostlyKey(Key):
    """An RSA key with its exponents as numbers; signs by the Chinese remainder theorem."""

    exponent: int = field(default=0)

    @property
    def algorithm(self) -> str:
        return "rsa-sha256"

    def sign(self, octets: bytes) -> str:
        numbers = self._numbers
        p, q = numbers.p, numbers.q
        modulus = numbers.public_numbers.n
        size = (modulus.bit_length() + 7) // 8
        info = DIGEST_INFO + hashlib.sha256(octets).digest()
        padded = b"\0\1" + b"\xff" * (size - len(info) - 3) + b"\0" + info
        message = int.from_bytes(padded, "big")
        at_p = pow(message, pow(self.exponent, -1, p - 1), p)
        at_q = pow(message, pow(self.exponent, -1, q - 1), q)
        made = at_q + q * ((at_p - at_q) * numbers.iqmp % p)
        return base64.b64encode(made.to_bytes(size, "big")).decode()

    def data(self, bare: bool = False) -> str:
        public = rsa.RSAPublicNumbers(self.exponent, self._numbers.public_numbers.n)
        encoded = public.public_key().public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo,
        )
        return base64.b64encode(encoded).decode()

    @property
    def _numbers(self) -> rsa.RSAPrivateNumbers:
        assert isinstance(self.private, rsa.RSAPrivateKeyWithSerialization)
        return self.private.private_numbers()


def costly_key(bits: int, exponent_bits: int) -> CostlyKey:
    """A key whose modulus and public exponent have so many bits; the exponent's are mostly ones, which
    cost more."""
    private = rsa.generate_private_key(65537, bits)
    numbers = private.private_numbers()
    order = (numbers.p - 1) * (numbers.q - 1)
    exponent = (1 << exponent_bits) - 1
    while math.gcd(exponent, order) != 1 or exponent >= numbers.public_numbers.n:
        exponent ^= 1 << random.randrange(1, exponent_bits - 1)
    return CostlyKey(private, exponent)


@dataclass(frozen=True)
class Signer:
    """Where the public half of a key is published."""

    domain: str
    selector: str
    key: Key

    @property
    def record(self) -> tuple[str, str]:
        """Name and text."""
        return f"{self.selector}._domainkey.{self.domain}", f"p={self.key.data()}"


def signed(message: Mail, signer: Signer, length: int | None = None) -> Mail:
    """The message with one DKIM-Signature more, over `length` octets of the body where given."""
    tags: Tags = [
        ("v", "1"),
        ("a", signer.key.algorithm),
        ("d", signer.domain),
        ("s", signer.selector),
        ("c", "relaxed/relaxed"),
        ("t", str(SIGNED_AT)),
        ("h", HEADERS),
        ("bh", ""),
        ("b", ""),
    ]
    change = _over(length)
    made = sign_message("DKIM-Signature", message, tags, signer.key, change)
    return message.on_top(made)


def sealed(message: Mail, signer: Signer, length: int | None = None) -> Mail:
    """The message with one ARC set more."""
    hop = Hop(
        key=signer.key,
        domain=signer.domain,
        selector=signer.selector,
        ams=_over(length),
    )
    return seal(message, hop)


def _over(length: int | None) -> Change | None:
    return None if length is None else put("l", str(length))
