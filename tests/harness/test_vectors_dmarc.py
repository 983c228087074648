"""fixtures/vectors/dmarc through `fairlead dmarc`, and against a second derivation from the RFCs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dmarc_model import Model, Verdict, text
from conformance.vectors.dmarc import OF_RFC_9989
from conformance.vectors.load import Case, case_id, load_cases
from conformance.vectors.stage import off_wire
from vectors import run_all, run_fairlead_json

CASES = load_cases("dmarc")


def write_suffix_lists(directory: Path) -> dict[int, str]:
    """A file for each scenario that has a public suffix list of its own."""
    paths: dict[int, str] = {}
    for case in CASES:
        path = directory / f"{id(case.scenario)}.dat"
        if "public-suffixes" in case.scenario:
            path.write_text("\n".join(case.scenario["public-suffixes"]) + "\n")
            paths[id(case.scenario)] = str(path)
    return paths


def run_tool(case: Case, resolver: str, suffix_lists: dict[int, str]) -> Any:
    arguments = ["dmarc", "--resolver", resolver, "--from", case.test["from"]]
    arguments += ["--edition", f"rfc{case.scenario['rfc']}"]
    arguments += ["--sample", str(case.test.get("sample", 0))]
    if id(case.scenario) in suffix_lists:
        arguments += ["--public-suffix-list", suffix_lists[id(case.scenario)]]
    if "spf" in case.test:
        arguments += ["--spf", case.test["spf"]]
    for signature in case.test.get("dkim", []):
        arguments += ["--dkim", signature]
    return run_fairlead_json(*arguments)


def derive(case: Case, edition: int | None = None) -> Verdict:
    model = Model(
        case.zone,
        edition or case.scenario["rfc"],
        case.scenario.get("public-suffixes", ()),
    )
    return model.evaluate(
        case.test["from"],
        case.test.get("spf"),
        case.test.get("dkim", []),
        case.test.get("sample", 0),
    )


def expected(case: Case) -> dict[str, Any]:
    keys = ("result", "disposition", "policy", "aligned")
    found = {key: case.test[key] for key in keys if key in case.test}
    for key in ("organizational-domain", "record-domain"):
        if key in case.test:
            found[key.replace("-", "_")] = case.test[key]
    return found


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    lists = write_suffix_lists(tmp_path_factory.mktemp("suffixes"))
    return run_all(CASES, lambda case, resolver: run_tool(case, resolver, lists))


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_the_tool_gives_what_the_vector_expects(
    case: Case, outcomes: dict[str, Any]
) -> None:
    outcome = outcomes[case.id]
    if isinstance(outcome, Exception):
        raise outcome
    wanted = expected(case)
    assert {key: outcome[key] for key in wanted} == wanted, outcome["reason"]


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_the_vector_follows_from_the_rfcs(case: Case) -> None:
    verdict = derive(case)
    derived = {
        "result": verdict.result,
        "disposition": verdict.disposition,
        "policy": verdict.policy,
        "aligned": verdict.aligned,
        "organizational_domain": text(verdict.organization),
        "record_domain": text(verdict.record_at),
    }
    wanted = expected(case)
    assert {key: derived[key] for key in wanted} == wanted


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_tool_and_derivation_agree_on_everything(
    case: Case, outcomes: dict[str, Any]
) -> None:
    outcome, verdict = outcomes[case.id], derive(case)
    if isinstance(outcome, Exception):
        raise outcome
    assert (
        outcome["result"],
        outcome["disposition"],
        outcome["policy"],
        outcome["aligned"],
        outcome["organizational_domain"],
        outcome["record_domain"],
    ) == (
        verdict.result,
        verdict.disposition,
        verdict.policy,
        verdict.aligned,
        text(verdict.organization),
        text(verdict.record_at),
    )


def test_an_mta_of_rfc_7489_is_judged_by_what_both_editions_say() -> None:
    unseen = off_wire("dmarc")
    on_the_wire = [case for case in CASES if case.id not in unseen]
    differing = {
        case.id
        for case in on_the_wire
        if _seen(derive(case, 9989)) != _seen(derive(case, 7489))
    }
    assert differing == OF_RFC_9989


def _seen(verdict: Verdict) -> tuple[str, str]:
    return verdict.result, verdict.disposition


def test_there_are_enough_cases_and_each_cites_its_section() -> None:
    assert len(CASES) >= 60
    assert all(case.test["section"] for case in CASES)
