"""results.json: its schema, what is read back from it, and what a run that is killed leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from reports import HOSTILE, TODAY, a_run, a_test, clause
from running import Conform, FAILING, GATING, GREETER, PASSING, ROOT

from conformance.report.files import write_files
from conformance.report.model import Outcome, Run, Waiver
from conformance.report.results import (
    Journal,
    NoResults,
    load,
    to_document,
    to_json,
)
from conformance.subjects.description import faults_by_schema, schema

SKIPPED = f"""
@clause("{GATING[2]}")
def test_that_skips(world): pytest.skip("not here")
"""


def test_a_real_run_keeps_to_the_published_schema(conform: Conform) -> None:
    run = conform(PASSING + FAILING + SKIPPED)
    document = run.results
    assert faults_by_schema(document, "results") == []
    published = schema("results")
    parts = [
        (published, document),
        *((published["$defs"]["clause"], entry) for entry in document["clauses"]),
        *((published["$defs"]["test"], entry) for entry in document["tests"]),
    ]
    for part, entry in parts:
        assert set(entry) <= set(part["properties"])
    assert not (run.report / "results.jsonl").exists()


def test_a_run_says_what_was_tested_and_by_which_suite(conform: Conform) -> None:
    document = conform(PASSING).results
    assert document["title"] == "the reference relay"
    assert document["banner"] == "220 amir.mx.cloudflare.net"
    assert document["role"] in document["roles"]
    assert "srs" in document["capabilities"]
    assert document["limits"]["recipients"] == 100
    assert document["timeouts"]["client_command"] == 3
    assert set(document["suite"]) >= {"version", "digest"}
    assert document["finished"] is True
    verdicts = [entry["verdicts"] for entry in document["headings"]]
    assert sum(sum(number.values()) for number in verdicts) == len(document["clauses"])
    assert sum(number.get("pass", 0) for number in verdicts) == 1


def test_the_suite_is_another_if_a_test_is(conform: Conform) -> None:
    first = conform(PASSING).results["suite"]["digest"]
    assert conform(PASSING).results["suite"]["digest"] == first
    assert conform(PASSING + FAILING).results["suite"]["digest"] != first


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        (None, "schema", 2),
        (None, "started", "yesterday"),
        (None, "exit_status", 7),
        ("clauses", "verdict", "perhaps"),
        ("clauses", "id", "<b>"),
        ("tests", "outcome", "maybe"),
        ("tests", "transcript", "/etc/passwd"),
        ("tests", "transcript", "transcripts/../../secret"),
        ("tests", "where", "/root/suite.py:1"),
        ("tests", "known", {"reason": "no verdict"}),
    ],
)
def test_other_values_are_refused(
    tmp_path: Path, part: str | None, key: str, value: object
) -> None:
    run = a_run([clause(1)], [a_test(1, "fail")])
    path = tmp_path / "results.json"
    path.write_text(to_json(run, TODAY))
    assert load(tmp_path).run.subject == run.subject
    document = json.loads(path.read_text())
    (document[part][0] if part else document)[key] = value
    path.write_text(json.dumps(document))
    with pytest.raises(NoResults, match=key):
        load(path)


@pytest.mark.parametrize("key", ["subject", "tests", "clauses", "failure"])
def test_a_key_that_is_missing_is_named(tmp_path: Path, key: str) -> None:
    document = to_document(a_run([clause(1)], [a_test(1, "fail")]), TODAY)
    del document[key]
    (tmp_path / "results.json").write_text(json.dumps(document))
    with pytest.raises(NoResults, match=f"'{key}' is a required property"):
        load(tmp_path)


def test_results_of_the_first_release_can_be_read(tmp_path: Path) -> None:
    """They lack the keys that were added later."""
    document = to_document(a_run([clause(1)], [a_test(1, "fail")]), TODAY)
    required = schema("results")["required"]
    old = {key: value for key, value in document.items() if key in required}
    assert len(old) < len(document)
    (tmp_path / "results.json").write_text(json.dumps(old))
    record = load(tmp_path)
    assert (record.finished, record.exit_status) == (True, 1)
    assert record.conclusion == "does not conform: 1 gating clause failed"


def full_run() -> Run:
    tests = [a_test(n, outcome, HOSTILE) for n, outcome in enumerate(Outcome)]
    tests[0].known = {"verdict": "right", "reason": HOSTILE, "hint": "none"}
    run = a_run([clause(number) for number in range(6)], tests)
    run.apply_waivers([Waiver("AB-00", HOSTILE, TODAY)], TODAY)
    run.title, run.banner, run.version = "An MTA", HOSTILE, HOSTILE
    run.suite = {"version": "1", "digest": "d", "commit": "c"}
    run.capabilities, run.limits = ("srs",), {"recipients": 5}
    run.mended, run.new = [HOSTILE], [tests[0].id]
    return run


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = full_run()
    write_files(written, tmp_path, TODAY)
    record = load(tmp_path)
    before, after = to_document(written, TODAY), to_document(record.run, TODAY)
    assert after == before
    assert record.conclusion == before["conclusion"]
    assert record.exit_status == before["exit_status"]


def journal_of(run: Run, directory: Path) -> Path:
    """What a run leaves that was killed after its last test."""
    tests, run.tests = run.tests, []
    journal = Journal(directory, run, TODAY)
    journal.note(banner="220 here I am")
    for test in tests:
        journal.add(test)
    return directory / "results.jsonl"


def test_what_a_killed_run_leaves_is_read_as_incomplete(tmp_path: Path) -> None:
    path = journal_of(full_run(), tmp_path)
    with path.open("a") as file:
        file.write('{"id": "cut off in the mid')
    record = load(tmp_path)
    assert (record.finished, record.exit_status) == (False, 3)
    assert "ended early, after 5 tests" in record.conclusion
    assert record.run.banner == "220 here I am"
    verdicts = [result.verdict for result in record.run.clauses]
    assert verdicts == [*Outcome, Outcome.SKIPPED]


def test_an_error_in_teardown_outweighs_the_outcome_in_the_journal(
    tmp_path: Path,
) -> None:
    passed, broken = a_test(1, "pass"), a_test(1, "error")
    broken.id = passed.id
    journal_of(a_run([clause(1)], [passed, broken]), tmp_path)
    assert [test.outcome for test in load(tmp_path).run.tests] == ["error"]


@pytest.mark.parametrize("name", ["results.json", "results.jsonl"])
@pytest.mark.parametrize("text", ["", "[]", "{", "null\n", "[1]\n", "\x00\n", '"x"\n'])
def test_a_file_without_results_is_refused(
    tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(NoResults):
        load(tmp_path / name)


def test_a_run_that_is_killed_leaves_its_results_and_none_of_an_earlier_run(
    conform: Conform,
) -> None:
    assert conform(PASSING + FAILING).status == 1
    # To its own namespace's first process, no signal is deadly.
    killing = f"""
import os

@clause("{GATING[2]}")
def test_that_kills(world): os._exit(137)
"""
    run = conform(PASSING + killing + FAILING)
    assert run.status == 137
    kept = sorted(path.name for path in run.report.iterdir())
    assert kept == ["results.jsonl", "transcripts"]
    record = load(run.report)
    assert not record.finished
    assert [test.title for test in record.run.tests] == ["that passes"]
    assert record.run.banner


def test_an_interrupted_run_is_not_finished(conform: Conform) -> None:
    suite = PASSING + FAILING.replace(":", ": raise KeyboardInterrupt #", 1)
    results: dict[str, Any] = conform(suite).results
    assert results["finished"] is False and results["failure"]


def test_a_subject_in_a_folder_is_reported_by_its_name(
    conform: Conform, tmp_path: Path
) -> None:
    folder = tmp_path / "a-folder"
    folder.mkdir()
    (folder / "subject.yaml").write_text(
        "{schema: 1, name: my-mta, title: Mine, roles: [relay], capabilities: []}"
    )
    (folder / "start").write_text("#!/bin/sh\nexit 1\n")
    (folder / "start").chmod(0o755)
    run = conform(PASSING, "--subject", str(folder))
    assert run.status == 3
    assert (run.results["subject"], run.results["title"]) == ("my-mta", "Mine")


def test_a_test_is_repeated_from_the_projects_directory(conform: Conform) -> None:
    (test,) = conform(PASSING).results["tests"]
    assert f"--binary {GREETER.relative_to(ROOT)} -k {GATING[0]} -v" in test["command"]
