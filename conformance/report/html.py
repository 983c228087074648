"""The report for readers: one HTML file without scripts or external resources; and another with the
decisions that its clauses cite.

Failures come first, in full and with their transcripts, then all clauses by heading. Anything that a
subject sent is text: the template escapes everything, and a policy in the document forbids scripts and
external resources. The other transcripts are linked.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from conformance.clauses import LEVELS
from conformance.quotes import ANCHOR, SPECIFICATION
from conformance.report.model import ClauseResult, Outcome, Run, TestResult
from conformance.report.text import shortened, visible
from conformance.sources import parse_source

# A report should open on a phone, however many failures it has: together these stay below 2 MB.
FACT_LENGTH = 1_500
TRANSCRIPT_LENGTH = 16_000
FACTS_SIZE = 350_000
TRANSCRIPTS_SIZE = 750_000
TESTS_SHOWN = 30  # of one clause
ALL_TESTS_SHOWN = 1_200

BAD = (Outcome.FAIL, Outcome.ERROR)


class Room:
    """The space left for text, in octets of HTML."""

    def __init__(self, size: int) -> None:
        self._left = size

    def take(self, text: str, length: int) -> str:
        """As much of `text` as `length` and the space left allow."""
        text = visible(text)
        shown = shortened(text, length)
        size = len(str(escape(shown)).encode())
        if size > self._left:
            # An octet of text is at most six octets of HTML ("&#34;").
            shown = shortened(text, self._left // 6)
            size = len(str(escape(shown)).encode())
        self._left = max(0, self._left - size)
        return shown


@dataclass
class Failure:
    """A failure or an error of a test, for the report."""

    number: int
    test: TestResult
    facts: list[tuple[str, str]]
    transcript: str


@dataclass
class Row:
    """A clause, and what is shown of its tests."""

    result: ClauseResult
    failures: list[Failure]
    shown_above: list[Failure]  # under another clause
    others: list[TestResult]

    @property
    def left_out(self) -> int:
        """The number of tests that are only in results.json."""
        shown = len(self.failures) + len(self.shown_above) + len(self.others)
        return len(self.result.tests) - shown

    @property
    def bad(self) -> bool:
        return self.result.verdict in BAD


def to_html(run: Run, directory: Path, today: datetime.date) -> str:
    """The report in `directory`, where the transcripts are."""
    failures = _failures(run, directory)
    # Those that gate come first.
    results = sorted(run.clauses, key=lambda result: not result.gates(run.gate))
    rows = {row.result.clause.id: row for row in _rows(results, failures)}
    environment = _environment()
    environment.filters["visible"] = visible
    environment.filters["link"] = quote
    return environment.get_template("index.html.jinja").render(
        run=run,
        status=run.exit_status(today),
        conclusion=run.conclusion(today),
        waiver_problems=run.waiver_problems(today),
        clause_counts=_counts(result.verdict for result in run.clauses),
        test_counts=_counts(test.outcome for test in run.tests),
        gating=run.gate,
        warning=[level for level in LEVELS if level not in run.gate],
        headings=[
            (heading, list(group))
            for heading, group in groupby(
                (rows[result.clause.id] for result in run.clauses),
                lambda row: row.result.clause.heading,
            )
        ],
        bad=[row for row in rows.values() if row.bad],
        unclaimed=[
            failure
            for failure in failures.values()
            if rows.keys().isdisjoint(failure.test.clauses)
        ],
        tests_shown=TESTS_SHOWN,
    )


def to_specification(run: Run) -> str:
    """The decisions with their anchors, each with the clauses of the run that cite it."""
    citing: dict[str, list[str]] = {}
    for result in run.clauses:
        source = parse_source(result.clause.source)
        if source.work == "decisions":
            citing.setdefault(source.place, []).append(result.clause.id)
    markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
    body = markdown.render(SPECIFICATION.read_text(encoding="utf-8"))
    template = _environment().get_template("specification.html.jinja")
    return template.render(
        body=Markup(
            ANCHOR.sub(lambda match: _anchor(match[1], citing.get(match[1], [])), body)
        )
    )


def _anchor(name: str, clauses: list[str]) -> str:
    """A visible anchor that can be copied, with links to the clauses."""
    links = "".join(
        f' <a href="index.html#{clause}">{clause}</a>' for clause in clauses
    )
    return (
        f'<span class="anchor" id="{name}"><a href="#{name}">{name}</a>{links}</span>'
    )


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _rows(
    results: Iterable[ClauseResult], failures: dict[str, Failure]
) -> Iterator[Row]:
    """A row for each result, with each failure in full in its first row."""
    shown: set[int] = set()
    left = ALL_TESTS_SHOWN
    for result in results:
        tests = _telling_first(result.tests, failures)[: min(TESTS_SHOWN, left)]
        left -= len(tests)
        bad = [failures[test.id] for test in tests if test.id in failures]
        yield Row(
            result,
            [failure for failure in bad if failure.number not in shown],
            [failure for failure in bad if failure.number in shown],
            [test for test in tests if test.id not in failures],
        )
        shown.update(failure.number for failure in bad)


def _telling_first(
    tests: Iterable[TestResult], failures: Container[str]
) -> list[TestResult]:
    """Failures, then one test of each function, then the second of each, and so on; among them those
    that assert the fewest clauses first."""
    seen: Counter[str] = Counter()
    ranks: dict[str, tuple[bool, int, int]] = {}
    ordered = list(tests)
    for test in ordered:
        function = test.id.partition("[")[0]
        ranks[test.id] = (test.id not in failures, seen[function], len(test.clauses))
        seen[function] += 1
    return sorted(ordered, key=lambda test: ranks[test.id])


def _failures(run: Run, directory: Path) -> dict[str, Failure]:
    """Every failure by its test's id, as far as there is space."""
    facts, transcripts = Room(FACTS_SIZE), Room(TRANSCRIPTS_SIZE)
    return {
        test.id: Failure(
            number,
            test,
            [
                (name, shown)
                for name, text in test.facts()
                if name != "transcript" and (shown := facts.take(text, FACT_LENGTH))
            ],
            transcripts.take(_beginning(test, directory), TRANSCRIPT_LENGTH),
        )
        for number, test in enumerate((t for t in run.tests if t.outcome in BAD), 1)
    }


def _beginning(test: TestResult, directory: Path) -> str:
    """The beginning of a test's transcript, one character longer than what is shown."""
    if test.transcript is None:
        return ""
    path = directory / test.transcript
    try:
        with path.open(encoding="utf-8", errors="backslashreplace") as file:
            return file.read(TRANSCRIPT_LENGTH + 1)
    except OSError:
        return ""


def _counts(outcomes: Iterable[Outcome]) -> list[tuple[Outcome, int]]:
    """The number of each, the worst first."""
    counter = Counter(outcomes)
    return [(outcome, counter[outcome]) for outcome in Outcome if counter[outcome]]
