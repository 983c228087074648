"""Known failures of a subject: known-failures.yaml in its folder (README.md)."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.subjects.base import RELAY, SubjectUnavailable
from conformance.subjects.description import faults_by_schema, load_yaml


@dataclass(frozen=True)
class KnownFailure:
    """What one clause's tests are known to report, and why."""

    clause: str
    actual: str  # a pattern: * stands for anything
    verdict: str  # whose fault it is: right, configuration or suite
    reason: str
    test: str | None = None  # a pattern for the test's title
    hint: str | None = None
    sometimes: bool = False  # it does not fail in every run
    role: str | None = None  # in which alone it fails

    def covers(self, clauses: Collection[str], title: str, actual: str) -> bool:
        """Whether a failed test of these clauses is this failure."""
        return (
            self.clause in clauses
            and (self.test is None or _matches(self.test, title))
            and _matches(self.actual, actual)
        )

    def holds_in(self, role: str) -> bool:
        """Whether it explains a failure in that role: one that does not say explains it in each."""
        return self.role in (None, role)

    def is_due_in(self, role: str, roles: Collection[str]) -> bool:
        """Whether it is mended if a clause with these roles does not fail so in `role`: one that does not
        say has to fail as a relay, or in all roles of a clause that is none of a relay.
        """
        if self.sometimes:
            return False
        if self.role is None:
            return role == RELAY or RELAY not in roles
        return self.role == role

    def explanation(self) -> dict[str, str]:
        """What a report says beside the failure."""
        kept = {"verdict": self.verdict, "reason": self.reason, "hint": self.hint}
        return {name: text for name, text in kept.items() if text}

    def __str__(self) -> str:
        which = f" ({self.test})" if self.test else ""
        return f"{self.clause}{which}: {self.actual}"


def _matches(pattern: str, text: str) -> bool:
    """Blanks and line ends are alike: YAML folds them."""
    words = " ".join(pattern.split())
    wanted = ".*".join(re.escape(part) for part in words.split("*"))
    return re.fullmatch(wanted, " ".join(text.split()), re.DOTALL) is not None


def faults_of_known(path: Path, clauses: Collection[str]) -> list[str]:
    """What is wrong with the file, as sentences for its author; empty if nothing is."""
    try:
        entries = load_yaml(path)
    except SubjectUnavailable as error:
        return [str(error)]
    faults = [
        f"{path.name}: {fault}" for fault in faults_by_schema(entries, "known-failures")
    ]
    if not faults:
        faults += [
            f"{path.name}: no clause {known.clause}"
            for known in _entries(entries)
            if known.clause not in clauses
        ]
    return faults


def load_known(path: Path) -> list[KnownFailure]:
    """The entries of a file in which faults_of_known() found nothing."""
    return _entries(load_yaml(path))


@dataclass(frozen=True)
class Hint:
    """What an operator can change about the failures of some clauses."""

    clause: str  # a pattern
    hint: str
    role: str | None = None

    def helps(self, clauses: Collection[str], role: str) -> bool:
        return self.role in (None, role) and any(
            fnmatch.fnmatchcase(name, self.clause) for name in clauses
        )


def faults_of_hints(path: Path) -> list[str]:
    """What is wrong with the file, as sentences for its author; empty if nothing is."""
    try:
        entries = load_yaml(path)
    except SubjectUnavailable as error:
        return [str(error)]
    return [f"{path.name}: {fault}" for fault in faults_by_schema(entries, "hints")]


def load_hints(path: Path) -> list[Hint]:
    """The entries of a file in which faults_of_hints() found nothing."""
    return [Hint(**entry) for entry in load_yaml(path) or []]


def _entries(document: Any) -> list[KnownFailure]:
    return [KnownFailure(**entry) for entry in document or []]
