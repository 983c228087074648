"""The suite judged by its control subjects: MTAs that are wrong on purpose pass what they do, and nothing
else, and none of what they do is an error of the harness."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance.settings import ROOT
from conformance.subjects import CONTROL_PREFIX, control_names

NAMES = control_names()
LISTED = ROOT / "conformance" / "subjects" / "controls" / "passes.yaml"
LISTS = yaml.safe_load(LISTED.read_text("utf-8"))
# Of the usual patience: what a control does not do is waited for in vain.
TIMEOUT_SCALE = "0.3"
AT_ONCE = 4  # each in one lab, or two, which mostly wait

pytestmark = pytest.mark.alone

Results = dict[str, Any]


def listed(name: str) -> Any:
    """What passes.yaml says of it."""
    return LISTS[name.removeprefix(CONTROL_PREFIX)]


def does_everything(name: str) -> bool:
    """But for what is listed. Such a control has almost every test to the end."""
    return "fails" in listed(name)


def run(name: str, report: Path) -> Results:
    """The results, of each clause up to its first failure."""
    labs = "-j2" if does_everything(name) else "-j1"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "conformance", "--subject", name),
            *("--report", str(report), "--anyway", "--brief", labs),
            *("--timeout-scale", TIMEOUT_SCALE),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    results: Results = json.loads((report / "results.json").read_text("utf-8"))
    return results


@pytest.fixture(scope="module")
def runs(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mapping[str, Future[Results]]]:
    """All of them, on their way, those that take longest first."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            name: pool.submit(run, name, tmp_path_factory.mktemp(name))
            for name in sorted(NAMES, key=does_everything, reverse=True)
        }


def clauses_with(verdict: str, results: Results) -> set[str]:
    return {
        clause["id"] for clause in results["clauses"] if clause["verdict"] == verdict
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_control_passes_what_it_does_and_nothing_is_an_error(
    name: str, runs: Mapping[str, Future[Results]]
) -> None:
    results = runs[name].result()
    errors = [test for test in results["tests"] if test["outcome"] == "error"]
    assert [
        f"{test['id']}: {test['reason']}" for test in errors if not test["late"]
    ] == []
    # On a machine that is too busy they might have passed.
    undecided = {clause for test in errors for clause in test["clauses"]}
    passed = clauses_with("pass", results)
    own = listed(name)
    if does_everything(name):
        failed = clauses_with("fail", results)
        assert failed - set(own["fails"]) == set(), "no longer passed"
        assert passed & set(own["fails"]) == set(), "passed without having done it"
        return
    wanted = set(LISTS["all"]["passes"]) | set(own["passes"])
    assert passed - wanted == set(), "passed without having done it"
    assert wanted - passed - undecided == set(), "no longer passed"
