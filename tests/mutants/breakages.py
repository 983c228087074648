"""What can be broken by name: expressions of the relay, and the patches of this folder.

A breakage's id is that of its clause, or with a word after it if the clause says several things:
DLG-04 and DLG-04-code. In the code it is CLAUSE(DLG_04, ...), BREAK(DLG_04_code, ...) or
unless_broken(DLG_04_code) (relay/base/clause.h). What no expression can break is DLG-04-code.patch, a
unified diff against the repository's root after some lines of text:

    The upstream's reply is passed on without its second line.
    Clauses: ERR-06, ERR-07

    --- a/relay/mail/reply.c
    ...

The text says in a sentence what is broken. Clauses: is for a patch that breaks several; the tests of
each have to notice it on their own.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Container, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from conformance.tracing import breakages

FOLDER = Path("tests/mutants")

_NAME = re.compile(r"([A-Z][A-Z0-9]*-[0-9]{2,3})(?:-[a-z0-9]+)*")
_HEADER = re.compile(r"^(?:diff --git |--- )", re.M)
_CLAUSES = re.compile(r"^Clauses?:[ \t]*(.+)$", re.M)
_FILE = re.compile(r"^\+\+\+ (?:b/)?(\S+)")
_HUNK = re.compile(r"^@@ -([0-9]+)")


class PatchError(Exception):
    """A patch cannot be read, or does not apply."""


@dataclass(frozen=True)
class Breakage:
    """One way to break the relay, and the clauses that it breaks."""

    id: str
    clauses: tuple[str, ...]
    places: tuple[str, ...]  # "relay/smtpd/session.c:123"
    what: str = ""  # in a sentence, of a patch
    patch: Path | None = None

    @property
    def files(self) -> set[str]:
        """Relative to the root."""
        return {place.rpartition(":")[0] for place in self.places}

    @property
    def where(self) -> str:
        """Where to look it up, in a line."""
        return f"{FOLDER}/{self.patch.name}" if self.patch else ", ".join(self.places)


def in_code(root: Path) -> list[Breakage]:
    """Those named in relay/."""
    clauses: dict[str, str] = {}
    places: dict[str, list[str]] = {}
    for path in sorted((root / "relay").rglob("*.[ch]")):
        if path.name == "clause.h":
            continue
        for line, clause, name in breakages(path.read_text(encoding="utf-8")):
            clauses[name] = clause
            places.setdefault(name, []).append(f"{path.relative_to(root)}:{line}")
    return [
        Breakage(name, (clause,), tuple(places[name]))
        for name, clause in clauses.items()
    ]


def read_patch(path: Path) -> Breakage:
    """A patch of FOLDER; PatchError if it is not in the form above."""
    name = _NAME.fullmatch(path.stem)
    if name is None:
        raise PatchError(f"{path.name}: not called CLAUSE.patch or CLAUSE-word.patch")
    text = path.read_text(encoding="utf-8")
    header = _HEADER.search(text)
    if header is None:
        raise PatchError(f"{path.name}: no unified diff")
    prose = text[: header.start()]
    named = _CLAUSES.search(prose)
    clauses = tuple(re.split(r",\s*", named[1].strip())) if named else (name[1],)
    what = " ".join(_CLAUSES.sub("", prose).split())
    if not what:
        raise PatchError(f"{path.name}: no text says what it breaks")
    places = _places(text[header.start() :])
    if not places:
        raise PatchError(f"{path.name}: no hunk")
    for place in places:
        if not place.startswith("relay/"):
            raise PatchError(f"{path.name}: {place} is not in relay/")
    return Breakage(path.stem, clauses, places, what, path)


def _places(diff: str) -> tuple[str, ...]:
    """File and first line of every hunk."""
    file, found = "", []
    for line in diff.splitlines():
        if match := _FILE.match(line):
            file = match[1]
        elif match := _HUNK.match(line):
            found.append(f"{file}:{match[1]}")
    return tuple(found)


def collect(root: Path) -> tuple[list[Breakage], list[str]]:
    """All breakages in the order of their ids, and what is wrong with patches."""
    found, wrong = in_code(root), []
    names = {breakage.id for breakage in found}
    for path in sorted((root / FOLDER).glob("*.patch")):
        try:
            patch = read_patch(path)
        except PatchError as error:
            wrong.append(str(error))
            continue
        if patch.id in names:
            wrong.append(f"{path.name}: {patch.id} is also in relay/")
        found.append(patch)
    return sorted(found, key=lambda breakage: breakage.id), wrong


def misnamed(breakages: Iterable[Breakage], catalogue: Container[str]) -> list[str]:
    """A sentence for every clause of a patch that is not in the catalogue."""
    return [
        f"{breakage.where}: {clause} is no clause"
        for breakage in breakages
        for clause in breakage.clauses
        if breakage.patch is not None and clause not in catalogue
    ]


def selected(breakages: Iterable[Breakage], globs: Collection[str]) -> list[Breakage]:
    """Those with a matching id; of those with a matching clause, only as far as that clause goes."""
    chosen = []
    for breakage in breakages:
        clauses = tuple(name for name in breakage.clauses if _matches(name, globs))
        if not globs or _matches(breakage.id, globs):
            chosen.append(breakage)
        elif clauses:
            chosen.append(replace(breakage, clauses=clauses))
    return chosen


def _matches(name: str, globs: Collection[str]) -> bool:
    return any(fnmatch.fnmatchcase(name.lower(), glob.lower()) for glob in globs)
