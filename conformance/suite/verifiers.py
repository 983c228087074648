"""What a receiver makes of a message, by code that shares nothing with the subject: dkimpy for DKIM
and ARC, pyspf for SPF; and senders that sign, by dkimpy too. Nothing that a subject writes raises any
other exception than ConformanceFailure here."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from typing import Any

import dkim
import dkim.crypto
import dns.exception
import dns.resolver
import spf
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PUBLIC_KEY_TYPES
from cryptography.exceptions import InvalidSignature

from conformance import ConformanceFailure, Seen, expect_true, fail
from conformance.lab import Message, World
from conformance.lab.plan import KEYS
from conformance.suite.acts import ATOM, look_up

SENDER_RSA = (KEYS / "test-sender-rsa2048.pem").read_bytes()


# DNS, for libraries that would ask the system's resolver as it was when they were loaded


def text_record(name: bytes | str, timeout: int = 5) -> bytes:
    """The TXT record of a name, its strings joined, as dkimpy asks for it; empty if there is none, or
    if the name, which the subject may have written, cannot be looked up."""
    text = name.decode("utf-8", "replace") if isinstance(name, bytes) else name
    try:
        records = look_up(text, "TXT")
    except dns.exception.DNSException:
        return b""
    return "".join(re.findall(r'"([^"]*)"', records[0])).encode() if records else b""


def _look_up_for_spf(
    name: str, qtype: str, tcpfallback: bool = True, timeout: int = 20
) -> list[tuple[tuple[str, str], Any]]:
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    try:
        answer = resolver.resolve(name, qtype)
    except (dns.resolver.NoAnswer, dns.resolver.NXDOMAIN):
        return []
    except dns.exception.DNSException as error:
        raise spf.TempError(f"DNS: {error}") from error
    values: list[Any] = []
    for record in answer:
        if qtype in ("A", "AAAA"):
            values.append(record.address)
        elif qtype == "MX":
            values.append((record.preference, record.exchange.to_text(True)))
        elif qtype == "PTR":
            values.append(record.target.to_text(True))
        else:
            values.append(list(record.strings))
    return [((name, qtype), value) for value in values]


spf.DNSLookup = _look_up_for_spf


def spf_result(address: str, sender: str, helo: str) -> str:
    """What SPF says of a sender seen from an address."""
    try:
        return str(spf.check2(i=address, s=sender, h=helo, timeout=20)[0])
    except Exception as error:  # pyspf's own, at what no address or name can be
        fail("a reverse-path and a HELO that SPF can be evaluated for", repr(error))


# Tags and fields


def tags(value: str) -> dict[str, str]:
    """The tag list of a signature field, white space taken out of its values."""
    pairs = (part.partition("=") for part in value.split(";") if part.strip())
    return {name.strip(): re.sub(r"\s+", "", text) for name, _, text in pairs}


def signatures(message: Message) -> list[dict[str, str]]:
    """The tags of every DKIM-Signature field, top first."""
    return [tags(value) for _, value in message.fields("DKIM-Signature")]


def own_domain(world: World) -> str:
    """The domain the service signs for."""
    assert world.subject.plan is not None
    return world.subject.plan.signing_domain


def dkim_verdicts(content: bytes) -> list[tuple[str, bool]]:
    """Signing domain and whether it verifies, of every DKIM-Signature, top first."""
    try:
        names = [name.lower() for name, _ in dkim.rfc822_parse(content)[0]]
    except Exception as error:
        fail("a message whose header a verifier can parse", repr(error))
    verdicts = []
    for index in range(names.count(b"dkim-signature")):
        verifier = dkim.DKIM(content)
        try:
            good = verifier.verify(index, dnsfunc=text_record)
        except Exception:  # dkimpy raises much more than DKIMException at bad tags
            good = False
        domain = (verifier.domain or b"").decode("utf-8", "replace")
        verdicts.append((domain, bool(good)))
    return verdicts


def arc_verdict(content: bytes) -> str:
    """The chain validation status of a message: none, pass or fail, or None where dkimpy gives up."""
    try:
        status = dkim.arc_verify(content, dnsfunc=text_record)[0]
    except Exception as error:
        return f"fail: {error!r}"
    return status.decode("ascii") if isinstance(status, bytes) else str(status)


def arc_signatures(content: bytes) -> list[tuple[bool, bool]]:
    """Of every ARC set, the newest first, whether its message signature verifies, and whether its seal does. Of
    messages of the suite's own alone: a chain that cannot be read raises what dkimpy raises.
    """
    sets = dkim.arc_verify(content, dnsfunc=text_record)[1]
    return [(bool(one["ams-valid"]), bool(one["as-valid"])) for one in sets]


# Authentication-Results

_RESULT = re.compile(
    r"\s*([A-Za-z0-9-]+)\s*(?:/\s*[0-9]+\s*)?=\s*([A-Za-z0-9-]+)(.*)", re.S
)
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PROPERTY = re.compile(
    rf"([A-Za-z0-9-]+)\s*\.\s*([A-Za-z0-9_-]+)\s*=\s*((?:{_QUOTED}|[^\s;\"])+)"
)
# A value is a token or a quoted string of RFC 2045 5.1, or [[local-part] "@"] domain-name.
_TOKEN = r"[!#$%&'*+.0-9A-Z^_`a-z{|}~-]+"
_WORD = rf"(?:{ATOM}|{_QUOTED})"
_ADDRESS = rf"(?:{_WORD}(?:\.{_WORD})*)?@[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*"
_VALUE = rf"(?:{_ADDRESS}|{_QUOTED}|{_TOKEN})"
_RESULT_STRICT = re.compile(
    rf"\s*[A-Za-z0-9-]+\s*(?:/\s*[0-9]+\s*)?=\s*[A-Za-z0-9-]+"
    rf"(?:\s+reason\s*=\s*{_VALUE})?"
    rf"(?:\s+[A-Za-z0-9-]+\s*\.\s*[A-Za-z0-9-]+\s*=\s*{_VALUE})*\s*"
)

_AUTHSERV_ID = re.compile(rf"\s*(?:{_TOKEN}|{_QUOTED})(?:\s+[0-9]+)?\s*")


def parts(field: str) -> list[str]:
    """A field's text between semicolons that are not quoted, without comments (RFC 5322 3.2.2)."""
    return _divided(field)[0]


def _divided(field: str) -> tuple[list[str], bool]:
    """The parts, and whether the last quoted string and comment end."""
    parts, depth, quoted, escaped = [""], 0, False, False
    for c in re.sub(r"\s+", " ", field):
        if escaped or c == "\\":
            escaped = not escaped
        elif c == '"' and not depth:
            quoted = not quoted
        elif c == "(" and not quoted:
            depth += 1
        elif c == ")" and depth:
            depth, c = depth - 1, " "
        elif c == ";" and not quoted and not depth:
            parts.append("")
            continue
        if not depth:
            parts[-1] += c
    return parts, not (depth or quoted)


class Results:
    """The results that the subject recorded of one message. Reads more than RFC 8601 2.2 allows: what
    the subject found is one matter, how it writes it another (see results_objection()).
    """

    def __init__(self, *fields: str) -> None:
        self._results: list[tuple[str, str, dict[str, str]]] = []
        for field in fields:
            for part in parts(field)[1:]:
                if found := _RESULT.match(part):
                    method, result, rest = found.groups()
                    properties = {
                        f"{ptype}.{name}".lower(): unquoted(value)
                        for ptype, name, value in _PROPERTY.findall(rest)
                    }
                    self._results.append((method.lower(), result.lower(), properties))

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Method and result of each, in order."""
        return [(method, result) for method, result, _ in self._results]

    def of(self, method: str) -> list[str]:
        """The results of a method, in order."""
        return [result for name, result, _ in self._results if name == method]

    def properties(self, method: str) -> Seen[dict[str, str]]:
        """The properties of each result of a method: "header.d" to its value."""
        found = [properties for name, _, properties in self._results if name == method]
        return Seen(found, f"result of {method}")

    def dkim(self) -> dict[str, str]:
        """DKIM results by signing domain; of several of one domain the last."""
        pairs = zip(self.properties("dkim"), self.of("dkim"))
        return {_signer(properties): result for properties, result in pairs}


def unquoted(value: str) -> str:
    if len(value) > 1 and value.startswith('"') and value.endswith('"'):
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value


def _signer(properties: dict[str, str]) -> str:
    """The signing domain of a DKIM result, which may be told by header.i alone (RFC 8601 2.7.1)."""
    auid = properties.get("header.i", "").rpartition("@")[2]
    return properties.get("header.d", auid).lower()


def _authserv_id(field: str) -> str:
    words = parts(field)[0].split()
    return unquoted(words[0]).lower() if words else ""


def own_results(message: Message) -> list[str]:
    """The subject's Authentication-Results: the topmost field, and those by the same authserv-id, since
    it may write one for each method (RFC 8601 4)."""
    fields = [value for _, value in message.fields("Authentication-Results")]
    expect_true(fields, "an Authentication-Results field", message.header)
    own = _authserv_id(fields[0])
    return [field for field in fields if _authserv_id(field) == own]


def results(message: Message) -> Results:
    """What the subject recorded there."""
    return Results(*own_results(message))


def written_values(field: str) -> list[str]:
    """The values of all properties of an Authentication-Results field, quoted where they are."""
    found = (_PROPERTY.findall(part) for part in parts(field)[1:])
    return [value for properties in found for _, _, value in properties]


def arc_results(message: Message) -> Results:
    """The newest ARC-Authentication-Results field."""
    field = message.fields("ARC-Authentication-Results")[0][1]
    return Results(field.partition(";")[2])


def arc_results_objection(field: str) -> str | None:
    """What in an ARC-Authentication-Results field is not in the syntax of RFC 8617 4.1.1 (that of
    RFC 8601 2.2 after the instance), or None."""
    (instance, *payload), ends = _divided(field)
    if not re.fullmatch(r"\s*i\s*=\s*[0-9]{1,2}\s*", instance):
        return repr(instance)
    return _payload_objection(payload, ends)


def results_objection(field: str) -> str | None:
    """What in an Authentication-Results field is not in the syntax of RFC 8601 2.2, or None."""
    return _payload_objection(*_divided(field))


def _payload_objection(payload: list[str], ends: bool) -> str | None:
    if not ends:
        return "a comment or a quoted string that does not end"
    if not payload or not _AUTHSERV_ID.fullmatch(payload[0]):
        return repr(payload[0]) if payload else "no authserv-id"
    if [part.strip().lower() for part in payload[1:]] == ["none"]:
        return None
    bad = [repr(part) for part in payload[1:] if not _RESULT_STRICT.fullmatch(part)]
    return bad[0] if bad else None if payload[1:] else "no result"


# Senders


def sign(
    message: bytes,
    domain: str,
    *,
    selector: str = "test",
    identity: str | None = None,
    algorithm: str = "rsa-sha256",
    key: bytes = SENDER_RSA,
    length: bool = False,
    canonicalize: tuple[bytes, bytes] = (b"relaxed", b"relaxed"),
) -> bytes:
    """`message` with a DKIM signature on top."""
    if algorithm == "ed25519-sha256":
        key = base64.b64encode(ed25519_seed(key))
    signature = dkim.sign(
        message,
        selector.encode("ascii"),
        domain.encode("ascii"),
        key,
        canonicalize=canonicalize,
        identity=identity.encode("ascii") if identity else None,
        signature_algorithm=algorithm.encode("ascii"),
        include_headers=[b"from", b"to", b"subject"],
        length=length,
    )
    return bytes(signature) + message


def claim(message: bytes, domain: str, identity: str) -> bytes:
    """`message` with a DKIM signature on top that claims to be of `identity`, and is none."""
    field = (
        f"DKIM-Signature: v=1; a=rsa-sha256; d={domain}; s=test; i={identity};"
        " h=from; bh=AAAA; b=AAAA\r\n"
    )
    return field.encode("ascii") + message


def ed25519_seed(pem: bytes) -> bytes:
    """The 32 octets of an Ed25519 private key."""
    key = serialization.load_pem_private_key(pem, None)
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    return key.private_bytes(
        serialization.Encoding.Raw,
        serialization.PrivateFormat.Raw,
        serialization.NoEncryption(),
    )


def key_record(pem: bytes, kind: str = "rsa") -> str:
    """The DKIM key record for a private key."""
    if kind == "ed25519":
        loaded = serialization.load_pem_private_key(pem, None)
        return public_key_record(loaded.public_key(), kind)
    # Without the second that it takes to see whether the factors of a long one are primes.
    key = dkim.crypto.parse_pem_private_key(pem)
    numbers = rsa.RSAPublicNumbers(key["publicExponent"], key["modulus"])
    return public_key_record(numbers.public_key(), kind)


def public_key_record(public: PUBLIC_KEY_TYPES, kind: str = "rsa") -> str:
    """The DKIM key record for a public key."""
    if kind == "ed25519":
        data = public.public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )
    else:
        data = public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    return f"v=DKIM1; k={kind}; p={base64.b64encode(data).decode('ascii')}"


def arc_seal(message: bytes, domain: str, hops: int = 1) -> bytes:
    """`message` with so many ARC sets of a domain on top, each validating those before."""
    for _ in range(hops):
        claims = f"arc={'pass' if b'ARC-Seal:' in message else 'none'}; spf=pass smtp.mailfrom={domain}"
        claimed = f"Authentication-Results: {domain}; {claims}\r\n"
        sealed = dkim.arc_sign(
            claimed.encode("ascii") + message,
            b"test",
            domain.encode("ascii"),
            SENDER_RSA,
            domain.encode("ascii"),
            include_headers=[b"from", b"to", b"subject"],
        )
        message = b"".join(sealed) + message
    return message


# What dkimpy does not do

# The fields of an ARC set, in the order in which a seal covers them (RFC 8617 5.1.1).
ARC_SET = ("ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal")


def _relaxed(name: str, value: str) -> bytes:
    """A header field in relaxed canonical form (RFC 6376 3.4.2), without its line end."""
    unfolded = re.sub(r"[ \t]+", " ", value.replace("\r\n", "")).strip(" ")
    return f"{name.lower()}:{unfolded}".encode("utf-8", "surrogateescape")


def sign_until(message: bytes, domain: str, expires: int, *tags: str) -> bytes:
    """`message` with a signature whose x= is that time, and whose t= is a week before it, or now. The body is
    taken to end in exactly one line end, as simple canonicalization leaves it."""
    field = "DKIM-Signature"
    value = _signed_until(
        message,
        field,
        "; ".join(("v=1", f"d={domain}", "s=test", *tags)),
        SENDER_RSA,
        expires,
    )
    return f"{field}: {value}\r\n".encode() + message


def arc_seal_until(
    message: bytes,
    domain: str,
    selector: str,
    key: bytes,
    expires: int,
    instance: int = 1,
    claimed: str = "relaxed/simple",
    instance_first: bool = True,
) -> bytes:
    """`message` with an ARC set whose message signature has such an x=. The sets before it, numbered up to
    `instance`, stand in their order; the number may be more than the 50 at which dkimpy ends. The signature
    is relaxed/simple whatever its c= is `claimed` to be.
    """
    cv = "none" if instance == 1 else "pass"
    results = f"i={instance}; {domain}; arc={cv}; spf=pass smtp.mailfrom={domain}"
    identity = [f"i={instance}", f"d={domain}", f"s={selector}"]
    if not instance_first:
        identity.reverse()
    signature = _signed_until(
        message, ARC_SET[1], "; ".join(identity), key, expires, claimed
    )
    fields = [(ARC_SET[0], results), (ARC_SET[1], signature)]
    identity += ["a=rsa-sha256", f"t={expires - 7 * 86400}", f"cv={cv}", "b="]
    seal = "; ".join(identity)
    earlier = zip(*(reversed(raw_fields(message, name)) for name in ARC_SET))
    chain = [pair for values in earlier for pair in zip(ARC_SET, values)]
    covered = [_relaxed(*pair) for pair in (*chain, *fields, (ARC_SET[2], seal))]
    fields.append((ARC_SET[2], seal + _rsa_sha256(key, covered)))
    lines = [f"{name}: {value}\r\n" for name, value in reversed(fields)]
    return "".join(lines).encode() + message


def _signed_until(
    message: bytes,
    field: str,
    identity: str,
    key: bytes,
    expires: int,
    claimed: str = "relaxed/simple",
) -> str:
    """The value of a signature field over From, To and Subject."""
    digest = hashlib.sha256(message.partition(b"\r\n\r\n")[2]).digest()
    made = min(expires - 7 * 86400, int(time.time()))
    value = (
        f"{identity}; a=rsa-sha256; c={claimed}; t={made}; "
        f"x={expires}; h=from:to:subject; bh={base64.b64encode(digest).decode()}; b="
    )
    names = ("From", "To", "Subject")
    signed = [_relaxed(name, raw_fields(message, name)[0]) for name in names]
    return value + _rsa_sha256(key, [*signed, _relaxed(field, value)])


def _rsa_sha256(pem: bytes, signed: list[bytes]) -> str:
    """A signature over canonical fields, in base64."""
    key = serialization.load_pem_private_key(pem, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    octets = key.sign(b"\r\n".join(signed), padding.PKCS1v15(), hashes.SHA256())
    return base64.b64encode(octets).decode()


def sealed_alone(message: Message) -> bool:
    """Whether the newest ARC-Seal is a good signature over its own set and nothing else, as RFC 8617
    5.1.2 wants it for cv=fail."""
    names = ARC_SET
    raw = {name: raw_fields(message.content, name)[0] for name in names}
    seal = tags(raw["ARC-Seal"])
    unsigned = re.sub(r"(;\s*b\s*=)[^;]*", r"\1", raw["ARC-Seal"])
    signed = b"\r\n".join(
        (_relaxed(names[0], raw[names[0]]), _relaxed(names[1], raw[names[1]]))
    )
    signed += b"\r\n" + _relaxed(names[2], unsigned)
    name = f"{seal.get('s')}._domainkey.{seal.get('d')}"
    record = tags(text_record(name).decode("utf-8", "replace"))
    try:
        key = serialization.load_der_public_key(base64.b64decode(record.get("p", "")))
        octets = base64.b64decode(seal.get("b", ""))
    except ValueError:  # no base64, or no key
        return False
    if not isinstance(key, rsa.RSAPublicKey):
        return False
    try:
        key.verify(octets, signed, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def raw_fields(content: bytes, name: str) -> Seen[str]:
    """The values of header fields as they came, folds and all, top first."""
    header = (
        content.partition(b"\r\n\r\n")[0].decode("utf-8", "surrogateescape") + "\r\n"
    )
    pattern = rf"^{re.escape(name)}[ \t]*:(.*?)\r\n(?![ \t])"
    return Seen(re.findall(pattern, header, re.I | re.M | re.S), f"{name} field")


def enforce_dmarc(message: Message) -> str | None:
    """A receiver that enforces p=reject with relaxed alignment: its refusal, or None."""
    authors = " ".join(value for _, value in message.fields("From"))
    author = re.search(r"@([A-Za-z0-9.-]+)", authors)
    domain = author.group(1) if author else ""
    record = text_record(f"_dmarc.{domain}").decode("utf-8", "replace")
    policy = tags(record).get("p")
    sender = message.sender
    try:
        seen = spf_result(
            message.dialogue.peer_address, sender, message.dialogue.ehlo or ""
        )
        signers = [signer for signer, good in dkim_verdicts(message.content) if good]
    except (
        ConformanceFailure
    ):  # the upstream runs this, not the test: no authentication
        seen, signers = "permerror", []
    aligned = seen == "pass" and _aligned(sender.rpartition("@")[2], domain)
    aligned = aligned or any(_aligned(signer, domain) for signer in signers)
    if policy != "reject" or aligned:
        return None
    return f"550 5.7.26 unauthenticated mail from {domain} is not accepted here"


def _aligned(domain: str, author: str) -> bool:
    return domain == author or domain.endswith(f".{author}")
