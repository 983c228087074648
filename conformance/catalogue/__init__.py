"""The catalogue of clauses: what the documented service does, one file per heading.

Every `*.yaml` beside this file holds one heading of the postmaster page or one robustness area.
`load()` reads them all, in the order of the page, and refuses a catalogue that contradicts itself;
whether a quote really stands in the text it cites is checked by scripts/trace.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

LEVELS = ("required", "documented", "limitation", "discrepancy", "recommended", "choice")
GATING = frozenset({"required", "documented", "limitation"})
ROLES = frozenset({"relay", "receiver", "sender"})

_ID = re.compile(r"[A-Z][A-Z0-9]*-[0-9]{2}")
_SOURCE = re.compile(r"(postmaster|decisions): .+|RFC [0-9]{3,4} [0-9A-Z.]+")
_KEYS = {"id", "level", "statement", "source", "quote", "roles", "capability"}


class CatalogueError(Exception):
    """A catalogue file is malformed; the message names file and clause."""


@dataclass(frozen=True)
class Clause:
    """One sentence that a subject keeps or does not keep."""

    id: str
    level: str
    statement: str
    source: str  # "postmaster: HEADING", "decisions: HEADING" or "RFC NNNN SECTION"
    quote: str  # literal words of the source, "" where the source is a table or a figure
    roles: frozenset[str]
    capability: str | None  # a subject that does not declare it is `unimplemented` here
    heading: str
    file: Path

    @property
    def gates(self) -> bool:
        return self.level in GATING


@dataclass(frozen=True)
class Heading:
    """One catalogue file."""

    order: int
    title: str
    stem: str  # the suite's file is test_<stem>.py
    clauses: tuple[Clause, ...]


def _clause(raw: dict[str, Any], heading: dict[str, Any], path: Path) -> Clause:
    where = f"{path.name}: {raw.get('id', '?')}"
    unknown = raw.keys() - _KEYS
    if unknown:
        raise CatalogueError(f"{where}: unknown key {sorted(unknown)[0]}")
    missing = {"id", "level", "statement", "source"} - raw.keys()
    if missing:
        raise CatalogueError(f"{where}: no {sorted(missing)[0]}")
    clause = Clause(
        id=raw["id"],
        level=raw["level"],
        statement=" ".join(raw["statement"].split()),
        source=raw["source"],
        quote=" ".join(raw.get("quote", "").split()),
        roles=frozenset(raw.get("roles", heading.get("roles", ["relay"]))),
        capability=raw.get("capability", heading.get("capability")),
        heading=heading["title"],
        file=path,
    )
    if not _ID.fullmatch(clause.id) or not clause.id.startswith(heading["prefix"] + "-"):
        raise CatalogueError(f"{where}: an id here is {heading['prefix']}-NN")
    if clause.level not in LEVELS:
        raise CatalogueError(f"{where}: unknown level {clause.level}")
    if not clause.roles or clause.roles - ROLES:
        raise CatalogueError(f"{where}: roles are of {sorted(ROLES)}")
    if not _SOURCE.fullmatch(clause.source):
        raise CatalogueError(f"{where}: a source is postmaster:, decisions: or RFC NNNN SECTION")
    return clause


def read_heading(path: Path) -> Heading:
    """Reads one catalogue file. Raises CatalogueError."""
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key in ("order", "title", "prefix", "clauses"):
        if key not in raw:
            raise CatalogueError(f"{path.name}: no {key}")
    clauses = tuple(_clause(entry, raw, path) for entry in raw["clauses"])
    return Heading(raw["order"], raw["title"], path.stem, clauses)


@cache
def load(folder: Path = Path(__file__).parent) -> tuple[Heading, ...]:
    """All headings in the order of the page. Raises CatalogueError, also on an id used twice."""
    headings = sorted(map(read_heading, folder.glob("*.yaml")), key=lambda h: h.order)
    seen: set[str] = set()
    for heading in headings:
        for clause in heading.clauses:
            if clause.id in seen:
                raise CatalogueError(f"{clause.file.name}: {clause.id} is used twice")
            seen.add(clause.id)
    return tuple(headings)


@cache
def clauses() -> dict[str, Clause]:
    """Every clause by its id, in catalogue order."""
    return {clause.id: clause for heading in load() for clause in heading.clauses}
