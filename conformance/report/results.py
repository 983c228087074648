"""results.json, and results.jsonl while a run lasts; the package's docstring has the keys.

results.jsonl has an object a line, written as tests end: first that of results.json without its tests
and with `finished` false; then a test each, or more keys of the first object. A run that is killed
leaves it behind, and `conform merge` and `conform diff` read either.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TextIO

from conformance.clauses import Clause
from conformance.report.model import (
    COULD_NOT_RUN,
    ClauseResult,
    Outcome,
    Run,
    TestResult,
    Waiver,
    judge,
)
from conformance.subjects.description import faults_by_schema

SCHEMA = 1
RESULTS, JOURNAL = "results.json", "results.jsonl"

# Of what a file has wrong, to be shown.
FAULTS_SHOWN = 3


def to_json(run: Run, today: datetime.date) -> str:
    """The whole model; ASCII only, so that nothing in it can harm a reader."""
    return json.dumps(to_document(run, today), indent=2) + "\n"


def to_document(run: Run, today: datetime.date) -> dict[str, Any]:
    """The object of results.json."""
    return {
        "schema": SCHEMA,
        "subject": run.subject,
        "version": run.version,
        "started": run.started.isoformat(),
        "duration": round(run.duration, 3),
        "strict": run.strict,
        "gate": list(run.gate),
        "complete": run.complete,
        "exit_status": run.exit_status(today),
        "failure": run.failure,
        "waiver_problems": run.waiver_problems(today),
        **_without_nothing(
            {
                "title": run.title or None,
                "banner": run.banner or None,
                "suite": run.suite or None,
                "sample": run.sample or None,
                "mended": run.mended,
                "new": run.new,
            }
        ),
        "finished": run.failure is None,
        "conclusion": run.conclusion(today),
        "regressions": run.regressions,
        "role": run.role,
        "roles": list(run.roles),
        "capabilities": list(run.capabilities),
        "limits": run.limits,
        "timeouts": run.timeouts,
        "headings": [
            {"heading": heading, "verdicts": _in_order(number)}
            for heading, number in run.headings()
        ],
        "clauses": [_clause(result, run.gate) for result in run.clauses],
        "tests": [_test(test) for test in run.tests],
    }


def _in_order(number: dict[Outcome, int]) -> dict[str, int]:
    return {str(outcome): number[outcome] for outcome in Outcome if number[outcome]}


def _clause(result: ClauseResult, gate: Collection[str]) -> dict[str, Any]:
    waiver = result.waiver
    return _without_nothing(
        {
            **asdict(result.clause),
            "source_url": result.clause.source_url,
            "verdict": result.verdict,
            "outcomes": result.outcomes,
            "reason": result.reason,
            "gates": result.gates(gate),
            "waiver": waiver.reason if waiver else None,
            "waived_until": waiver.until.isoformat() if waiver else None,
            "tests": [test.id for test in result.tests],
        }
    )


def _test(test: TestResult) -> dict[str, Any]:
    return _without_nothing(asdict(test))


def _without_nothing(mapping: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if value is not None}


class Journal:
    """results.jsonl of a run that has begun. What cannot be written is missing: the reports at the end
    say why."""

    def __init__(self, directory: Path, run: Run, today: datetime.date) -> None:
        self._path = directory / JOURNAL
        self._file: TextIO | None = None
        with suppress(OSError):
            self._file = self._path.open("w", encoding="utf-8")
        self._write({**to_document(run, today), "tests": [], "finished": False})

    def add(self, test: TestResult) -> None:
        self._write(_test(test))

    def note(self, **keys: str) -> None:
        """More about the run."""
        self._write(keys)

    def _write(self, entry: dict[str, Any]) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.write(json.dumps(entry) + "\n")
                self._file.flush()


class NoResults(Exception):
    """A file or a directory has no results that can be read; the message says why."""


@dataclass(frozen=True)
class Record:
    """A run that was read from disk, and what was concluded then."""

    run: Run
    path: Path  # of the file
    finished: bool
    conclusion: str
    exit_status: int

    @property
    def directory(self) -> Path:
        """Of the report, which has the transcripts."""
        return self.path.parent


def load(place: Path) -> Record:
    """The results in a report's directory, or in a file. Raises NoResults."""
    path = place
    if place.is_dir():
        found = [place / name for name in (RESULTS, JOURNAL)]
        path = next((file for file in found if file.is_file()), found[0])
    try:
        text = path.read_text(encoding="utf-8")
        document = _from_lines(text) if path.suffix == ".jsonl" else json.loads(text)
    except OSError as error:
        raise NoResults(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise NoResults(f"{path} is not a results file: {error}") from error
    if faults := faults_by_schema(document, "results"):
        shown = "; ".join(fault[:300] for fault in faults[:FAULTS_SHOWN])
        raise NoResults(f"{path} is not a results file of conform: {shown}")
    try:
        return _record(document, path)
    except (KeyError, TypeError, ValueError) as error:
        raise NoResults(f"{path} is not a results file of conform: {error}") from error


def _from_lines(text: str) -> dict[str, Any]:
    """The object of results.json, from the lines of results.jsonl; a last line that was cut off is
    left out."""
    document: dict[str, Any] = {}
    tests: dict[str, Any] = {}
    lines = text.split("\n")
    for line in lines[:-1]:
        entry = json.loads(line)
        if not isinstance(entry, dict):
            raise ValueError("a line is not an object")
        if "id" in entry:
            # An error in teardown comes last, and outweighs the test's own outcome.
            tests[str(entry["id"])] = entry
        else:
            document.update(entry)
    document["tests"] = list(tests.values())
    return document


def _record(document: dict[str, Any], path: Path) -> Record:
    tests = [_test_of(entry) for entry in document["tests"]]
    entries = document["clauses"]
    results = judge([_clause_of(entry) for entry in entries], tests)
    for entry, result in zip(entries, results):
        if "waiver" in entry:
            until = entry.get("waived_until", datetime.date.max.isoformat())
            result.waiver = Waiver(
                entry["id"], entry["waiver"], datetime.date.fromisoformat(until)
            )
    known = _known(Run, document)
    known["started"] = datetime.datetime.fromisoformat(document["started"])
    known |= {"clauses": results, "tests": tests}
    for name in ("gate", "roles", "capabilities"):
        known[name] = tuple(known.get(name, ()))
    finished = bool(document.get("finished", document["failure"] is None))
    run = Run(**known)
    if not finished and run.failure is None:
        run.failure = f"it ended early, after {len(tests)} tests"
        return Record(run, path, False, f"no verdict: {run.failure}", COULD_NOT_RUN)
    status = int(document["exit_status"])
    conclusion = document.get("conclusion") or run.conclusion(run.started.date())
    return Record(run, path, finished, conclusion, status)


def _test_of(entry: dict[str, Any]) -> TestResult:
    known = _known(TestResult, entry)
    known["outcome"] = Outcome(entry["outcome"])
    return TestResult(**known)


def _clause_of(entry: dict[str, Any]) -> Clause:
    known = _known(Clause, entry)
    known.setdefault("capability", None)
    known["roles"] = tuple(known.get("roles", ("relay",)))
    clause = Clause(**known)
    assert (
        clause.source_url is not None
    )  # raises ValueError where the source has no form
    return clause


def _known(kind: type, entry: dict[str, Any]) -> dict[str, Any]:
    """Those keys of an object that are fields of a dataclass."""
    names = {item.name for item in fields(kind)}
    return {key: value for key, value in entry.items() if key in names}
