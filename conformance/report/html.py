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

from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from conformance.clauses import LEVELS, Clause
from conformance.quotes import ANCHOR, SPECIFICATION
from conformance.report.model import ClauseResult, Outcome, Run, TestResult
from conformance.report.pages import own, render
from conformance.report.room import fair_facts, fair_transcripts
from conformance.sources import parse_source

# A report should open on a phone, however many failures it has: together these stay below 2 MB.
FACTS_SIZE = 350_000
TRANSCRIPTS_SIZE = 750_000
TESTS_SHOWN = 30  # of one clause
ALL_TESTS_SHOWN = 1_200

MUTANTS = "mutants.html"

BAD = (Outcome.FAIL, Outcome.ERROR)


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
    # Those that gate come first, and what was observed before what is not known.
    results = sorted(
        run.clauses,
        key=lambda r: (not r.gates(run.gate), r.verdict != Outcome.FAIL),
    )
    rows = {row.result.clause.id: row for row in _rows(results, failures)}
    titles = {test.id: f"{' '.join(test.clauses)} {test.title}" for test in run.tests}
    return render(
        "index.html.jinja",
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
        new=[titles.get(name, name) for name in run.new or []],
        # Of the reference relay alone; scripts/mutants may have written it here.
        mutants=run.subject == "reference" and (directory / MUTANTS).exists(),
    )


def to_specification(clauses: Iterable[Clause], page: str) -> str:
    """The decisions with their anchors, each with those of `clauses` that cite it, as links to `page`."""
    citing: dict[str, list[str]] = {}
    for clause in clauses:
        source = parse_source(clause.source)
        if source.work == "decisions":
            citing.setdefault(source.place, []).append(clause.id)
    markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
    body = markdown.render(SPECIFICATION.read_text(encoding="utf-8"))
    body = ANCHOR.sub(
        lambda match: _anchor(match[1], citing.get(match[1], []), page), body
    )
    return render(
        "specification.html.jinja",
        own("specification.css"),
        body=Markup(body),
        page=page,
    )


def _anchor(name: str, clauses: list[str], page: str) -> str:
    """A visible anchor that can be copied, with links to the clauses."""
    links = "".join(f' <a href="{page}#{clause}">{clause}</a>' for clause in clauses)
    return (
        f'<span class="anchor" id="{name}"><a href="#{name}">{name}</a>{links}</span>'
    )


def _rows(
    results: Iterable[ClauseResult], failures: dict[str, Failure]
) -> Iterator[Row]:
    """A row for each result, with each failure in full in its first row."""
    shown: set[int] = set()
    left = ALL_TESTS_SHOWN
    for result in results:
        tests = telling_first(result.tests, failures)[: min(TESTS_SHOWN, left)]
        left -= len(tests)
        bad = [failures[test.id] for test in tests if test.id in failures]
        yield Row(
            result,
            [failure for failure in bad if failure.number not in shown],
            [failure for failure in bad if failure.number in shown],
            [test for test in tests if test.id not in failures],
        )
        shown.update(failure.number for failure in bad)


def telling_first(
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
    """Every failure by its test's id, each with its share of the page."""
    tests = [test for test in run.tests if test.outcome in BAD]
    facts = fair_facts(tests, FACTS_SIZE, size_in_html)
    transcripts = fair_transcripts(
        [(test, directory) for test in tests], TRANSCRIPTS_SIZE, size_in_html
    )
    return {
        test.id: Failure(number, test, some, transcript)
        for number, (test, some, transcript) in enumerate(
            zip(tests, facts, transcripts), 1
        )
    }


def size_in_html(text: str) -> int:
    """In octets."""
    return len(str(escape(text)).encode())


def _counts(outcomes: Iterable[Outcome]) -> list[tuple[Outcome, int]]:
    """The number of each, the worst first."""
    counter = Counter(outcomes)
    return [(outcome, counter[outcome]) for outcome in Outcome if counter[outcome]]
