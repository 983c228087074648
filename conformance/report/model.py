"""The results of one run: the outcome of each test, the verdict on each clause, and the exit status.

All reports are made from this model alone. Its texts may contain anything that a subject sent; each
report escapes them for its own format.
"""

from __future__ import annotations

import datetime
import fnmatch
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import yaml

from conformance.clauses import LEVELS, Clause
from conformance.expect import counted
from conformance.subjects.known import KnownFailure

CONFORMS, DOES_NOT_CONFORM, USAGE, COULD_NOT_RUN = 0, 1, 2, 3


class Outcome(StrEnum):
    """Of a test, and the verdict on a clause: the worst of its tests', in this order.

    A failure is worst, since it was observed. An error says nothing about the subject, so the clause
    is not known to hold. Nor is it if tests are unimplemented or skipped: a clause passes only if all
    its tests do.
    """

    FAIL = "fail"
    ERROR = "error"
    UNIMPLEMENTED = "unimplemented"
    SKIPPED = "skipped"
    PASS = "pass"


@dataclass
class TestResult:
    """The result of one test."""

    __test__ = False  # pytest: this is not a test

    id: str
    title: str
    clauses: list[str]
    outcome: Outcome
    duration: float = 0.0
    expected: str | None = None
    actual: str | None = None
    reason: str | None = None  # of a skip, an error, a missing capability
    where: str | None = None  # file:line
    details: str | None = None  # a traceback
    transcript: str | None = None  # a path relative to the report's directory
    command: str = ""
    known: dict[str, str] | None = None  # of a known failure: verdict, reason, hint
    late: bool = False  # an error, as the lab itself was too late
    lab_failure: bool = False  # the lab or the subject could not run: `reason` says why

    def facts(self) -> list[tuple[str, str]]:
        """The facts of a failure, in reading order."""
        named = [
            ("expected", self.expected),
            ("actual", self.actual),
            ("reason", self.reason),
            ("known", self.known["reason"] if self.known else None),
            ("hint", self.known.get("hint") if self.known else None),
            ("details", self.details if self.outcome == Outcome.ERROR else None),
            ("where", self.where),
            ("transcript", self.transcript),
            ("again", self.command),
        ]
        return [(name, text) for name, text in named if text]


@dataclass
class ClauseResult:
    """A clause with its tests and the verdict that follows from them."""

    clause: Clause
    tests: list[TestResult]
    waiver: Waiver | None = None

    @property
    def outcomes(self) -> dict[Outcome, int]:
        """The number of its tests by outcome, the worst first."""
        number = Counter(test.outcome for test in self.tests)
        return {outcome: number[outcome] for outcome in Outcome if number[outcome]}

    @property
    def verdict(self) -> Outcome:
        return next(iter(self.outcomes), Outcome.SKIPPED)

    @property
    def open(self) -> bool:
        """Whether some of its tests have no result that says how the subject behaves."""
        undecided = (Outcome.ERROR, Outcome.SKIPPED, Outcome.UNIMPLEMENTED)
        return any(test.outcome in undecided for test in self.tests)

    @property
    def tally(self) -> str:
        """`outcomes` in words, `2 skipped, 7 pass`; empty if there is only one."""
        if len(self.outcomes) < 2:
            return ""
        return ", ".join(f"{number} {name}" for name, number in self.outcomes.items())

    @property
    def reason(self) -> str | None:
        """Why some of its tests have no result, if so."""
        if not self.tests:
            return "no test of it ran"
        reasons = dict.fromkeys(
            f"{test.outcome}: {test.reason}" if self.tally else str(test.reason)
            for test in self.tests
            if test.outcome in (Outcome.SKIPPED, Outcome.UNIMPLEMENTED)
        )
        return "; ".join(reasons) or None

    def gates(self, levels: Collection[str]) -> bool:
        """Whether its failure makes the subject non-conforming, where clauses of these levels gate."""
        return self.clause.level in levels and self.waiver is None


@dataclass(frozen=True)
class Waiver:
    """A known failure that is accepted until a date."""

    glob: str
    reason: str
    until: datetime.date

    def covers(self, clause: str) -> bool:
        return fnmatch.fnmatchcase(clause, self.glob.upper())


class WaiverError(Exception):
    """The waiver file has an error."""


def load_waivers(path: Path) -> list[Waiver]:
    """Reads a list of {clause: GLOB, reason: TEXT, until: YYYY-MM-DD}."""
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8")) or []
    except OSError as error:
        raise WaiverError(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise WaiverError(f"{path}: {error}") from error
    if not isinstance(entries, list):
        raise WaiverError(f"{path}: not a list")
    waivers = []
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict) or set(entry) != {"clause", "reason", "until"}:
            raise WaiverError(
                f"{path}: entry {number} has not just clause, reason and until"
            )
        # A date and a time of day is a date as well in Python, and not comparable to one.
        if type(entry["until"]) is not datetime.date:
            raise WaiverError(f"{path}: entry {number}: until is a date, YYYY-MM-DD")
        waivers.append(
            Waiver(str(entry["clause"]), str(entry["reason"]), entry["until"])
        )
    return waivers


@dataclass
class Run:
    """Everything in a report."""

    subject: str
    version: str
    started: datetime.datetime
    duration: float
    gate: tuple[str, ...]  # levels of clauses whose failure counts
    complete: bool  # every clause was selected
    clauses: list[ClauseResult]
    tests: list[TestResult]
    waivers: list[Waiver] = field(default_factory=list)
    failure: str | None = None  # why the lab or the subject could not run
    known: list[KnownFailure] | None = None  # the subject's list, if it has one
    regressions: bool = False  # judged by that list

    @property
    def strict(self) -> bool:
        """Whether every level gates."""
        return set(self.gate) >= set(LEVELS)

    def apply_waivers(self, waivers: Iterable[Waiver], today: datetime.date) -> None:
        """Applies waivers that have not expired to the failures that they cover."""
        self.waivers = list(waivers)
        for waiver in self.waivers:
            for result in self.clauses:
                failed = result.verdict == Outcome.FAIL
                if failed and waiver.covers(result.clause.id) and waiver.until >= today:
                    result.waiver = waiver

    def apply_known(self, entries: list[KnownFailure] | None) -> None:
        """Explains the failures that the subject is known for."""
        self.known = entries
        for test in self._failed():
            for entry in entries or ():
                if entry.covers(test.clauses, test.title, test.actual or ""):
                    test.known = entry.explanation()
                    break

    def _failed(self) -> list[TestResult]:
        return [test for test in self.tests if test.outcome == Outcome.FAIL]

    @property
    def new(self) -> list[TestResult]:
        """Failures that are not known, of a subject that has a list."""
        if self.known is None:
            return []
        return [test for test in self._failed() if test.known is None]

    @property
    def mended(self) -> list[KnownFailure]:
        """Known failures that are none any more: every test of the clause has run, and none failed so."""
        settled = {
            result.clause.id
            for result in self.clauses
            if result.tests and not result.open
        }
        return [
            entry
            for entry in self.known or ()
            if entry.clause in settled
            and not any(
                entry.covers(test.clauses, test.title, test.actual or "")
                for test in self._failed()
            )
        ]

    def waiver_problems(self, today: datetime.date) -> list[str]:
        """Waivers that have expired, or that no failure needs (in a run of all clauses)."""
        problems = []
        for waiver in self.waivers:
            if waiver.until < today:
                problems.append(
                    f"the waiver for {waiver.glob} expired on {waiver.until}"
                )
            elif self.complete and not any(r.waiver is waiver for r in self.clauses):
                problems.append(f"the waiver for {waiver.glob} is no longer needed")
        return problems

    def failing(self) -> list[ClauseResult]:
        """Clauses whose failure makes the subject non-conforming."""
        return [
            result
            for result in self.clauses
            if result.verdict == Outcome.FAIL and result.gates(self.gate)
        ]

    def count(self, *outcomes: Outcome) -> int:
        """Tests with one of these outcomes."""
        return sum(test.outcome in outcomes for test in self.tests)

    def conclusion(self, today: datetime.date) -> str:
        """The exit status in words."""
        status, broken = self.exit_status(today), self.count(Outcome.ERROR)
        if status == USAGE:
            return "nothing ran: no test asserts any of the selected clauses"
        if self.failure is not None:
            return "could not run"
        if status == COULD_NOT_RUN:
            return f"no verdict: the harness or the lab failed in {counted(broken, 'test')}"
        if status == CONFORMS and not self.regressions:
            failed = sum(result.verdict == Outcome.FAIL for result in self.clauses)
            note = (
                f"; {counted(failed, 'clause')} failed without gating" if failed else ""
            )
            return f"conforms{'' if self.complete else ' as far as selected'}{note}"
        if self.regressions:
            return self._compared()
        reasons = []
        if failing := len(self.failing()):
            reasons.append(f"{counted(failing, 'gating clause')} failed")
        if problems := len(self.waiver_problems(today)):
            reasons.append(f"{counted(problems, 'waiver')} expired or not needed")
        return f"does not conform: {', '.join(reasons)}"

    def _compared(self) -> str:
        """How it stands to the known failures."""
        new, mended, known = len(self.new), len(self.mended), len(self._failed())
        if not new and not mended:
            return f"as known: {counted(known, 'known failure')}, none new, none mended"
        return f"not as known: {counted(new, 'new failure')}, {mended} mended"

    def exit_status(self, today: datetime.date) -> int:
        """0 conforms, 1 does not, 2 no test was selected, 3 the lab or the subject could not run."""
        if self.failure is not None:
            return COULD_NOT_RUN
        if self.regressions:
            if self.new or self.mended:
                return DOES_NOT_CONFORM
        elif self.failing() or self.waiver_problems(today):
            return DOES_NOT_CONFORM
        if self.count(Outcome.ERROR):
            return COULD_NOT_RUN
        if not self.tests:
            return USAGE
        return CONFORMS


def judge(clauses: Iterable[Clause], tests: Iterable[TestResult]) -> list[ClauseResult]:
    """The clauses with the tests that name them."""
    results = list(tests)
    return [
        ClauseResult(clause, [test for test in results if clause.id in test.clauses])
        for clause in clauses
    ]
