"""`conform diff`: what is new, mended and changed between two runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from reports import HOSTILE, TODAY, a_run, a_test, clause
from rich.console import Console

from conformance.report.commands import compare
from conformance.report.diff import Difference, diff
from conformance.report.files import write_files
from conformance.report.model import Run
from conformance.report.results import Journal, Record, load


def run_with(*outcomes: str, **changes: Any) -> Run:
    """A run of AB-01 alone, with a test of each outcome."""
    tests = [replace(a_test(1, o), id=f"test.py::n{n}") for n, o in enumerate(outcomes)]
    return replace(a_run([clause(1)], tests), **changes)


def record(run: Run, directory: Path) -> Record:
    directory.mkdir(exist_ok=True)
    write_files(run, directory, TODAY)
    return load(directory)


def between(old: Run, new: Run, tmp_path: Path) -> Difference:
    return diff(record(old, tmp_path / "old"), record(new, tmp_path / "new"))


@pytest.mark.parametrize(
    ("was", "now", "kind", "status"),
    [
        ("pass", "pass", None, 0),
        ("fail", "fail", None, 0),
        ("error", "error", None, 0),
        ("pass", "fail", "new", 1),
        ("skipped", "fail", "new", 1),
        ("unimplemented", "fail", "new", 1),
        ("error", "fail", "new", 1),
        ("fail pass", "fail fail", "new", 1),
        ("fail skipped", "fail fail", "new", 1),
        ("pass", "error", "lost", 1),
        ("pass", "skipped", "lost", 1),
        ("pass", "unimplemented", "lost", 1),
        ("fail", "pass", "mended", 0),
        ("error", "pass", "mended", 0),
        ("skipped", "pass", "mended", 0),
        ("fail", "skipped", "changed", 0),
        ("fail", "error", "changed", 0),
        ("skipped", "unimplemented", "changed", 0),
        ("fail fail", "fail pass", "changed", 0),
    ],
)
def test_a_clause_is_compared(
    tmp_path: Path, was: str, now: str, kind: str | None, status: int
) -> None:
    found = between(run_with(*was.split()), run_with(*now.split()), tmp_path)
    assert [change.kind for change in found.changes] == ([kind] if kind else [])
    assert found.exit_status == status
    assert found.notes == []


def test_only_the_tests_that_are_new_are_shown(tmp_path: Path) -> None:
    found = between(run_with("fail", "pass"), run_with("fail", "fail"), tmp_path)
    (change,) = found.changes
    assert [test["id"] for test in change.tests] == ["test.py::n1"]


@pytest.mark.parametrize(
    ("actual", "changed"),
    [
        ("550 5.1.1 no", True),
        ("450 no", True),
        ("something", False),
    ],
)
def test_a_failure_with_another_reply_has_changed(
    tmp_path: Path, actual: str, changed: bool
) -> None:
    new = run_with("fail")
    new.tests[0].actual = actual
    found = between(run_with("fail"), new, tmp_path)
    assert bool(found.of("changed")) == changed
    assert found.exit_status == 0


def test_a_name_that_is_another_in_every_run_is_no_change(tmp_path: Path) -> None:
    old, new = run_with("fail"), run_with("fail")
    old.tests[0].actual = "250 id 4D5512A7 for sender-0028.example"
    new.tests[0].actual = "250 id 9C1433F1 for sender-0731.example"
    assert between(old, new, tmp_path).changes == []


def test_a_clause_of_one_run_only_is_listed_and_compared_with_nothing(
    tmp_path: Path,
) -> None:
    first = a_run([clause(1), clause(2)], [a_test(1, "pass"), a_test(2, "fail")])
    other = a_run([clause(2), clause(3)], [a_test(2, "fail"), a_test(3, "fail")])
    found = between(first, other, tmp_path)
    assert [(c.kind, c.clause) for c in found.changes] == [
        ("added", "AB-03"),
        ("removed", "AB-01"),
    ]
    assert found.exit_status == 0


def test_a_run_that_ended_early_is_not_compared_where_it_did_not_get(
    tmp_path: Path,
) -> None:
    clauses = [clause(1), clause(2)]
    old = record(
        a_run(clauses, [a_test(1, "pass"), a_test(2, "pass")]), tmp_path / "old"
    )
    journal = Journal(tmp_path, a_run(clauses, []), TODAY)
    journal.add(a_test(1, "fail"))
    new = load(tmp_path)
    found = diff(old, new)
    assert [(c.kind, c.clause) for c in found.changes] == [
        ("new", "AB-01"),
        ("missing", "AB-02"),
    ]
    assert any("NEW is incomplete" in note for note in found.notes)
    same = diff(new, new)
    assert (same.changes, same.exit_status) == ([], 0)


def test_an_incomplete_run_is_never_the_same_as_a_complete_one(tmp_path: Path) -> None:
    old = record(run_with("pass"), tmp_path / "old")
    Journal(tmp_path, run_with("pass"), TODAY).add(run_with("pass").tests[0])
    found = diff(old, load(tmp_path))
    assert (found.changes, found.exit_status) == ([], 1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"suite": {"version": "1", "digest": "b"}}, "different versions of the suite"),
        ({"subject": "another"}, "different subjects"),
        ({"failure": "no lab"}, "NEW is incomplete: no lab"),
    ],
)
def test_runs_that_are_less_than_comparable_are_noted(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    suite = {"version": "1", "digest": "a"}
    old, new = run_with("pass", suite=suite), run_with("pass", suite=suite)
    found = between(old, replace(new, **changes), tmp_path)
    assert len(found.notes) == 1 and words in found.notes[0]


def printed(
    capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str, str]:
    status = compare(list(arguments), Console(width=80))
    output = capsys.readouterr()
    return status, output.out, output.err


def test_the_command_says_what_got_worse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(run_with("pass"), tmp_path / "old")
    record(run_with("fail"), tmp_path / "new")
    old, new = str(tmp_path / "old"), str(tmp_path / "new" / "results.json")
    status, output, _ = printed(capsys, old, new)
    assert status == 1
    for shown in ("new failures (1)", "AB-01", "pass -> fail", "Statement 1."):
        assert shown in output
    assert output.splitlines()[-1] == "1 clause got worse, 0 mended"
    status, output, _ = printed(capsys, new, old)
    assert status == 0
    assert output.splitlines()[-1] == "0 clauses got worse, 1 mended"
    status, output, _ = printed(capsys, old, old)
    assert (status, output.splitlines()[-1]) == (0, "no difference")


def test_the_command_prints_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(run_with("pass", version="1"), tmp_path / "old")
    record(run_with("fail", version="2"), tmp_path / "new")
    status, output, _ = printed(
        capsys, "--json", str(tmp_path / "old"), str(tmp_path / "new")
    )
    document = json.loads(output)
    assert status == document["exit_status"] == 1
    assert [run["version"] for run in document["runs"].values()] == ["1", "2"]
    (entry,) = document["new"]
    assert (entry["clause"], entry["was"], entry["now"]) == ("AB-01", "pass", "fail")
    assert entry["tests"][0]["actual"] == "something"
    assert all(document[kind] == [] for kind in ("lost", "mended", "changed", "added"))


def test_a_run_that_cannot_be_read_is_status_2_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(run_with("pass"), tmp_path / "old")
    status, output, errors = printed(capsys, str(tmp_path / "old"), "/nonexistent")
    assert (status, output) == (2, "")
    assert "/nonexistent" in errors and errors.count("\n") == 1


def test_hostile_octets_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(run_with("pass", version=HOSTILE), tmp_path / "old")
    new = a_run([clause(1)], [a_test(1, "fail", HOSTILE)], HOSTILE)
    record(new, tmp_path / "new")
    status, output, _ = printed(capsys, str(tmp_path / "old"), str(tmp_path / "new"))
    assert status == 1
    assert all(char.isprintable() or char == "\n" for char in output)
    assert "[/red]" in output
