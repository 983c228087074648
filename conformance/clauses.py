"""The catalogue of clauses, and the mark with which a test names those that it asserts.

A file of conformance/catalogue/ holds the clauses of one heading:

    order: 10                            # the heading's position, as on the Postmaster page
    heading: Sender rewriting            # as reports show it
    roles: [relay]                       # optional; of relay, receiver, sender; default [relay]
    capability: srs                      # optional: what a subject must declare to be tested; one for
                                         # each role as {relay: arc-seal, receiver: arc-verify}
    clauses:
      - id: SRS-01
        level: documented                # required documented limitation discrepancy recommended choice
        statement: The reverse-path is rewritten to an address at the forwarding domain.
        source: "postmaster: Sender rewriting"   # or "decisions: ANCHOR" or RFC 5321 4.4
        quote: rewrites the SMTP envelope sender (`MAIL FROM`) to the forwarding domain
        roles: [relay, sender]           # optional here, like capability: overrides the file's

conformance/sources.py has the forms of a source. An ANCHOR is one of conformance/specification.md,
which also states the level that follows from each source. Ids and anchors are never changed or reused.
"""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml

from conformance.sources import parse_source
from conformance.subjects.base import CAPABILITIES, RELAY
from conformance.subjects.base import ROLES as KNOWN_ROLES

CATALOGUE = Path(__file__).parent / "catalogue"

LEVELS = (
    "required",
    "documented",
    "limitation",
    "discrepancy",
    "recommended",
    "choice",
)
GATING = frozenset({"required", "documented", "limitation"})
ROLES = frozenset(KNOWN_ROLES)

_ID = re.compile(r"[A-Z][A-Z0-9]*-[0-9]{2,3}")
_FILE_KEYS = frozenset({"order", "heading", "roles", "capability", "clauses"})
_CLAUSE_KEYS = frozenset(
    {"id", "level", "statement", "source", "quote", "roles", "capability"}
)

# The same in C, several times faster, if PyYAML was built with it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

F = TypeVar("F", bound=Callable[..., Any])


class CatalogueError(Exception):
    """A catalogue file has an error."""


@dataclass(frozen=True)
class Clause:
    id: str
    heading: str
    level: str
    statement: str
    source: str  # "postmaster: HEADING", "decisions: ANCHOR" or "RFC n section"
    quote: str  # from the source
    roles: tuple[str, ...]
    capability: str | None
    file: str  # the catalogue file's name without its suffix

    @property
    def gates(self) -> bool:
        """Whether a failure makes an MTA other than the reference non-conforming, unless --gate says
        otherwise."""
        return self.level in GATING

    @property
    def source_url(self) -> str:
        """The source as a link; that of a decision is relative to the report."""
        return parse_source(self.source).url


def load_catalogue(directory: Path = CATALOGUE, role: str = RELAY) -> dict[str, Clause]:
    """Every clause by its id, in the catalogue's order, with the capability that it needs in a role;
    CatalogueError names file and clause."""
    clauses: dict[str, Clause] = {}
    files = _files(directory) if directory == CATALOGUE else _read_all(directory)
    for path, document in sorted(files.items(), key=lambda file: int(file[1]["order"])):
        entries = document["clauses"]
        for clause in (_clause(entry, document, path, role) for entry in entries):
            if clause.id in clauses:
                raise CatalogueError(
                    f"{path.name}: {clause.id} is also in {clauses[clause.id].file}.yaml"
                )
            clauses[clause.id] = clause
    return clauses


def _read_all(directory: Path) -> dict[Path, dict[str, Any]]:
    return {path: _read(path) for path in sorted(directory.glob("*.yaml"))}


_files = cache(_read_all)  # of the suite's own catalogue, which nobody changes


def _read(path: Path) -> dict[str, Any]:
    document = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
    _check_keys(document, _FILE_KEYS, {"order", "heading", "clauses"}, path.name)
    if not isinstance(document["clauses"], list):
        raise CatalogueError(f"{path.name}: 'clauses' is not a list")
    return dict(document)


def _clause(entry: Any, document: dict[str, Any], path: Path, role: str) -> Clause:
    place = f"{path.name}: {entry.get('id', '?') if isinstance(entry, dict) else entry}"
    _check_keys(
        entry, _CLAUSE_KEYS, {"id", "level", "statement", "source", "quote"}, place
    )
    if not _ID.fullmatch(str(entry["id"])):
        raise CatalogueError(f"{place}: not an id such as SRS-03")
    if entry["level"] not in LEVELS:
        raise CatalogueError(
            f"{place}: level '{entry['level']}' is not one of {', '.join(LEVELS)}"
        )
    roles = tuple(entry.get("roles", document.get("roles", ["relay"])))
    if not roles or not ROLES.issuperset(roles):
        raise CatalogueError(f"{place}: roles are not of {', '.join(sorted(ROLES))}")
    try:
        parse_source(str(entry["source"]))
    except ValueError as error:
        raise CatalogueError(f"{place}: {error}") from None
    capability = entry.get("capability", document.get("capability"))
    by_role = capability if isinstance(capability, dict) else {role: capability}
    for needed in (str(name) for name in by_role.values() if name is not None):
        if needed not in CAPABILITIES:
            raise CatalogueError(f"{place}: unknown capability '{needed}'")
    if unknown := set(by_role) - ROLES:
        raise CatalogueError(f"{place}: '{sorted(unknown)[0]}' is no role")
    return Clause(
        id=entry["id"],
        heading=document["heading"],
        level=entry["level"],
        statement=" ".join(str(entry["statement"]).split()),
        source=str(entry["source"]),
        quote=" ".join(str(entry["quote"]).split()),
        roles=roles,
        capability=by_role.get(role),
        file=path.stem,
    )


def _check_keys(
    value: Any, known: frozenset[str], wanted: set[str], place: str
) -> None:
    if not isinstance(value, dict):
        raise CatalogueError(f"{place}: not a mapping")
    for key in value:
        if key not in known:
            raise CatalogueError(f"{place}: unknown key '{key}'")
    for key in sorted(wanted):
        if not value.get(key):
            raise CatalogueError(f"{place}: '{key}' is missing")


def clause(*ids: str) -> Callable[[F], F]:
    """Marks a test with the clauses that it asserts: @clause("SRS-01", "SRS-02")."""
    if not ids:
        raise TypeError("@clause names at least one clause")

    def decorate(function: F) -> F:
        marked: F = pytest.mark.clause(*ids)(function)
        return marked

    return decorate


def also_as(*roles: str) -> Callable[[F], F]:
    """Marks a test of the relay that judges further roles as it stands: @also_as("sender")."""
    if not roles or not ROLES.issuperset(roles):
        raise TypeError(f"@also_as names some of {', '.join(sorted(ROLES))}")

    def decorate(function: F) -> F:
        marked: F = pytest.mark.also_as(*roles)(function)
        return marked

    return decorate


def roles_of(item: pytest.Item) -> frozenset[str]:
    """The roles that a collected test judges: that of its folder, relay in none, and those that it is marked
    with."""
    folder = item.path.parent.name
    further = (role for mark in item.iter_markers("also_as") for role in mark.args)
    return frozenset({folder if folder in ROLES else "relay", *further})


def clauses_of(item: pytest.Item) -> list[str]:
    """The ids a collected test names, each once."""
    ids = (name for mark in item.iter_markers("clause") for name in mark.args)
    return list(dict.fromkeys(ids))


def selected(ids: Iterable[str], globs: Iterable[str]) -> list[str]:
    """Those of `ids` that match one of `globs`, in any case; all if there are no globs."""
    patterns = [glob.upper() for glob in globs]
    if not patterns:
        return list(ids)
    return [
        name
        for name in ids
        if any(fnmatch.fnmatchcase(name, glob) for glob in patterns)
    ]


def unmatched(ids: Iterable[str], globs: Iterable[str]) -> list[str]:
    """A message for each of `globs` that matches none of `ids`, with suggestions."""
    known = list(ids)
    areas = dict.fromkeys(f"{name.rpartition('-')[0]}-*" for name in known)
    complaints = []
    for glob in globs:
        if not selected(known, [glob]):
            near = difflib.get_close_matches(glob.upper(), [*known, *areas])
            hint = f"; did you mean {', '.join(near)}?" if near else "; see --list"
            complaints.append(f"no clause matches '{glob}'{hint}")
    return complaints
