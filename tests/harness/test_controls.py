"""The suite judged by its control subjects: MTAs that are wrong on purpose pass what they do, and nothing
else, and none of what they do is an error of the harness."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance.settings import ROOT
from conformance.subjects.controls import NAMES, PREFIX

PASSES = yaml.safe_load(
    (ROOT / "conformance" / "subjects" / "controls" / "passes.yaml").read_text("utf-8")
)
# Of the usual patience: a control that does nothing is waited for in vain.
TIMEOUT_SCALE = "0.1"


def run(name: str, report: Path) -> dict[str, Any]:
    """The results, of each clause up to its first failure."""
    arguments = ["--subject", name, "--report", str(report), "--anyway", "--brief"]
    done = subprocess.run(
        [ROOT / "scripts" / "conform", *arguments, "--timeout-scale", TIMEOUT_SCALE],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    results: dict[str, Any] = json.loads((report / "results.json").read_text("utf-8"))
    return results


@pytest.mark.parametrize("name", NAMES)
def test_a_control_passes_what_it_does_and_nothing_is_an_error(
    name: str, tmp_path: Path
) -> None:
    results = run(name, tmp_path)
    errors = [test for test in results["tests"] if test["outcome"] == "error"]
    assert [
        f"{test['id']}: {test['reason']}" for test in errors if not test["late"]
    ] == []
    if errors:
        pytest.skip(f"the machine is too busy: {errors[0]['reason']}")
    clauses = results["clauses"]
    passed = {clause["id"] for clause in clauses if clause["verdict"] == "pass"}
    wanted = set(PASSES["all"]) | set(PASSES[name.removeprefix(PREFIX)])
    assert passed - wanted == set(), "passed without having done it"
    assert wanted - passed == set(), "no longer passed"
