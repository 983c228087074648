"""Whether the suite notices that a relay is broken.

Only the verdict `fail` of a test that claims the clause counts: an error of the harness says nothing
of the relay, and a test of another clause may fail for any reason.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from conformance.report.results import JOURNAL, RESULTS
from conformance.settings import ROOT, SUITE
from conformance.tracing import Trace
from tests.mutants.breakages import Breakage

RUN_SECONDS_MAX = 300.0
# How often a run is looked at while it lasts.
LOOK_SECONDS = 0.25
END_SECONDS_MAX = 10.0
DID_NOT_END = "the run did not end"

Results = dict[str, Any]


class Verdict(StrEnum):
    """Of the suite, on one broken relay."""

    FAIL = "fail"  # it was caught
    ERROR = "error"  # there is no result
    SURVIVED = "survived"


@dataclass(frozen=True)
class Finding:
    """The result for one clause of one broken relay."""

    breakage: Breakage
    clause: str
    verdict: Verdict
    test: str | None = None  # that failed
    reason: str = ""  # what happened instead
    seconds: float = 0.0


def conform(
    binary: Path,
    clauses: Iterable[str],
    *options: str,
    only: Iterable[str] = (),
    seconds_max: float = RUN_SECONDS_MAX,
    failures_enough: int = 0,
) -> Results:
    """The results.json of a run of the suite against a relay, for some clauses or the tests with some
    ids, in their order, or for all if there are none; with `failures_enough`, it ends once so many
    have failed."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        report = Path(name)
        command = [str(ROOT / "scripts" / "conform"), "--binary", str(binary)]
        command += ["--report", name, *options]
        for clause in clauses:
            command += ["-k", clause]
        ids = "".join(f"{test}\n" for test in only)
        if ids:
            (report / "only").write_text(ids, encoding="utf-8")
            command += ["--only", str(report / "only")]
        # All that it has started ends with it.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        journal = report / JOURNAL
        end = time.monotonic() + seconds_max
        while True:
            try:
                process.wait(LOOK_SECONDS if failures_enough else seconds_max)
                break
            except subprocess.TimeoutExpired:
                enough = 0 < failures_enough <= sum(1 for _ in _failed(journal))
                if enough or time.monotonic() >= end:
                    tests = _tests_so_far(journal)
                    _end(process)
                    return {"tests": tests, "failure": None if enough else DID_NOT_END}
        path = report / RESULTS
        if not path.exists():
            return {"tests": [], "failure": "the run wrote no report"}
        return dict(json.loads(path.read_text(encoding="utf-8")))


def _end(process: subprocess.Popen[bytes]) -> None:
    """Lets it remove its files, if it can."""
    process.terminate()
    try:
        process.wait(END_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _tests_so_far(journal: Path) -> list[dict[str, Any]]:
    """Of a run that lasts: the first line of its journal is of no test, and the last may be half a line."""
    try:
        lines = journal.read_text(encoding="utf-8").split("\n")[1:-1]
    except OSError:
        return []
    return [test for test in map(json.loads, lines) if "outcome" in test]


def _failed(journal: Path) -> Iterator[str]:
    return (t["id"] for t in _tests_so_far(journal) if t["outcome"] == Verdict.FAIL)


def tests_with(results: Results, outcome: str, clause: str | None = None) -> list[str]:
    """The tests with an outcome; only those of a clause, if one is given."""
    return [
        Path(test["id"]).name
        for test in results["tests"]
        if test["outcome"] == outcome and (clause is None or clause in test["clauses"])
    ]


def ids_with(results: Results, *outcomes: str) -> list[str]:
    """The ids of the tests with one of the outcomes."""
    return [test["id"] for test in results["tests"] if test["outcome"] in outcomes]


def complaints(binary: Path, clauses: Iterable[str]) -> list[str]:
    """What tests of these clauses have against the relay that is not broken, twice: on a busy machine
    they may be wrong once."""
    results = conform(binary, clauses)
    again = ids_with(results, "fail", "error")
    if again:
        results = conform(binary, (), "-j1", only=again)
    found = tests_with(results, "fail") + tests_with(results, "error")
    return found + ([str(results["failure"])] if results["failure"] else [])


def judge(breakage: Breakage, clause: str, binary: Path, trace: Trace) -> Finding:
    """Runs the clause's tests against the relay that has the breakage: in its binary, if it is a
    patch."""
    if clause not in trace.tests:
        return Finding(
            breakage, clause, Verdict.SURVIVED, reason="no test names the clause"
        )
    began = time.monotonic()
    # The sanity case runs first, and may fail as well.
    options = ["-j1", "--anyway", "--brief"]
    if breakage.patch is None:
        options += ["--break", breakage.id]
    files = {test.partition("::")[0] for test in trace.tests[clause]}
    if len(files) == 1:
        # Collecting the whole suite takes longer than most of its tests.
        options += ["--suite", str(SUITE / files.pop())]
    results = conform(binary, [clause], *options)
    if any(test.get("late") for test in results["tests"]):
        # On a busy machine, which says nothing; a second time it may be quieter.
        results = conform(binary, [clause], *options)
    verdict, test, reason = _conclude(results, clause)
    return Finding(breakage, clause, verdict, test, reason, time.monotonic() - began)


def _conclude(results: Results, clause: str) -> tuple[Verdict, str | None, str]:
    """Verdict, test and reason."""
    failed = tests_with(results, "fail", clause)
    if failed:
        return Verdict.FAIL, failed[0], ""
    if results["failure"]:
        return Verdict.ERROR, None, str(results["failure"]).splitlines()[0]
    broken = tests_with(results, "error", clause)
    if broken:
        return Verdict.ERROR, broken[0], "an error in the harness"
    if not tests_with(results, "pass", clause):
        return Verdict.SURVIVED, None, "no test ran"
    return Verdict.SURVIVED, None, "every test passed"
