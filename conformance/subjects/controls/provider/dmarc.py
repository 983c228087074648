"""DMARC by RFC 9989: the author's domains, the tree walk, alignment and the policy."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.utils import getaddresses

LABELS_MAX = 8
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
    tags: dict[str, str] = {}
    for number, part in enumerate(text.split(";")):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if number == 0 and (name != "v" or value != "DMARC1"):
            return None
        if equals:
            tags.setdefault(name.lower(), value)
    return tags


def record_at(domain: str, lookup: Lookup) -> Record | None:
    """The one record there; several are none."""
    found = [tags for text in lookup(f"_dmarc.{domain}") if (tags := parsed(text))]
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


def policy_of(record: Record, domain: str, exists: Callable[[str], bool]) -> str:
    """Which policy the record has for that domain."""
    own = record.tags.get("p", "none").lower()
    if record.domain != domain:
        below = record.tags.get("sp", own).lower()
        if "np" in record.tags and not exists(domain):
            below = record.tags["np"].lower()
        own = below
    if own not in ("none", "quarantine", "reject"):
        own = "none"
    if record.tags.get("t", "n").lower() == "y":
        own = {"reject": "quarantine", "quarantine": "none"}.get(own, own)
    return own


def evaluated(
    domain: str,
    spf_domain: str | None,
    dkim_domains: list[str],
    lookup: Lookup,
    exists: Callable[[str], bool],
) -> Verdict:
    """For an author domain, with the domains that SPF and DKIM have authenticated."""
    try:
        records = walked(domain, lookup)
    except Unanswered:
        return Verdict("temperror", "none", domain)
    own = organizational(domain, records)
    by_name = {record.domain: record for record in records}
    record = by_name.get(domain) or by_name.get(own)
    if record is None:
        suffixes = [r for r in records if r.is_suffix == "y"]
        record = suffixes[0] if suffixes else None
    if record is None:
        return Verdict("none", "none", domain)
    policy = policy_of(record, domain, exists)
    pairs = [(name, record.tags.get("adkim", "r")) for name in dkim_domains]
    if spf_domain:
        pairs.append((spf_domain, record.tags.get("aspf", "r")))
    unanswered = False
    for name, mode in pairs:
        name = name.lower()
        if name == domain:
            return Verdict("pass", policy, domain)
        if mode.lower() == "s":
            continue
        try:
            if organizational(name, walked(name, lookup)) == own:
                return Verdict("pass", policy, domain)
        except Unanswered:
            unanswered = True
    return Verdict("temperror" if unanswered else "fail", policy, domain)
