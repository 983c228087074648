"""The checks of a received message and their results (SPF, DKIM, ARC, DMARC; RFC 8601)."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field

import dkim
import dns.exception
import dns.resolver
import spf

from conformance.subjects.controls.provider import dmarc
from conformance.subjects.controls.provider.manners import Manner
from conformance.subjects.controls.provider.message import Field, split, values
from conformance.subjects.controls.provider.paths import DOMAIN_MAX
from conformance.subjects.controls.provider.setup import Setup

SIGNATURES_MAX = 8
RSA_KEY_MIN = 1024
DOMAIN = re.compile(
    r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?\.)+[A-Za-z0-9-]+\.?\Z"
)
INSTANCE = re.compile(rb"\s*i\s*=\s*(\d+)\s*;")


@dataclass(frozen=True)
class Client:
    """Who hands a message in."""

    address: str
    name: str  # of its EHLO or HELO
    sender: str  # the reverse-path


@dataclass(frozen=True)
class Signature:
    """The result of one DKIM signature."""

    result: str
    domain: str
    selector: str
    start: str  # of its b=
    aligns: bool = True  # may count for DMARC
    reason: str = ""


@dataclass
class Checked:
    """All results of a message."""

    client: Client
    spf: str = "none"
    spf_domain: str = ""
    signatures: list[Signature] = field(default_factory=list)
    arc: str = "none"
    arc_sealer: str = ""
    arc_vouches: bool = False  # a trusted sealer saw it pass
    verdicts: list[dmarc.Verdict] = field(default_factory=list)
    authors: list[str] = field(default_factory=list)

    @property
    def refuses(self) -> bool:
        """Whether a policy asks for its refusal."""
        return any(v.result == "fail" and v.policy == "reject" for v in self.verdicts)

    @property
    def waits(self) -> bool:
        """Whether DNS left open if a policy asks for that."""
        return any(v.result == "temperror" for v in self.verdicts)


class Checker:
    """Runs the checks. Its methods block."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.resolver = setup.resolver()

    def check(self, client: Client, content: bytes) -> Checked:
        checked = Checked(client)
        fields, _ = split(content)
        if self.setup.manner == Manner.RECORD_PASS:
            return self.passed(checked, fields)
        self.check_spf(checked)
        self.check_dkim(checked, content, fields)
        if self.setup.manner != Manner.IGNORE_ARC:
            self.check_arc(checked, content)
        self.check_dmarc(checked, fields)
        if checked.arc == "pass":
            checked.arc_vouches = self.vouches(checked, fields)
        return checked

    def passed(self, checked: Checked, fields: list[Field]) -> Checked:
        """The manner that looks at nothing."""
        checked.spf = "pass"
        checked.spf_domain = checked.client.sender.rpartition("@")[2]
        checked.authors = self.authors(fields)
        for domain in checked.authors:
            checked.signatures.append(Signature("pass", domain, "any", ""))
            checked.verdicts.append(dmarc.Verdict("pass", "none", domain))
        return checked

    def check_spf(self, checked: Checked) -> None:
        """RFC 7208 2.3 and 2.4: MAIL FROM, or HELO where that is null."""
        client = checked.client
        domain = client.sender.rpartition("@")[2] or client.name
        if not DOMAIN.match(domain) or len(domain.rstrip(".")) > DOMAIN_MAX:
            return
        checked.spf_domain = domain.rstrip(".")
        sender = client.sender or f"postmaster@{domain}"
        try:
            checked.spf, _ = spf.check2(
                i=client.address,
                s=sender,
                h=client.name if DOMAIN.match(client.name) else domain,
                querytime=int(max(self.setup.seconds("dns"), 1)) * 2,
            )
        except Exception:  # of the library, on records that it does not expect
            checked.spf = "permerror"

    def texts(self, name: str) -> list[str]:
        """The TXT records there. Raises Unanswered."""
        try:
            answer = self.resolver.resolve(name.rstrip(".") + ".", "TXT", search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, UnicodeError) as error:
            raise dmarc.Unanswered(str(error)) from None
        return [b"".join(record.strings).decode("latin-1") for record in answer]

    def key_text(self, name: bytes, timeout: float = 0) -> bytes | None:
        found = self.texts(name.decode("ascii", "replace"))
        return found[0].encode("latin-1") if found else None

    def exists(self, domain: str) -> bool:
        """Whether there is such a name in DNS, whatever it has."""
        try:
            self.resolver.resolve(domain + ".", "A", search=False)
        except dns.resolver.NXDOMAIN:
            return False
        except dns.exception.DNSException:
            return True
        return True

    def check_dkim(self, checked: Checked, content: bytes, fields: list[Field]) -> None:
        signed = values(fields, b"DKIM-Signature")
        for number, value in enumerate(signed[:SIGNATURES_MAX]):
            checked.signatures.append(self.signature(content, number, value))

    def signature(self, content: bytes, number: int, value: bytes) -> Signature:
        """The result of the signature of that number, from the top."""
        tags = tags_of(value)
        domain, selector = tags.get("d", "").lower(), tags.get("s", "")
        start = re.sub(r"\s", "", tags.get("b", ""))[:8]
        result, reason, aligns = "permerror", "", True
        if tags.get("a", "").lower() not in ("rsa-sha256", "ed25519-sha256"):
            reason = "algorithm"
        elif tags.get("x", "").isdigit() and int(tags["x"]) < time.time():
            result, reason = "fail", "expired"
        else:
            try:
                verifier = dkim.DKIM(content, minkey=RSA_KEY_MIN)
                passed = verifier.verify(idx=number, dnsfunc=self.key_text)
                result = "pass" if passed else "fail"
            except dmarc.Unanswered:
                result = "temperror"
            except dkim.ValidationError as error:
                result, reason = "fail", str(error).split("(")[0].strip()
            except (
                Exception
            ) as error:  # of the library, on tags that it does not expect
                reason = str(error).split("(")[0].strip()
        if "l" in tags:
            body = content.partition(b"\r\n\r\n")[2]
            aligns = tags["l"].isdigit() and int(tags["l"]) >= len(body)
        return Signature(result, domain, selector, start, aligns, reason)

    def check_arc(self, checked: Checked, content: bytes) -> None:
        """RFC 8617 5.2."""
        try:
            result, sets, _ = dkim.ARC(content, minkey=RSA_KEY_MIN).verify(
                dnsfunc=self.key_text
            )
        except dmarc.Unanswered:
            checked.arc = "temperror"
            return
        except Exception:  # of the library, on sets that it does not expect
            checked.arc = "fail"
            return
        checked.arc = "fail" if result is None else result.decode("ascii")
        if sets:
            checked.arc_sealer = (
                sets[0].get("as-domain", b"").decode("ascii", "replace")
            )

    def vouches(self, checked: Checked, fields: list[Field]) -> bool:
        """Whether the newest sealers, all of them trusted, have one that saw DMARC pass."""
        trusted = {name.lower() for name in self.setup.plan["trusted_sealers"]}
        seals = by_instance(fields, b"ARC-Seal")
        recorded = by_instance(fields, b"ARC-Authentication-Results")
        for instance in sorted(seals, reverse=True):
            sealer = tags_of(seals[instance]).get("d", "").lower()
            if self.setup.manner != Manner.TRUST_ANY_SEALER and sealer not in trusted:
                return False
            text = recorded[instance].decode("latin-1")
            if saw_pass(text, checked.authors):
                return True
        return False

    def authors(self, fields: list[Field]) -> list[str]:
        texts = [value.decode("utf-8", "replace") for value in values(fields, b"From")]
        return dmarc.author_domains(texts)

    def check_dmarc(self, checked: Checked, fields: list[Field]) -> None:
        """Of each author domain; the strictest verdict decides."""
        checked.authors = self.authors(fields)
        names = [
            dmarc.Authenticated(s.domain, "adkim", s.result == "pass")
            for s in checked.signatures
            if s.result in ("pass", "temperror") and s.aligns
        ]
        if checked.spf in ("pass", "temperror"):
            certain = checked.spf == "pass"
            names.append(dmarc.Authenticated(checked.spf_domain, "aspf", certain))
        evaluation = dmarc.Evaluation(self.texts, self.exists)
        for domain in checked.authors:
            checked.verdicts.append(evaluation.evaluated(domain, names))


def tags_of(value: bytes) -> dict[str, str]:
    """A tag list (RFC 6376 3.2)."""
    tags = {}
    for part in value.decode("latin-1").split(";"):
        name, equals, content = part.partition("=")
        if equals:
            tags[name.strip()] = re.sub(r"\s+", " ", content).strip()
    return tags


def by_instance(fields: list[Field], name: bytes) -> dict[int, bytes]:
    found = {}
    for value in values(fields, name):
        match = INSTANCE.search(value)
        if match:
            found[int(match[1])] = value
    return found


def saw_pass(results: str, authors: list[str]) -> bool:
    """Whether an ARC-Authentication-Results field has DMARC pass for every author domain."""
    passed = {
        domain.lower()
        for domain in re.findall(
            r"dmarc\s*=\s*pass\b[^;]*?header\.from\s*=\s*\"?([^\s;\")]+)", results
        )
    }
    return bool(authors) and set(authors) <= passed
