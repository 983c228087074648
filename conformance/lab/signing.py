"""RSA signatures for dkimpy by OpenSSL. Its own arithmetic takes 8 ms for each, and the suite makes a
thousand; what is signed, and how the field is written, stays dkimpy's."""

from __future__ import annotations

from functools import cache
from typing import Any

import dkim
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),
    "sha256": hashes.SHA256(),
}


_by_dkimpy = dkim.RSASSA_PKCS1_v1_5_sign

# Of a longer key the check takes longer than dkimpy, which makes few signatures by such.
CHECKED_MAX_BITS = 2048


@cache
def private_key(p: int, q: int, e: int, d: int) -> rsa.RSAPrivateKey:
    """A private key by its numbers (RFC 8017 3.2), which are checked, so that it takes 50 ms."""
    return rsa.RSAPrivateNumbers(
        p,
        q,
        d,
        rsa.rsa_crt_dmp1(d, p),
        rsa.rsa_crt_dmq1(d, q),
        rsa.rsa_crt_iqmp(p, q),
        rsa.RSAPublicNumbers(e, p * q),
    ).private_key()


def _sign(digest: Any, key: dict[str, int]) -> bytes:
    """RSASSA-PKCS1-v1_5 (RFC 8017 8.2.1) of a hashlib object, by a key in dkimpy's form."""
    if key["modulus"].bit_length() > CHECKED_MAX_BITS:
        signature: bytes = _by_dkimpy(digest, key)
        return signature
    primes = (key["prime1"], key["prime2"])
    private = private_key(*primes, key["publicExponent"], key["privateExponent"])
    algorithm = utils.Prehashed(_HASHES[digest.name])
    return private.sign(digest.digest(), padding.PKCS1v15(), algorithm)


def use_openssl() -> None:
    """From now on, in this process."""
    setattr(dkim, "RSASSA_PKCS1_v1_5_sign", _sign)
