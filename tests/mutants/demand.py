"""Every clause of the relay's role must have a breakage, but for those in exempt.yaml.

An entry of exempt.yaml is {clause: GLOB, reason: TEXT}: what the reference relay does not implement
cannot be broken in it.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from conformance.clauses import Clause
from tests.mutants.breakages import FOLDER, Breakage

EXEMPT = FOLDER / "exempt.yaml"
ROLE = "relay"


@dataclass(frozen=True)
class Exemption:
    """Clauses without a breakage, and why."""

    clause: str  # a glob
    reason: str


def load_exemptions(path: Path) -> list[Exemption]:
    """The entries of exempt.yaml. Raises ValueError for one that is not in its form."""
    entries = yaml.safe_load(path.read_text(encoding="utf-8")) or []
    for entry in entries:
        if set(entry) != {"clause", "reason"} or not all(entry.values()):
            raise ValueError(f"{path.name}: not just clause and reason: {entry}")
    return [Exemption(str(entry["clause"]), str(entry["reason"])) for entry in entries]


def unbroken(
    catalogue: Mapping[str, Clause],
    breakages: Iterable[Breakage],
    exemptions: Iterable[Exemption],
) -> tuple[list[str], list[str]]:
    """The clauses that lack a breakage, and what is wrong with exemptions."""
    broken = {clause for breakage in breakages for clause in breakage.clauses}
    missing = {
        name
        for name, clause in catalogue.items()
        if ROLE in clause.roles and name not in broken
    }
    wrong, exempt = [], set()
    for exemption in exemptions:
        covered = set(fnmatch.filter(missing, exemption.clause))
        if not covered:
            wrong.append(f"{EXEMPT}: {exemption.clause} exempts nothing that lacks one")
        exempt |= covered
    return [name for name in catalogue if name in missing - exempt], wrong
