"""The suite judged by its control subjects: MTAs that are wrong on purpose pass what they do, and nothing
else, and none of what they do is an error of the harness."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance.settings import ROOT
from conformance.subjects.controls import NAMES, PREFIX

LISTED = ROOT / "conformance" / "subjects" / "controls" / "passes.yaml"
PASSES = yaml.safe_load(LISTED.read_text("utf-8"))
# Of the usual patience: a control that does nothing is waited for in vain.
TIMEOUT_SCALE = "0.1"
AT_ONCE = 2  # a run mostly waits

Results = dict[str, Any]


def run(name: str, report: Path) -> Results:
    """The results, of each clause up to its first failure."""
    arguments = ["--subject", name, "--report", str(report), "--anyway", "--brief"]
    arguments += ["-j", "2"]
    done = subprocess.run(
        [ROOT / "scripts" / "conform", *arguments, "--timeout-scale", TIMEOUT_SCALE],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    results: Results = json.loads((report / "results.json").read_text("utf-8"))
    return results


# Those that deliver, or take a message and do not, are waited for: minutes, of which every test run
# would have to find room. CONTROLS=all runs them as well.
PATIENT = {f"{PREFIX}drop", f"{PREFIX}naive", f"{PREFIX}bounce"}
CHOSEN = [name for name in NAMES if name not in PATIENT or os.environ.get("CONTROLS")]


@pytest.fixture(scope="module")
def runs(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mapping[str, Future[Results]]]:
    """All of them, on their way."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            name: pool.submit(run, name, tmp_path_factory.mktemp(name))
            for name in CHOSEN
        }


@pytest.mark.parametrize("name", CHOSEN)
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
    passed = {
        clause["id"] for clause in results["clauses"] if clause["verdict"] == "pass"
    }
    wanted = set(PASSES["all"]) | set(PASSES[name.removeprefix(PREFIX)])
    assert passed - wanted == set(), "passed without having done it"
    assert wanted - passed - undecided == set(), "no longer passed"
