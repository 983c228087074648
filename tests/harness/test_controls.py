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

from conformance.clauses import load_catalogue
from conformance.settings import ROOT
from conformance.subjects import CONTROL_PREFIX, control_names, description_of
from conformance.vectors.clauses import SECTIONS, clauses_of_vectors

CONTROLS = ROOT / "conformance" / "subjects" / "controls"
LISTS = yaml.safe_load((CONTROLS / "passes.yaml").read_text("utf-8"))
PROVIDERS = yaml.safe_load((CONTROLS / "passes_provider.yaml").read_text("utf-8"))
# Each control in each of its roles.
RUNS = [(name, role) for name in control_names() for role in description_of(name).roles]
# Whether each control is run, and that of a provider held to all that passes_provider.yaml says is judged:
# some 11 minutes.
WHOLE = "FAIRLEAD_WHOLE" in os.environ
# Of the usual patience: what a control does not do is waited for in vain.
TIMEOUT_SCALE = "0.3"
FAILURES_MAX = 3
# What the names of a relay's clauses begin with, but for those of the vectors.
VECTORS = {
    clause.rpartition("-")[0]
    for folder in SECTIONS
    for clause in clauses_of_vectors(folder)
}
AREAS = sorted(
    {name.rpartition("-")[0] for name in load_catalogue(role="relay")} - VECTORS
)
EVERYDAY = {
    "sender": ["CAP-*", "SANE-*", "SND-*"],
    "receiver": ["CAP-*", "RCV-*", "SANE-*"],
}
AT_ONCE = 4  # each in one lab, or two, which mostly wait

pytestmark = pytest.mark.alone

MODEL = CONTROL_PREFIX + "model"
CORRECT = (MODEL, CONTROL_PREFIX + "call-out")
Results = dict[str, Any]


def listed(name: str, role: str) -> Any:
    """What the lists say of it."""
    lists = LISTS if role == "relay" else PROVIDERS[role]
    return lists[name.removeprefix(CONTROL_PREFIX)]


def is_run(name: str, role: str) -> bool:
    """Whether it is, today."""
    return WHOLE or name.removeprefix(CONTROL_PREFIX) in PROVIDERS["everyday"][role]


def does_everything(name: str, role: str) -> bool:
    """But for what is listed. Such a control has almost every test to the end."""
    return "fails" in listed(name, role)


def judged(name: str, role: str) -> list[str]:
    """The options that select its clauses. Of the controls of a provider there are many, and each can do
    nearly everything: unless all is asked for, a wrong one is held to some of what it has to fail and to a
    plain mail alone, and a relay to all but the vectors."""
    if WHOLE and (role == "relay" or name == MODEL):
        return []
    if role == "relay":
        return [word for area in AREAS for word in ("-k", f"{area}-*")]
    globs = [*PROVIDERS["judged"][role]] if WHOLE else EVERYDAY[role]
    if name != MODEL and not WHOLE:
        globs = ["SANE-*", *listed(name, role)["fails"][:FAILURES_MAX]]
    return [word for glob in globs for word in ("-k", glob)]


def run(name: str, role: str, report: Path) -> Results:
    """The results, of each clause up to its first failure."""
    labs = "-j2" if does_everything(name, role) else "-j1"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "conformance", "--subject", name, "--role", role),
            *judged(name, role),
            *("--report", str(report), "--anyway", "--brief", labs),
            *("--timeout-scale", TIMEOUT_SCALE),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
    )
    # Of a provider it may be that nothing which gates is wrong.
    expected = (1,) if role == "relay" else (0, 1)
    assert done.returncode in expected, done.stdout + done.stderr
    results: Results = json.loads((report / "results.json").read_text("utf-8"))
    return results


@pytest.fixture(scope="module")
def runs(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mapping[tuple[str, str], Future[Results]]]:
    """All of them, on their way, those that take longest first."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            (name, role): pool.submit(run, name, role, tmp_path_factory.mktemp(name))
            for name, role in sorted(
                RUNS, key=lambda each: does_everything(*each), reverse=True
            )
            if is_run(name, role)
        }


def clauses_with(verdict: str, results: Results) -> set[str]:
    return {
        clause["id"] for clause in results["clauses"] if clause["verdict"] == verdict
    }


@pytest.mark.parametrize(("name", "role"), RUNS)
def test_a_control_passes_what_it_does_and_nothing_is_an_error(
    name: str, role: str, runs: Mapping[tuple[str, str], Future[Results]]
) -> None:
    if not is_run(name, role):
        pytest.skip("a control that is run with FAIRLEAD_WHOLE=1 alone")
    results = runs[name, role].result()
    errors = [test for test in results["tests"] if test["outcome"] == "error"]
    assert [
        f"{test['id']}: {test['reason']}" for test in errors if not test["late"]
    ] == []
    # On a machine that is too busy they might have passed.
    undecided = {clause for test in errors for clause in test["clauses"]}
    passed = clauses_with("pass", results)
    own = listed(name, role)
    if does_everything(name, role):
        failed = clauses_with("fail", results)
        assert failed - set(own["fails"]) == set(), "no longer passed"
        assert passed & set(own["fails"]) == set(), "passed without having done it"
        assert failed or name in CORRECT, "nothing was noticed"
        return
    wanted = set(LISTS["all"]["passes"]) | set(own["passes"])
    if not WHOLE:
        wanted = {clause for clause in wanted if clause.rpartition("-")[0] in AREAS}
    assert passed - wanted == set(), "passed without having done it"
    assert wanted - passed - undecided == set(), "no longer passed"


def test_every_control_is_listed_in_its_roles_alone() -> None:
    found = {(name.removeprefix(CONTROL_PREFIX), role) for name, role in RUNS}
    relays = {(name, "relay") for name in LISTS if name != "all"}
    providers = {
        (name, role) for role in ("receiver", "sender") for name in PROVIDERS[role]
    }
    assert relays | providers == found
