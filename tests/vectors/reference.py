"""DKIM and ARC verification in plain Python, written from RFC 6376, 8301, 8463, 8616 and 8617 and
sharing nothing with the relay: the second way to the expected values of the vectors.

Slow and simple on purpose. `zone` has the form of the vector files.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

WHITE = b" \t\r\n"
CLOCK_SKEW = 300
SIGNATURES_MOST = 8
INSTANCES_MOST = 50

Tags = dict[str, bytes]


class Outcome(Exception):
    """The end of a verification: result (RFC 8601 2.7.1) and reason."""

    def __init__(self, result: str, reason: str) -> None:
        super().__init__(f"{result}: {reason}")
        self.result = result
        self.reason = reason


# Messages (RFC 5322 2.1, RFC 6376 3.4)


def divide(message: bytes) -> tuple[list[bytes], bytes]:
    """The fields, each with its CRLF, and the body."""
    if message.startswith(b"\r\n"):
        return [], message[2:]
    header, _, body = message.partition(b"\r\n\r\n")
    header = header.removesuffix(b"\r\n")
    return [line + b"\r\n" for line in re.split(rb"\r\n(?![ \t])", header)], body


def name_of(raw: bytes) -> str:
    return raw.split(b":", 1)[0].rstrip(b" \t").decode("latin-1").lower()


def value_of(raw: bytes) -> bytes:
    return raw.split(b":", 1)[1].removesuffix(b"\r\n")


def relaxed_header(raw: bytes) -> bytes:
    name, value = raw.split(b":", 1)
    value = re.sub(rb"\r\n(?=[ \t])", b"", value.removesuffix(b"\r\n"))
    value = re.sub(rb"[ \t]+", b" ", value).strip(b" ")
    return name.rstrip(b" \t").lower() + b":" + value + b"\r\n"


def canonical_header(kind: str, raw: bytes) -> bytes:
    return relaxed_header(raw) if kind == "relaxed" else raw


def canonical_body(kind: str, body: bytes) -> bytes:
    if kind == "relaxed":
        lines = [
            re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")
        ]
        while lines and not lines[-1]:
            lines.pop()
        return b"".join(line + b"\r\n" for line in lines)
    while body.endswith(b"\r\n"):
        body = body[:-2]
    return body + b"\r\n"


# Tag lists (RFC 6376 3.2)


def parse_tags(text: bytes) -> Tags:
    if re.search(rb"\r(?!\n[ \t])|(?<!\r)\n", text):
        raise ValueError("a line end that does not fold")
    parts = text.split(b";")
    if len(parts) > 1 and not parts[-1].strip(WHITE):
        parts.pop()
    tags: Tags = {}
    for part in parts:
        found = re.fullmatch(
            rb"([A-Za-z][A-Za-z0-9_]*)[ \t\r\n]*=(.*)", part.strip(WHITE), re.S
        )
        if not found:
            raise ValueError("no tag=value")
        name, value = found.group(1).decode(), found.group(2).strip(WHITE)
        if re.search(rb"[^\t\r\n\x20-\x7e\x80-\xff]", value):
            raise ValueError("a control character")
        value.decode("utf-8")
        if name in tags:
            raise ValueError("a tag twice")
        tags[name] = value
    return tags


def decode64(value: bytes) -> bytes:
    return base64.b64decode(value.translate(None, WHITE), validate=True)


# Names


def host(value: bytes, labels: int, underscore: bool = False) -> str:
    """The name in A-labels."""
    text = value.decode("utf-8")
    if not text.isascii():
        text = text.encode("idna").decode()
    extra = "_" if underscore else ""
    label = rf"[A-Za-z0-9{extra}]([A-Za-z0-9{extra}-]*[A-Za-z0-9{extra}])?"
    if not re.fullmatch(rf"{label}(\.{label})*", text) or text.count(".") + 1 < labels:
        raise ValueError("not a name")
    return text


# Keys (RFC 6376 3.6)


@dataclass
class Key:
    public: rsa.RSAPublicKey | ed25519.Ed25519PublicKey
    bits: int
    flags: list[str]


def texts(zone: Mapping[str, Any], name: str) -> list[str]:
    entry = {known.lower(): types for known, types in zone.items()}.get(name.lower())
    if entry in ("SERVFAIL", "REFUSED", "DROP"):
        raise Outcome("temperror", "no answer")
    while entry and "CNAME" in entry:
        entry = zone.get(entry["CNAME"])
    records = (entry or {}).get("TXT", [])
    if isinstance(records, str):
        records = [records]
    return ["".join(r) if isinstance(r, list) else r for r in records]


def words(value: bytes) -> list[str]:
    found = [word.strip(WHITE).decode().lower() for word in value.split(b":")]
    if not all(re.fullmatch(r"\*|[a-z]([a-z0-9-]*[a-z0-9])?", word) for word in found):
        raise ValueError("not a list of words")
    return found


def read_key(text: str, kind: str) -> Key:
    try:
        tags = parse_tags(text.encode("latin-1"))
        if "v" in tags and (tags["v"] != b"DKIM1" or next(iter(tags)) != "v"):
            raise ValueError("version")
        hashed = words(tags.get("h", b"sha256"))
        services = words(tags.get("s", b"*"))
        flags = words(tags["t"]) if "t" in tags else []
        key_type = tags.get("k", b"rsa").decode().lower()
        data = decode64(tags["p"])
    except (ValueError, KeyError) as error:
        raise Outcome("permerror", f"key syntax: {error}") from error
    if not {"*", "email"} & set(services) or "sha256" not in hashed:
        raise Outcome("permerror", "inappropriate key")
    if not data or key_type != kind:
        raise Outcome("permerror", "key revoked or of another type")
    try:
        return load_key(data, kind, flags)
    except ValueError as error:
        raise Outcome("permerror", f"key data: {error}") from error


def load_key(data: bytes, kind: str, flags: list[str]) -> Key:
    if kind == "ed25519":
        return Key(ed25519.Ed25519PublicKey.from_public_bytes(data), 256, flags)
    try:
        public = serialization.load_der_public_key(data)
    except ValueError:
        pem = b"-----BEGIN RSA PUBLIC KEY-----\n%s\n-----END RSA PUBLIC KEY-----\n"
        public = serialization.load_pem_public_key(pem % base64.b64encode(data))
    if not isinstance(public, rsa.RSAPublicKey) or public.key_size < 1024:
        raise ValueError("not an RSA key of 1024 bits or more")
    return Key(public, public.key_size, flags)


def find_key(zone: Mapping[str, Any], selector: str, domain: str, kind: str) -> Key:
    records = texts(zone, f"{selector}._domainkey.{domain}")
    last = Outcome("permerror", "no key")
    for text in records:
        try:
            return read_key(text, kind)
        except Outcome as outcome:
            last = outcome
    raise last


# Signatures (RFC 6376 3.5, 3.7, 6.1)


@dataclass
class Signature:
    raw: bytes  # the field
    kind: str  # dkim, ams, as
    tags: Tags
    domain: str
    selector: str
    algorithm: str
    identity_below: bool = False
    canon: tuple[str, str] = ("simple", "simple")
    names: list[str] = field(default_factory=list)
    length: int | None = None


ALGORITHMS = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}


def number(value: bytes, digits: int) -> int:
    if not re.fullmatch(rb"[0-9]{1,%d}" % digits, value):
        raise ValueError("not a number")
    return int(value)


def read_signature(raw: bytes, kind: str, tags: Tags, now: int) -> Signature:
    """Raises Outcome, or ValueError for what is malformed."""
    needed = {"dkim": "v a b bh d h s", "ams": "a b bh d h s", "as": "a b d s cv"}[kind]
    missing = [name for name in needed.split() if name not in tags]
    if missing:
        raise Outcome("permerror", f"no {missing[0]}=")
    if kind == "dkim" and (number(tags["v"], 76), tags["v"]) != (1, b"1"):
        raise Outcome("permerror", "version")
    signature = Signature(
        raw,
        kind,
        tags,
        host(tags["d"], 2),
        host(tags["s"], 1, underscore=True),
        tags["a"].decode().lower(),
    )
    if signature.algorithm == "rsa-sha1":
        raise Outcome("permerror", "historic algorithm")
    if signature.algorithm not in ALGORITHMS:
        raise Outcome("neutral", "unknown algorithm")
    if not decode64(tags["b"]):
        raise ValueError("empty b=")
    if kind == "dkim" and "i" in tags:
        read_identity(signature)
    if kind != "as":
        read_message_tags(signature)
    read_times(signature, now)
    return signature


def read_identity(signature: Signature) -> None:
    text = signature.tags["i"].translate(None, WHITE)
    if re.search(rb"=(?![0-9A-F]{2})", text):
        raise ValueError("quoted-printable")
    text = re.sub(rb"=(..)", lambda m: binascii.unhexlify(m.group(1)), text)
    _, at, domain_text = text.rpartition(b"@")
    if not at:
        raise ValueError("no @ in i=")
    domain = host(domain_text, 2).lower()
    own = signature.domain.lower()
    if domain != own and not domain.endswith("." + own):
        raise Outcome("permerror", "i= outside d=")
    signature.identity_below = domain != own


def read_message_tags(signature: Signature) -> None:
    tags = signature.tags
    header, _, body = tags.get("c", b"simple/simple").decode().lower().partition("/")
    signature.canon = (
        header,
        body if "/" in tags.get("c", b"/").decode() else "simple",
    )
    if not set(signature.canon) <= {"simple", "relaxed"}:
        raise Outcome("neutral", "unknown canonicalisation")
    signature.names = [n.strip(WHITE).decode().lower() for n in tags["h"].split(b":")]
    if not all(re.fullmatch(r"[!-9;-~]+", name) for name in signature.names):
        raise ValueError("h=")
    if "from" not in signature.names:
        raise Outcome("permerror", "From is not signed")
    if signature.kind == "ams" and "arc-seal" in signature.names:
        raise Outcome("permerror", "ARC-Seal is signed")
    if not decode64(tags["bh"]):
        raise ValueError("empty bh=")
    if "l" in tags:
        signature.length = number(tags["l"], 76)
    methods = tags.get("q", b"dns/txt").decode().lower().split(":")
    if "dns/txt" not in [method.strip() for method in methods]:
        raise Outcome("neutral", "unknown query method")


def read_times(signature: Signature, now: int) -> None:
    tags = signature.tags
    made = number(tags["t"], 12) if "t" in tags else None
    if signature.kind == "as":
        return
    expires = number(tags["x"], 12) if "x" in tags else None
    if made is not None and expires is not None and expires <= made:
        raise ValueError("x= is not after t=")
    if expires is not None and now > expires:
        raise Outcome("permerror", "expired")
    if made is not None and made > now + CLOCK_SKEW:
        raise Outcome("permerror", "in the future")


def without_b(raw: bytes) -> bytes:
    """The field without the value of b= and the white space round it, and without its CRLF."""
    name, value = raw.split(b":", 1)
    parts = value.removesuffix(b"\r\n").split(b";")
    for i, part in enumerate(parts):
        tag, equals, _ = part.partition(b"=")
        if equals and tag.strip(WHITE) == b"b":
            parts[i] = tag + equals
    return name + b":" + b";".join(parts)


def signed_octets(canon: str, fields: list[bytes], raw: bytes) -> bytes:
    last = canonical_header(canon, without_b(raw) + b"\r\n").removesuffix(b"\r\n")
    return b"".join(canonical_header(canon, f) for f in fields) + last


def choose(fields: list[bytes], names: list[str], own: bytes | None) -> list[bytes]:
    left = [f for f in fields if f is not own]
    chosen = []
    for name in names:
        for i in range(len(left) - 1, -1, -1):
            if name_of(left[i]) == name:
                chosen.append(left.pop(i))
                break
    return chosen


def check_crypto(signature: Signature, key: Key, octets: bytes) -> None:
    text = decode64(signature.tags["b"])
    try:
        if isinstance(key.public, rsa.RSAPublicKey):
            key.public.verify(text, octets, padding.PKCS1v15(), hashes.SHA256())
        else:
            key.public.verify(text, hashlib.sha256(octets).digest())
    except InvalidSignature:
        raise Outcome("fail", "signature did not verify") from None


def check_message(signature: Signature, message: bytes, key: Key) -> None:
    """Checks a DKIM-Signature or an AMS that was read well; raises Outcome."""
    fields, body = divide(message)
    own = next(f for f in fields if f == signature.raw)
    if [name_of(f) for f in fields].count("from") != 1:
        raise Outcome("permerror", "not one From")
    if "s" in key.flags and signature.identity_below:
        raise Outcome("permerror", "subdomain in i=")
    text = canonical_body(signature.canon[1], body)
    if signature.length is not None:
        if signature.length > len(text):
            raise Outcome("permerror", "l= too large")
        text = text[: signature.length]
    if hashlib.sha256(text).digest() != decode64(signature.tags["bh"]):
        raise Outcome("fail", "body hash did not verify")
    chosen = choose(fields, signature.names, own)
    check_crypto(
        signature, key, signed_octets(signature.canon[0], chosen, signature.raw)
    )


def dkim_verify(message: bytes, zone: Mapping[str, Any], now: int) -> list[str]:
    """The result of every DKIM-Signature, top down."""
    results: list[str] = []
    for raw in divide(message)[0]:
        if name_of(raw) != "dkim-signature":
            continue
        if len(results) >= SIGNATURES_MOST:
            results.append("policy")
            continue
        results.append(dkim_result(raw, message, zone, now))
    return results


def dkim_result(raw: bytes, message: bytes, zone: Mapping[str, Any], now: int) -> str:
    testing = False
    try:
        signature = read_signature(raw, "dkim", parse_tags(value_of(raw)), now)
        key_type = ALGORITHMS[signature.algorithm]
        key = find_key(zone, signature.selector, signature.domain, key_type)
        testing = "y" in key.flags  # 3.6.1: as if unsigned, "even should it fail"
        check_message(signature, message, key)
    except Outcome as outcome:
        return "neutral" if testing else outcome.result
    except ValueError:
        return "neutral"
    return "neutral" if testing else "pass"


# ARC (RFC 8617 5.2)

KINDS = {
    "arc-authentication-results": "aar",
    "arc-message-signature": "ams",
    "arc-seal": "as",
}
COMMENT = r"(?:\((?:[^()\\]|\\.|\([^()]*\))*\))"
CFWS = rf"(?:[ \t\r\n]|{COMMENT})*"
INSTANCE = re.compile(rf"{CFWS}i{CFWS}={CFWS}([0-9]{{1,2}}){CFWS};".encode(), re.S)


def read_instance(raw: bytes, kind: str) -> tuple[int, bytes]:
    """The instance and what follows it. Raises ValueError."""
    value = value_of(raw)
    found = INSTANCE.match(value)
    if found:
        instance, rest = int(found.group(1)), value[found.end() :]
    elif kind == "aar":
        raise ValueError("no instance")
    else:
        digits = parse_tags(value).get("i", b"")
        instance, rest = number(digits, 2), value
    if not 1 <= instance <= INSTANCES_MOST:
        raise ValueError("instance")
    return instance, rest


@dataclass
class ArcResult:
    cv: str
    instances: int = 0
    oldest_pass: int = 0
    reason: str = ""


def arc_verify(message: bytes, zone: Mapping[str, Any], now: int) -> ArcResult:
    sets: dict[int, dict[str, tuple[bytes, bytes]]] = {}
    problem = ""
    for raw in divide(message)[0]:
        kind = KINDS.get(name_of(raw))
        if not kind:
            continue
        try:
            instance, rest = read_instance(raw, kind)
        except ValueError as error:
            problem = str(error)
            continue
        if kind in sets.setdefault(instance, {}):
            problem = "duplicate"
        sets[instance][kind] = (raw, rest)
    if not sets and not problem:
        return ArcResult("none")
    newest = max(sets, default=0)
    result = ArcResult("fail", newest)
    try:
        validate(sets, newest, problem, message, zone, now, result)
    except (Outcome, ValueError) as error:
        result.reason = str(error)
    return result


def validate(
    sets: dict[int, dict[str, tuple[bytes, bytes]]],
    newest: int,
    problem: str,
    message: bytes,
    zone: Mapping[str, Any],
    now: int,
    result: ArcResult,
) -> None:
    """Steps 2 to 7; raises what ends them early."""
    if problem:
        raise ValueError(problem)
    if sorted(sets) != list(range(1, newest + 1)) or any(
        len(s) != 3 for s in sets.values()
    ):
        raise ValueError("structure")
    seals = {}
    for instance in range(newest, 0, -1):
        raw, rest = sets[instance]["as"]
        tags = read_arc_tags(raw, rest)
        seals[instance] = read_signature(raw, "as", tags, now)
        if "h" in tags:
            raise ValueError("h= in a seal")
        if tags["cv"].lower() != (b"none" if instance == 1 else b"pass"):
            raise ValueError("cv=")
    check_ams(sets[newest]["ams"], message, zone, now)
    oldest = newest
    try:
        while oldest > 1:
            check_ams(sets[oldest - 1]["ams"], message, zone, now)
            oldest -= 1
    except (Outcome, ValueError):
        pass
    for instance in range(newest, 0, -1):
        scope = [
            sets[i][k][0] for i in range(1, instance + 1) for k in ("aar", "ams", "as")
        ]
        seal = seals[instance]
        key = find_key(zone, seal.selector, seal.domain, ALGORITHMS[seal.algorithm])
        check_crypto(seal, key, signed_octets("relaxed", scope[:-1], seal.raw))
    result.cv = "pass"
    result.oldest_pass = oldest if oldest > 1 else 0


def read_arc_tags(raw: bytes, rest: bytes) -> Tags:
    tags = parse_tags(rest)
    if rest != value_of(raw) and "i" in tags:
        raise ValueError("a second instance")
    return tags


def check_ams(
    ams: tuple[bytes, bytes], message: bytes, zone: Mapping[str, Any], now: int
) -> None:
    raw, rest = ams
    signature = read_signature(raw, "ams", read_arc_tags(raw, rest), now)
    key_type = ALGORITHMS[signature.algorithm]
    key = find_key(zone, signature.selector, signature.domain, key_type)
    try:
        check_message(signature, message, key)
    except Outcome as outcome:
        if outcome.result != "fail" or "c" in signature.tags:
            raise
        signature.canon = ("relaxed", "relaxed")  # what some sealers mean
        check_message(signature, message, key)
