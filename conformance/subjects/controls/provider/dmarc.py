"""DMARC by RFC 9989: the author's domains, the tree walk, alignment and the policy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.utils import getaddresses

LABELS_MAX = 8
POLICIES = ("none", "quarantine", "reject")
VERSION = re.compile(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*\Z")
REPORTS_TO = re.compile(r"(?:^|,)\s*mailto:[^\s,]+@[^\s,]+", re.IGNORECASE)
Lookup = Callable[[str], list[str]]  # of TXT records; raises Unanswered


class Unanswered(Exception):
    """DNS has no answer for now."""


@dataclass(frozen=True)
class Record:
    """A policy record and where it was found."""

    domain: str
    tags: dict[str, str]

    @property
    def is_suffix(self) -> str:
        return self.tags.get("psd", "u")


@dataclass(frozen=True)
class Verdict:
    """Of one author domain."""

    result: str  # none, pass, fail, temperror, permerror
    policy: str  # none, quarantine, reject; that of the domain
    domain: str


def author_domains(values: Iterable[str]) -> list[str]:
    """Those that the From fields name, in A-labels."""
    domains = []
    for _, address in getaddresses(list(values)):
        local, at, domain = address.rpartition("@")
        if local and at and domain:
            domains.append(a_label(domain.strip().rstrip(".").lower()))
    return list(dict.fromkeys(domains))


def a_label(domain: str) -> str:
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:
        return domain


def parsed(text: str) -> dict[str, str] | None:
    """The tags of a DMARC record, if it is one (RFC 9989 4.7)."""
    version, _, rest = text.partition(";")
    if not VERSION.match(version):
        return None
    tags: dict[str, str] = {}
    for part in rest.split(";"):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if equals:
            tags.setdefault(name.lower(), value)
    return tags


def record_at(domain: str, lookup: Lookup) -> Record | None:
    """The one record there; several are none."""
    found = [
        tags
        for text in lookup(f"_dmarc.{domain}")
        if (tags := parsed(text)) is not None
    ]
    return Record(domain, found[0]) if len(found) == 1 else None


def walked(domain: str, lookup: Lookup) -> list[Record]:
    """What the tree walk finds (RFC 9989 4.10), the longest name first."""
    records = []
    labels = domain.split(".")
    names = [".".join(labels)]
    rest = labels[1:] if len(labels) < LABELS_MAX else labels[-(LABELS_MAX - 1) :]
    while rest:
        names.append(".".join(rest))
        rest = rest[1:]
    for name in names:
        record = record_at(name, lookup)
        if record is None:
            continue
        records.append(record)
        if record.is_suffix == "n" or (record.is_suffix == "y" and name != domain):
            break
    return records


def organizational(domain: str, records: list[Record]) -> str:
    """The organizational domain (RFC 9989 4.10.2)."""
    for record in records:
        if record.is_suffix == "n":
            return record.domain
        if record.is_suffix == "y" and record.domain != domain:
            labels = domain.split(".")
            return ".".join(labels[-(record.domain.count(".") + 2) :])
    return records[-1].domain if records else domain


def is_valid(record: Record) -> bool:
    """Whether every policy in it is one (RFC 9989 4.10.1)."""
    named = [
        record.tags[name].lower() for name in ("p", "sp", "np") if name in record.tags
    ]
    return all(policy in POLICIES for policy in named)


def policy_of(record: Record, domain: str, exists: Callable[[str], bool]) -> str:
    """Which policy the record has for that domain."""
    if not is_valid(record):
        return "none"
    policy = record.tags.get("p", "none")
    if record.domain != domain:
        policy = record.tags.get("sp", policy)
        if "np" in record.tags and not exists(domain):
            policy = record.tags["np"]
    policy = policy.lower()
    if record.tags.get("t", "n").lower() == "y":
        policy = {"reject": "quarantine", "quarantine": "none"}.get(policy, policy)
    return policy


@dataclass(frozen=True)
class Authenticated:
    """A domain that SPF or DKIM has authenticated, or would have if DNS had answered."""

    domain: str
    mode: str  # the tag that says how it is aligned: aspf or adkim
    certain: bool


class Evaluation:
    """DMARC for messages, with one view of DNS."""

    def __init__(self, lookup: Lookup, exists: Callable[[str], bool]) -> None:
        self.lookup = lookup
        self.exists = exists

    def evaluated(self, domain: str, names: list[Authenticated]) -> Verdict:
        """For an author domain."""
        try:
            record = record_at(domain, self.lookup)
            if record is not None and any(
                name.certain and name.domain.lower() == domain for name in names
            ):
                return self.verdict("pass", record, domain)
            records = walked(domain, self.lookup)
        except Unanswered:
            return Verdict("temperror", "none", domain)
        own = organizational(domain, records)
        by_name = {record.domain: record for record in records}
        record = by_name.get(domain) or by_name.get(own)
        if record is None:
            record = next((r for r in records if r.is_suffix == "y"), None)
        if record is None:
            return Verdict("none", "none", domain)
        results = [self.aligned(name, domain, own, record) for name in names]
        for result in ("pass", "temperror"):
            if result in results:
                return self.verdict(result, record, domain)
        return self.verdict("fail", record, domain)

    def aligned(
        self, name: Authenticated, domain: str, own: str, record: Record
    ) -> str:
        """pass, fail, or temperror if that is open."""
        found = name.domain.lower()
        result = "pass" if name.certain else "temperror"
        if found == domain:
            return result
        if record.tags.get(name.mode, "r").lower() == "s":
            return "fail"
        try:
            same = organizational(found, walked(found, self.lookup)) == own
        except Unanswered:
            return "temperror"
        return result if same else "fail"

    def verdict(self, result: str, record: Record, domain: str) -> Verdict:
        if not is_valid(record) and not REPORTS_TO.search(record.tags.get("rua", "")):
            return Verdict("permerror", "none", domain)
        try:
            policy = policy_of(record, domain, self.exists)
        except Unanswered:
            return Verdict("pass" if result == "pass" else "temperror", "none", domain)
        return Verdict(result, policy, domain)
