"""matrix.html: several runs side by side, the clauses as rows and the subjects as columns.

Subjects are told apart by name, and a subject that was tested in several roles has one column: the
rows of each role are a block of their own. A cell is a verdict; what is known about it is data in the
page, which its script shows on demand as text, never as HTML, since subjects have sent much of it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from conformance.clauses import LEVELS, Clause
from conformance.expect import counted
from conformance.report.html import BAD, TESTS_SHOWN, to_specification
from conformance.report.html import telling_first
from conformance.report.model import ClauseResult, Outcome, Run, TestResult
from conformance.report.pages import own, render
from conformance.report.results import Record
from conformance.report.room import FACT_LENGTH, fair_facts, fair_transcripts
from conformance.report.text import shortened, visible
from conformance.sources import DECISIONS_URL

MATRIX = "matrix.html"

# All subjects together share this, in octets; with the table and the clauses, a page of six subjects and
# 500 clauses stays below 6 MB.
FACTS_SIZE = 1_400_000
TRANSCRIPTS_SIZE = 2_400_000
DETAILED_MAX = 3  # failed tests of a clause and a subject that are shown in full
REASON_LENGTH = 300
KNOWN = ("known", "hint")  # facts that many tests have in common


@dataclass
class Column:
    """A subject, with its run in each role."""

    name: str
    records: dict[str, Record] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """A clause, and its results by column; None where the run did not select it."""

    clause: Clause
    results: list[ClauseResult | None]
    gates: bool  # in any of the runs


@dataclass(frozen=True)
class Group:
    """The rows of one heading, with each column's sum: passed, of those that have a verdict."""

    heading: str
    rows: list[Row]
    sums: list[Counter[Outcome]]


@dataclass(frozen=True)
class Block:
    """The rows of one role."""

    role: str
    groups: list[Group]


@dataclass(frozen=True)
class Matrix:
    columns: list[Column]
    blocks: list[Block]
    notes: list[str]  # what a reader must know before comparing


def matrix_of(records: Sequence[Record]) -> Matrix:
    """The runs side by side, in the order given."""
    columns: list[Column] = []
    for record in records:
        columns_of_it = [c for c in columns if c.name.split(" #")[0] == _name(record)]
        column = next(
            (c for c in columns_of_it if record.run.role not in c.records), None
        )
        if column is None:
            again = f" #{len(columns_of_it) + 1}" if columns_of_it else ""
            column = Column(_name(record) + again)
            columns.append(column)
        column.records[record.run.role] = record
    roles = dict.fromkeys(record.run.role for record in records)
    return Matrix(columns, [_block(role, columns) for role in roles], _notes(columns))


def _name(record: Record) -> str:
    return record.run.subject


def _block(role: str, columns: Sequence[Column]) -> Block:
    runs = [c.records[role].run if role in c.records else None for c in columns]
    found = [
        {result.clause.id: result for result in run.clauses} if run else {}
        for run in runs
    ]
    groups: dict[str, list[Row]] = {}
    for clause in _clauses(run for run in runs if run):
        results = [by_id.get(clause.id) for by_id in found]
        gates = any(run is not None and clause.level in run.gate for run in runs)
        groups.setdefault(clause.heading, []).append(Row(clause, results, gates))
    return Block(
        role,
        [Group(heading, rows, _sums(rows)) for heading, rows in groups.items()],
    )


def _clauses(runs: Iterable[Run]) -> list[Clause]:
    """Those of all runs, in the order of the one with the most, and as the newest run states them."""
    by_size = sorted(runs, key=lambda run: -len(run.clauses))
    order = dict.fromkeys(r.clause.id for run in by_size for r in run.clauses)
    stated: dict[str, Clause] = {}
    for run in sorted(by_size, key=lambda run: run.started):
        stated.update({result.clause.id: result.clause for result in run.clauses})
    return [stated[name] for name in order]


def _sums(rows: Sequence[Row]) -> list[Counter[Outcome]]:
    return [
        Counter(result.verdict for result in results if result)
        for results in zip(*(row.results for row in rows))
    ]


def _notes(columns: Sequence[Column]) -> list[str]:
    """What makes the runs less than comparable, as sentences."""
    records = [r for column in columns for r in column.records.values()]
    notes = []
    suites = {r.run.suite.get("digest") for r in records if r.run.suite}
    if len(suites) > 1 or suites and not all(r.run.suite for r in records):
        notes.append(
            "The runs are of different versions of the suite: a clause may have been tested otherwise."
        )
    for column in columns:
        if " #" in column.name:
            notes.append(f"{column.name.split(' #')[0]} is here more than once.")
        for record in column.records.values():
            if not record.finished:
                notes.append(
                    f"The run of {column.name} is incomplete: "
                    f"{str(record.run.failure).partition(chr(10))[0]}"
                )
            if not record.run.complete:
                count = counted(len(record.run.clauses), "clause")
                notes.append(f"The run of {column.name} has a selection, {count}.")
    return list(dict.fromkeys(notes))


def write_matrix(records: Sequence[Record], directory: Path) -> Matrix:
    """Writes the page and the decisions that its clauses cite into `directory`."""
    matrix = matrix_of(records)
    clauses = [row.clause for b in matrix.blocks for g in b.groups for row in g.rows]
    (directory / MATRIX).write_text(to_matrix(matrix, directory), encoding="utf-8")
    (directory / DECISIONS_URL).write_text(
        to_specification(list(dict.fromkeys(clauses)), MATRIX), encoding="utf-8"
    )
    return matrix


def to_matrix(matrix: Matrix, directory: Path) -> str:
    """The page, to be written into `directory`."""
    rows = [row for b in matrix.blocks for g in b.groups for row in g.rows]
    columns = matrix.columns
    style = own("matrix.css") + f":root {{ --columns: {len(columns)} }}\n"
    return render(
        "matrix.html.jinja",
        style,
        own("matrix.js"),
        matrix=matrix,
        several_roles=len(matrix.blocks) > 1,
        counts={
            column.name: {
                role: [
                    (outcome, number)
                    for outcome in Outcome
                    if (number := _verdicts(record.run)[outcome])
                ]
                for role, record in column.records.items()
            }
            for column in columns
        },
        levels=[
            level for level in LEVELS if any(r.clause.level == level for r in rows)
        ],
        headings=list(dict.fromkeys(row.clause.heading for row in rows)),
        outcomes=list(Outcome),
        total=len(rows),
        kinds_of=kinds_of,
        kind_names={"soft": "does not gate", "known": "known", "new": "new"},
        known=any(test.known for c in columns for test in _tests(c)),
        data=_in_script(_data(matrix, directory)),
    )


def _verdicts(run: Run) -> Counter[Outcome]:
    return Counter(result.verdict for result in run.clauses)


def _tests(column: Column) -> list[TestResult]:
    return [test for record in column.records.values() for test in record.run.tests]


def _in_script(data: dict[str, Any]) -> Markup:
    """JSON in which nothing ends the element that it is in."""
    return Markup(_encoded(data))


def _encoded(data: object) -> str:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def size_in_script(text: str) -> int:
    """In octets."""
    return len(_encoded(text).encode())


def _data(matrix: Matrix, directory: Path) -> dict[str, Any]:
    """What the script shows: the clauses by id, the runs by "COLUMN ROLE", and what is said of many
    tests, once: their titles, and the reasons of known failures."""
    runs = {
        f"{number} {role}": record
        for number, column in enumerate(matrix.columns)
        for role, record in column.records.items()
    }
    details = _details(list(runs.values()))
    once = Once()
    return {
        "clauses": {
            row.clause.id: {
                "quote": visible(row.clause.quote),
                "source": visible(row.clause.source),
                "url": row.clause.source_url,
            }
            for block in matrix.blocks
            for group in block.groups
            for row in group.rows
        },
        "runs": {
            name: _run(record, details, once, _place(record, directory))
            for name, record in runs.items()
        },
        "once": once.texts,
    }


class Once:
    """Texts that are on the page once, and referred to by number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        shown = shortened(visible(text), FACT_LENGTH)
        return self._numbers.setdefault(shown, len(self._numbers))

    @property
    def texts(self) -> list[str]:
        return list(self._numbers)


def _chosen(run: Run) -> dict[str, list[TestResult]]:
    """The tests that are shown of each clause, failures first."""
    failed = {test.id for test in run.tests if test.outcome in BAD}
    return {
        result.clause.id: telling_first(result.tests, failed)[:TESTS_SHOWN]
        for result in run.clauses
    }


Details = dict[tuple[Path, str], dict[str, Any]]


def _details(records: Sequence[Record]) -> Details:
    """The facts and transcripts of failed tests, by report and id; all of them share the page."""
    tests = {
        (record.path, test.id): (test, record.directory)
        for record in records
        for chosen in _chosen(record.run).values()
        for test in [test for test in chosen if test.outcome in BAD][:DETAILED_MAX]
    }
    facts = fair_facts(
        [test for test, _ in tests.values()], FACTS_SIZE, size_in_script, KNOWN
    )
    transcripts = fair_transcripts(
        list(tests.values()), TRANSCRIPTS_SIZE, size_in_script
    )
    return {
        key: {"facts": some, "transcript": text}
        for key, some, text in zip(tests, facts, transcripts)
    }


def _run(
    record: Record, details: Details, once: Once, place: str | None
) -> dict[str, Any]:
    run = record.run
    chosen = _chosen(run)
    shown = {test.id: test for tests in chosen.values() for test in tests}
    index = {name: number for number, name in enumerate(shown)}
    return {
        "place": place,
        "clauses": {
            result.clause.id: _cell(
                result, run, [index[test.id] for test in chosen[result.clause.id]]
            )
            for result in run.clauses
        },
        "tests": [
            _test(test, once, details.get((record.path, test.id), {}), place)
            for test in shown.values()
        ],
    }


def _place(record: Record, directory: Path) -> str | None:
    """Where the run's own report is, as a link, if it is moved with the page."""
    own_report, here = record.directory.resolve(), directory.resolve()
    if not own_report.is_relative_to(here):
        return None
    path = own_report.relative_to(here).as_posix()
    return "" if path == "." else f"{quote(path)}/"


def _cell(result: ClauseResult, run: Run, tests: list[int]) -> dict[str, Any]:
    entry: dict[str, Any] = {"tests": tests}
    if reason := result.reason:
        entry["reason"] = shortened(visible(reason), REASON_LENGTH)
    if (more := len(result.tests) - len(tests)) > 0:
        entry["more"] = more
    if note := note_of(result, run):
        entry["note"] = visible(note)
    return entry


def note_of(result: ClauseResult, run: Run) -> str:
    """What softens a failure."""
    if result.verdict != Outcome.FAIL:
        return ""
    if result.waiver:
        return f"waived: {result.waiver.reason}"
    return "" if result.gates(run.gate) else "does not gate"


def _test(
    test: TestResult, once: Once, details: dict[str, Any], place: str | None
) -> dict[str, Any]:
    entry = {"title": once.number(test.title), "outcome": test.outcome, **details}
    known = [(name, once.number(text)) for name, text in test.facts() if name in KNOWN]
    if known:
        entry["known"] = known
    if test.outcome != Outcome.PASS and test.reason and not details:
        entry["reason"] = shortened(visible(test.reason), REASON_LENGTH)
    if test.transcript is not None and place is not None and test.outcome in BAD:
        entry["file"] = place + quote(test.transcript)
    return entry


def kinds_of(result: ClauseResult, run: Run) -> list[str]:
    """By what else than its verdict a cell is found and coloured."""
    failed = [test for test in result.tests if test.outcome == Outcome.FAIL]
    kinds = []
    if failed and note_of(result, run):
        kinds.append("soft")
    if failed and all(test.known for test in failed):
        kinds.append("known")
    if run.new and any(test.id in run.new for test in failed):
        kinds.append("new")
    return kinds
