"""What a receiver makes of a message, by code that shares nothing with the subject: dkimpy for DKIM
and ARC, pyspf for SPF, authres for the fields; and senders that sign, by dkimpy too."""

from __future__ import annotations

import base64
import re
from typing import Any

import authres
import dkim
import dns.exception
import dns.resolver
import spf
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PUBLIC_KEY_TYPES
from cryptography.exceptions import InvalidSignature

from conformance import expect_true
from conformance.lab import Message, World
from conformance.lab.world import KEYS
from conformance.suite.acts import look_up

SENDER_RSA = (KEYS / "test-sender-rsa2048.pem").read_bytes()


# DNS, for libraries that would ask the system's resolver as it was when they were loaded


def text_record(name: bytes | str, timeout: int = 5) -> bytes:
    """The TXT record of a name, its strings joined, as dkimpy asks for it; empty if there is none."""
    text = name.decode("ascii") if isinstance(name, bytes) else name
    records = look_up(text, "TXT")
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
    return str(spf.check2(i=address, s=sender, h=helo, timeout=20)[0])


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
    count = sum(
        name.lower() == b"dkim-signature" for name, _ in dkim.rfc822_parse(content)[0]
    )
    verdicts = []
    for index in range(count):
        verifier = dkim.DKIM(content)
        try:
            good = verifier.verify(index, dnsfunc=text_record)
        except dkim.DKIMException:
            good = False
        verdicts.append(
            (verifier.domain.decode() if verifier.domain else "", bool(good))
        )
    return verdicts


def arc_verdict(content: bytes) -> str:
    """The chain validation status of a message: none, pass or fail, or None where dkimpy gives up."""
    status = dkim.arc_verify(content, dnsfunc=text_record)[0]
    return status.decode("ascii") if isinstance(status, bytes) else str(status)


# Authentication-Results


class Results:
    """The results that the subject recorded of one message."""

    def __init__(self, field: str) -> None:
        header = authres.AuthenticationResultsHeader.parse(
            "Authentication-Results: " + re.sub(r"\s+", " ", field)
        )
        self.authserv_id: str = header.authserv_id
        self._results = header.results

    def of(self, method: str) -> list[str]:
        """The results of a method, in order."""
        return [result.result for result in self._results if result.method == method]

    def properties(self, method: str) -> list[dict[str, str]]:
        """The properties of each result of a method: "header.d" to its value."""
        return [
            {f"{p.type}.{p.name}": p.value for p in result.properties}
            for result in self._results
            if result.method == method
        ]

    def dkim(self) -> dict[str, str]:
        """DKIM results by signing domain; of several of one domain the last."""
        pairs = zip(self.properties("dkim"), self.of("dkim"))
        return {properties.get("header.d", ""): result for properties, result in pairs}


def results(message: Message) -> Results:
    """The topmost Authentication-Results field, which is the subject's."""
    fields = message.fields("Authentication-Results")
    expect_true(fields, "an Authentication-Results field", message.header)
    return Results(fields[0][1])


def arc_results(message: Message) -> Results:
    """The newest ARC-Authentication-Results field."""
    fields = message.fields("ARC-Authentication-Results")
    expect_true(fields, "an ARC-Authentication-Results field", message.header)
    return Results(fields[0][1].partition(";")[2])


# Senders


def sign(
    message: bytes,
    domain: str,
    *,
    selector: str = "test",
    algorithm: str = "rsa-sha256",
    key: bytes = SENDER_RSA,
    length: bool = False,
) -> bytes:
    """`message` with a DKIM signature on top."""
    if algorithm == "ed25519-sha256":
        key = base64.b64encode(ed25519_seed(key))
    signature = dkim.sign(
        message,
        selector.encode("ascii"),
        domain.encode("ascii"),
        key,
        canonicalize=(b"relaxed", b"relaxed"),
        signature_algorithm=algorithm.encode("ascii"),
        include_headers=[b"from", b"to", b"subject"],
        length=length,
    )
    return bytes(signature) + message


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
    public = serialization.load_pem_private_key(pem, None).public_key()
    return public_key_record(public, kind)


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
    """`message` with so many ARC sets of a domain on top, each validating the one before."""
    for hop in range(hops):
        claims = f"arc={'pass' if hop else 'none'}; spf=pass smtp.mailfrom={domain}"
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


def _relaxed(name: str, value: str) -> bytes:
    """A header field in relaxed canonical form (RFC 6376 3.4.2), without its line end."""
    unfolded = re.sub(r"[ \t]+", " ", value.replace("\r\n", "")).strip(" ")
    return f"{name.lower()}:{unfolded}".encode()


def sealed_alone(message: Message) -> bool:
    """Whether the newest ARC-Seal is a good signature over its own set and nothing else, as RFC 8617
    5.1.2 wants it for cv=fail."""
    names = ("ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal")
    raw = {name: raw_fields(message.content, name)[0] for name in names}
    seal = tags(raw["ARC-Seal"])
    unsigned = re.sub(r"(;\s*b\s*=)[^;]*", r"\1", raw["ARC-Seal"])
    signed = b"\r\n".join(
        (_relaxed(names[0], raw[names[0]]), _relaxed(names[1], raw[names[1]]))
    )
    signed += b"\r\n" + _relaxed(names[2], unsigned)
    record = tags(text_record(f"{seal['s']}._domainkey.{seal['d']}").decode("ascii"))
    key = serialization.load_der_public_key(base64.b64decode(record["p"]))
    assert isinstance(key, rsa.RSAPublicKey)
    try:
        key.verify(
            base64.b64decode(seal["b"]), signed, padding.PKCS1v15(), hashes.SHA256()
        )
    except InvalidSignature:
        return False
    return True


def raw_fields(content: bytes, name: str) -> list[str]:
    """The values of header fields as they came, folds and all, top first."""
    header = (
        content.partition(b"\r\n\r\n")[0].decode("utf-8", "surrogateescape") + "\r\n"
    )
    pattern = rf"^{re.escape(name)}[ \t]*:(.*?)\r\n(?![ \t])"
    return re.findall(pattern, header, re.I | re.M | re.S)


def enforce_dmarc(message: Message) -> str | None:
    """A receiver that enforces p=reject with relaxed alignment: its refusal, or None."""
    author = re.search(r"@([A-Za-z0-9.-]+)", message.fields("From")[0][1])
    domain = author.group(1) if author else ""
    policy = tags(text_record(f"_dmarc.{domain}").decode("ascii")).get("p")
    sender = message.sender
    seen = spf_result(
        message.dialogue.peer_address, sender, message.dialogue.ehlo or ""
    )
    aligned = seen == "pass" and _aligned(sender.rpartition("@")[2], domain)
    for signer, good in dkim_verdicts(message.content):
        aligned = aligned or (good and _aligned(signer, domain))
    if policy != "reject" or aligned:
        return None
    return f"550 5.7.26 unauthenticated mail from {domain} is not accepted here"


def _aligned(domain: str, author: str) -> bool:
    return domain == author or domain.endswith(f".{author}")
