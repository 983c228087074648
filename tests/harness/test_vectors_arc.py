"""fixtures/vectors/arc through `fairlead arc verify`."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.vectors.load import Case, case_id, load_cases, message_octets
from vectors import run_all, run_fairlead_json

CASES = load_cases("arc")
TIME = "1700000000"


def evaluate(case: Case, resolver: str) -> Any:
    return run_fairlead_json(
        *("arc", "verify", "--resolver", resolver, "--time", TIME, "-"),
        stdin=message_octets(case.test["message"]),
    )


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Any]:
    return run_all(CASES, evaluate)


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_arc_vector(case: Case, outcomes: dict[str, Any]) -> None:
    outcome = outcomes[case.id]
    if isinstance(outcome, Exception):
        raise outcome
    context = f"{case.file}: {case.name} (section {case.test['section']}): {outcome}"
    assert outcome["cv"] == case.test["cv"], context
    assert (outcome["reason"] != "") == (outcome["cv"] == "fail"), context
    for name in ("instances", "oldest_pass"):
        if name in case.test:
            assert outcome[name] == case.test[name], context
