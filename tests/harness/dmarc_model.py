"""DMARC a second time, straight from the texts of RFC 9989 and RFC 7489 over a scenario's zone.

It is written for reading beside the RFCs, not for use: names are tuples of labels, the DNS is the
zone itself, and nothing here knows how the relay does it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from conformance.lab.nameserver.zone import NoAnswer, ZoneData

Name = tuple[str, ...]
POLICIES = ("none", "quarantine", "reject")


def name(text: str) -> Name:
    return tuple(text.lower().rstrip(".").split("."))


def text(labels: Name | None) -> str | None:
    return None if labels is None else ".".join(labels)


@dataclass
class Record:
    tags: dict[str, str]
    edition: int

    def policy(self, tag: str) -> str | None:
        value = self.tags.get(tag, "").lower()
        return value if value in POLICIES else None

    def reports(self) -> bool:
        uris = (uri.strip() for uri in self.tags.get("rua", "").split(","))
        return any(
            re.fullmatch(r"[a-zA-Z][a-zA-Z0-9+.-]*:[^\s,!]+(!\d+[kmgt]?)?", u)
            for u in uris
        )

    def valid(self) -> bool:
        """RFC 9989 4.7 and 4.10.1, RFC 7489 6.6.3 step 6."""
        optional = ("sp", "np") if self.edition == 9989 else ("sp",)
        return self.policy("p") is not None and all(
            tag not in self.tags or self.policy(tag) for tag in optional
        )

    def flag(self, tag: str, value: str) -> bool:
        return self.tags.get(tag, "").lower() == value


def read_record(line: str, edition: int) -> Record | None:
    """RFC 9989 4.7 and 4.8, RFC 7489 6.3 and 6.4."""
    if not re.match(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*(;|$)", line):
        return None
    tags: dict[str, str] = {}
    for part in line.split(";")[1:]:
        tag, equals, value = part.partition("=")
        if equals:
            tags.setdefault(tag.strip().lower(), value.strip())
    if edition == 9989:
        tags.setdefault("p", "none")
    return Record(tags, edition)


@dataclass
class Verdict:
    result: str
    disposition: str = "none"
    policy: str | None = None
    organization: Name | None = None
    record_at: Name | None = None
    aligned: dict[str, bool] = field(
        default_factory=lambda: {"spf": False, "dkim": False}
    )


@dataclass
class Model:
    zone: ZoneData
    edition: int
    suffixes: Iterable[str] = ()

    def records(self, domain: Name) -> list[Record]:
        lines = self.zone.texts(".".join(("_dmarc", *domain)))
        return [r for r in (read_record(line, self.edition) for line in lines) if r]

    # RFC 9989

    def walk(self, start: Name) -> list[tuple[Name, Record]]:
        """4.10: what the queries find, from the longest name to the shortest."""
        targets = [start]
        while len(targets[-1]) > 1:
            last = targets[-1]
            targets.append(last[-7:] if len(last) >= 8 else last[1:])
        assert len(targets) <= 8
        found = []
        for target in targets:
            records = self.records(target)
            if len(records) == 1:
                found.append((target, records[0]))
                if records[0].flag("psd", "y") or records[0].flag("psd", "n"):
                    break
        return found

    def walked_organization(self, start: Name) -> Name:
        """4.10.2, rules 1 to 3."""
        found = self.walk(start)
        for domain, record in found:
            if record.flag("psd", "n"):
                return domain
            if record.flag("psd", "y") and domain != start:
                return start[-len(domain) - 1 :]
        return min((domain for domain, _ in found), key=len, default=start)

    def discover_by_walk(self, author: Name) -> tuple[Name, Record] | None:
        """4.10.1: the author domain, its organizational domain, its PSD."""
        own = self.records(author)
        if len(own) == 1:
            return author, own[0]
        found = dict(self.walk(author))
        organization = self.walked_organization(author)
        if organization in found:
            return organization, found[organization]
        for domain, record in found.items():
            if record.flag("psd", "y"):
                return domain, record
        return None

    # RFC 7489

    def listed_organization(self, domain: Name) -> Name:
        """3.2, with the rules of the list's own format."""
        longest = 1
        for rule in self.suffixes:
            labels = name(rule.lstrip("!"))
            tail = domain[-len(labels) :]
            if len(tail) == len(labels) and all(
                a == b or b == "*" for a, b in zip(tail, labels)
            ):
                if rule.startswith("!"):
                    return domain[-len(labels) :]
                longest = max(longest, len(labels))
        return domain[-longest - 1 :]

    def discover_by_list(self, author: Name) -> tuple[Name, Record] | None:
        """6.6.3, steps 1 to 5."""
        for domain in (author, self.listed_organization(author)):
            records = self.records(domain)
            if records:
                return (domain, records[0]) if len(records) == 1 else None
        return None

    # Both

    def organization(self, domain: Name) -> Name:
        if self.edition == 7489:
            return self.listed_organization(domain)
        return self.walked_organization(domain)

    def aligned(self, author: Name, domain: Name, strict: bool) -> bool:
        if author == domain:
            return True
        return not strict and self.organization(author) == self.organization(domain)

    def requested(self, author: Name, at: Name, record: Record) -> str:
        tags = ["p"]
        if author != at:
            tags = ["sp", "p"]
            if self.edition == 9989 and "np" in record.tags:
                if not self.zone.exists(".".join(author)):
                    tags = ["np", "sp", "p"]
        return next(policy for tag in tags if (policy := record.policy(tag)))

    def lowered(self, record: Record, sample: int) -> bool:
        if self.edition == 9989:
            return record.flag("t", "y")
        percent = record.tags.get("pct", "")
        limit = int(percent) if re.fullmatch(r"\d{1,3}", percent) else 100
        return sample >= (limit if limit <= 100 else 100)

    def evaluate(
        self, author_text: str, spf: str | None, dkim: Iterable[str], sample: int
    ) -> Verdict:
        author = name(author_text)
        try:
            organization: Name | None = self.organization(author)
        except NoAnswer:
            organization = None
        discover = (
            self.discover_by_walk if self.edition == 9989 else self.discover_by_list
        )
        try:
            discovered = discover(author)
        except NoAnswer:
            return Verdict("temperror", organization=organization)
        if discovered is None:
            return Verdict("none", organization=organization)
        at, record = discovered
        if not record.valid():
            if not record.reports():
                return Verdict("permerror", organization=organization, record_at=at)
            record = Record(
                {k: v for k, v in record.tags.items() if k not in ("sp", "np")}
                | {"p": "none"},
                self.edition,
            )
        verdict = Verdict(
            "fail",
            policy=record.policy("p"),
            organization=organization,
            record_at=at,
        )
        self._judge(verdict, author, record, spf, list(dkim), sample)
        return verdict

    def _judge(
        self,
        verdict: Verdict,
        author: Name,
        record: Record,
        spf: str | None,
        dkim: list[str],
        sample: int,
    ) -> None:
        undecided = False
        identifiers = [("spf", spf)] if spf else []
        identifiers += [("dkim", one) for one in dkim]
        for method, identifier in identifiers:
            assert identifier is not None
            result, _, domain = identifier.partition(":")
            strict = record.flag("aspf" if method == "spf" else "adkim", "s")
            if result not in ("pass", "temperror"):
                continue
            try:
                aligned = self.aligned(author, name(domain), strict)
            except NoAnswer:
                undecided = True
                continue
            if aligned and result == "pass":
                verdict.aligned[method] = True
            undecided = undecided or (aligned and result == "temperror")
        if any(verdict.aligned.values()):
            verdict.result = "pass"
            return
        try:
            assert verdict.record_at is not None
            requested = self.requested(author, verdict.record_at, record)
        except NoAnswer:
            undecided = True
        if undecided:
            verdict.result = "temperror"
            return
        level = POLICIES.index(requested)
        if self.lowered(record, sample):
            level = max(level - 1, 0)
        verdict.disposition = POLICIES[level]
