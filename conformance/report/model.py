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
from conformance.subjects.base import RELAY
from conformance.subjects.known import Hint, KnownFailure

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
    hint: str | None = None  # what its operator can change
    late: bool = False  # an error, as the lab itself was too late
    lab_failure: bool = False  # the lab or the subject could not run: `reason` says why

    def facts(self) -> list[tuple[str, str]]:
        """The facts of a failure, in reading order."""
        known = self.known or {}
        named = [
            ("expected", self.expected),
            ("actual", self.actual),
            ("reason", self.reason),
            ("known", known and f"{known['reason']} ({known['verdict']})"),
            ("hint", known.get("hint") or self.hint),
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
    title: str = ""  # what the MTA calls itself
    banner: str = ""  # the first line of its greeting
    role: str = RELAY  # in which it was tested
    roles: tuple[str, ...] = (RELAY,)  # that it declares
    capabilities: tuple[str, ...] = ()
    limits: dict[str, int] = field(default_factory=dict)
    timeouts: dict[str, float] = field(default_factory=dict)
    suite: dict[str, str] = field(default_factory=dict)  # see suite_identity()
    sample: dict[str, int] = field(default_factory=dict)  # count and seed of --sample
    # Where the subject has a list of known failures:
    regressions: bool = False  # only failures that are not on it count
    mended: list[str] | None = None  # its entries that no longer fail
    new: list[str] | None = None  # ids of tests that fail and are not on it

    @property
    def who(self) -> str:
        """The subject, and its role if that is not the usual one."""
        return self.subject if self.role == RELAY else f"{self.subject} as {self.role}"

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
        """Explains the failures that the subject is known for, and says how the others stand to them;
        nothing for a subject that has no list."""
        if entries is None:
            return
        entries = [entry for entry in entries if entry.holds_in(self.role)]
        seen = set()
        failed = [test for test in self.tests if test.outcome == Outcome.FAIL]
        for test in failed:
            for entry in entries:
                if entry.covers(test.clauses, test.title, test.actual or ""):
                    seen.add(entry)
                    test.known = test.known or entry.explanation()
        self.new = [test.id for test in failed if test.known is None]
        # Of a clause of which every test has run.
        settled = {
            r.clause.id: r.clause.roles for r in self.clauses if r.tests and not r.open
        }
        self.mended = [
            str(entry)
            for entry in entries
            if entry.clause in settled
            and entry not in seen
            and entry.is_due_in(self.role, settled[entry.clause])
        ]

    def apply_hints(self, hints: Iterable[Hint]) -> None:
        """Says at failures that have no better hint what the operator can change."""
        for hint in hints:
            for test in self.tests:
                if test.outcome == Outcome.FAIL and hint.helps(test.clauses, self.role):
                    test.hint = test.hint or hint.hint

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

    def excuse(self, test: TestResult) -> str | None:
        """Why a test's failure is none of the run's, or None if it is: known where only regressions
        count, or of clauses that do not gate or are waived. It is the run's where no selected clause
        says otherwise."""
        if self.regressions and test.known:
            return f"known failure: {test.known['reason']}"
        named = [r for r in self.clauses if r.clause.id in test.clauses]
        if not named or any(result.gates(self.gate) for result in named):
            return None
        waivers = dict.fromkeys(r.waiver.reason for r in named if r.waiver)
        return f"waived: {'; '.join(waivers)}" if waivers else "does not gate"

    def headings(self) -> list[tuple[str, Counter[Outcome]]]:
        """The number of clauses by verdict under each heading, in the catalogue's order."""
        numbers: dict[str, Counter[Outcome]] = {}
        for result in self.clauses:
            number = numbers.setdefault(result.clause.heading, Counter())
            number[result.verdict] += 1
        return list(numbers.items())

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
        new, mended = len(self.new or ()), len(self.mended or ())
        if not new and not mended:
            known = counted(self.count(Outcome.FAIL), "known failure")
            return f"as known: {known}, none new, none mended"
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
    naming: dict[str, list[TestResult]] = {}
    for test in tests:
        for name in dict.fromkeys(test.clauses):
            naming.setdefault(name, []).append(test)
    return [ClauseResult(clause, naming.get(clause.id, [])) for clause in clauses]
