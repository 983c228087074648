"""Signatures of messages: DKIM (RFC 6376, RFC 8301, RFC 8463) and the seals of ARC (RFC 8617).

Not by dkimpy, which takes what the grammar does not allow.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from conformance.subjects.controls.provider.message import Field, split

RSA_BITS_MIN = 1024
SETS_MAX = 50
Keys = Callable[[str], list[str]]  # the TXT records at a name; raises Unanswered

TAG = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]*)\s*=\s*([!-:<-~]*(?:\s+[!-:<-~]+)*)\s*\Z")
WSP = re.compile(rb"[ \t]+")
SPACE = re.compile(r"\s+")
OWN_B = re.compile(rb"((?:\A|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")
BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}\Z")
NUMBER = re.compile(r"[0-9]{1,12}\Z")
INSTANCE = re.compile(r"[0-9]{1,2}\Z")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?"
DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\Z")


class Bad(Exception):
    """A signature that is not valid as it is written, or whose key is not."""


class Wrong(Exception):
    """A signature that does not fit the message, or no longer."""


@dataclass
class Key:
    """A public key and what may be done with it."""

    kind: str
    octets: bytes
    tags: dict[str, str]


@dataclass
class Chain:
    """The result of a chain, and the seals' domains by instance."""

    result: str
    sealers: dict[int, str] = field(default_factory=dict)
    recorded: dict[int, str] = field(default_factory=dict)


def tag_list(value: bytes) -> dict[str, str]:
    """RFC 6376 3.2. Raises Bad."""
    tags: dict[str, str] = {}
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise Bad("octets that are not UTF-8") from None
    parts = text.split(";")
    if not parts[-1].strip(" \t\r\n"):
        parts.pop()
    for part in parts:
        match = TAG.match(part)
        if match is None or match[1] in tags or re.search(r"[^\t\r\n -~]", part):
            raise Bad("the tag list")
        tags[match[1]] = match[2]
    return tags


def compact(text: str) -> str:
    return SPACE.sub("", text)


def octets_of(tags: dict[str, str], name: str) -> bytes:
    """The base64 value of a tag."""
    text = compact(tags.get(name, ""))
    if not BASE64.match(text):
        raise Bad(f"{name}=")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Bad(f"{name}=") from None


def listed(text: str) -> list[str]:
    return [compact(word) for word in text.split(":")]


def is_below(domain: str, parent: str) -> bool:
    domain, parent = domain.lower(), parent.lower()
    return domain == parent or domain.endswith("." + parent)


def unquoted(text: str) -> str:
    """A value in dkim-quoted-printable (RFC 6376 2.11). Raises Bad."""
    if re.search(r"=(?![0-9A-F]{2})", text):
        raise Bad("quoted-printable")
    return re.sub(r"=([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), text)


class Verifier:
    """Of one message."""

    def __init__(self, content: bytes, keys: Keys) -> None:
        self.fields, rest = split(content)
        self.body = rest[2:] if rest.startswith(b"\r\n") else rest
        self.keys = keys

    def named(self, name: bytes) -> list[Field]:
        return [field for field in self.fields if field.is_named(name)]

    def dkim(self, signature: Field) -> None:
        """Returns if it is valid; raises Bad, Wrong, or what `keys` raises."""
        tags = tag_list(raw_value(signature))
        if tags.get("v") != "1":
            raise Bad("v=")
        identity = unquoted(compact(tags.get("i", "@" + tags.get("d", ""))))
        _, at, domain = identity.rpartition("@")
        if not at or not is_below(domain, tags.get("d", "")):
            raise Bad("i=")
        if "q" in tags and "dns/txt" not in listed(tags["q"]):
            raise Bad("q=")
        self.check_times(tags)
        self.verify(signature, tags, identity)

    def check_times(self, tags: dict[str, str]) -> None:
        self.check_time(tags)
        if "x" in tags and not NUMBER.match(tags["x"]):
            raise Bad("x=")
        if "x" in tags:
            if "t" in tags and int(tags["x"]) <= int(tags["t"]):
                raise Bad("x= is not after t=")
            if int(tags["x"]) < time.time():
                raise Wrong("expired")

    def check_time(self, tags: dict[str, str]) -> None:
        if "t" in tags and not NUMBER.match(tags["t"]):
            raise Bad("t=")

    def verify(
        self, signature: Field, tags: dict[str, str], identity: str | None
    ) -> None:
        """A signature over fields and body: of DKIM, or an ARC-Message-Signature."""
        kind = self.algorithm(tags)
        canonical_fields, canonical_body = canonicalizations(tags.get("c", "simple"))
        names = [name.lower() for name in listed(tags.get("h", ""))]
        if "from" not in names or not all(names):
            raise Bad("h=")
        if not DOMAIN.match(tags.get("d", "")) or not DOMAIN.match(tags.get("s", "")):
            raise Bad("d= or s=")
        digest, value = octets_of(tags, "bh"), octets_of(tags, "b")
        body = body_of(self.body, canonical_body)
        if "l" in tags:
            if not re.match(r"[0-9]{1,76}\Z", tags["l"]) or int(tags["l"]) > len(body):
                raise Bad("l=")
            body = body[: int(tags["l"])]
        key = self.key(tags, kind, identity)
        if hashlib.sha256(body).digest() != digest:
            raise Wrong("the body has changed")
        octets = self.signed_fields(names, signature, canonical_fields)
        octets += without_b(signature, canonical_fields)
        check(key, octets, value)

    def body_signed_whole(self, tags: dict[str, str]) -> bytes:
        """What a signature without l= would cover."""
        try:
            return body_of(self.body, canonicalizations(tags.get("c", "simple"))[1])
        except Bad:
            return self.body

    def algorithm(self, tags: dict[str, str]) -> str:
        algorithm = tags.get("a", "").lower()
        if algorithm not in ("rsa-sha256", "ed25519-sha256"):
            raise Bad("a=")
        return algorithm.partition("-")[0]

    def signed_fields(
        self, names: Iterable[str], signature: Field, canonical: str
    ) -> bytes:
        """From the bottom up for each name (RFC 6376 5.4.2)."""
        left: dict[str, list[Field]] = {}
        for one in self.fields:
            if one is not signature:
                left.setdefault(one.name.decode("ascii").lower(), []).append(one)
        chosen = [left[name].pop() for name in names if left.get(name)]
        return b"".join(field_of(one.octets, canonical) for one in chosen)

    def key(self, tags: dict[str, str], kind: str, identity: str | None) -> Key:
        """The key of a signature. Raises Bad."""
        found = self.keys(f"{tags['s']}._domainkey.{tags['d']}")
        if not found:
            raise Bad("there is no key")
        record = tag_list(found[0].encode("latin-1"))
        if "v" in record and (next(iter(record)) != "v" or record["v"] != "DKIM1"):
            raise Bad("the key's v=")
        if record.get("k", "rsa") != kind:
            raise Bad("the key's k=")
        if "h" in record and "sha256" not in listed(record["h"]):
            raise Bad("the key's h=")
        if not {"*", "email"} & set(listed(record.get("s", "*"))):
            raise Bad("the key's s=")
        if "s" in listed(record.get("t", "")) and identity is not None:
            if identity.rpartition("@")[2].lower() != tags["d"].lower():
                raise Bad("the key is for the domain itself")
        if not compact(record.get("p", "")):
            raise Bad("the key is revoked")
        return Key(kind, octets_of(record, "p"), record)

    # ARC

    def chain(self) -> Chain:
        """RFC 8617 5.2; raises what `keys` raises."""
        chain = Chain("none")
        try:
            sets = self.sets()
            if not sets:
                return chain
            chain.result = "fail"
            for instance, (results, _, seal) in sets.items():
                chain.sealers[instance] = tag_list(raw_value(seal)).get("d", "").lower()
                chain.recorded[instance] = raw_value(results).decode("latin-1")
            self.check_chain(sets)
            chain.result = "pass"
        except (Bad, Wrong):
            chain.result = "fail"
        return chain

    def sets(self) -> dict[int, tuple[Field, Field, Field]]:
        """By instance, from 1 on without a gap."""
        kinds: list[dict[int, Field]] = []
        for name in (
            b"ARC-Authentication-Results",
            b"ARC-Message-Signature",
            b"ARC-Seal",
        ):
            found: dict[int, Field] = {}
            for one in self.named(name):
                instance = instance_of(one)
                if instance in found or not 1 <= instance <= SETS_MAX:
                    raise Bad("the instances")
                found[instance] = one
            kinds.append(found)
        wanted = set(range(1, len(kinds[0]) + 1))
        if any(set(found) != wanted for found in kinds):
            raise Bad("the sets are not whole")
        return {n: (kinds[0][n], kinds[1][n], kinds[2][n]) for n in sorted(wanted)}

    def check_chain(self, sets: dict[int, tuple[Field, Field, Field]]) -> None:
        seals = {n: tag_list(raw_value(seal)) for n, (_, _, seal) in sets.items()}
        for instance, tags in seals.items():
            if tags.get("cv", "").lower() != ("none" if instance == 1 else "pass"):
                raise Bad("cv=")
            if "h" in tags:
                raise Bad("h= in a seal")
            self.check_time(tags)
        newest = max(sets)
        signature = sets[newest][1]
        tags = tag_list(raw_value(signature))
        if "arc-seal" in [name.lower() for name in listed(tags.get("h", ""))]:
            raise Bad("a seal is signed by a message signature")
        self.check_times(tags)
        self.verify(signature, tags, None)
        for instance in sorted(sets, reverse=True):
            self.check_seal(sets, instance, seals[instance])

    def check_seal(
        self,
        sets: dict[int, tuple[Field, Field, Field]],
        instance: int,
        tags: dict[str, str],
    ) -> None:
        kind = self.algorithm(tags)
        if not DOMAIN.match(tags.get("d", "")) or not DOMAIN.match(tags.get("s", "")):
            raise Bad("d= or s=")
        value = octets_of(tags, "b")
        octets = b""
        for number in range(1, instance + 1):
            results, signature, seal = sets[number]
            octets += field_of(results.octets, "relaxed")
            octets += field_of(signature.octets, "relaxed")
            if number < instance:
                octets += field_of(seal.octets, "relaxed")
        octets += without_b(sets[instance][2], "relaxed")
        check(self.key(tags, kind, None), octets, value)


def raw_value(field: Field) -> bytes:
    """What follows the colon, unfolded."""
    return field.octets.partition(b":")[2].replace(b"\r\n", b"")


def instance_of(field: Field) -> int:
    """Of a field of an ARC set. Raises Bad."""
    if field.is_named(b"ARC-Authentication-Results"):
        text = raw_value(field).decode("latin-1")
        while (stripped := re.sub(r"\((?:[^()\\]|\\.)*\)", " ", text)) != text:
            text = stripped
        match = re.match(r"\s*i\s*=\s*([0-9]{1,2})\s*;", text)
        if match is None:
            raise Bad("i=")
        return int(match[1])
    number = tag_list(raw_value(field)).get("i", "")
    if not INSTANCE.match(number):
        raise Bad("i=")
    return int(number)


def canonicalizations(text: str) -> tuple[str, str]:
    fields, _, body = compact(text).lower().partition("/")
    body = body or "simple"
    if not {fields, body} <= {"simple", "relaxed"}:
        raise Bad("c=")
    return fields, body


def field_of(octets: bytes, canonical: str) -> bytes:
    """RFC 6376 3.4.1 and 3.4.2."""
    if canonical == "simple":
        return octets
    name, _, value = octets.partition(b":")
    value = WSP.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")
    return name.strip(b" \t").lower() + b":" + value + b"\r\n"


def without_b(field: Field, canonical: str) -> bytes:
    """A signature's own field, with an empty b= and without its line end."""
    name, colon, value = field.octets.partition(b":")
    emptied = name + colon + OWN_B.sub(rb"\1", value.removesuffix(b"\r\n"), count=1)
    return field_of(emptied + b"\r\n", canonical).removesuffix(b"\r\n")


def body_of(body: bytes, canonical: str) -> bytes:
    """RFC 6376 3.4.3 and 3.4.4."""
    if canonical == "relaxed":
        body = re.sub(rb"[ \t]+(?=\r\n|\Z)", b"", body)
        body = WSP.sub(b" ", body)
    body = re.sub(rb"(?:\r\n)+\Z", b"", body)
    if body or canonical == "simple":
        body += b"\r\n"
    return body


def check(key: Key, octets: bytes, signature: bytes) -> None:
    """Raises Wrong, or Bad where it is the key."""
    try:
        if key.kind == "ed25519":
            digest = hashlib.sha256(octets).digest()  # RFC 8463 3
            Ed25519PublicKey.from_public_bytes(key.octets).verify(signature, digest)
            return
        public = load_der_public_key(key.octets)
        if not isinstance(public, RSAPublicKey) or public.key_size < RSA_BITS_MIN:
            raise Bad("the key is not RSA of 1024 bits or more")
        public.verify(signature, octets, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise Wrong("the signature") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Bad("the key") from None
