"""Two runs of one subject, or of two: what is new, mended and changed from the older to the newer.

A clause got worse if it fails now and did not, if it lost a verdict that it had, or if a further test of
it fails. Clauses that only one of the runs has are listed, and compared with nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console

from conformance.expect import counted
from conformance.report.model import ClauseResult, Outcome, TestResult
from conformance.report.results import Record
from conformance.report.text import shortened, visible

SCHEMA = 1
SAME_OR_BETTER, WORSE = 0, 1

# A word with a number that is another in every run: a test's own domain, a queue id, a time.
_OF_THE_RUN = re.compile(r"[\w-]*[0-9]{4}[\w-]*")

# Of what a subject sent.
FACT_LENGTH = 300
NAMES_SHOWN = 25

# The kinds, with what the console says of each; those of WORSE_KINDS are worse.
KINDS = {
    "new": "new failures",
    "lost": "no verdict any more",
    "mended": "mended",
    "changed": "changed",
    "added": "only in NEW",
    "removed": "only in OLD",
    "missing": "not reached in NEW, which is incomplete",
}
WORSE_KINDS = ("new", "lost")


@dataclass(frozen=True)
class Change:
    """What has become of a clause."""

    kind: str
    clause: str
    level: str
    statement: str
    gates: bool  # in NEW
    was: str | None  # verdicts
    now: str | None
    tests: list[dict[str, str]] = field(default_factory=list)  # that say so


@dataclass(frozen=True)
class Difference:
    old: Record
    new: Record
    changes: list[Change]

    def of(self, *kinds: str) -> list[Change]:
        return [change for change in self.changes if change.kind in kinds]

    @property
    def unfinished(self) -> bool:
        """NEW says less than OLD did."""
        return self.old.finished and not self.new.finished

    @property
    def exit_status(self) -> int:
        worse = self.of(*WORSE_KINDS) or self.unfinished
        return WORSE if worse else SAME_OR_BETTER

    @property
    def notes(self) -> list[str]:
        """What makes the runs less than comparable, as sentences."""
        notes = []
        digests = [record.run.suite.get("digest") for record in (self.old, self.new)]
        if digests[0] != digests[1]:
            notes.append("the runs are of different versions of the suite")
        if self.old.run.who != self.new.run.who:
            notes.append("the runs are of different subjects")
        for name, record in (("OLD", self.old), ("NEW", self.new)):
            if not record.finished:
                notes.append(f"{name} is incomplete: {record.run.failure}")
        return notes

    def to_document(self) -> dict[str, Any]:
        """For programs; keys may be added."""
        return {
            "schema": SCHEMA,
            "runs": {"old": _identity(self.old), "new": _identity(self.new)},
            "exit_status": self.exit_status,
            "notes": self.notes,
            **{kind: [asdict(c) for c in self.of(kind)] for kind in KINDS},
        }


def _identity(record: Record) -> dict[str, Any]:
    run = record.run
    return {
        "subject": run.subject,
        "version": run.version,
        "started": run.started.isoformat(),
        "conclusion": record.conclusion,
        "finished": record.finished,
        "suite": run.suite,
    }


def diff(old: Record, new: Record) -> Difference:
    """What is different, in the catalogue's order."""
    before = {result.clause.id: result for result in old.run.clauses}
    after = {result.clause.id: result for result in new.run.clauses}
    changes = [
        change
        for name in dict.fromkeys([*after, *before])
        for change in _changes(before.get(name), after.get(name), new)
    ]
    return Difference(old, new, changes)


def _changes(
    was: ClauseResult | None, now: ClauseResult | None, new: Record
) -> Iterator[Change]:
    if was is not None and now is not None:
        kind, tests = _kind(was, now, new)
    else:
        kind, tests = ("added" if was is None else "removed"), []
    result = now or was
    if kind is None or result is None:
        return
    yield Change(
        kind,
        result.clause.id,
        result.clause.level,
        result.clause.statement,
        result.gates(new.run.gate),
        str(was.verdict) if was else None,
        str(now.verdict) if now else None,
        [_shown(test) for test in tests],
    )


def _kind(
    was: ClauseResult, now: ClauseResult, new: Record
) -> tuple[str | None, list[TestResult]]:
    """What a clause of both runs is a case of, and the tests that show it."""
    before = {test.id: test for test in was.tests}
    failing = [test for test in now.tests if test.outcome == Outcome.FAIL]
    fresh = [test for test in failing if not _failed(before.get(test.id))]
    if now.verdict == Outcome.FAIL:
        # A test that the older suite did not have shows nothing where its clause failed already.
        if was.verdict != Outcome.FAIL or any(test.id in before for test in fresh):
            return "new", fresh
        other = [t for t in failing if _differs(before.get(t.id), t)]
        fewer = len(failing) < was.outcomes[Outcome.FAIL]
        return ("changed", other or failing) if other or fewer else (None, [])
    if len(now.tests) < len(was.tests) and not new.finished:
        return "missing", []
    if now.verdict == was.verdict:
        return None, []
    if now.verdict == Outcome.PASS:
        return "mended", []
    if was.verdict == Outcome.PASS:
        return "lost", [test for test in now.tests if test.outcome == now.verdict]
    return "changed", [test for test in now.tests if test.outcome == now.verdict]


def _failed(test: TestResult | None) -> bool:
    return test is not None and test.outcome == Outcome.FAIL


def _differs(before: TestResult | None, now: TestResult) -> bool:
    if before is None:
        return True
    return any(
        _OF_THE_RUN.sub("#", str(was)) != _OF_THE_RUN.sub("#", str(is_now))
        for was, is_now in (
            (before.expected, now.expected),
            (before.actual, now.actual),
        )
    )


def _shown(test: TestResult) -> dict[str, str]:
    facts = {
        "id": test.id,
        "title": test.title,
        "expected": test.expected,
        "actual": test.actual,
        "reason": test.reason,
        "again": test.command,
    }
    return {name: text for name, text in facts.items() if text}


def print_difference(difference: Difference, console: Console) -> None:
    """The difference in words, what is worse in full."""

    def line(text: str, style: str = "") -> None:
        console.print(visible(text), style=style, highlight=False, soft_wrap=True, markup=False)  # fmt: skip

    for name, record in (("old", difference.old), ("new", difference.new)):
        run = record.run
        when = run.started.strftime("%Y-%m-%d %H:%M")
        line(f"{name}  {run.who} ({run.version}), {when}: {record.conclusion}")
    for note in difference.notes:
        line(f"note: {note}", "yellow")
    for kind, words in KINDS.items():
        changes = difference.of(kind)
        if not changes:
            continue
        line("")
        line(f"{words} ({len(changes)})", "bold red" if kind in WORSE_KINDS else "bold")
        if kind in ("added", "removed", "missing"):
            names = [change.clause for change in changes]
            rest = len(names) - NAMES_SHOWN
            more = f" and {rest} more" if rest > 0 else ""
            line(f"  {' '.join(names[:NAMES_SHOWN])}{more}")
            continue
        for change in changes:
            _print_change(change, line)
    line("")
    worse = len(difference.of(*WORSE_KINDS))
    better = len(difference.of("mended"))
    words = f"{counted(worse, 'clause')} got worse, {better} mended"
    if difference.unfinished:
        words += ", and NEW did not end"
    elif not difference.changes:
        words = "no difference"
    line(words, "bold red" if difference.exit_status else "bold green")


def _print_change(change: Change, line: Any) -> None:
    gates = "" if change.gates or change.now != Outcome.FAIL else ", does not gate"
    verdicts = change.was if change.was == change.now else f"{change.was} -> {change.now}"  # fmt: skip
    line(f"  {change.clause:9} {verdicts} ({change.level}{gates}): {change.statement}")
    for test in change.tests[:3]:
        line(f"      {shortened(test['title'], FACT_LENGTH)}")
        for name in ("expected", "actual", "reason"):
            if name in test:
                text = " ".join(test[name].split())
                line(f"        {name:9} {shortened(text, FACT_LENGTH)}")
    if len(change.tests) > 3:
        line(f"      and {counted(len(change.tests) - 3, 'test')} more")
