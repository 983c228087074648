"""The report on a terminal, or in plain text elsewhere."""

from __future__ import annotations

import datetime
import sys
import threading
import time
from collections import Counter
from collections.abc import Collection
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.text import Text

from conformance.clauses import Clause
from conformance.report.model import CONFORMS, ClauseResult, Outcome, Run, TestResult
from conformance.report.text import nearby, shortened, visible

_STYLE = {
    Outcome.PASS: "green",
    Outcome.FAIL: "bold red",
    Outcome.ERROR: "bold magenta",
    Outcome.SKIPPED: "yellow",
    Outcome.UNIMPLEMENTED: "cyan",
}

_BAD = (Outcome.FAIL, Outcome.ERROR)

Part = str | Text | tuple[str, str]  # text, or text with a style

# The column at which texts begin, and the facts of a failure that are never folded, to be copied.
_MARGIN = 16
_COPIED = ("where", "transcript", "again")

# Text from a subject is shown up to this length; the transcript has the rest.
SHOWN_LENGTH = 1500

# On a terminal; the reports have all.
FAILURES_SHOWN = 25

# Seconds to the first line of progress in a log, and between the next ones.
FIRST_LINE_S = 2.0
NEXT_LINE_S = 5.0


def shown(text: str) -> str:
    """`text` made safe for a terminal, and shortened to a screenful."""
    return shortened(visible(text), SHOWN_LENGTH)


class Progress:
    """The progress of the tests: on a terminal one line that is overwritten; elsewhere, unless there
    is a line for every test, a line on standard error now and then."""

    def __init__(self, console: Console, verbose: bool) -> None:
        self._console = console
        self._verbose = verbose
        self._rewrites = (
            console.is_terminal and not console.is_dumb_terminal and not verbose
        )
        self._errors = sys.stderr  # pytest replaces sys.stderr during a test
        self._started = time.monotonic()
        self._total = 0
        self._done = 0
        self._bad = 0
        self._over = threading.Event()
        if self._rewrites:
            self._rewrite(self._state())
        elif not verbose:
            threading.Thread(target=self._log, daemon=True).start()

    def expect(self, total: int) -> None:
        """Sets the number of tests."""
        self._total = total

    def add(self, test: TestResult) -> None:
        """Counts one more test."""
        self._done += 1
        self._bad += test.outcome in _BAD
        if self._verbose:
            verdict = (f"{test.outcome:14}", _STYLE[test.outcome])
            _line(self._console, verdict, shown(test.title))
        if self._rewrites:
            self._rewrite(self._state())

    def clear(self) -> None:
        """Removes the line, and ends."""
        self._over.set()
        if self._rewrites:
            self._rewrite("")

    def _state(self) -> str:
        seconds = time.monotonic() - self._started
        if not self._done:
            return f"starting the lab, {seconds:.0f} s"
        bad = f", {self._bad} failed" if self._bad else ""
        return f"{self._done} of {self._total} tests{bad}, {seconds:.0f} s"

    def _rewrite(self, text: str) -> None:
        self._console.file.write(f"\r\x1b[K{text}")
        self._console.file.flush()

    def _log(self) -> None:
        wait = FIRST_LINE_S
        while not self._over.wait(wait):
            print(f"conform: {self._state()}", file=self._errors, flush=True)
            wait = NEXT_LINE_S


def report(
    run: Run,
    console: Console,
    today: datetime.date,
    verbose: bool,
    directory: Path,
) -> None:
    """Verdicts by heading, failures in full, and the conclusion; the report's files are in
    `directory`.

    A log has a line for every clause; on a terminal, clauses with the same verdict share a line.
    """
    page = nearby(directory / "index.html")
    brief = console.is_terminal and not verbose
    if run.tests:
        for heading, group in groupby(run.clauses, key=lambda r: r.clause.heading):
            _line(console)
            _line(console, (heading, "bold"))
            _print_verdicts(list(group), run.gate, console, brief)
    failed = _failed(run)
    for clause, test in failed[:FAILURES_SHOWN] if brief else failed:
        _print_failure(clause, test, console, directory)
    if brief and len(failed) > FAILURES_SHOWN:
        _line(console)
        _line(console, f"... and {len(failed) - FAILURES_SHOWN} more in {page}")
    _print_summary(run, console, today, page)


def list_clauses(clauses: list[Clause], console: Console) -> None:
    """Prints the catalogue, or a selection of it."""
    for heading, group in groupby(clauses, key=lambda clause: clause.heading):
        _line(console)
        _line(console, (heading, "bold"))
        for clause in group:
            level = (f"{clause.level:12} ", "dim")
            source = (f"  ({clause.source})", "dim")
            _beside(console, clause.id, level, clause.statement, source)


def _line(console: Console, *parts: Part) -> None:
    """One line, not folded."""
    console.print(Text.assemble(*parts), highlight=False, soft_wrap=True)


def _beside(console: Console, name: Part, *parts: Part, fold: bool = True) -> None:
    """`name` with text of one or more lines beside it, folded on a terminal only."""
    text = Text.assemble(*parts)
    if console.is_terminal and fold:
        lines = text.wrap(console, max(console.width - _MARGIN, 20))
    else:
        lines = text.split("\n", allow_blank=True)
    for line in lines:
        line.rstrip()
        head = Text.assemble("  ", name)
        head.pad_right(_MARGIN - head.cell_len)
        _line(console, head, line)
        name = ""


def _print_verdicts(
    results: list[ClauseResult], gate: Collection[str], console: Console, brief: bool
) -> None:
    together: dict[tuple[Outcome, str], list[str]] = {}
    for result in results:
        clause, verdict, note = result.clause, result.verdict, _note(result, gate)
        if brief and verdict not in _BAD:
            together.setdefault((verdict, note), []).append(clause.id)
        else:
            level = (f"{clause.level:12} ", "dim")
            parts = (f"{clause.id:9} ", level, clause.statement, (note, "dim"))
            _beside(console, (verdict, _STYLE[verdict]), *parts)
    for (verdict, note), names in together.items():
        _beside(console, (verdict, _STYLE[verdict]), " ".join(names), (note, "dim"))


def _note(result: ClauseResult, gate: Collection[str]) -> str:
    """Further facts on the verdict."""
    notes = [result.tally, shown(result.reason or "")]
    if result.verdict == Outcome.FAIL and result.waiver:
        reason = shown(result.waiver.reason)
        notes.insert(0, f"waived until {result.waiver.until}: {reason}")
    elif result.verdict == Outcome.FAIL and not result.gates(gate):
        notes.insert(0, "does not gate")
    note = "; ".join(filter(None, notes))
    return f" ({note})" if note else ""


def _failed(run: Run) -> list[tuple[Clause | None, TestResult]]:
    """Every test with a failure or an error, with the first selected clause that it names."""
    chosen = {result.clause.id: result.clause for result in run.clauses}
    return [
        (next((chosen[name] for name in test.clauses if name in chosen), None), test)
        for test in run.tests
        if test.outcome in _BAD
    ]


def _print_failure(
    clause: Clause | None, test: TestResult, console: Console, directory: Path
) -> None:
    verdict = (test.outcome.upper(), _STYLE[test.outcome])
    _line(console)
    _line(console, verdict, " ", (shown(test.title), "bold"))
    if clause is not None:
        text = f"{clause.id} ({clause.level}): {clause.statement}"
        _beside(console, "clause", text)
        _beside(console, "source", clause.source)
    for name, fact in test.facts():
        text = nearby(directory / fact) if name == "transcript" else fact
        _beside(console, name, shown(text), fold=name not in _COPIED)


def _print_summary(run: Run, console: Console, today: datetime.date, page: str) -> None:
    _line(console)
    _line(console, shown(f"{run.who} ({run.version}), {run.duration:.0f} s"))
    number = Counter(result.verdict for result in run.clauses)
    counts = [f"{number[outcome]} {outcome}" for outcome in Outcome if number[outcome]]
    _beside(console, "clauses", ", ".join(counts))
    failing = [result.clause.id for result in run.failing()]
    if failing:
        _beside(console, "failed", _some(failing))
    for problem in run.waiver_problems(today):
        _beside(console, "waivers", shown(problem))
    for test in run.tests:
        if test.id in (run.new or ()):
            _beside(console, "new", shown(f"{test.clauses[0]}: {test.title}"))
    for entry in run.mended or ():
        _beside(console, "mended", shown(entry))
    if run.failure is not None:
        _beside(console, "cause", shown(run.failure))
    _beside(console, "report", page, fold=False)
    good = run.exit_status(today) == CONFORMS
    style = "bold green" if good else "bold red"
    _beside(console, "verdict", (run.conclusion(today), style))
    passed, failed = run.count(Outcome.PASS), run.count(*_BAD)
    skipped = run.count(Outcome.SKIPPED, Outcome.UNIMPLEMENTED)
    _line(console, f"{passed} passed, {failed} failed, {skipped} skipped")


def _some(names: list[str]) -> str:
    rest = len(names) - FAILURES_SHOWN
    more = f" and {rest} more" if rest > 0 else ""
    return " ".join(names[:FAILURES_SHOWN]) + more
