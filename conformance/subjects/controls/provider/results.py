"""The checks of a received message and their results (SPF, DKIM, ARC, DMARC; RFC 8601)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import dns.exception
import dns.resolver
import spf

from conformance.subjects.controls.provider import dmarc
from conformance.subjects.controls.provider.manners import Manner
from conformance.subjects.controls.provider.message import Field, split, values
from conformance.subjects.controls.provider.paths import DOMAIN_MAX
from conformance.subjects.controls.provider.setup import Setup
from conformance.subjects.controls.provider.signatures import (
    Bad,
    Verifier,
    Wrong,
    compact,
)

SIGNATURES_MAX = 8
DOMAIN = re.compile(
    r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?\.)+[A-Za-z0-9-]+\.?\Z"
)


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
        verifier = Verifier(content, self.texts)
        self.check_dkim(checked, verifier)
        self.check_dmarc(checked, fields)
        if self.setup.manner != Manner.IGNORE_ARC:
            self.check_arc(checked, verifier)
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

    def exists(self, domain: str) -> bool:
        """Whether there is such a name in DNS, whatever it has. Raises Unanswered."""
        try:
            self.resolver.resolve(domain + ".", "A", search=False)
        except dns.resolver.NXDOMAIN:
            return False
        except dns.resolver.NoAnswer:
            return True
        except dns.exception.DNSException as error:
            raise dmarc.Unanswered(str(error)) from None
        return True

    def check_dkim(self, checked: Checked, verifier: Verifier) -> None:
        for signature in verifier.named(b"DKIM-Signature")[:SIGNATURES_MAX]:
            checked.signatures.append(self.signature(verifier, signature))

    def signature(self, verifier: Verifier, field: Field) -> Signature:
        """The result of one signature."""
        tags = loose_tags(field)
        result, reason = "pass", ""
        try:
            verifier.dkim(field)
        except dmarc.Unanswered:
            result = "temperror"
        except Wrong as error:
            result, reason = "fail", str(error)
        except Bad as error:
            result, reason = "permerror", str(error)
        whole = tags.get("l", "").strip()
        aligns = not whole or (
            whole.isdigit() and int(whole) >= len(verifier.body_signed_whole(tags))
        )
        return Signature(
            result,
            tags.get("d", "").lower(),
            tags.get("s", ""),
            compact(tags.get("b", ""))[:8],
            aligns,
            reason,
        )

    def check_arc(self, checked: Checked, verifier: Verifier) -> None:
        """RFC 8617 5.2, and whether the newest sealers, all of them trusted, have one that saw DMARC pass."""
        try:
            chain = verifier.chain()
        except dmarc.Unanswered:
            checked.arc = "temperror"
            return
        checked.arc = chain.result
        checked.arc_sealer = chain.sealers.get(len(chain.sealers), "")
        if chain.result != "pass":
            return
        trusted = {name.lower() for name in self.setup.plan["trusted_sealers"]}
        for instance in sorted(chain.sealers, reverse=True):
            sealer = chain.sealers[instance]
            if self.setup.manner != Manner.TRUST_ANY_SEALER and sealer not in trusted:
                return
            if saw_pass(chain.recorded[instance], checked.authors):
                checked.arc_vouches = True
                return

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


def loose_tags(field: Field) -> dict[str, str]:
    """The tags of a signature, for its record, even if its grammar is broken."""
    tags: dict[str, str] = {}
    for part in field.value.decode("latin-1").split(";"):
        name, equals, content = part.partition("=")
        if equals:
            tags.setdefault(name.strip(), content.strip())
    return tags


def saw_pass(results: str, authors: list[str]) -> bool:
    """Whether an ARC-Authentication-Results field has DMARC pass for every author domain."""
    passed = {
        domain.lower()
        for domain in re.findall(
            r"dmarc\s*=\s*pass\b[^;]*?header\.from\s*=\s*\"?([^\s;\")]+)", results
        )
    }
    return bool(authors) and set(authors) <= passed
