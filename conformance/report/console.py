"""The report on a terminal, and in plain text where there is none."""

from __future__ import annotations

import datetime
import re
from itertools import groupby

from rich.console import Console
from rich.markup import escape

from conformance.report.model import ClauseResult, Outcome, Run, TestResult

_STYLE = {
    Outcome.PASS: "green",
    Outcome.FAIL: "bold red",
    Outcome.ERROR: "bold magenta",
    Outcome.SKIPPED: "yellow",
    Outcome.UNIMPLEMENTED: "cyan",
}

# What a subject said is shown up to here; the transcript has the rest.
SHOWN_LENGTH = 1500


def printable(text: str) -> str:
    """`text` without anything that a terminal would act on."""
    shown = "".join(
        char
        if char.isprintable() or char == "\n"
        else char.encode("unicode_escape").decode("ascii")
        for char in text.encode("utf-8", "backslashreplace").decode("utf-8")
    )
    return shown if len(shown) <= SHOWN_LENGTH else shown[:SHOWN_LENGTH] + " ..."


class Progress:
    """One line that is written over while tests run; silent where output is no terminal."""

    def __init__(self, console: Console, verbose: bool) -> None:
        self._console = console
        self._verbose = verbose
        self._done = 0
        self._bad = 0

    def add(self, test: TestResult) -> None:
        """Counts one more test."""
        self._done += 1
        self._bad += test.outcome in (Outcome.FAIL, Outcome.ERROR)
        if self._verbose:
            style = _STYLE[test.outcome]
            self._print(
                f"[{style}]{test.outcome:13}[/] {escape(printable(test.title))}"
            )
        elif self._console.is_terminal:
            bad = f", {self._bad} not passed" if self._bad else ""
            self._console.file.write(f"\r\x1b[K{self._done} tests{bad}")
            self._console.file.flush()

    def clear(self) -> None:
        """Takes the line away."""
        if self._console.is_terminal and not self._verbose:
            self._console.file.write("\r\x1b[K")

    def _print(self, markup: str) -> None:
        self._console.print(markup, highlight=False, soft_wrap=True)


def report(run: Run, console: Console, today: datetime.date) -> None:
    """Verdicts by heading, failures in full, and the counts as the last line."""

    def line(markup: str = "") -> None:
        console.print(markup, highlight=False, soft_wrap=True)

    for heading, results in groupby(
        run.clauses, key=lambda result: result.clause.heading
    ):
        line(f"\n[bold]{escape(heading)}[/]")
        for result in results:
            line(_verdict_line(result, run.strict))
    shown: set[str] = set()
    for result in run.clauses:
        for test in result.tests:
            if test.outcome in (Outcome.FAIL, Outcome.ERROR) and test.id not in shown:
                shown.add(test.id)
                for text in _failure_lines(result, test):
                    line(text)
    for problem in run.waiver_problems(today):
        line(f"[bold red]{escape(problem)}[/]")
    for text in _unclaimed(run, shown):
        line(text)
    line()
    line(escape(f"{run.subject} ({printable(run.version)}), {run.duration:.1f} s"))
    line(escape(_clause_counts(run)))
    if run.failure is not None:
        line(f"[bold red]could not run:[/] {escape(printable(run.failure))}")
    passed = run.count(Outcome.PASS)
    failed = run.count(Outcome.FAIL, Outcome.ERROR)
    skipped = run.count(Outcome.SKIPPED, Outcome.UNIMPLEMENTED)
    line(f"{passed} passed, {failed} failed, {skipped} skipped")


def _verdict_line(result: ClauseResult, strict: bool) -> str:
    clause, verdict = result.clause, result.verdict
    note = ""
    if verdict == Outcome.FAIL and result.waiver:
        note = f" (waived until {result.waiver.until}: {result.waiver.reason})"
    elif verdict == Outcome.FAIL and not result.gates(strict):
        note = " (does not gate)"
    elif result.reason:
        note = f" ({result.reason})"
    style = _STYLE[verdict]
    return (
        f"  [{style}]{verdict:13}[/] {clause.id:9} [dim]{clause.level:12}[/] "
        f"{escape(clause.statement)}[dim]{escape(printable(note))}[/]"
    )


def _failure_lines(result: ClauseResult, test: TestResult) -> list[str]:
    clause = result.clause
    lines = [
        "",
        f"[bold red]{test.outcome.upper()}[/] [bold]{escape(printable(test.title))}[/]",
        f"  clause      {clause.id} ({clause.level}): {escape(clause.statement)}",
        f"  source      {escape(clause.source)}",
    ]
    return lines + _observations(test)


def _observations(test: TestResult) -> list[str]:
    facts = [
        ("expected", test.expected),
        ("actual", test.actual),
        ("reason", test.reason),
    ]
    if test.outcome == Outcome.ERROR:
        facts.append(("details", test.details))
    facts += [
        ("where", test.where),
        ("transcript", test.transcript),
        ("again", test.command),
    ]
    return [
        f"  {name:11} " + re.sub(r"\n", "\n" + " " * 14, escape(printable(text)))
        for name, text in facts
        if text
    ]


def _unclaimed(run: Run, shown: set[str]) -> list[str]:
    """Failures of tests that name no selected clause."""
    lines = []
    for test in run.tests:
        if test.outcome in (Outcome.FAIL, Outcome.ERROR) and test.id not in shown:
            lines += [
                "",
                f"[bold red]{test.outcome.upper()}[/] {escape(printable(test.title))}",
            ]
            lines += _observations(test)
    return lines


def _clause_counts(run: Run) -> str:
    counts = [
        f"{number} {outcome}"
        for outcome in Outcome
        if (number := sum(result.verdict == outcome for result in run.clauses))
    ]
    warned = sum(
        r.verdict == Outcome.FAIL and not r.gates(run.strict) for r in run.clauses
    )
    note = f" ({warned} of the failures do not gate)" if warned else ""
    return f"clauses: {', '.join(counts) or 'none'}{note}"
