"""The records of a nameserver, the names that fail, and the lookup of a question in them. No server
is needed: models and oracles of the tests query it directly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TXT
import dns.rrset
import dns.zonefile

from conformance.lab.nameserver.faults import TTL, Drop, Fault, Refused, Servfail

ALIASES_MAX = 8  # CNAMEs that are followed for one question
STRING_MAX = 255  # octets of a TXT record's string (RFC 1035 3.3)

# The faults of fixtures/vectors/README.md, by their names there.
FAULTS = {"DROP": Drop(), "SERVFAIL": Servfail(), "REFUSED": Refused()}


# A name as its lower-case labels with the root's: what tests publish is thousands of names, and dnspython's
# are slow to compare and to hash.
Labels = tuple[bytes, ...]


class NoAnswer(Exception):
    """The name has a fault, or its aliases loop."""


@dataclass(frozen=True)
class Found:
    """A zone's answer to a question."""

    aliases: list[dns.rrset.RRset]  # the CNAMEs that were followed, in order
    records: dns.rrset.RRset | None
    exists: bool  # whether the last name has any records
    fault: Fault | None  # of the first name with one

    @property
    def looped(self) -> bool:
        """There are more aliases than are followed."""
        return len(self.aliases) == ALIASES_MAX


@dataclass
class _Records:
    """Of one name and type."""

    ttl: int
    rdata: list[dns.rdata.Rdata]


class ZoneData:
    """The data of a nameserver. A name exists if it or a name below it has records."""

    def __init__(self) -> None:
        self._records: dict[tuple[Labels, int], _Records] = {}
        self._types: dict[Labels, set[int]] = {}  # of a name's records
        self._faults: dict[tuple[Labels, int], Fault] = {}
        self._names: dict[Labels, int] = {}  # how many entries make it exist

    @classmethod
    def from_mapping(cls, zone: Mapping[str, Any], ttl: int = TTL) -> ZoneData:
        """From the form that fixtures/vectors/README.md describes."""
        made = cls()
        for text, types in zone.items():
            name = absolute(str(text))
            made._enter(_labels(name))
            if isinstance(types, str):
                types = {"ANY": types}
            for rdtype, values in (types or {}).items():
                if isinstance(values, str) and values in FAULTS:
                    made.fail(text, FAULTS[values], rdtype)
                    continue
                for value in values if isinstance(values, list) else [values]:
                    made.add(name, ttl, [_rdata(rdtype, value)])
        return made

    def load(self, path: Path) -> None:
        """Adds every record of a master file."""
        text = path.read_text(encoding="utf-8")
        for rrset in dns.zonefile.read_rrsets(
            text, rdclass=None, default_ttl=TTL, origin=dns.name.root, relativize=False
        ):
            self.add(rrset.name, rrset.ttl, list(rrset))

    def add(
        self, name: dns.name.Name, ttl: int, rdata: Sequence[dns.rdata.Rdata]
    ) -> None:
        """Adds records, all of one type, to those of the name; the shortest TTL is that of all."""
        owner, rdtype = _labels(name), int(rdata[0].rdtype)
        there = self._records.get((owner, rdtype))
        if there is not None:
            there.ttl = min(there.ttl, ttl)
            there.rdata.extend(rdata)
            return
        self._records[owner, rdtype] = _Records(ttl, list(rdata))
        self._types.setdefault(owner, set()).add(rdtype)
        self._enter(owner)

    def remove(self, name: str, rdtype: str | None = None) -> None:
        """Removes the records of a name, of one type or of all."""
        owner = _labels(absolute(name))
        there = self._types.get(owner, set())
        if rdtype is None:
            wanted = set(there)
        else:
            wanted = there & {int(dns.rdatatype.from_text(rdtype))}
        for kind in wanted:
            there.remove(kind)
            del self._records[owner, kind]
            for ancestor in _with_ancestors(owner):
                self._names[ancestor] -= 1

    def fail(self, name: str, fault: Fault, rdtype: str = "ANY") -> None:
        """Answers for the name, of one type or of all, have the fault from now on."""
        self._faults[_labels(absolute(name)), dns.rdatatype.from_text(rdtype)] = fault

    def has_domain_of(self, name: dns.name.Name) -> bool:
        """Whether there is anything in that name's domain, the one below its top-level domain."""
        current = _labels(name)
        return self._exists(current) or self._exists(current[-3:])

    def look_up(self, name: dns.name.Name, rdtype: str) -> Found:
        """The answer to a question, following CNAMEs like a recursive resolver."""
        current = _labels(name)
        wanted = dns.rdatatype.from_text(rdtype)
        aliases: list[dns.rrset.RRset] = []
        fault = self._fault(current, wanted)
        while len(aliases) < ALIASES_MAX and wanted != dns.rdatatype.CNAME:
            alias = self._rrset(current, dns.rdatatype.CNAME)
            if alias is None:
                break
            aliases.append(alias)
            current = _labels(alias[0].target)  # type: ignore[attr-defined]
            fault = fault or self._fault(current, wanted)
        records = self._rrset(current, wanted)
        return Found(aliases, records, self._exists(current), fault)

    def texts(self, name: str) -> list[str]:
        """The name's TXT records, each as one text of characters up to U+00FF that stand for octets.
        Raises NoAnswer."""
        records = self._answer(name, "TXT").records or ()
        return [b"".join(record.strings).decode("latin-1") for record in records]

    def exists(self, name: str) -> bool:
        """Whether there are records of any type at the name or below it; an alias exists even if its target
        does not (RFC 8020 2). Raises NoAnswer."""
        found = self._answer(name, "ANY")
        return bool(found.aliases) or found.exists

    def takes_mail(self, name: str) -> bool:
        """Whether mail for a domain has a host to go to: it has an MX record or an address."""
        try:
            found = [self._answer(name, kind) for kind in ("MX", "A", "AAAA")]
        except NoAnswer:
            return False
        return any(answer.records is not None for answer in found)

    def _answer(self, name: str, rdtype: str) -> Found:
        labels = [label.encode() for label in name.rstrip(".").split(".")]
        try:
            found = self.look_up(dns.name.Name([*labels, b""]), rdtype)
        except dns.exception.DNSException:  # not a valid name
            return Found([], None, False, None)
        if found.fault or found.looped:
            raise NoAnswer(f"{name}: {found.fault or 'a loop of aliases'}")
        return found

    def _rrset(self, owner: Labels, rdtype: int) -> dns.rrset.RRset | None:
        there = self._records.get((owner, rdtype))
        if there is None:
            return None
        return dns.rrset.from_rdata_list(dns.name.Name(owner), there.ttl, there.rdata)

    def _exists(self, name: Labels) -> bool:
        return self._names.get(name, 0) > 0

    def _fault(self, name: Labels, rdtype: int) -> Fault | None:
        specific = self._faults.get((name, rdtype))
        return specific or self._faults.get((name, dns.rdatatype.ANY))

    def _enter(self, name: Labels) -> None:
        for ancestor in _with_ancestors(name):
            self._names[ancestor] = self._names.get(ancestor, 0) + 1


@lru_cache(maxsize=4096)
def absolute(name: str) -> dns.name.Name:
    return dns.name.from_text(name.rstrip(".") + ".").canonicalize()


@lru_cache(maxsize=4096)
def record(rdtype: str, text: str) -> dns.rdata.Rdata:
    """A record in master-file form. None can be changed, so that one may be in many zones."""
    return dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(rdtype), text)


def text_rdata(octets: bytes) -> dns.rdata.Rdata:
    """A TXT record, in strings as long as possible."""
    starts = range(0, max(len(octets), 1), STRING_MAX)
    return _strings([octets[start : start + STRING_MAX] for start in starts])


def _strings(strings: list[bytes]) -> dns.rdata.Rdata:
    return dns.rdtypes.ANY.TXT.TXT(dns.rdataclass.IN, dns.rdatatype.TXT, strings)


def _rdata(rdtype: str, value: Any) -> dns.rdata.Rdata:
    """A record of a mapping: a TXT record as one text or a list of strings, any other in master-file
    form."""
    if rdtype == "TXT" and isinstance(value, list):
        return _strings([part.encode("latin-1") for part in value])
    if rdtype == "TXT":
        return text_rdata(value.encode("latin-1"))
    return dns.rdata.from_text(
        dns.rdataclass.IN,
        dns.rdatatype.from_text(rdtype),
        str(value),
        origin=dns.name.root,
        relativize=False,
    )


def _labels(name: dns.name.Name) -> Labels:
    return tuple(label.lower() for label in name.labels)


def _with_ancestors(name: Labels) -> list[Labels]:
    """The name and those above it, without the root."""
    return [name[above:] for above in range(len(name) - 1)]
