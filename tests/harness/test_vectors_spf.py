"""fixtures/vectors/spf through `fairlead spf`, and through pyspf as the independent opinion."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import dns.name
import pytest
import spf
from conformance.vectors.load import Case, case_id, load_cases
from vectors import resolving, run_all, run_fairlead, run_fairlead_json

CASES = load_cases("spf")
RECEIVER = "receiver.example.net"
DEFAULT_EXPLANATION = "DEFAULT"
NOW = 1700000000

Outcome = dict[str, Any]


def evaluate(case: Case, resolver: str, engine: str = "native") -> Outcome:
    outcome: Outcome = run_fairlead_json(
        "spf",
        *("--ip", case.test["ip"]),
        *("--helo", case.test["helo"]),
        *("--mail-from", case.test["mail-from"]),
        *("--engine", engine),
        *("--receiver", RECEIVER),
        *("--explain-default", DEFAULT_EXPLANATION),
        *("--resolver", resolver),
        *("--time", str(NOW)),
    )
    return outcome


def results(case: Case) -> list[str]:
    allowed: str | list[str] = case.test["result"]
    return [allowed] if isinstance(allowed, str) else allowed


def describe(case: Case) -> str:
    return f"RFC {case.scenario['rfc']} {case.test['section']}: {case.name}"


@pytest.fixture(scope="module")
def native() -> dict[str, Any]:
    return run_all(CASES, evaluate)


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_native_engine(case: Case, native: dict[str, Any]) -> None:
    outcome = native[case.id]
    if isinstance(outcome, Exception):
        raise outcome
    assert outcome["result"] in results(case), describe(case)
    for key in ("explanation", "mechanism", "lookups"):
        if key in case.test:
            assert outcome[key] == case.test[key], describe(case)


def test_libspf2_engine_has_a_result_for_every_case_and_mostly_the_right_one() -> None:
    outcomes = run_all(
        CASES, lambda case, resolver: evaluate(case, resolver, "libspf2")
    )
    failures = [o for o in outcomes.values() if isinstance(o, Exception)]
    assert not failures
    right = sum(outcomes[case.id]["result"] in results(case) for case in CASES)
    assert right >= 0.8 * len(CASES)


def test_there_are_enough_cases_and_each_cites_its_section() -> None:
    assert len(CASES) >= 150
    assert all(case.test["section"] for case in CASES)


def test_a_domain_in_u_labels_is_looked_up_as_a_labels() -> None:
    with resolving({"xn--caf-dma.example": {"TXT": "v=spf1 +all"}}) as resolver:
        outcome = run_fairlead_json(
            *("spf", "--ip", "192.0.2.1", "--helo", "mail.example.com"),
            *("--mail-from", "user@caf\u00e9.example", "--resolver", resolver),
        )
    assert outcome["result"] == "pass"


def test_the_object_has_exactly_these_members() -> None:
    zone = {"example.com": {"TXT": "v=spf1 a -all exp=why.example.com"}}
    with resolving(zone) as resolver:
        outcome = run_fairlead_json(
            *("spf", "--ip", "192.0.2.1", "--helo", "mail.example.com"),
            *("--mail-from", "user@example.com", "--resolver", resolver),
        )
    assert outcome == {
        "result": "fail",
        "explanation": "",
        "mechanism": "-all",
        "lookups": 1,
        "void_lookups": 1,
        "problem": None,
    }


@pytest.mark.parametrize(
    "wrong",
    [
        ["--ip", "192.0.2.1", "--helo", "mail.example.com"],
        ["--ip", "192.0.2.1", "--mail-from", "a@b.example"],
        ["--ip", "192.0.2.256", "--helo", "a.example", "--mail-from", "a@b.example"],
        ["--ip", "::1", "--helo", "a.example", "--mail-from", "", "--engine", "other"],
    ],
    ids=["sender missing", "helo missing", "no address", "no such engine"],
)
def test_a_wrong_command_line_is_exit_2(wrong: list[str]) -> None:
    done = run_fairlead("spf", *wrong)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"fairlead: spf: ")


# The independent opinion


class Oracle:
    """pyspf, asking the zone of a scenario."""

    def __init__(self, case: Case) -> None:
        self.zone = case.zone

    def lookup(
        self, text: str, kind: str, strict: bool = True, timeout: float = 20
    ) -> list[tuple[tuple[str, str], Any]]:
        try:
            labels = [label.encode("latin-1") for label in text.split(".")]
            found = self.zone.look_up(dns.name.Name([*labels, b""]), kind)
        except dns.exception.DNSException:
            return []
        if found.fault:
            raise spf.TempError("DNS failure")
        answers: list[tuple[tuple[str, str], Any]] = []
        for alias in found.aliases:
            target = self._text(alias[0].target)  # type: ignore[attr-defined]
            answers.append(((text, "CNAME"), target))
            text = target
        for record in found.records or ():
            answers.append(((text, kind), self._value(kind, record)))
        return answers

    @staticmethod
    def _text(name: dns.name.Name) -> str:
        return ".".join(label.decode("latin-1") for label in name.labels[:-1])

    def _value(self, kind: str, record: Any) -> Any:
        if kind == "TXT":
            return record.strings
        if kind == "MX":
            return (record.preference, self._text(record.exchange))
        if kind == "PTR":
            return self._text(record.target)
        return record.address

    def evaluate(self, case: Case) -> tuple[str, str]:
        sender = case.test["mail-from"]
        query = spf.query(
            i=case.test["ip"],
            s="" if sender == "<>" else sender,
            h=case.test["helo"],
            receiver=RECEIVER,
            timeout=20,
            querytime=20,
        )
        query.set_default_explanation(DEFAULT_EXPLANATION)
        result, _, explanation = query.check()
        return result, explanation if result == "fail" else ""


@pytest.fixture
def frozen_oracle(case: Case, monkeypatch: pytest.MonkeyPatch) -> Iterator[Oracle]:
    oracle = Oracle(case)
    monkeypatch.setattr(spf, "DNSLookup", oracle.lookup)
    monkeypatch.setattr(time, "time", lambda: float(NOW))
    yield oracle


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_pyspf_agrees_except_where_the_case_explains_why_not(
    case: Case, frozen_oracle: Oracle
) -> None:
    try:
        result, explanation = frozen_oracle.evaluate(case)
    except Exception as error:  # pyspf lets some malformed names through to its DNS
        result, explanation = f"{type(error).__name__}: {error}", ""
    agrees = result in results(case) and explanation == case.test.get(
        "explanation", explanation
    )
    if "oracle" in case.test:
        assert not agrees, f"the note is stale: {case.test['oracle']}"
    else:
        assert agrees, f"{describe(case)}: pyspf gives {result}: {explanation}"
